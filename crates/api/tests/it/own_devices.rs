//! Devices that register themselves with a publishable API key, from apps and pages.

use crate::catalogue::{About, operations};
use crate::identity::user_token;
use crate::world::{Answer, Ask, Setup, TOKEN, World};
use axum::http::Method;
use carillon_ports::registry::Scope;
use serde_json::{Value, json};

const DEVICES: &str = "/v1/apps/shop/devices";
const PHONE: &str = "/v1/apps/shop/devices/5b1c0e9e-3d0b-4f4e-9a57-2f1d6b7a1c11";

async fn published(world: &World) -> String {
    world
        .make_key(Some(world.app("shop")), &[Scope::Register])
        .await
}

async fn put(world: &World, key: &str, secret: Option<&str>, body: Value) -> Answer {
    let mut ask = Ask::new(Method::PUT, PHONE).json(&body).key(key);
    if let Some(secret) = secret {
        ask = ask.header("carillon-device-secret", secret);
    }
    world.send(ask).await
}

#[tokio::test]
async fn a_device_comes_back_by_its_secret() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let body = || json!({"locale": "ko-KR", "platform": "ios", "push_tokens": [{"token": "00ab"}]});
    let made = put(&world, &key, None, body()).await.is(201).json();
    let secret = made["device_secret"].as_str().unwrap().to_owned();
    assert!(
        secret.starts_with("crl_dev_") && secret.len() == 40,
        "{secret}"
    );
    assert_eq!(made["user_id"], json!(null));
    assert_eq!(made["push_tokens"][0]["kind"], "alert");

    let again = put(&world, &key, Some(&secret), body())
        .await
        .is(200)
        .json();
    assert_eq!(again.get("device_secret"), None, "shown once");
    for wrong in [None, Some("crl_dev_00000000000000000000000000000000")] {
        put(&world, &key, wrong, body())
            .await
            .problem(403, "device.not_own");
    }
    let seen = world.get(PHONE).await.is(200);
    assert!(!seen.text().contains(&secret), "only its hash is kept");

    let delete = |secret: &str| {
        let ask = Ask::new(Method::DELETE, PHONE).key(&key);
        world.send(ask.header("carillon-device-secret", secret))
    };
    delete("crl_dev_00000000000000000000000000000000")
        .await
        .problem(403, "device.not_own");
    world
        .send(Ask::new(Method::DELETE, PHONE).key(&key))
        .await
        .problem(400, "request.header");
    delete(&secret).await.is(204);
    delete(&secret).await.problem(404, "device.unknown");
}

#[tokio::test]
async fn a_device_takes_back_one_of_its_push_tokens() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let secret = "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c";
    let body = json!({"push_tokens": [{"token": "00ab"}, {"kind": "voip", "token": "00cd"}]});
    put(&world, &key, Some(secret), body).await.is(201);
    let take_back = |kind: &str, secret: Option<&str>| {
        let mut ask = Ask::new(Method::DELETE, &format!("{PHONE}/push-tokens/{kind}")).key(&key);
        if let Some(secret) = secret {
            ask = ask.header("carillon-device-secret", secret);
        }
        world.send(ask)
    };
    take_back("voip", None).await.problem(400, "request.header");
    let wrong = "crl_dev_00000000000000000000000000000000";
    take_back("voip", Some(wrong))
        .await
        .problem(403, "device.not_own");
    take_back("voip", Some(secret)).await.is(204);
    take_back("voip", Some(secret))
        .await
        .problem(404, "push_token.unknown");
    let left = world.get(PHONE).await.is(200).json();
    let left = left["push_tokens"].as_array().unwrap();
    let kinds: Vec<_> = left.iter().map(|token| &token["kind"]).collect();
    assert_eq!(kinds, ["alert"]);
}

