//! The client for everybody, over real TLS, with its access tokens from a token endpoint.

use std::time::Duration;

use fcm::pool::Config;
use fcm::{
    AccessTokens, Client, ConnectionConfig, Content, Endpoint, ErrorKind, Moment, OAuth, ProjectId,
    PushToken, Reason, Request, Response,
};
use tokio::net::TcpListener;

use crate::account::{account, verified};
use crate::peer::watched;
use crate::rig::refusal;
use crate::server::{Answer, Seen, Server};

const MINUTE: Duration = Duration::from_secs(60);

fn request(number: u64) -> Request {
    let message = Content::new().data("n", number.to_string()).to_message();
    let push_token = PushToken::new(format!("device-{number}")).unwrap();
    Request::new(push_token, message.unwrap()).unwrap()
}

fn number(seen: &Seen) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    body["message"]["data"]["n"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Both of Google's hosts: takes messages with the access token that it gave, but for every third device.
fn google(seen: &Seen) -> Answer {
    if seen.path == "/token" {
        let body = std::str::from_utf8(&seen.body).unwrap();
        assert!(verified(body.rsplit_once('=').unwrap().1).is_some());
        let grant = r#"{"access_token":"ya29.good","expires_in":3599,"token_type":"Bearer"}"#;
        return (200, vec![], grant.to_owned());
    }
    assert_eq!(seen.path, "/v1/projects/demo-proj/messages:send");
    if seen.header("authorization") != "Bearer ya29.good" {
        return (401, vec![], refusal("UNAUTHENTICATED", ""));
    }
    if number(seen).is_multiple_of(3) {
        return (404, vec![], refusal("NOT_FOUND", "UNREGISTERED"));
    }
    let name = format!(
        "{{\"name\":\"projects/demo-proj/messages/{}\"}}",
        number(seen)
    );
    (200, vec![], name)
}

fn tokens(server: &Server) -> AccessTokens {
    AccessTokens::new(OAuth::new(account()).endpoint(server.endpoint()))
}

fn client(server: &Server) -> Client {
    let project_id = ProjectId::new("demo-proj").unwrap();
    let client = Client::builder(project_id, tokens(server)).endpoint(server.endpoint());
    client.build().unwrap()
}

#[tokio::test]
async fn many_callers_share_it_and_each_gets_his_own_answer() {
    watched(async {
        let server = Server::start(google).await;
        let client = client(&server);
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..300_u64 {
            let client = client.clone();
            callers.spawn(async move {
                match client.send(request(number)).await.unwrap() {
                    Response::Accepted(accepted) => {
                        let name = format!("projects/demo-proj/messages/{number}");
                        assert_eq!(accepted.name.as_deref(), Some(&*name));
                    }
                    Response::Rejected(rejected) => {
                        assert_eq!(rejected.reason, Reason::Unregistered);
                        assert!(number.is_multiple_of(3));
                    }
                }
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        let seen = server.seen();
        let exchanges = seen.iter().filter(|seen| seen.path == "/token").count();
        assert_eq!((exchanges, seen.len()), (1, 301));
        client.close(MINUTE).await;
        let error = client.send(request(1)).await.unwrap_err();
        assert!(error.is_closed() && !error.maybe_sent(), "{error}");
        client.close(MINUTE).await;
    })
    .await;
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_unseen() {
    watched(async {
        let server = Server::start(google).await;
        let project_id = ProjectId::new("demo-proj").unwrap();
        let tokens = tokens(&server);
        let hour = Duration::from_secs(3600);
        let revoked = AccessTokens::fixed("ya29.revoked", hour, Moment::now()).unwrap();
        let build = |tokens: AccessTokens| {
            let client = Client::builder(project_id.clone(), tokens).endpoint(server.endpoint());
            client.build().unwrap()
        };
        // One that cannot be replaced ends in words.
        let error = build(revoked).send(request(1)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::AccessToken, false)
        );
        assert!(build(tokens).send(request(1)).await.unwrap().is_accepted());
    })
    .await;
}

#[tokio::test]
async fn the_last_clone_dropped_ends_the_thread_after_the_answers() {
    watched(async {
        let server = Server::start(google).await;
        let client = client(&server);
        let sent = tokio::spawn({
            let client = client.clone();
            async move { client.send(request(1)).await }
        });
        drop(client);
        assert!(sent.await.unwrap().unwrap().is_accepted());
    })
    .await;
}

#[tokio::test]
async fn nobody_there_is_certainly_not_sent() {
    watched(async {
        let server = Server::start(google).await;
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let pool = Config {
            backoff_min: Duration::from_millis(1),
            backoff_max: Duration::from_millis(2),
            ..Config::default()
        };
        let client = Client::builder(ProjectId::new("demo-proj").unwrap(), tokens(&server))
            .endpoint(Endpoint::new("127.0.0.1", port))
            .config(ConnectionConfig {
                pool,
                ..ConnectionConfig::default()
            })
            .build()
            .unwrap();
        let error = client.send(request(1)).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.maybe_sent()),
            (ErrorKind::Connect, false)
        );
    })
    .await;
}

#[test]
fn what_cannot_work_is_said_at_once() {
    let error = Client::service_account(account())
        .endpoint(Endpoint::new("not a host", 443))
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let endpoint = Endpoint::fcm().extra_ca_pem(b"no certificate");
    let error = Client::service_account(account())
        .endpoint(endpoint)
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("extra CA"), "{error}");
}
