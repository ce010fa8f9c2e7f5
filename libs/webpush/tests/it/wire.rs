//! What a push looks like to a service.

use webpush::{ConnectionConfig, Push, PushTopic, Request, Ttl, Urgency, VapidKey};

use crate::browser::verified;
use crate::rig::{Rig, START, local};

#[tokio::test]
async fn every_header_stands_where_the_rfcs_want_it() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let request = Request::builder(rig.browser.subscription.clone(), Ttl::secs(90))
            .message("hello")
            .urgency(Urgency::High)
            .topic(PushTopic::new("greeting").unwrap())
            .build()
            .unwrap();
        let sealed = request.seal_fresh().unwrap();
        let push = Push {
            tag: 1,
            sealed,
            write_by: None,
        };
        rig.connection.submit(&mut [push].into());
        let mut peer = rig.peer(1).await;
        let seen = peer.request().await;
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.path, "/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV");
        let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "authorization",
                "content-encoding",
                "content-length",
                "content-type",
                "topic",
                "ttl",
                "urgency"
            ]
        );
        assert_eq!(seen.header("content-encoding"), "aes128gcm");
        assert_eq!(seen.header("content-length"), seen.body.len().to_string());
        assert_eq!(seen.header("content-type"), "application/octet-stream");
        assert_eq!(seen.header("topic"), "greeting");
        assert_eq!(seen.header("ttl"), "90");
        assert_eq!(seen.header("urgency"), "high");
        assert_eq!(rig.browser.read(&seen.body), "hello");
        let (claims, public) = verified(seen.header("authorization"));
        assert_eq!(claims["aud"], "https://push.example.net");
        assert_eq!(claims["exp"], START + 12 * 3600);
        assert_eq!(claims["sub"], "mailto:push@example.com");
        assert_eq!(public, rig.vapid.public_key());
        peer.answer(
            seen.stream,
            201,
            &[("location", "https://push.example.net/m/1")],
            "",
        )
        .await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn a_push_without_a_body_ends_with_its_headers() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let request = Request::builder(rig.browser.subscription.clone(), Ttl::NOW_OR_NEVER);
        let sealed = request.build().unwrap().seal_fresh().unwrap();
        let push = Push {
            tag: 1,
            sealed,
            write_by: None,
        };
        rig.connection.submit(&mut [push].into());
        let mut peer = rig.peer(1).await;
        let seen = peer.request().await;
        assert!(seen.body.is_empty());
        assert_eq!(
            (seen.header("ttl"), seen.header("content-length")),
            ("0", "0")
        );
        assert_eq!(seen.header("content-encoding"), "");
        peer.answer(seen.stream, 202, &[], "").await;
        assert_eq!(rig.accepted(1).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn tokens_are_shared_and_renewed_at_half_their_life() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let mut seen = Vec::new();
        rig.push([1]);
        let mut peer = rig.peer(1).await;
        for tag in 1..=3 {
            if tag > 1 {
                rig.push([tag]);
            }
            let request = peer.request().await;
            seen.push(request.header("authorization").to_owned());
            peer.answer(request.stream, 201, &[], "").await;
            assert_eq!(rig.accepted(1).await, [tag]);
            rig.pass(3 * 3600);
        }
        assert_eq!(seen[0], seen[1]);
        assert_ne!(seen[1], seen[2]);
        assert_eq!(verified(&seen[2]).0["exp"], START + 18 * 3600);
    })
    .await;
}

#[tokio::test]
async fn a_subscription_of_the_old_key_is_pushed_to_with_the_old_key() {
    local(async {
        let mut rig = Rig::new(ConnectionConfig::default());
        let old = rig.vapid.public_key();
        let new = VapidKey::generate().unwrap();
        rig.vapid.rotate(new.clone());
        let made_with = |tag, public_key| {
            let request = Request::builder(rig.browser.subscription.clone(), Ttl::secs(1));
            let request = request.made_with(public_key).build().unwrap();
            Push {
                tag,
                sealed: request.seal_fresh().unwrap(),
                write_by: None,
            }
        };
        let stranger = *VapidKey::generate().unwrap().public_key();
        let mut batch = [made_with(1, old), rig.make(2), made_with(3, stranger)].into();
        rig.connection.submit(&mut batch);
        let mut peer = rig.peer(10).await;
        let requests = peer.requests(2).await;
        let keys = [0, 1].map(|at: usize| verified(requests[at].header("authorization")).1);
        assert_eq!(keys, [old, *new.public_key()]);
        let refused = rig.finished().await;
        let error = refused.result.unwrap_err();
        assert_eq!((refused.tag, error.maybe_sent()), (3, false));
        assert!(
            error.to_string().contains(&stranger.fingerprint()),
            "{error}"
        );
    })
    .await;
}
