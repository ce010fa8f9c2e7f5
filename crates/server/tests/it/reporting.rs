//! From a template in a file to a push in the reader's language, on the command line alone.

use crate::support::Home;
use serde_json::{Value, json};

/// What the simulator was sent for a phone, in order.
fn alerts(home: &Home, push_token: &str) -> Vec<Value> {
    let page = home.simulator.received(&push_sim::ReceivedFilter {
        limit: 100,
        ..push_sim::ReceivedFilter::default()
    });
    let of_phone = page.received.into_iter();
    of_phone
        .filter(|record| record.push_token == push_token)
        .map(|record| {
            let payload: Value = serde_json::from_str(&record.payload.unwrap()).unwrap();
            payload["aps"]["alert"].clone()
        })
        .collect()
}

#[test]
fn an_event_is_told_in_each_readers_language() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let phones = home.phones(2);
    let rows = format!(
        "id,user_id,locale,push_token,environment\nseoul,ann,ko-KR,{},production\nparis,bob,fr,{},production\n",
        phones[0], phones[1]
    );
    std::fs::write(home.path().join("people.csv"), rows).unwrap();
    server.json(&["device", "import", "people.csv", "--app", "shop"]);

    let template = json!({
        "default_locale": "en", "variables": {"writer": {"type": "string"}},
        "content": {
            "en": {"title": "{{ writer }}'s new comment", "body": "Have a look"},
            "ko": {"title": "{{ writer }}님의 새 댓글"}
        }
    });
    let mut broken = template.clone();
    broken["content"]["ko"]["title"] = json!("{{ writr }}님");
    std::fs::write(home.path().join("comment.json"), broken.to_string()).unwrap();
    let put = ["template", "put", "comment.json", "--app", "shop"];
    let refused = server.carillon(&put);
    assert_eq!(refused.code, 65, "{refused:?}");
    assert!(
        refused.stderr.contains("/content/ko/title") && refused.stderr.contains("`writer`"),
        "{refused:?}"
    );
    std::fs::write(home.path().join("comment.json"), template.to_string()).unwrap();
    let stored = server.carillon(&put);
    assert_eq!(stored.code, 0, "{stored:?}");
    assert!(
        stored.stdout.contains("comment is stored, version 1"),
        "{stored:?}"
    );
    assert_eq!(
        server.json(&put)["version"],
        1,
        "the same again is the same"
    );
    let shown = server.carillon(&["template", "show", "comment", "--app", "shop"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown, template, "what is shown can be stored again");

    let preview = [
        "template",
        "preview",
        "comment",
        "--app",
        "shop",
        "--variables",
    ];
    let ann = [
        &preview[..],
        &[
            "{\"writer\":\"Ann\"}",
            "--device",
            "seoul",
            "--gateway",
            "apns",
        ],
    ]
    .concat();
    let seen = server.carillon(&ann);
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.stdout.contains("ko-KR (gets ko)"), "{seen:?}");
    assert!(seen.stdout.contains("Ann님의 새 댓글"), "{seen:?}");
    let missing = server.carillon(&[&preview[..], &["{}"]].concat());
    assert_eq!(missing.code, 65, "{missing:?}");
    assert!(missing.stderr.contains("/variables/writer"), "{missing:?}");
    let tried = server.json(&[
        "template",
        "dry-run",
        "comment",
        "--app",
        "shop",
        "--variables",
        "{\"writer\":\"Ann\"}",
    ]);
    assert_eq!(
        (&tried["sampled"], &tried["renderable"]),
        (&json!(2), &json!(2))
    );

    let trigger =
        json!({"event": "comment.created", "template": "comment", "condition": "data.likes >= 3"});
    std::fs::write(home.path().join("comments.json"), trigger.to_string()).unwrap();
    server.json(&["trigger", "put", "comments.json", "--app", "shop"]);
    let list = server.carillon(&["trigger", "list", "--app", "shop"]);
    assert!(list.stdout.contains("data.likes >= 3"), "{list:?}");
    let event = |likes: u32| {
        let data = json!({"writer": "Ann", "likes": likes}).to_string();
        [
            "comment.created",
            "--app",
            "shop",
            "--actor",
            "cat",
            "--to",
            "ann",
            "--to",
            "bob",
            "--to",
            "cat",
            "--data",
            &data,
        ]
        .map(str::to_owned)
    };
    let run = |words: &[&str], likes: u32| {
        let event = event(likes);
        let words: Vec<&str> = words
            .iter()
            .copied()
            .chain(event.iter().map(String::as_str))
            .collect();
        server.carillon(&words)
    };
    let unliked = run(&["trigger", "test", "comments"], 2);
    assert_eq!(unliked.code, 1, "{unliked:?}");
    assert!(
        unliked.stdout.contains("its condition does not hold"),
        "{unliked:?}"
    );
    let liked = run(&["trigger", "test", "comments"], 3);
    assert_eq!(liked.code, 0, "{liked:?}");
    assert!(liked.stdout.contains("ann, bob"), "{liked:?}");
    assert_eq!(home.simulator.counters().requests, 0, "nothing was sent");

    let sent = run(&["event", "send"], 3);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert!(
        sent.stdout.contains("comments") && sent.stdout.contains("ntf_"),
        "{sent:?}"
    );
    assert_eq!(server.settle()["accepted"], 2);
    assert_eq!(
        alerts(&home, &phones[0]),
        [json!({"title": "Ann님의 새 댓글", "body": "Have a look"})]
    );
    assert_eq!(
        alerts(&home, &phones[1]),
        [json!({"title": "Ann's new comment", "body": "Have a look"})]
    );

    let lines = "{\"name\":\"order.paid\"}\n{\"nme\":\"x\"}\n";
    std::fs::write(home.path().join("events.ndjson"), lines).unwrap();
    let many = [
        "event",
        "send",
        "--ndjson",
        "events.ndjson",
        "--app",
        "shop",
    ];
    let many = server.carillon(&many);
    assert_eq!(many.code, 65, "{many:?}");
    assert!(many.stdout.contains("1 taken, 1 refused"), "{many:?}");
    let untellable =
        json!({"name": "comment.created", "recipients": ["ann"], "data": {"likes": 3}});
    std::fs::write(
        home.path().join("untellable.ndjson"),
        untellable.to_string(),
    )
    .unwrap();
    let many = [
        "event",
        "send",
        "--ndjson",
        "untellable.ndjson",
        "--app",
        "shop",
    ];
    let told = server.carillon(&many);
    assert_eq!(told.code, 1, "as one event that cannot be told: {told:?}");
    assert!(
        told.stdout
            .contains("line 1: trigger comments: /data/writer: "),
        "{told:?}"
    );
    let told = server.carillon(&[&many[..], &["--json"]].concat());
    assert_eq!(told.code, 1, "{told:?}");
    let told: Value = serde_json::from_str(told.stdout.trim()).unwrap();
    assert_eq!(told["untold"], 1, "{told}");

    let used = server.carillon(&["template", "delete", "comment", "--app", "shop"]);
    assert_eq!(used.code, 65, "{used:?}");
    assert!(used.stderr.contains("comments"), "{used:?}");
    server.json(&["trigger", "delete", "comments", "--app", "shop"]);
    server.json(&["template", "delete", "comment", "--app", "shop"]);
    let gone = server.carillon(&["template", "show", "comment", "--app", "shop"]);
    assert_eq!(gone.code, 66, "{gone:?}");
}
