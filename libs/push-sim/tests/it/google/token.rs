//! The token endpoint: who gets an access token, and how long it is good.

use std::time::Duration;

use push_sim::{FcmSettings, Gateway, Host, NewServiceAccount, ReceivedFilter};
use serde_json::{Value, json};

use super::stage::{
    EMAIL, KEY_ID, PROJECT, SCOPE, Stage, claims, connect, form, grant, header, seen, send_request,
    sign, simulator,
};
use crate::support::NOW;

fn changed(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_good_assertion_gets_an_access_token() {
    let sim = simulator(FcmSettings::default());
    let mut peer = connect(&sim).await;
    let own = format!("{}/token", sim.google_url());
    for aud in ["https://oauth2.googleapis.com/token", own.as_str()] {
        let jwt = sign(&header(), &changed(claims(), "aud", aud.into()));
        let reply = peer.push(&grant(&jwt)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        assert_eq!(reply.json()["token_type"], "Bearer");
        assert_eq!(reply.json()["expires_in"], 3599);
    }
    let received = sim.received(&ReceivedFilter {
        host: Some(Host::Oauth),
        ..ReceivedFilter::default()
    });
    assert_eq!(received.received.len(), 2);
    let first = &received.received[0];
    assert_eq!((first.gateway, first.status), (Gateway::Fcm, 200));
    assert_eq!(first.payload, None, "an assertion is a secret");
    assert_eq!(sim.counters().access_tokens, 2);
}

#[tokio::test]
async fn every_bad_grant_is_told_apart() {
    let sim = simulator(FcmSettings::default());
    let mut peer = connect(&sim).await;
    let with = |name: &str, value: Value| sign(&header(), &changed(claims(), name, value));
    let good = sign(&header(), &claims());
    let (head, _) = good.rsplit_once('.').unwrap();
    let cases = [
        (
            with("iat", json!(NOW - 3601)),
            "invalid_grant",
            "short-lived",
        ),
        (
            with("exp", json!(NOW + 3601)),
            "invalid_grant",
            "short-lived",
        ),
        (
            sign(
                &header(),
                &changed(
                    changed(claims(), "iat", json!(NOW + 301)),
                    "exp",
                    json!(NOW + 600),
                ),
            ),
            "invalid_grant",
            "short-lived",
        ),
        (
            sign(
                &header(),
                &changed(
                    changed(claims(), "iat", json!(NOW - 3600)),
                    "exp",
                    json!(NOW),
                ),
            ),
            "invalid_grant",
            "short-lived",
        ),
        (
            with("aud", json!("https://example.net/token")),
            "invalid_grant",
            "audience",
        ),
        (
            with("iss", json!("nobody@pager-1.iam.gserviceaccount.com")),
            "invalid_grant",
            "account not found",
        ),
        (format!("{head}.AAAA"), "invalid_grant", "Signature"),
        (
            sign(&json!({"alg": "RS256", "kid": "other"}), &claims()),
            "invalid_grant",
            "Signature",
        ),
        (
            sign(&json!({"alg": "RS256"}), &claims()),
            "invalid_grant",
            "Signature",
        ),
        (
            sign(&json!({"alg": "HS256", "kid": KEY_ID}), &claims()),
            "invalid_grant",
            "RS256",
        ),
        (with("scope", json!("everything")), "invalid_scope", "scope"),
        (with("scope", json!("")), "invalid_scope", "scope"),
        (
            with("sub", json!("somebody@example.net")),
            "unauthorized_client",
            "unauthorized",
        ),
        ("nonsense".into(), "invalid_grant", "three"),
    ];
    for (jwt, error, part) in cases {
        let reply = peer.push(&grant(&jwt)).await;
        let body = reply.json();
        assert_eq!(body["error"], error, "{body}");
        let status = if error == "unauthorized_client" {
            401
        } else {
            400
        };
        assert_eq!(reply.status, status, "{body}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(part), "{part}: {body}");
    }
    for (body, error) in [
        ("", "invalid_request"),
        ("grant_type=password", "unsupported_grant_type"),
    ] {
        assert_eq!(peer.push(&form(body)).await.json()["error"], error);
    }
    assert_eq!(sim.counters().access_tokens, 0);
}

#[tokio::test]
async fn a_little_skew_is_forgiven() {
    let sim = simulator(FcmSettings::default());
    let mut peer = connect(&sim).await;
    let early = changed(claims(), "iat", json!(NOW + 300));
    assert_eq!(
        peer.push(&grant(&sign(&header(), &early))).await.status,
        200
    );
}

#[tokio::test]
async fn access_tokens_expire_by_the_clock_and_by_a_script() {
    let mut stage = Stage::new().await;
    let body = json!({"message": {"topic": "news"}, "validate_only": true});
    let request = send_request(&stage.bearer, &body);
    assert_eq!(stage.peer.push(&request).await.status, 200);
    stage.sim.advance(Duration::from_secs(3599));
    let expired = stage.peer.push(&request).await;
    assert_eq!(expired.status, 401);
    assert!(expired.header("www-authenticate").is_some());
    assert_eq!(seen(&expired).info.as_deref(), Some("ACCESS_TOKEN_EXPIRED"));
    let mut stage = Stage::new().await;
    let request = send_request(&stage.bearer, &body);
    let report = stage.sim.act(
        &push_sim::Action::ExpireAccessTokens,
        &push_sim::FaultFilter::default(),
    );
    assert_eq!(report.connections, 1);
    assert_eq!(stage.peer.push(&request).await.status, 401);
}

#[tokio::test]
async fn a_bearer_is_judged_by_scope_project_and_rights() {
    let stage = Stage::new().await;
    let mut peer = connect(&stage.sim).await;
    let body = json!({"message": {"topic": "news"}});
    let nobody = send_request("ya29.nonsense", &body);
    let seen_nobody = seen(&peer.push(&nobody).await);
    assert_eq!(
        (
            seen_nobody.http,
            seen_nobody.status.as_str(),
            seen_nobody.code
        ),
        (401, "UNAUTHENTICATED", None)
    );
    let silent = nobody.clone().without("authorization");
    let missing = seen(&peer.push(&silent).await);
    assert_eq!(missing.info.as_deref(), Some("CREDENTIALS_MISSING"));

    let scope = "https://www.googleapis.com/auth/devstorage.read_only";
    let jwt = sign(&header(), &changed(claims(), "scope", scope.into()));
    let other = peer.push(&grant(&jwt)).await.json();
    let bearer = other["access_token"].as_str().unwrap();
    let scoped = seen(&peer.push(&send_request(bearer, &body)).await);
    assert_eq!(
        (scoped.http, scoped.info.as_deref()),
        (403, Some("ACCESS_TOKEN_SCOPE_INSUFFICIENT"))
    );

    stage
        .sim
        .set_project("pager-2", push_sim::ProjectSettings::default());
    let foreign = send_request(&stage.bearer, &body);
    for (path, http, info) in [
        (
            "/v1/projects/pager-2/messages:send",
            403,
            Some("IAM_PERMISSION_DENIED"),
        ),
        ("/v1/projects/pager-3/messages:send", 404, None),
    ] {
        let found = seen(&peer.push(&foreign.clone().path(path)).await);
        assert_eq!(
            (found.http, found.info.as_deref(), found.code),
            (http, info, None)
        );
    }

    let disabled = push_sim::ProjectSettings {
        api_enabled: false,
        ..push_sim::ProjectSettings::default()
    };
    stage.sim.set_project(PROJECT, disabled);
    let found = seen(&peer.push(&foreign).await);
    assert_eq!(found.info.as_deref(), Some("SERVICE_DISABLED"));
    stage
        .sim
        .set_project(PROJECT, push_sim::ProjectSettings::default());

    let powerless = NewServiceAccount {
        project: PROJECT.into(),
        client_email: Some(EMAIL.into()),
        may_send: false,
        public_key_pem: Some(super::stage::public_key_pem()),
        ..NewServiceAccount::default()
    };
    stage.sim.add_service_account(powerless).unwrap();
    assert_eq!(peer.push(&foreign).await.status, 403);
}

#[tokio::test]
async fn a_made_key_file_has_what_clients_need() {
    let sim = simulator(FcmSettings::default());
    let file: Value = serde_json::from_str(&sim.service_account_json("pager-9").unwrap()).unwrap();
    assert_eq!(file["type"], "service_account");
    assert_eq!(file["project_id"], "pager-9");
    assert_eq!(file["token_uri"], format!("{}/token", sim.google_url()));
    let pem = file["private_key"].as_str().unwrap();
    let der = {
        use rustls::pki_types::pem::PemObject;
        rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap()
    };
    let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    assert_eq!(pair.public_modulus_len(), 256);
    let removed = sim.remove_service_account("push@pager-9.iam.gserviceaccount.com", None);
    assert!(removed);
    assert!(SCOPE.ends_with("firebase.messaging"));
}
