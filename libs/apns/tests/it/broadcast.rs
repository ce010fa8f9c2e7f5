//! The life of a broadcast channel, against a server that keeps Apple's rules about them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use apns::{
    BroadcastClient, BroadcastRequest, BundleId, ChannelId, ChannelResponse, Environment,
    ErrorKind, Expiration, Priority, ProviderTokens, Reason, Response, StoragePolicy,
};

use crate::peer::watched;
use crate::rig::signing_key;
use crate::server::{Answer, Seen, Server};

const UPDATE: &str =
    r#"{"aps":{"timestamp":1700000160,"event":"update","content-state":{"state":"degraded"}}}"#;

/// Both hosts in one.
fn apple(channels: &Mutex<BTreeMap<String, String>>, limit: usize, seen: &Seen) -> Answer {
    let mut channels = channels.lock().unwrap();
    let refused = |status, reason: &str| (status, vec![], format!("{{\"reason\":\"{reason}\"}}"));
    let id = seen.header("apns-channel-id").to_owned();
    let request_id = ("apns-request-id", seen.header("apns-request-id").to_owned());
    assert!(seen.header("authorization").starts_with("bearer "));
    assert!(!seen.headers.contains_key("apns-topic"));
    match (&*seen.method, &*seen.path) {
        ("POST", "/1/apps/net.example.pager/channels") => {
            if channels.len() >= limit {
                return refused(400, "CannotCreateChannelConfig");
            }
            let id = format!("c2ltLWNoYW5uZWwtMDA{}", channels.len());
            channels.insert(id.clone(), String::from_utf8(seen.body.to_vec()).unwrap());
            (
                201,
                vec![("apns-channel-id", id), request_id],
                String::new(),
            )
        }
        ("GET", "/1/apps/net.example.pager/channels") => match channels.get(&id) {
            Some(body) => (200, vec![request_id], body.clone()),
            None => refused(400, "ChannelNotRegistered"),
        },
        ("GET", "/1/apps/net.example.pager/all-channels") => {
            let ids: Vec<_> = channels.keys().map(|id| format!("{id:?}")).collect();
            (
                200,
                vec![request_id],
                format!("{{\"channels\":[{}]}}", ids.join(",")),
            )
        }
        ("DELETE", "/1/apps/net.example.pager/channels") => match channels.remove(&id) {
            Some(_) => (204, vec![request_id], String::new()),
            None => refused(400, "ChannelNotRegistered"),
        },
        ("POST", "/4/broadcasts/apps/net.example.pager") => {
            assert_eq!(seen.header("apns-push-type"), "liveactivity");
            match channels.get(&id) {
                None => refused(400, "ChannelNotRegistered"),
                Some(body) if body.contains(":0") && seen.header("apns-expiration") != "0" => {
                    refused(400, "BadExpirationDate")
                }
                Some(_) => {
                    assert_eq!(seen.header("apns-priority"), "5");
                    assert_eq!(seen.body, UPDATE);
                    (200, vec![request_id], String::new())
                }
            }
        }
        _ => refused(404, "BadPath"),
    }
}

fn client(server: &Server) -> BroadcastClient {
    BroadcastClient::builder(ProviderTokens::new(signing_key()), Environment::Sandbox)
        .management(server.endpoint())
        .publish_on(server.endpoint())
        .build()
        .unwrap()
}

fn publish(id: &ChannelId, expiration: Expiration) -> BroadcastRequest {
    BroadcastRequest::builder(
        BundleId::new("net.example.pager").unwrap(),
        id.clone(),
        UPDATE,
    )
    .priority(Priority::PowerAware)
    .expiration(expiration)
    .build()
    .unwrap()
}

#[tokio::test]
async fn a_channel_is_made_read_listed_published_to_and_deleted() {
    watched(async {
        let channels = Mutex::default();
        let server = Server::start(move |seen| apple(&channels, 10_000, seen)).await;
        let client = client(&server);
        let app = BundleId::new("net.example.pager").unwrap();

        let made = client
            .create(&app, StoragePolicy::NoStorage)
            .await
            .unwrap()
            .done()
            .unwrap();
        assert_eq!(made.id.as_str(), "c2ltLWNoYW5uZWwtMDA0".replace('4', "0"));
        let read = client.read(&app, &made.id).await.unwrap();
        assert_eq!(read, ChannelResponse::Done(made.clone()));
        let listed = client.list(&app).await.unwrap();
        assert_eq!(listed.done().unwrap(), std::slice::from_ref(&made.id));

        let request = publish(&made.id, Expiration::once());
        let Response::Accepted(accepted) = client.publish(&request).await.unwrap() else {
            panic!()
        };
        assert_eq!(accepted.apns_id, Some(request.request_id()));
        let late = publish(&made.id, Expiration::at(1_700_003_600));
        let Response::Rejected(rejected) = client.publish(&late).await.unwrap() else {
            panic!()
        };
        assert_eq!(rejected.reason, Reason::BadExpirationDate);

        assert_eq!(
            client.delete(&app, &made.id).await.unwrap(),
            ChannelResponse::Done(())
        );
        let Response::Rejected(rejected) = client.publish(&request).await.unwrap() else {
            panic!()
        };
        assert_eq!(rejected.reason, Reason::ChannelNotRegistered);
        let again = client.delete(&app, &made.id).await.unwrap();
        assert_eq!(
            again.rejected().unwrap().reason,
            Reason::ChannelNotRegistered
        );
        assert_eq!(client.list(&app).await.unwrap().done().unwrap(), []);
        client.close(Duration::from_secs(60)).await;
        assert_eq!(
            client.list(&app).await.unwrap_err().kind(),
            ErrorKind::Closed
        );
    })
    .await;
}

#[tokio::test]
async fn the_limit_of_channels_is_a_rejection_and_a_full_list_is_read_whole() {
    watched(async {
        let full = (0..10_000)
            .map(|number| (format!("c2ltLWNoYW5uZWwtMDAx{number:05}"), String::new()))
            .collect();
        let channels = Mutex::new(full);
        let server = Server::start(move |seen| apple(&channels, 10_000, seen)).await;
        let client = client(&server);
        let app = BundleId::new("net.example.pager").unwrap();
        let refused = client
            .create(&app, StoragePolicy::MostRecent)
            .await
            .unwrap();
        assert_eq!(
            refused.rejected().unwrap().reason,
            Reason::CannotCreateChannelConfig
        );
        assert_eq!(
            client.list(&app).await.unwrap().done().unwrap().len(),
            10_000
        );
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_apple_does_not_document_is_no_channel() {
    watched(async {
        let server = Server::start(|_| (200, vec![], "[]".to_owned())).await;
        let client = client(&server);
        let app = BundleId::new("net.example.pager").unwrap();
        let error = client
            .create(&app, StoragePolicy::NoStorage)
            .await
            .unwrap_err();
        assert!(error.maybe_sent(), "there may be a channel now: {error}");
        assert!(client.list(&app).await.is_err());
    })
    .await;
}
