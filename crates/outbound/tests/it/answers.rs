//! Receivers that answer: what arrives at them, and what their answers mean.

use std::time::Duration;

use bytes::Bytes;
use carillon_model::webhook::{
    RetryAfter, WebhookAnswer, WebhookResult, WebhookUrl, next_attempt_at,
};
use carillon_outbound::{WebhookCall, WebhookClient, WebhookSecret, verify};

use crate::receiver::{Receiver, Script, answer};
use crate::rig::{config, impatient, post, watched};

const NOW: i64 = 1_785_585_600_999;

fn body_of(answer: &WebhookAnswer) -> (u16, &str, bool) {
    match &answer.result {
        WebhookResult::Answered {
            status,
            body,
            body_is_cut,
            ..
        } => (*status, body, *body_is_cut),
        WebhookResult::Failed { .. } => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_call_arrives_signed_by_every_secret() {
    watched(async {
        let receiver = Receiver::tls(answer(204, "", "")).await;
        let client = WebhookClient::new(config(&receiver)).unwrap();
        let secrets = [[1; 32], [2; 32]].map(|bytes| WebhookSecret::from_random(&bytes).unwrap());
        let url = WebhookUrl::new(receiver.url("https", "localhost"));
        let call = WebhookCall {
            url: &url,
            id: "evt_0_1",
            body: Bytes::from_static(br#"{"type":"delivery.failed"}"#),
            secrets: &secrets,
        };
        for (attempt, now) in [(1, NOW), (2, NOW + 5_000)] {
            let answer = client.call(&call, now).await;
            assert!(answer.is_success(), "{answer:?}");
            assert_eq!(next_attempt_at(attempt, &answer, now, 0), None);
        }
        let seen = receiver.seen();
        assert_eq!(
            (seen.len(), receiver.connections()),
            (2, 1),
            "the connection is kept"
        );
        for (seen, timestamp) in seen.iter().zip(["1785585600", "1785585605"]) {
            assert_eq!(seen.line, "POST /hooks/SECRET?x=1 HTTP/1.1");
            assert_eq!(seen.body, call.body);
            for (name, value) in [
                ("host", format!("localhost:{}", receiver.port).as_str()),
                ("content-type", "application/json"),
                ("content-length", "26"),
                ("webhook-id", "evt_0_1"),
                ("webhook-timestamp", timestamp),
            ] {
                assert_eq!(seen.header(name), value, "{name}");
            }
            assert!(seen.header("user-agent").starts_with("Carillon/"));
            let signatures = seen.header("webhook-signature");
            assert_eq!(signatures.split(' ').count(), 2);
            for secret in &secrets {
                let at = timestamp.parse().unwrap();
                let verified = verify(
                    std::slice::from_ref(secret),
                    seen.header("webhook-id"),
                    timestamp,
                    signatures,
                    &seen.body,
                    at,
                    Duration::ZERO,
                );
                assert_eq!(verified, Ok(()));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn statuses_mean_what_they_say() {
    watched(async {
        let minute = "retry-after: 60\r\n";
        let date = "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let at = RetryAfter::At(784_111_777_000);
        for (status, headers, asked, is_over) in [
            (200, "", None, true),
            (202, minute, Some(RetryAfter::Secs(60)), true),
            (400, "", None, false),
            (410, "", None, true),
            (429, minute, Some(RetryAfter::Secs(60)), false),
            (503, date, Some(at), false),
            (500, "retry-after: soon\r\n", None, false),
            (599, "", None, false),
        ] {
            let receiver = Receiver::plain(answer(status, headers, "a word")).await;
            let answer = post(config(&receiver), &receiver.url("http", "127.0.0.1")).await;
            assert_eq!(body_of(&answer), (status, "a word", false));
            let WebhookResult::Answered { retry_after, .. } = &answer.result else {
                unreachable!()
            };
            assert_eq!(*retry_after, asked, "{status}");
            assert_eq!(
                next_attempt_at(1, &answer, NOW, 0).is_none(),
                is_over,
                "{status}"
            );
        }
        let receiver = Receiver::plain(answer(429, minute, "")).await;
        let answer = post(config(&receiver), &receiver.url("http", "127.0.0.1")).await;
        assert_eq!(next_attempt_at(1, &answer, NOW, 0), Some(NOW + 60_000));
    })
    .await;
}

#[tokio::test]
async fn redirects_are_failures_and_not_followed() {
    watched(async {
        let inside = Receiver::plain(answer(200, "", "")).await;
        for status in [301, 302, 303, 307, 308] {
            let location = format!("location: {}\r\n", inside.url("http", "127.0.0.1"));
            let outside = Receiver::plain(answer(status, &location, "")).await;
            let answer = post(config(&outside), &outside.url("http", "127.0.0.1")).await;
            assert_eq!(answer.status(), Some(status));
            assert!(!answer.is_success() && answer.sentence().contains("not followed"));
            assert_eq!(next_attempt_at(1, &answer, 0, 0), Some(5_000));
            assert_eq!(outside.seen().len(), 1);
        }
        assert_eq!(inside.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn of_a_large_body_the_beginning_is_kept() {
    watched(async {
        let body = "é".repeat(500_000);
        let receiver = Receiver::plain(answer(500, "", &body)).await;
        let answer = post(config(&receiver), &receiver.url("http", "127.0.0.1")).await;
        assert_eq!(body_of(&answer), (500, "é".repeat(2_048).as_str(), true));
        let exact = Receiver::plain(crate::receiver::answer(200, "", &"x".repeat(4_096))).await;
        let answer = post(config(&exact), &exact.url("http", "127.0.0.1")).await;
        assert_eq!(body_of(&answer), (200, "x".repeat(4_096).as_str(), false));
    })
    .await;
}

#[tokio::test]
async fn an_endless_body_is_left_and_its_connection_closed() {
    watched(async {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let receiver = Receiver::plain(Script::SayFirstThenForever(head, "3\r\nabc\r\n")).await;
        let client = WebhookClient::new(config(&receiver)).unwrap();
        let url = receiver.url("http", "127.0.0.1");
        let answer = client
            .post(&url, http::HeaderMap::new(), Bytes::from_static(b"{}"))
            .await;
        let (status, body, is_cut) = body_of(&answer);
        assert_eq!((status, body.len(), is_cut), (200, 4_096, true));
        // The client still lives; it is the connection that it has dropped.
        receiver.left.acquire().await.unwrap().forget();
        drop(client);
    })
    .await;
}

#[tokio::test]
async fn a_status_stands_whatever_becomes_of_the_body() {
    watched(async {
        let stalls = Script::SayAndStall("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
        let receiver = Receiver::plain(stalls).await;
        let answer = post(impatient(&receiver), &receiver.url("http", "127.0.0.1")).await;
        assert_eq!(body_of(&answer), (200, "half", true));
        receiver.left.acquire().await.unwrap().forget();

        let broken = Script::Say(
            "HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nzzz\r\n".into(),
        );
        let receiver = Receiver::plain(broken).await;
        let answer = post(config(&receiver), &receiver.url("http", "127.0.0.1")).await;
        assert_eq!(body_of(&answer), (503, "ok", true));
    })
    .await;
}
