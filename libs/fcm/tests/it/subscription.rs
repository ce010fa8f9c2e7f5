//! Subscriptions to topics, over real TLS.

use std::time::Duration;

use fcm::{
    AccessTokens, FcmTopic, Moment, PushToken, SubscriptionError, SubscriptionRefusal,
    Subscriptions,
};
use serde_json::Value;

use crate::peer::watched;
use crate::rig::mint;
use crate::server::{Answer, Seen, Server};

/// Takes access token t2 only, and knows no device whose name ends in 7.
fn google(seen: &Seen) -> Answer {
    if seen.header("authorization") != "Bearer t2" {
        return (401, vec![], String::new());
    }
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let devices = body["registration_tokens"].as_array().unwrap();
    let results = devices.iter().map(|device| match device.as_str() {
        Some(name) if name.ends_with('7') => serde_json::json!({"error": "NOT_FOUND"}),
        _ => serde_json::json!({}),
    });
    let results: Vec<_> = results.collect();
    (
        200,
        vec![],
        serde_json::json!({"results": results}).to_string(),
    )
}

fn devices(count: usize) -> Vec<PushToken> {
    // As long as real ones: a thousand do not fit the window that HTTP/2 begins with.
    let names = (0..count).map(|number| format!("{}-{number}", "d".repeat(200)));
    names.map(|name| PushToken::new(name).unwrap()).collect()
}

#[tokio::test]
async fn a_thousand_devices_are_subscribed_with_one_call() {
    watched(async {
        let server = Server::start(google).await;
        let mint = mint(10);
        let subscriptions =
            Subscriptions::new(AccessTokens::new(mint.clone())).endpoint(server.endpoint());
        let topic = FcmTopic::new("weather").unwrap();
        // The first access token is refused and replaced on the way.
        let results = subscriptions
            .subscribe(&topic, &devices(1_000))
            .await
            .unwrap();
        assert_eq!((results.len(), mint.asked()), (1_000, 2));
        for (number, result) in results.into_iter().enumerate() {
            let expected = if number % 10 == 7 {
                Err(SubscriptionRefusal::NotFound)
            } else {
                Ok(())
            };
            assert_eq!(result, expected, "{number}");
        }
        let results = subscriptions
            .unsubscribe(&topic, &devices(2))
            .await
            .unwrap();
        assert_eq!(results, [Ok(()), Ok(())]);

        let seen = server.seen();
        let paths: Vec<_> = seen.iter().map(|seen| &*seen.path).collect();
        assert_eq!(
            paths,
            [
                "/iid/v1:batchAdd",
                "/iid/v1:batchAdd",
                "/iid/v1:batchRemove"
            ]
        );
        assert_eq!(seen[2].header("access_token_auth"), "true");
        let body: Value = serde_json::from_slice(&seen[2].body).unwrap();
        let expected =
            serde_json::json!({"to": "/topics/weather", "registration_tokens": devices(2)});
        assert_eq!(body, expected);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_called_is_said_without_calling() {
    watched(async {
        let server = Server::start(google).await;
        let tokens = AccessTokens::new(mint(10));
        let subscriptions = Subscriptions::new(tokens).endpoint(server.endpoint());
        let topic = FcmTopic::new("weather").unwrap();
        for count in [0, 1_001] {
            let error = subscriptions
                .subscribe(&topic, &devices(count))
                .await
                .unwrap_err();
            assert!(error.to_string().contains("1 to 1000"), "{error}");
        }
        assert!(server.seen().is_empty());

        // One access token that Google does not take, and no other: the end is in words.
        let hour = Duration::from_secs(3600);
        let fixed = AccessTokens::fixed("revoked", hour, Moment::now()).unwrap();
        let subscriptions = Subscriptions::new(fixed).endpoint(server.endpoint());
        let error = subscriptions
            .subscribe(&topic, &devices(1))
            .await
            .unwrap_err();
        assert!(
            matches!(error, SubscriptionError::AccessToken(_)),
            "{error}"
        );
    })
    .await;
}
