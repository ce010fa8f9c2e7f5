//! Broadcast channels against the simulator: by hand, and as the channel of a Live Activity, over a `kill -9`.

use crate::support::{BUNDLE_ID, Home, Server, until};
use push_sim::{Environment, NewPhones, PushTokenKind};
use serde_json::{Value, json};

fn home() -> Home {
    let mut home = Home::new();
    let addresses = home.simulator.addresses();
    for (name, address) in [
        ("APNS__SANDBOX_CHANNELS", addresses.sandbox.management),
        ("APNS__SANDBOX_BROADCASTS", addresses.sandbox.broadcast),
    ] {
        home.set(name, address.to_string());
    }
    home.set("LIVE_ACTIVITIES__CHANNEL_DELETE_AFTER", "1s");
    home
}

fn channels(server: &Server<'_>) -> Vec<Value> {
    let args = [
        "channel",
        "list",
        "--app",
        "shop",
        "--environment",
        "sandbox",
    ];
    let listed = server.json(&args);
    listed["data"].as_array().unwrap().clone()
}

fn channel(server: &Server<'_>) -> Value {
    let read = server.get("/v1/apps/shop/live-activities/final");
    let read: Value = serde_json::from_str(&read).unwrap();
    read["channel"].clone()
}

#[test]
fn channels_are_kept_by_hand() {
    let home = home();
    let server = home.serve();
    server.set_up(&[]);
    let place = ["--app", "shop", "--environment", "sandbox"];
    let made = server.json(&[&["channel", "create", "--store"][..], &place].concat());
    assert_eq!(made["topic"], BUNDLE_ID);
    let id = made["id"].as_str().unwrap();
    let listed = channels(&server);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], id);
    let table = server.carillon(&[&["channel", "list"][..], &place].concat());
    assert!(table.stdout.contains(id), "{table:?}");
    let deleted = server.json(&[&["channel", "delete", id][..], &place].concat());
    assert_eq!(deleted["deleted"], id);
    let again = server.carillon(&[&["channel", "delete", id][..], &place].concat());
    assert_ne!(again.code, 0);
    assert!(again.stderr.contains("ChannelNotRegistered"), "{again:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_live_activitys_channel_comes_and_goes_with_it() {
    let home = home();
    let server = home.serve();
    server.set_up(&[]);
    let plan = json!({
        "recipient": {"new_channel": {"environment": "sandbox"}}, "start": "app", "attributes_type": "Match",
        "content_state": {"goals": 0}, "end": {"content_state": {"goals": 9}, "dismiss_after": "1s"}
    });
    let path = "/v1/apps/shop/live-activities/final";
    let (status, _) = server.call("PUT", path, None, &plan);
    assert_eq!(status, 201);
    until("its channel is made", || {
        channel(&server)["state"] == "made"
    });
    // The plug is pulled: what it has stands on disk.
    server.kill();
    let server = home.serve();
    let id = channel(&server)["id"].as_str().unwrap().to_owned();
    assert!(channels(&server).iter().any(|one| one["id"] == *id));
    let (status, _) = server.call("POST", &format!("{path}/end"), None, &json!({}));
    assert_eq!(status, 200);
    until("its channel is gone", || {
        channel(&server)["state"] == "deleted"
    });
    server.settle();
    assert!(!channels(&server).iter().any(|one| one["id"] == *id));
    let accepted = server.stats()["totals"]["accepted"].as_u64();
    assert_eq!(accepted, Some(2), "the first state and the end");
    assert_eq!(server.stop(), 0);
}

/// Phones of a user are started on the channel, and see what is published there.
#[test]
fn phones_follow_the_channel_that_they_were_started_on() {
    let home = home();
    let server = home.serve();
    server.set_up(&[]);
    let kind = PushTokenKind::LiveActivityStart;
    let made = home.simulator.make_phones(&NewPhones {
        count: 2,
        app: BUNDLE_ID.into(),
        environment: Environment::Sandbox,
        kinds: vec![kind],
        ..NewPhones::default()
    });
    let made = made.unwrap();
    for (number, phone) in made.iter().enumerate() {
        let device = format!("/v1/apps/shop/devices/fan-{number}");
        let (status, _) = server.call("PUT", &device, None, &json!({"user_id": "fan"}));
        assert!(status < 300, "{status}");
        let told = json!({"token": phone.push_tokens[&kind], "environment": "sandbox"});
        let path = format!("{device}/push-to-start-tokens/Match");
        assert_eq!(server.call("PUT", &path, None, &told).0, 204);
    }
    let new = json!({"environment": "sandbox", "users": ["fan"]});
    let plan = json!({
        "recipient": {"new_channel": new}, "attributes_type": "Match", "content_state": {"goals": 0},
        "alert": {"title": "Final", "body": "It begins"}, "end": {"content_state": {"goals": 9}, "dismiss_after": "1s"}
    });
    let path = "/v1/apps/shop/live-activities/final";
    assert_eq!(server.call("PUT", path, None, &plan).0, 201);
    let shows = |goals: u64| {
        made.iter().all(|phone| {
            let view = home.simulator.phone(phone.id).unwrap();
            let mut activities = view.apps[0].activities.iter();
            activities.any(|one| one.channel.is_some() && one.content_state["goals"] == goals)
        })
    };
    until("both phones show it", || shows(0));
    let goal = json!({"content_state": {"goals": 1}});
    assert_eq!(server.call("PATCH", path, None, &goal).0, 200);
    until("both see the goal", || shows(1));
    let read: Value = serde_json::from_str(&server.get(path)).unwrap();
    assert_eq!(read["state"], "active");
    assert_eq!(read["phones"], json!([]), "nobody waits for their tokens");
    assert_eq!(
        server
            .call("POST", &format!("{path}/end"), None, &json!({}))
            .0,
        200
    );
    until("both see the end", || shows(9));
    server.settle();
    let accepted = server.stats()["totals"]["accepted"].as_u64();
    assert_eq!(accepted, Some(4), "two starts and two broadcasts");
    assert_eq!(server.stop(), 0);
}
