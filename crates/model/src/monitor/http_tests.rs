//! What is asked by HTTP, and how answers are judged.

use super::super::result::Verdict;
use super::*;
use serde_json::json;

fn check(with: Value) -> HttpCheck {
    let mut body = json!({"url": "https://shop.example.com/health?s=SECRET"});
    for (name, value) in with.as_object().unwrap() {
        body[name] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}

fn plan(with: Value) -> HttpPlan {
    let mut problems = Vec::new();
    let plan = check(with).plan(&mut problems);
    assert_eq!(problems, []);
    plan.unwrap()
}

fn answer(status: u16, body: &str) -> HttpAnswer {
    HttpAnswer {
        status,
        headers: vec![("x-version".into(), b"v12".to_vec())],
        body: body.into(),
        elapsed_ms: 900,
        ..HttpAnswer::default()
    }
}

#[test]
fn answers_are_judged() {
    let ok = r#"{"status":"ok","queue":{"len":7},"ready":true}"#;
    for (expect, status, body, expected) in [
        (json!({}), 204, "", None),
        (
            json!({}),
            302,
            "",
            Some(("status", "status 302, expected 2xx")),
        ),
        (json!({"status": ["3xx", 404, "500-502"]}), 404, "", None),
        (
            json!({"status": ["3xx", 404, "500-502"]}),
            200,
            "",
            Some(("status", "expected 3xx, 404, 500-502")),
        ),
        (
            json!({"headers": {"X-Version": {"matches": "^v[0-9]+$"}}}),
            200,
            "",
            None,
        ),
        (
            json!({"headers": {"x-version": {"contains": "v13"}}}),
            200,
            "",
            Some(("header", "does not contain \"v13\"")),
        ),
        (
            json!({"headers": {"x-none": {"contains": "a"}}}),
            200,
            "",
            Some(("header", "has no header x-none")),
        ),
        (
            json!({"body": {"lacks": "maintenance"}}),
            200,
            "in maintenance",
            Some(("body", "contains \"maintenance\"")),
        ),
        (
            json!({"json": [{"pointer": "/status", "equals": "ok"}, {"pointer": "/queue/len", "at_most": 10}]}),
            200,
            ok,
            None,
        ),
        (
            json!({"json": [{"pointer": "/queue/len", "equals": 7.0}]}),
            200,
            ok,
            None,
        ),
        (
            json!({"json": [{"pointer": "/queue/len", "at_most": 5}]}),
            200,
            ok,
            Some(("json", "/queue/len is 7, expected at most 5")),
        ),
        (
            json!({"json": [{"pointer": "/queue/len", "at_least": 8}]}),
            200,
            ok,
            Some(("json", "at least 8")),
        ),
        (
            json!({"json": [{"pointer": "/ready", "at_least": 1}]}),
            200,
            ok,
            Some(("json", "expected a number")),
        ),
        (
            json!({"json": [{"pointer": "/status", "equals": null}]}),
            200,
            ok,
            Some(("json", "expected null")),
        ),
        (
            json!({"json": [{"pointer": "/queue", "equals": {"len": 7}}]}),
            200,
            ok,
            None,
        ),
        (
            json!({"json": [{"pointer": "/none"}]}),
            200,
            ok,
            Some(("json", "there is no /none")),
        ),
        (
            json!({"json": [{"pointer": ""}]}),
            200,
            "<html>",
            Some(("json", "no JSON")),
        ),
        (json!({"within": "1s"}), 200, "", None),
        (
            json!({"within": "800ms"}),
            200,
            "",
            Some(("latency", "took 900ms, expected at most 800ms")),
        ),
    ] {
        let found = plan(json!({"expect": expect})).judge(&answer(status, body), 0);
        assert_eq!(found.elapsed_ms, Some(900));
        match expected {
            None => assert_eq!(
                (found.verdict, found.fault),
                (Verdict::Up, None),
                "{expect}"
            ),
            Some((kind, part)) => {
                let fault = found.fault.unwrap_or_else(|| panic!("{expect}"));
                assert_eq!(
                    (found.verdict, fault.kind.as_str()),
                    (Verdict::Down, kind),
                    "{expect}"
                );
                assert!(fault.message.contains(part), "{expect}: {}", fault.message);
            }
        }
    }
}

#[test]
fn a_cut_body_is_never_taken_for_whole() {
    let cut = HttpAnswer {
        body_is_cut: true,
        ..answer(200, r#"{"a":1}"#)
    };
    let found = plan(json!({"expect": {"json": [{"pointer": "/a"}]}})).judge(&cut, 0);
    assert_eq!(found.verdict, Verdict::Down);
    assert!(found.fault.unwrap().message.contains("262144 bytes"));
    let lacks = plan(json!({"expect": {"body": {"lacks": "error"}}})).judge(&cut, 0);
    let fault = lacks.fault.unwrap();
    assert_eq!(
        (lacks.verdict, fault.kind),
        (Verdict::Down, FaultKind::Body)
    );
    assert!(fault.message.contains("262144 bytes"), "{}", fault.message);
}

#[test]
fn what_takes_long_to_judge_is_known_before() {
    let answer = HttpAnswer {
        status: 200,
        headers: vec![("a".into(), vec![b'x'; 10]), ("b".into(), vec![b'x'; 20])],
        body: vec![b'x'; 300],
        ..HttpAnswer::default()
    };
    let (plain, pattern) = (json!({"contains": "x"}), json!({"matches": "x"}));
    for (expect, bytes) in [
        (json!({"body": plain, "headers": {"a": plain}}), 0),
        (
            json!({"body": plain, "headers": {"B": pattern, "none": pattern}}),
            20,
        ),
        (
            json!({"body": pattern, "headers": {"a": pattern, "b": pattern}}),
            330,
        ),
    ] {
        let plan = plan(json!({"expect": expect}));
        assert_eq!(plan.matched_bytes(&answer), bytes, "{expect}");
        let broken = HttpAnswer {
            status: 500,
            ..answer.clone()
        };
        assert_eq!(plan.matched_bytes(&broken), 0, "its status says it all");
    }
}

#[test]
fn mistakes_have_their_pointer() {
    for (with, pointer, part) in [
        (json!({"url": "shop.example.com"}), "/url", "https://"),
        (json!({"url": "file:///etc/passwd"}), "/url", "https://"),
        (
            json!({"url": "https://a:b@shop.example.com/"}),
            "/url",
            "header",
        ),
        (json!({"url": "https:///x"}), "/url", "no host"),
        (
            json!({"url": "https://shop.example.com\\@x/"}),
            "/url",
            "backslash",
        ),
        (
            json!({"headers": {"a b": "x"}}),
            "/headers/a b",
            "name of a header",
        ),
        (
            json!({"headers": {"Host": "x"}}),
            "/headers/Host",
            "written by the client",
        ),
        (
            json!({"headers": {"x-a": "1\r\nx-b: 2"}}),
            "/headers/x-a",
            "visible",
        ),
        (json!({"body": "x"}), "/body", "POST"),
        (json!({"redirects": 11}), "/redirects", "0 to 10"),
        (
            json!({"method": "HEAD", "expect": {"body": {"contains": "x"}}}),
            "/method",
            "GET",
        ),
        (
            json!({"expect": {"headers": {"a/b": {"contains": "x"}}}}),
            "/expect/headers/a~1b",
            "name",
        ),
        (
            json!({"expect": {"body": {"matches": "("}}}),
            "/expect/body/matches",
            "unclosed",
        ),
        (
            json!({"expect": {"json": [{"pointer": "a"}]}}),
            "/expect/json/0/pointer",
            "JSON pointer",
        ),
        (
            json!({"expect": {"json": [{"pointer": "", "equals": 1, "at_most": 2}]}}),
            "/expect/json/0",
            "both",
        ),
        (
            json!({"expect": {"within": "0s"}}),
            "/expect/within",
            "more than 0s",
        ),
        (
            json!({"expect": {"within": "soon"}}),
            "/expect/within",
            "duration",
        ),
        (
            json!({"url": "http://a.example", "expect": {"certificate_days": 5}}),
            "/expect/certificate_days",
            "https",
        ),
    ] {
        let mut problems = Vec::new();
        assert!(check(with.clone()).plan(&mut problems).is_none());
        assert_eq!(problems.len(), 1, "{with}: {problems:?}");
        assert_eq!(problems[0].pointer, pointer, "{with}");
        assert!(
            problems[0].message.contains(part),
            "{with}: {}",
            problems[0]
        );
    }
    for bad in [
        json!(99),
        json!(600),
        json!("6xx"),
        json!("204-200"),
        json!("ok"),
        json!(-1),
    ] {
        let read = serde_json::from_value::<StatusRange>(bad.clone());
        assert!(read.is_err(), "{bad}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let check = check(json!({"headers": {"authorization": "SECRET"}}));
    let shown = format!("{check:?}");
    assert_eq!(shown, "HttpCheck(GET https://shop.example.com/…)");
}

#[test]
fn golden() {
    let stored = r#"{"url":"https://a.example/x","method":"POST","headers":{"a":"b"},"body":"{}","redirects":2,"expect":{"status":["2xx",304,"400-404"],"body":{"contains":"ok"},"json":[{"pointer":"/a","equals":[1]}],"within":"2s","certificate_days":14}}"#;
    let read: HttpCheck = serde_json::from_str(stored).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
}