#[tokio::test]
async fn an_app_may_bring_its_own_secret_and_lose_an_answer() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let secret = "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c";
    let first = put(&world, &key, Some(secret), json!({}))
        .await
        .is(201)
        .json();
    let second = put(&world, &key, Some(secret), json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(first.get("device_secret"), None);
    assert_eq!(first["id"], second["id"]);
}

#[tokio::test]
async fn carillon_makes_the_id_where_the_app_has_none() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let body = json!({"push_tokens": [{"token": "00ab"}]});
    let made = world
        .send(Ask::new(Method::POST, DEVICES).json(&body).key(&key))
        .await
        .is(201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("{DEVICES}/{id}"));
    let secret = made.json()["device_secret"].as_str().unwrap().to_owned();
    let again = Ask::new(Method::PUT, &format!("{DEVICES}/{id}"))
        .json(&body)
        .key(&key);
    let again = world
        .send(again.header("carillon-device-secret", &secret))
        .await
        .is(200)
        .json();
    assert_eq!(again["id"], json!(id));

    // The push token alone is no proof: another device, which has it now.
    let other = world
        .send(Ask::new(Method::POST, DEVICES).json(&body).key(&key))
        .await
        .is(201);
    assert_ne!(other.json()["id"], json!(id));
    let first = world.get(&format!("{DEVICES}/{id}")).await.is(200).json();
    assert_eq!(first["push_tokens"], json!([]));

    // Everybody shares the key, so an Idempotency-Key would name somebody else's device.
    let ask = Ask::new(Method::POST, DEVICES).json(&body).key(&key);
    world
        .send(ask.header("idempotency-key", "k"))
        .await
        .problem(400, "request.header");
}

#[tokio::test]
async fn who_is_signed_for_takes_the_device_along() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let ann = json!({"user_token": user_token(&world, "ann").await});
    let bob = json!({"user_token": user_token(&world, "bob").await});
    let made = put(&world, &key, None, ann.clone()).await.is(201).json();
    assert_eq!(made["user_id"], "ann");
    let secret = made["device_secret"].as_str().unwrap();
    // Bob cannot take Ann's device, except on the device itself.
    put(&world, &key, None, bob.clone())
        .await
        .problem(403, "device.not_own");
    let taken = put(&world, &key, Some(secret), bob.clone())
        .await
        .is(200)
        .json();
    assert_eq!(taken["user_id"], "bob");
    put(&world, &key, None, ann)
        .await
        .problem(403, "device.not_own");
    // Its user is proof where the secret was lost; the old one is worth nothing then.
    let found = put(&world, &key, None, bob).await.is(200).json();
    let fresh = found["device_secret"].as_str().unwrap();
    put(&world, &key, Some(secret), json!({}))
        .await
        .problem(403, "device.not_own");
    // Without a user_token it is nobody's: signed out.
    let out = put(&world, &key, Some(fresh), json!({}))
        .await
        .is(200)
        .json();
    assert_eq!(out["user_id"], json!(null));
}

