//! Topics: following them, and what is sent to them.

use push_sim::{MadeFcmPhone, NewFcmPhones, ReceivedFilter};
use serde_json::{Value, json};

use super::stage::{Stage, seen, send_request};
use crate::support::{Push, Reply};

async fn batch(stage: &mut Stage, call: &str, to: &str, registrations: Value) -> Reply {
    let body = json!({"to": to, "registration_tokens": registrations});
    let request = send_request(&stage.bearer, &body)
        .path(&format!("/iid/v1:{call}"))
        .and("access_token_auth", "true");
    stage.peer.push(&request).await
}

fn follows(stage: &Stage, phone: &MadeFcmPhone) -> Vec<String> {
    stage.view(phone).topics.into_iter().collect()
}

fn shown(stage: &Stage, phone: &MadeFcmPhone) -> usize {
    stage.view(phone).shown.len()
}

#[tokio::test]
async fn registrations_follow_and_leave_in_batches() {
    let mut stage = Stage::new().await;
    let (a, b) = (
        stage.phone(NewFcmPhones::default()),
        stage.phone(NewFcmPhones::default()),
    );
    let gone = stage.phone(NewFcmPhones {
        installed: false,
        ..NewFcmPhones::default()
    });
    let foreign = stage.phone(NewFcmPhones {
        project: "pager-2".into(),
        ..NewFcmPhones::default()
    });
    let all = json!([
        a.registration_token,
        gone.registration_token,
        "nonsense",
        foreign.registration_token,
        b.registration_token
    ]);
    let reply = batch(&mut stage, "batchAdd", "/topics/news", all).await;
    assert_eq!(reply.status, 200);
    let expected = json!({"results": [
        {}, {"error": "NOT_FOUND"}, {"error": "INVALID_ARGUMENT"}, {"error": "PERMISSION_DENIED"}, {}
    ]});
    assert_eq!(reply.json(), expected);
    assert_eq!(follows(&stage, &a), ["news"]);

    let reply = stage
        .send(&json!({"topic": "news", "data": {"a": "b"}}))
        .await;
    assert_eq!(reply.status, 200);
    assert_eq!((shown(&stage, &a), shown(&stage, &b)), (1, 1));
    assert_eq!(shown(&stage, &foreign), 0);

    let one = json!([a.registration_token]);
    batch(&mut stage, "batchRemove", "/topics/news", one).await;
    stage
        .send(&json!({"topic": "news", "data": {"a": "b"}}))
        .await;
    assert_eq!((shown(&stage, &a), shown(&stage, &b)), (1, 2));
    let page = stage.sim.received(&ReceivedFilter {
        topic: Some("news".into()),
        ..ReceivedFilter::default()
    });
    assert_eq!(page.received.len(), 2);
    assert_eq!(page.received[0].push_type, "topic");
}

#[tokio::test]
async fn a_whole_batch_can_fail() {
    let mut stage = Stage::new().await;
    let many: Vec<_> = (0..1001).map(|n| n.to_string()).collect();
    for (to, registrations, part) in [
        ("news", json!(["x"]), "/topics/"),
        ("/topics/a b", json!(["x"]), "/topics/"),
        ("/topics/news", json!([]), "empty"),
        ("/topics/news", json!(many), "1000"),
    ] {
        let reply = batch(&mut stage, "batchAdd", to, registrations).await;
        assert_eq!(reply.status, 400);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(
            error.starts_with("INVALID_ARGUMENT") && error.contains(part),
            "{error}"
        );
    }
    let body = json!({"to": "/topics/news", "registration_tokens": ["x"]});
    let request = send_request(&stage.bearer, &body).path("/iid/v1:batchAdd");
    let reply = stage.peer.push(&request).await;
    assert_eq!(reply.status, 401, "access_token_auth is missing");
    let request = send_request("nobody", &body).path("/iid/v1:batchAdd");
    let reply = stage
        .peer
        .push(&request.and("access_token_auth", "true"))
        .await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn conditions_choose_phones() {
    let mut stage = Stage::new().await;
    let with = |topics: &[&str]| NewFcmPhones {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..NewFcmPhones::default()
    };
    let both = stage.phone(with(&["a", "b"]));
    let one = stage.phone(with(&["a"]));
    let none = stage.phone(with(&[]));
    for (condition, expected) in [
        ("'a' in topics && 'b' in topics", [1, 0, 0]),
        ("'a' in topics || 'b' in topics", [2, 1, 0]),
        ("!('a' in topics)", [2, 1, 1]),
    ] {
        let reply = stage
            .send(&json!({"condition": condition, "data": {"x": "y"}}))
            .await;
        assert_eq!(reply.status, 200);
        let seen = [&both, &one, &none].map(|phone| shown(&stage, phone));
        assert_eq!(seen, expected, "{condition}");
    }
}

#[tokio::test]
async fn one_registration_at_a_time() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let base = format!(
        "/v1/projects/pager-1/registrations/{}/topicSubscriptions",
        phone.registration_token.replace(':', "%3A")
    );
    let at = |stage: &Stage, method: http::Method, rest: &str| Push {
        method,
        ..send_request(&stage.bearer, &json!({})).path(&format!("{base}{rest}"))
    };
    let add = at(&stage, http::Method::POST, "?topic_name=news");
    let added = stage.peer.push(&add).await;
    assert_eq!(added.json()["topic_name"], "news", "{}", added.json());
    assert_eq!(seen(&stage.peer.push(&add).await).http, 409);
    let list = at(&stage, http::Method::GET, "");
    let listed = stage.peer.push(&list).await.json();
    assert_eq!(listed["topic_subscriptions"][0]["topic_name"], "news");
    let remove = at(&stage, http::Method::DELETE, "/news");
    assert_eq!(stage.peer.push(&remove).await.status, 200);
    assert_eq!(stage.peer.push(&remove).await.status, 404);
    assert!(follows(&stage, &phone).is_empty());
}

#[tokio::test]
async fn information_about_a_registration() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones {
        topics: vec!["news".into()],
        ..NewFcmPhones::default()
    });
    let path = format!("/iid/info/{}?details=true", phone.registration_token);
    let request = Push {
        method: http::Method::GET,
        body: bytes::Bytes::new(),
        ..send_request(&stage.bearer, &json!({})).path(&path)
    };
    let info = stage
        .peer
        .push(&request.and("access_token_auth", "true"))
        .await
        .json();
    assert_eq!(info["application"], "net.example.pager");
    assert_eq!(
        (&info["authorizedEntity"], &info["platform"]),
        (&json!("pager-1"), &json!("ANDROID"))
    );
    assert!(info["rel"]["topics"]["news"].is_object());
}
