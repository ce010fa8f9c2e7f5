//! Google's part of the admin API, and the metadata server.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::stage::{PROJECT, connect, send_request};
use crate::support::{config, soon};
use push_sim::Simulator;

async fn call(sim: &Simulator, method: &str, path: &str, body: &Value) -> (u16, Value) {
    with_header(sim, method, path, body, "x-none: 1").await
}

async fn with_header(
    sim: &Simulator,
    method: &str,
    path: &str,
    body: &Value,
    header: &str,
) -> (u16, Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let mut tcp = TcpStream::connect(sim.addresses().admin).await.unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(tcp.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or(Value::String(body.into())),
    )
}

fn start() -> Simulator {
    Simulator::start(config(push_sim::Settings::default())).unwrap()
}

#[tokio::test]
async fn accounts_phones_and_faults_over_http() {
    let sim = start();
    let new = json!({"project": PROJECT});
    let (status, account) = call(&sim, "POST", "/v1/fcm/service-accounts", &new).await;
    assert_eq!(status, 200, "{account}");
    let file: Value = serde_json::from_str(account["key_file"].as_str().unwrap()).unwrap();
    assert_eq!(file["client_email"], account["client_email"]);

    let settings = json!({"fcm": {"accept_any_access_token": true}});
    let (_, settings) = call(&sim, "PUT", "/v1/settings", &settings).await;
    assert_eq!(
        settings["fcm"]["sends_per_minute"], 600_000,
        "the rest stays"
    );

    let new = json!({"project": PROJECT, "count": 2, "topics": ["news"], "online": false});
    let (_, made) = call(&sim, "POST", "/v1/fcm/phones", &new).await;
    let phone = &made["phones"][0];
    let token = phone["registration_token"].as_str().unwrap();
    let body = json!({"message": {"topic": "news", "notification": {"title": "T"}}});
    let mut peer = connect(&sim).await;
    assert_eq!(
        peer.push(&send_request("anything", &body)).await.status,
        200
    );

    let (_, view) = call(&sim, "PATCH", "/v1/fcm/phones/1", &json!({"online": true})).await;
    assert_eq!(view["shown"][0]["title"], "T", "{view}");
    let many = json!({"ids": [2], "online": true});
    assert_eq!(
        call(&sim, "PATCH", "/v1/fcm/phones", &many).await.1["changed"],
        1
    );
    let (_, page) = call(
        &sim,
        "GET",
        "/v1/fcm/phones?after_id=1&limit=1",
        &Value::Null,
    )
    .await;
    assert_eq!(page["phones"][0]["id"], 2);
    let path = format!("/v1/fcm/registrations/{token}");
    assert_eq!(call(&sim, "GET", &path, &Value::Null).await.1["id"], 1);
    let topic = json!({"topic": "more"});
    let (_, done) = call(&sim, "POST", "/v1/fcm/phones/1/topics", &topic).await;
    assert_eq!(done["new"], true);

    let (_, page) = call(&sim, "GET", "/v1/received?gateway=fcm", &Value::Null).await;
    assert_eq!(page["received"][0]["gateway"], "fcm");
    assert_eq!(page["received"][0]["project"], PROJECT);
    let project = json!({"api_enabled": false});
    assert_eq!(
        call(&sim, "PUT", "/v1/fcm/projects/pager-1", &project)
            .await
            .0,
        200
    );
    assert_eq!(
        peer.push(&send_request("anything", &body)).await.status,
        403
    );

    let path = format!(
        "/v1/fcm/service-accounts/{}",
        account["client_email"].as_str().unwrap()
    );
    assert_eq!(
        call(&sim, "DELETE", &format!("{path}?key_id=x"), &Value::Null)
            .await
            .0,
        404
    );
    assert_eq!(call(&sim, "DELETE", &path, &Value::Null).await.0, 200);
}

#[tokio::test]
async fn mistakes_are_named() {
    let sim = start();
    for (method, path, body, status, part) in [
        ("POST", "/v1/fcm/phones", json!({}), 400, "project"),
        (
            "POST",
            "/v1/fcm/phones",
            json!({"project": "p", "colour": 1}),
            400,
            "colour",
        ),
        (
            "POST",
            "/v1/fcm/phones",
            json!({"project": "p", "topics": ["a b"]}),
            400,
            "topics",
        ),
        (
            "POST",
            "/v1/fcm/service-accounts",
            json!({"project": ""}),
            400,
            "project",
        ),
        (
            "POST",
            "/v1/fcm/service-accounts",
            json!({"project": "p", "public_key_pem": "x"}),
            400,
            "public_key_pem",
        ),
        ("GET", "/v1/fcm/phones/1", Value::Null, 404, "no phone 1"),
        ("PATCH", "/v1/fcm/phones/1", json!({}), 404, "no phone 1"),
        (
            "GET",
            "/v1/fcm/registrations/x",
            Value::Null,
            404,
            "registration",
        ),
        (
            "PUT",
            "/v1/settings",
            json!({"fcm": {"colour": 1}}),
            400,
            "colour",
        ),
        (
            "PUT",
            "/v1/fcm/projects/p",
            json!({"ios_death": "slow"}),
            400,
            "slow",
        ),
    ] {
        let (found, answer) = call(&sim, method, path, &body).await;
        assert_eq!(found, status, "{method} {path} {body}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains(part), "{path} {body}: {error}");
    }
}

#[tokio::test]
async fn the_metadata_server_gives_access_tokens() {
    let sim = start();
    let path = "/computeMetadata/v1/instance/service-accounts/default/token";
    let flavor = "Metadata-Flavor: Google";
    assert_eq!(call(&sim, "GET", path, &Value::Null).await.0, 403);
    assert_eq!(
        with_header(&sim, "GET", path, &Value::Null, flavor).await.0,
        404
    );
    let settings = json!({"fcm": {"metadata_project": PROJECT}});
    call(&sim, "PUT", "/v1/settings", &settings).await;
    let (status, given) = with_header(&sim, "GET", path, &Value::Null, flavor).await;
    assert_eq!(
        (status, given["token_type"].as_str()),
        (200, Some("Bearer"))
    );
    let project = "/computeMetadata/v1/project/project-id";
    let (_, named) = with_header(&sim, "GET", project, &Value::Null, flavor).await;
    assert_eq!(named, PROJECT);
    let body = json!({"message": {"topic": "news"}});
    let bearer = given["access_token"].as_str().unwrap();
    let mut peer = connect(&sim).await;
    assert_eq!(peer.push(&send_request(bearer, &body)).await.status, 200);
}