#[tokio::test]
async fn what_a_back_end_says_an_app_cannot() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    for (body, pointer, code) in [
        (
            json!({"user_id": "ann"}),
            "/user_id",
            "device.user_id_unsigned",
        ),
        (json!({"tags": ["staff"]}), "/tags", "device.back_end_only"),
        (
            json!({"attributes": {"plan": "gold"}}),
            "/attributes",
            "device.back_end_only",
        ),
        (json!({"platform": "i os"}), "/platform", "device.platform"),
    ] {
        let problem = put(&world, &key, None, body)
            .await
            .problem(422, "request.invalid");
        let error = &problem["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["code"]),
            (&json!(pointer), &json!(code))
        );
    }
    let secret = put(&world, &key, None, json!({})).await.is(201).json();
    let secret = secret["device_secret"].as_str().unwrap();
    let said = json!({"tags": ["staff"], "attributes": {"plan": "gold"}});
    world.put(PHONE, said).await.is(200);
    let body = json!({"topics": ["news"], "tags": [], "capabilities": ["voip_call_ui"]});
    let seen = put(&world, &key, Some(secret), body).await.is(200).json();
    assert_eq!(seen["topics"], json!(["news"]));
    assert_eq!(seen["capabilities"], json!(["voip_call_ui"]));
    let none = (json!([]), json!({}));
    assert_eq!(
        (&seen["tags"], &seen["attributes"]),
        (&none.0, &none.1),
        "it is not told what its back end thinks of it"
    );
    let kept = world.get(PHONE).await.is(200).json();
    assert_eq!(
        (&kept["tags"], &kept["topics"]),
        (&json!(["staff"]), &json!(["news"]))
    );
    assert_eq!(kept["attributes"], json!({"plan": "gold"}));
    assert_eq!(kept["capabilities"], json!(["voip_call_ui"]));

    for (path, pointer) in [
        (format!("{DEVICES}/short"), "id"),
        (DEVICES.to_owned(), "/id"),
    ] {
        let method = if pointer == "id" {
            Method::PUT
        } else {
            Method::POST
        };
        let body = if pointer == "id" {
            json!({})
        } else {
            json!({"id": "short"})
        };
        let answer = world
            .send(Ask::new(method, &path).json(&body).key(&key))
            .await
            .json();
        assert_eq!(answer["errors"][0]["code"], "device.id_random");
        assert_eq!(answer["errors"][0]["pointer"], pointer);
    }
    // A back end says who it is, and signs nothing.
    let problem = world.put(PHONE, json!({"user_token": "a.b.c"})).await;
    let problem = problem.problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["code"], "device.user_token");
}

#[tokio::test]
async fn apps_of_tomorrow_are_understood_today() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let body = json!({"colour": "red", "push_tokens": [{"token": "00ab", "region": "eu"}]});
    let made = put(&world, &key, None, body.clone()).await.is(201).json();
    assert_eq!(made["push_tokens"].as_array().unwrap().len(), 1);
    let problem = world.put(PHONE, body).await.problem(422, "request.invalid");
    assert_eq!(
        problem["errors"][0]["code"], "field.unknown",
        "a back end is told"
    );
    // What is known is still checked.
    let wrong = json!({"locale": 7, "colour": "red"});
    let problem = put(&world, &key, None, wrong)
        .await
        .problem(422, "request.invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/locale");
    let ask = Ask::new(Method::PUT, PHONE)
        .key(&key)
        .body("application/json", "{\"a\":");
    world.send(ask).await.problem(400, "request.syntax");
}

#[tokio::test]
async fn a_publishable_key_opens_nothing_else() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let own = [
        "device_create",
        "device_put",
        "device_delete",
        "push_token_delete",
        "live_activity_token_put",
        "live_activity_gone",
        "push_to_start_put",
        "push_to_start_delete",
    ];
    for operation in operations() {
        if own.contains(&operation.id) || operation.about == About::Nothing {
            continue;
        }
        let answer = world.send(operation.ask(operation.path).key(&key)).await;
        answer.problem(403, "auth.scope");
    }
    let elsewhere = PHONE.replace("/shop", "/bare");
    let ask = Ask::new(Method::PUT, &elsewhere).json(&json!({})).key(&key);
    world.send(ask).await.problem(403, "auth.app");
    // The device of a back end stays its own, whatever is known of it.
    let known = json!({"push_tokens": [{"token": "00ab", "replaces": TOKEN}]});
    let ask = Ask::new(Method::POST, DEVICES).json(&known).key(&key);
    world.send(ask).await.is(201);
    let phone = world.get(&format!("{DEVICES}/phone")).await.is(200).json();
    assert_eq!(phone["push_tokens"][0]["fingerprint"], "00fc…e8f0");
    // A key that holds more than `register`, but nothing of devices, is a device's all the same.
    let odd = world
        .make_key(Some(world.app("shop")), &[Scope::Register, Scope::Read])
        .await;
    let ask = Ask::new(Method::DELETE, &format!("{DEVICES}/phone")).key(&odd);
    world.send(ask).await.problem(400, "request.header");
}

