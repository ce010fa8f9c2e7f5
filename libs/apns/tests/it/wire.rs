//! What a push looks like to APNs, and what its answers look like to us.

use apns::{CollapseId, ConnectionConfig, Expiration, Reason, Response};

use crate::rig::{Rig, START, apns_id, local};

#[tokio::test]
async fn every_header_stands_where_apple_wants_it() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut push = rig.make(1);
        push.expiration = Some(Expiration::at(1_700_003_600));
        push.collapse_id = Some(CollapseId::new("inc-4711").unwrap());
        rig.connection.submit(&mut [push].into());
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        assert_eq!(request.method, "POST");
        assert_eq!(
            request.path,
            "/3/device/0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de"
        );
        assert_eq!(request.body, r#"{"aps":{"alert":"1"}}"#);
        let mut headers: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                "apns-collapse-id",
                "apns-expiration",
                "apns-id",
                "apns-priority",
                "apns-push-type",
                "apns-topic",
                "authorization"
            ]
        );
        assert_eq!(
            request.header("apns-id"),
            "5f6d9c1e-0b1a-4c55-9f6a-000000000001"
        );
        assert_eq!(request.header("apns-expiration"), "1700003600");
        assert_eq!(request.header("apns-collapse-id"), "inc-4711");
        assert_eq!(request.header("apns-topic"), "net.example.pager");
        assert_eq!(request.header("apns-push-type"), "alert");
        assert_eq!(request.header("apns-priority"), "10");
        let jwt = rig.tokens.peek().unwrap();
        assert_eq!(
            request.header("authorization"),
            format!("bearer {}", jwt.jwt())
        );
        assert_eq!(jwt.issued_at_secs(), START - START % 60);
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn an_expiration_of_zero_is_written_and_none_is_not() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut once = rig.make(1);
        once.expiration = Some(Expiration::once());
        rig.connection.submit(&mut [once, rig.make(2)].into());
        let mut peer = rig.peer(1).await;
        let request = peer.request().await;
        assert_eq!(request.header("apns-expiration"), "0");
        peer.accept_push(request.stream).await;
        let request = peer.request().await;
        assert!(!request.headers.contains_key("apns-expiration"));
        assert!(!request.headers.contains_key("apns-collapse-id"));
        peer.accept_push(request.stream).await;
        assert_eq!(rig.accepted(2).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn values_do_not_leak_from_one_push_into_the_next() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(1_000).await;
        let pushes: Vec<_> = (1..=400_u64)
            .map(|tag| {
                let mut push = rig.make(tag);
                push.expiration = (tag % 3 > 0).then(|| Expiration::at(tag));
                push.collapse_id =
                    (tag % 2 > 0).then(|| CollapseId::new(format!("c{tag}")).unwrap());
                push
            })
            .collect();
        rig.connection.submit(&mut pushes.into());
        for tag in 1..=400_u64 {
            let request = peer.request().await;
            assert_eq!(request.header("apns-id"), apns_id(tag).to_string());
            let (expiration, collapse_id) = (tag.to_string(), format!("c{tag}"));
            assert_eq!(
                request.header("apns-expiration"),
                if tag % 3 > 0 { &expiration } else { "" }
            );
            assert_eq!(
                request.header("apns-collapse-id"),
                if tag % 2 > 0 { &collapse_id } else { "" }
            );
            assert_eq!(request.body, format!("{{\"aps\":{{\"alert\":\"{tag}\"}}}}"));
            peer.accept_push(request.stream).await;
        }
        assert_eq!(rig.accepted(400).await.len(), 400);
    })
    .await;
}

#[tokio::test]
async fn an_apns_id_echoed_in_upper_case_is_the_same_push() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(10).await;
        rig.push(1..=2);
        let requests = peer.requests(2).await;
        // Out of order, shouted, and one of them not ours at all: the stream decides.
        let shouted = apns_id(2).to_string().to_uppercase();
        let unique = ("apns-unique-id", "11111111-2222-3333-4444-555555555555");
        peer.answer(
            requests[1].stream,
            200,
            &[("apns-id", &shouted), unique],
            "",
        )
        .await;
        let finished = rig.finished().await;
        assert_eq!((finished.tag, finished.connection), (2, Some(1)));
        let Ok(Response::Accepted(accepted)) = finished.result else {
            panic!()
        };
        assert_eq!(accepted.apns_id, Some(apns_id(2)));
        assert_eq!(accepted.unique_id.as_deref(), Some(unique.1));
        let foreign = "FFFFFFFF-0000-4000-8000-000000000000";
        peer.answer(requests[0].stream, 200, &[("apns-id", foreign)], "")
            .await;
        let finished = rig.finished().await;
        assert_eq!(finished.tag, 1);
    })
    .await;
}

#[tokio::test]
async fn a_rejection_tells_all_it_knows() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut peer = rig.trusted(10).await;
        rig.push(1..=3);
        let requests = peer.requests(3).await;
        let body = r#"{"reason":"Unregistered","timestamp":1700000000000}"#;
        peer.answer(requests[0].stream, 410, &[("apns-id", "x")], body)
            .await;
        let (tag, rejected) = rig.rejected().await;
        assert_eq!(
            (tag, rejected.status, rejected.reason),
            (1, 410, Reason::Unregistered)
        );
        assert_eq!(
            (rejected.timestamp_ms, &rejected.raw[..]),
            (Some(1_700_000_000_000), body.as_bytes())
        );

        peer.answer(requests[1].stream, 400, &[], "").await;
        let (_, rejected) = rig.rejected().await;
        assert_eq!((rejected.status, rejected.reason.as_str()), (400, ""));

        let page = format!("<html>{}", "x".repeat(2_000));
        peer.head(requests[2].stream, 502, &[], 0).await;
        peer.send(
            crate::peer::DATA,
            crate::peer::END_STREAM,
            requests[2].stream,
            page.as_bytes(),
        )
        .await;
        let (_, rejected) = rig.rejected().await;
        assert_eq!((rejected.status, rejected.raw.len()), (502, 1_024));
    })
    .await;
}
