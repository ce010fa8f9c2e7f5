//! Credentials: checked, sealed, never shown, and tried at the gateway.

use crate::catalogue::credential;
use crate::gateway::Mood;
use crate::world::{PEM, Setup, World};
use serde_json::json;

const PATH: &str = "/v1/apps/shop/credentials/new";

#[tokio::test]
async fn the_secret_goes_in_and_never_comes_back() {
    let world = World::furnished(Setup::default()).await;
    let made = world.put(PATH, credential()).await.is(201);
    assert!(!made.text().contains("PRIVATE KEY"), "{}", made.text());
    let made = made.json();
    assert_eq!(made["kind"], "signing_key");
    assert_eq!(
        (&made["key_id"], &made["version"]),
        (&json!("ABC123DEFG"), &json!(1))
    );
    let again = world.put(PATH, credential()).await.is(200).json();
    assert_eq!(again["version"], 2);
    assert_eq!(world.get(PATH).await.is(200).json(), again);
    let list = world
        .get("/v1/apps/shop/credentials?limit=1")
        .await
        .is(200)
        .json();
    assert_eq!(list["data"][0]["name"], "apple");
    let next = list["next"].as_str().unwrap();
    let rest = world
        .get(&format!("/v1/apps/shop/credentials?cursor={next}"))
        .await
        .is(200)
        .json();
    assert_eq!(
        (&rest["data"][0]["name"], &rest["next"]),
        (&json!("new"), &json!(null))
    );

    let directory = world.engine.registry().directory().await.unwrap();
    let (_, sealed) = directory
        .credentials
        .iter()
        .find(|(credential, _)| credential.name == "new")
        .unwrap();
    let no = directory
        .credentials
        .iter()
        .find(|(credential, _)| credential.name == "new")
        .unwrap()
        .0
        .no;
    let row = no.to_string();
    let opened = world
        .engine
        .secrets()
        .open(carillon_ports::secret::Place::credential(&row), sealed)
        .unwrap();
    assert!(
        String::from_utf8_lossy(&opened).contains("PRIVATE KEY"),
        "sealed for its own row"
    );
    world.delete(PATH).await.is(204);
    world.get(PATH).await.problem(404, "credential.unknown");
}

#[tokio::test]
async fn exactly_one_secret_and_a_readable_one() {
    let world = World::furnished(Setup::default()).await;
    let key = json!({"pem": PEM, "key_id": "A", "team_id": "B"});
    let certificate = json!({"chain_pem": "c", "private_key_pem": "k"});
    let bare = PEM;
    for (body, code, pointer) in [
        (json!({"gateway": "apns"}), "credential.secret", ""),
        (
            json!({"gateway": "apns", "signing_key": key, "certificate": certificate}),
            "credential.secret",
            "",
        ),
        (
            json!({"gateway": "apns", "signing_key": {"pem": "?", "key_id": "A", "team_id": "B"}}),
            "credential.signing_key",
            "/signing_key/pem",
        ),
        (
            json!({"gateway": "apns", "signing_key": {"pem": PEM, "key_id": "A"}}),
            "field.missing",
            "/signing_key/team_id",
        ),
        (
            json!({"gateway": "apns", "signing_key": bare}),
            "field.type",
            "/signing_key",
        ),
        (
            json!({"gateway": "fcm", "signing_key": key}),
            "credential.gateway",
            "/gateway",
        ),
        (
            json!({"gateway": "apns", "environments": ["moon"], "signing_key": key}),
            "field.value",
            "/environments/0",
        ),
        (
            json!({"gateway": "fcm", "server_key": "AAAAabc:APA91bxyz"}),
            "credential.service_account",
            "/server_key",
        ),
        (
            json!({"gateway": "fcm", "api_key": "AIza"}),
            "credential.service_account",
            "/server_key",
        ),
    ] {
        let problem = world.put(PATH, body).await.problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["code"], &error["pointer"]),
            (&json!(code), &json!(pointer)),
            "{problem}"
        );
        assert!(!problem.to_string().contains("PRIVATE KEY"), "{problem}");
    }
    world.get(PATH).await.problem(404, "credential.unknown");
    world
        .put("/v1/apps/shop/credentials/a%20b", credential())
        .await
        .problem(400, "request.parameter");
    let certificate =
        json!({"gateway": "apns", "environments": ["production"], "certificate": certificate});
    assert_eq!(
        world.put(PATH, certificate).await.is(201).json()["kind"],
        "certificate"
    );
}

#[tokio::test]
async fn a_probe_says_what_the_gateway_thinks() {
    let world = World::furnished(Setup::default()).await;
    let path = "/v1/apps/shop/credentials/apple/probe";
    let good = world.post(path, json!({})).await.is(200).json();
    assert_eq!(good["ok"], true);
    let results = good["results"].as_array().unwrap();
    let environments: Vec<_> = results
        .iter()
        .map(|result| &result["environment"])
        .collect();
    assert_eq!(environments, ["production", "sandbox"]);
    assert_eq!(
        results[0]["gateway"],
        json!({"status": 400, "reason": "BadDeviceToken"})
    );
    world.gateway.set(Mood::Reject("TopicDisallowed"));
    let bad = world.post(path, json!({})).await.is(200).json();
    assert_eq!(bad["ok"], false);
    assert!(
        bad["results"][0]["mend"]
            .as_str()
            .unwrap()
            .contains("bundle id")
    );
}