#[tokio::test]
async fn publishable_keys_are_made_for_one_app_and_nothing_else() {
    let world = World::furnished(Setup::default()).await;
    let make = |body: Value| world.post("/v1/api-keys", body);
    for (body, code) in [
        (
            json!({"name": "x", "scopes": ["register"]}),
            "api_key.publishable",
        ),
        (
            json!({"name": "x", "app": "shop", "scopes": ["register", "read"]}),
            "api_key.publishable",
        ),
        (
            json!({"name": "x", "app": "shop", "scopes": ["admin", "register"]}),
            "api_key.publishable",
        ),
    ] {
        let problem = make(body).await.problem(422, "request.invalid");
        assert_eq!(problem["errors"][0]["code"], code);
    }
    let body = json!({"name": "app", "app": "shop", "scopes": ["register"]});
    let made = make(body).await.is(201).json();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("crl_pub_"), "{secret}");
    assert_eq!(made["scopes"], json!(["register"]));
    put(&world, secret, None, json!({})).await.is(201);
    let audit = world.get("/v1/audit?limit=1").await.is(200).json();
    assert_eq!(audit["data"][0]["action"], "api_key.put");
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    world.delete(&path).await.is(204);
    put(&world, secret, None, json!({}))
        .await
        .problem(401, "auth.unknown");
}

#[tokio::test]
async fn pages_may_register_their_browser_and_no_more() {
    let world = World::furnished(Setup::default()).await;
    let key = published(&world).await;
    let preflight = |path: &str, method: &str| {
        let ask = Ask::new(Method::OPTIONS, path)
            .no_key()
            .header("origin", "https://shop.example")
            .header("access-control-request-method", method)
            .header(
                "access-control-request-headers",
                "authorization,content-type",
            );
        world.send_unchecked(ask)
    };
    for (path, methods) in [(DEVICES, "POST"), (PHONE, "PUT, DELETE")] {
        let answer = preflight(path, "PUT").await.is(204);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-methods"), methods);
        let headers = answer.header("access-control-allow-headers");
        for name in ["authorization", "content-type", "carillon-device-secret"] {
            assert!(headers.contains(name), "{headers}");
        }
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").to_owned();
    let subscription =
        json!({"endpoint": "https://push.example/1", "keys": {"p256dh": "x", "auth": "y"}});
    let body = json!({"platform": "web", "push_tokens": [{"kind": "webpush", "subscription": subscription}]});
    let made = put(&world, &key, None, body).await.is(201);
    assert_eq!(allowed(&made), "*");
    assert!(
        made.header("access-control-expose-headers")
            .contains("location")
    );
    assert!(
        !made.text().contains("push.example"),
        "an address is not shown"
    );
    // A page has to be able to read why it was refused.
    let refused = put(&world, &key, None, json!({})).await;
    assert_eq!((refused.status.as_u16(), &*allowed(&refused)), (403, "*"));
    let unknown = put(&world, "crl_pub_nobody", None, json!({})).await;
    assert_eq!((unknown.status.as_u16(), &*allowed(&unknown)), (401, "*"));

    for path in [
        DEVICES,
        PHONE,
        "/v1/apps/shop",
        "/v1/apps/shop/notifications",
    ] {
        assert_eq!(allowed(&world.get(path).await), "", "{path}");
    }
    for path in [
        "/v1/apps/shop/notifications",
        "/v1/apps/shop/devices/import",
        "/v1/api-keys",
    ] {
        let answer = preflight(path, "POST").await;
        assert_eq!(
            (answer.status.as_u16(), &*allowed(&answer)),
            (405, ""),
            "{path}"
        );
    }
}
