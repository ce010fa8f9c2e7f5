//! The exchange for an access token, over real TLS.

use std::time::{Duration, UNIX_EPOCH};

use fcm::{AccessTokenErrorKind, AccessTokens, Endpoint, Moment, OAuth};
use serde_json::json;
use tokio::net::TcpListener;

use crate::account::{account, verified};
use crate::peer::watched;
use crate::server::{Answer, Seen, Server};

/// What Google's token endpoint does.
fn grant(seen: &Seen) -> Answer {
    let body = std::str::from_utf8(&seen.body).unwrap();
    let assertion = body.rsplit_once("assertion=").map_or("", |(_, jwt)| jwt);
    let Some(claims) = verified(assertion) else {
        let body = json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."});
        return (400, vec![], body.to_string());
    };
    let secret = format!("ya29.{}", claims["iat"]);
    let body = json!({"access_token": secret, "expires_in": 3599, "token_type": "Bearer"});
    (200, vec![], body.to_string())
}

fn moment() -> Moment {
    Moment {
        wall: UNIX_EPOCH + Duration::from_secs(1_700_000_010),
        ..Moment::now()
    }
}

#[tokio::test]
async fn an_assertion_is_exchanged_for_an_access_token() {
    watched(async {
        let server = Server::start(grant).await;
        let tokens = AccessTokens::new(OAuth::new(account()).endpoint(server.endpoint()));
        let access_token = tokens.get(moment()).await.unwrap();
        let value = access_token.header_value();
        assert_eq!(value, "Bearer ya29.1700000000");
        assert!(value.is_sensitive());
        assert_eq!(access_token.generation(), 1);
        tokens.get(moment()).await.unwrap();

        let seen = server.seen();
        assert_eq!(seen.len(), 1, "the second time it is at hand");
        assert_eq!((&*seen[0].method, &*seen[0].path), ("POST", "/token"));
        assert_eq!(seen[0].authority, format!("localhost:{}", server.port));
        assert_eq!(
            seen[0].header("content-type"),
            "application/x-www-form-urlencoded"
        );
        let body = std::str::from_utf8(&seen[0].body).unwrap();
        let grant_type =
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ";
        assert!(body.starts_with(grant_type));
        let claims = verified(body.rsplit_once('=').unwrap().1).unwrap();
        assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
        assert_eq!(
            claims["scope"],
            "https://www.googleapis.com/auth/firebase.messaging"
        );
        assert_eq!(claims["exp"], 1_700_003_600);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_says_what_to_mend_and_a_page_is_no_grant() {
    watched(async {
        let server = Server::start(|_| {
            let body = json!({"error": "invalid_grant", "error_description": "Invalid grant: account not found"});
            (400, vec![], body.to_string())
        })
        .await;
        let tokens = AccessTokens::new(OAuth::new(account()).endpoint(server.endpoint()));
        let error = tokens.get(moment()).await.unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Account);
        assert!(error.to_string().contains("account not found"), "{error}");

        // A body beyond all measure is cut, and then is no grant.
        let server = Server::start(|_| (200, vec![], "x".repeat(200_000))).await;
        let tokens = AccessTokens::new(OAuth::new(account()).endpoint(server.endpoint()));
        let error = tokens.get(moment()).await.unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Busy);
    })
    .await;
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_both_end() {
    watched(async {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let oauth = OAuth::new(account()).endpoint(Endpoint::new("127.0.0.1", port));
        let error = AccessTokens::new(oauth).get(moment()).await.unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Unreachable);
        assert!(
            error.to_string().contains(&format!("127.0.0.1:{port}")),
            "{error}"
        );

        // Takes the connection and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let oauth = OAuth::new(account())
            .endpoint(Endpoint::new("127.0.0.1", port))
            .timeout(Duration::from_millis(50));
        let error = AccessTokens::new(oauth).get(moment()).await.unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Unreachable);
    })
    .await;
}

#[tokio::test]
async fn a_stranger_with_another_certificate_gets_no_assertion() {
    watched(async {
        let server = Server::start(grant).await;
        let oauth = OAuth::new(account()).endpoint(Endpoint::new("localhost", server.port));
        let error = AccessTokens::new(oauth).get(moment()).await.unwrap_err();
        assert_eq!(error.kind(), AccessTokenErrorKind::Unreachable);
        assert!(server.seen().is_empty());
    })
    .await;
}
