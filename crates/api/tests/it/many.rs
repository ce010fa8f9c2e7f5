//! Many notifications in one request.

use crate::catalogue::notification;
use crate::faulty::Fault;
use crate::world::{Answer, Ask, Setup, World};
use axum::body::{Body, Bytes};
use axum::http::Method;
use carillon_api::Limits;
use carillon_ports::store::StoreError;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PATH: &str = "/v1/apps/shop/notifications";

fn ask(body: impl Into<Body>) -> Ask {
    Ask::new(Method::POST, PATH).body("application/x-ndjson", body)
}

async fn send(world: &World, body: impl Into<Body>) -> Answer {
    world.send(ask(body)).await.is(200)
}

#[tokio::test]
async fn each_line_is_answered_in_order_and_a_bad_one_fails_alone() {
    let world = World::furnished(Setup::default()).await;
    let good = notification().to_string();
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(70_000));
    let body = format!(
        "{good}\n{{\"target\":1}}\r\n\n{long}\nnot json\n{good}\r\n{}",
        json!({"target": {"devices": ["nobody"]}, "content": {}})
    );
    let answer = send(&world, body).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines = answer.lines();
    let brief: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["id"].is_string(),
                line["problem"]["errors"][0]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        brief,
        [
            (1, true, None),
            (2, false, Some("field.type")),
            (4, false, Some("line.too_long")),
            (5, false, Some("line.syntax")),
            (6, true, None),
            (7, false, Some("target.unknown_device")),
        ]
    );
    assert_eq!(lines[1]["problem"]["errors"][0]["pointer"], "/target");
    assert_eq!(lines[0]["deliveries"], 1);
    let id = lines[0]["id"].as_str().unwrap();
    world
        .wait(&format!("{PATH}/{id}"), |seen| {
            seen["deliveries"]["accepted"] == 1
        })
        .await;
}

#[tokio::test]
async fn a_file_may_be_sent_again_whole_or_longer() {
    let world = World::furnished(Setup::default()).await;
    let line = |n: u32| {
        json!({"target": {"devices": ["phone"]}, "content": {"body": n.to_string()}}).to_string()
    };
    let file = |lines: u32| (0..lines).map(|n| line(n) + "\n").collect::<String>();
    let sent = async |body: String| {
        world
            .send(ask(body).header("idempotency-key", "f1"))
            .await
            .is(200)
            .lines()
    };
    let first = sent(file(3)).await;
    let second = sent(file(4)).await;
    for n in 0..3 {
        assert_eq!(first[n]["id"], second[n]["id"]);
        assert_eq!(second[n]["repeated"], true);
        assert!(first[n]["repeated"].is_null());
    }
    assert!(second[3]["repeated"].is_null());
    let changed = sent(file(2).replace("\"1\"", "\"7\"")).await;
    assert_eq!(changed[0]["id"], first[0]["id"]);
    assert_eq!(changed[1]["problem"]["code"], "idempotency.reused");
    let page = world.get(PATH).await.is(200).json();
    assert_eq!(page["data"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn many_groups_keep_their_order() {
    let limits = Limits {
        group_lines: 7,
        ..Setup::default().limits
    };
    let world = World::furnished(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let good = notification().to_string();
    let text: String = (1..=200)
        .map(|n| {
            if n % 10 == 0 {
                "{}\n".to_owned()
            } else {
                format!("{good}\n")
            }
        })
        .collect();
    // In parts that cut lines anywhere.
    let parts: Vec<_> = text
        .into_bytes()
        .chunks(333)
        .map(|part| Ok::<_, std::io::Error>(Bytes::copy_from_slice(part)))
        .collect();
    let lines = send(&world, Body::from_stream(futures_util::stream::iter(parts)))
        .await
        .lines();
    assert_eq!(lines.len(), 200);
    let mut ids = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["line"], at + 1);
        assert_eq!(line["id"].is_string(), (at + 1) % 10 != 0, "{line}");
        ids.extend(line["id"].as_str().map(str::to_owned));
    }
    assert_eq!(ids.len(), 180);
}

#[tokio::test]
async fn a_store_that_refuses_is_reported_line_by_line() {
    let world = World::furnished(Setup::default()).await;
    for (error, code) in [
        (StoreError::Overloaded, "store.overloaded"),
        (StoreError::DiskFull, "store.full"),
        (StoreError::Busy, "store.busy"),
    ] {
        world.faults.set(Some(Fault::Error(error)));
        let lines = send(&world, format!("{0}\n{{\n{0}\n", notification()))
            .await
            .lines();
        let codes: Vec<_> = lines
            .iter()
            .map(|line| line["problem"]["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, [code, "request.invalid", code]);
    }
    world.faults.set(None);
    assert!(send(&world, notification().to_string()).await.lines()[0]["id"].is_string());
}

#[tokio::test]
async fn an_overloaded_store_is_asked_again() {
    let world = World::furnished(Setup {
        limits: Limits {
            store_tries: 50,
            ..Setup::default().limits
        },
        ..Setup::default()
    })
    .await;
    world.faults.set(Some(Fault::Error(StoreError::Overloaded)));
    let sending = send(&world, notification().to_string());
    let mending = async {
        tokio::task::yield_now().await;
        world.faults.set(None);
    };
    let (answer, ()) = tokio::join!(sending, mending);
    assert!(answer.lines()[0]["id"].is_string(), "{}", answer.text());
}

#[tokio::test]
async fn a_request_over_the_limit_ends_with_a_line_that_says_so() {
    let limits = Limits {
        stream_bytes: 400,
        ..Setup::default().limits
    };
    let world = World::furnished(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    let good = format!("{}\n", notification());
    let parts: Vec<_> = (0..9)
        .map(|_| Ok::<_, std::io::Error>(Bytes::from(good.clone())))
        .collect();
    let lines = send(&world, Body::from_stream(futures_util::stream::iter(parts)))
        .await
        .lines();
    let whole = 400 / good.len();
    assert_eq!(lines.len(), whole + 1);
    assert!(lines[..whole].iter().all(|line| line["id"].is_string()));
    assert_eq!(lines[whole]["line"], whole + 1);
    assert_eq!(lines[whole]["problem"]["code"], "request.too_large");
}

#[tokio::test]
async fn too_many_streams_are_refused() {
    let limits = Limits {
        streams: 0,
        ..Setup::default().limits
    };
    let world = World::furnished(Setup {
        limits,
        ..Setup::default()
    })
    .await;
    world
        .send(ask(notification().to_string()))
        .await
        .problem(503, "server.busy");
}

#[tokio::test]
async fn an_empty_body_has_no_results() {
    let world = World::furnished(Setup::default()).await;
    assert_eq!(send(&world, "").await.lines(), Vec::<Value>::new());
}
