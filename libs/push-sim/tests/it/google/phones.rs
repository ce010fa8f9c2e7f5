//! What Android phones do with what Google has taken.

use std::time::Duration;

use push_sim::{Effect, FcmPhonePatch, MadeFcmPhone, NewFcmPhones};
use serde_json::{Value, json};

use super::stage::Stage;

fn patch(stage: &Stage, phone: &MadeFcmPhone, patch: FcmPhonePatch) {
    stage.sim.patch_fcm_phone(phone.id, &patch).unwrap();
}

fn online(stage: &Stage, phone: &MadeFcmPhone, online: bool) {
    let change = FcmPhonePatch {
        online: Some(online),
        ..FcmPhonePatch::default()
    };
    patch(stage, phone, change);
}

fn doze(stage: &Stage, phone: &MadeFcmPhone, doze: bool) {
    let change = FcmPhonePatch {
        doze: Some(doze),
        ..FcmPhonePatch::default()
    };
    patch(stage, phone, change);
}

/// Values of `n` in the data of everything the phone has shown or handed over, in order.
fn order(stage: &Stage, phone: &MadeFcmPhone) -> Vec<String> {
    let shown = stage.view(phone).shown;
    shown.into_iter().map(|one| one.data["n"].clone()).collect()
}

fn data(n: impl ToString) -> Value {
    json!({"data": {"n": n.to_string()}})
}

fn collapsing(n: impl ToString, collapse_key: &str) -> Value {
    json!({"data": {"n": n.to_string()}, "android": {"collapse_key": collapse_key}})
}

fn offline() -> NewFcmPhones {
    NewFcmPhones {
        online: false,
        ..NewFcmPhones::default()
    }
}

fn times(stage: &Stage, phone: &MadeFcmPhone, effect: Effect) -> u32 {
    let effects = stage.view(phone).effects;
    effects.get(&effect).copied().unwrap_or_default()
}

#[tokio::test]
async fn data_goes_to_the_app_and_notifications_to_the_screen() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    stage.must_send(&phone, data(1)).await;
    let both = json!({"data": {"n": "2"}, "notification": {"title": "T"}});
    stage.must_send(&phone, both.clone()).await;
    let open = FcmPhonePatch {
        foreground: Some(true),
        ..FcmPhonePatch::default()
    };
    patch(&stage, &phone, open);
    stage.must_send(&phone, both.clone()).await;
    let closed = FcmPhonePatch {
        foreground: Some(false),
        notifications: Some(false),
        ..FcmPhonePatch::default()
    };
    patch(&stage, &phone, closed);
    stage.must_send(&phone, both).await;
    let effects: Vec<_> = stage.view(&phone).shown.iter().map(|s| s.effect).collect();
    assert_eq!(effects, [Effect::Woken, Effect::Shown, Effect::Woken]);
    assert_eq!(times(&stage, &phone, Effect::Suppressed), 1);
    let counters = stage.sim.counters();
    assert_eq!((counters.effects[&Effect::Woken], counters.shown()), (2, 1));
}

#[tokio::test]
async fn a_tag_replaces_what_is_shown() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    for (title, tag) in [("one", "a"), ("two", "b"), ("three", "a")] {
        let message =
            json!({"notification": {"title": title}, "android": {"notification": {"tag": tag}}});
        stage.must_send(&phone, message).await;
    }
    for _ in 0..2 {
        let untagged = json!({"notification": {"title": "plain"}});
        stage.must_send(&phone, untagged).await;
    }
    let shown = stage.view(&phone).shown;
    let titles: Vec<_> = shown.iter().filter_map(|s| s.title.as_deref()).collect();
    assert_eq!(titles, ["two", "three", "plain", "plain"]);
    assert_eq!((shown[1].effect, shown[1].times), (Effect::Replaced, 2));
}

#[tokio::test]
async fn androids_own_texts_and_data_win() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({
        "notification": {"title": "common", "body": "common"}, "data": {"n": "1", "x": "y"},
        "android": {"notification": {"body": "own"}, "data": {"n": "2"}},
    });
    stage.must_send(&phone, message).await;
    let shown = &stage.view(&phone).shown[0];
    assert_eq!(shown.title.as_deref(), Some("common"));
    assert_eq!(shown.body.as_deref(), Some("own"));
    assert_eq!(shown.data.len(), 1, "replaced wholly");
}

#[tokio::test]
async fn four_collapse_keys_are_kept_and_the_newest_of_each() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(offline());
    for (n, key) in [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "b"), (6, "e")] {
        stage.must_send(&phone, collapsing(n, key)).await;
    }
    stage.must_send(&phone, data(7)).await;
    assert_eq!(times(&stage, &phone, Effect::StoredOver), 1);
    assert_eq!(times(&stage, &phone, Effect::Displaced), 1);
    let kept = stage.view(&phone).stored;
    let kept: Vec<_> = kept.iter().map(|s| s.collapse_key.as_deref()).collect();
    assert_eq!(kept, [Some("c"), Some("d"), Some("b"), Some("e"), None]);
    online(&stage, &phone, true);
    assert_eq!(order(&stage, &phone), ["3", "4", "5", "6", "7"]);
    assert!(stage.view(&phone).stored.is_empty());
}

#[tokio::test]
async fn notifications_collapse_whatever_they_name() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(offline());
    for (n, key) in [(1, "a"), (2, "b")] {
        let mut message = collapsing(n, key);
        message["notification"] = json!({"title": "T"});
        stage.must_send(&phone, message).await;
    }
    online(&stage, &phone, true);
    assert_eq!(order(&stage, &phone), ["2"]);
}

#[tokio::test]
async fn the_hundred_and_first_loses_all() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(offline());
    for n in 0..100 {
        stage.must_send(&phone, data(n)).await;
    }
    assert_eq!(stage.view(&phone).stored.len(), 100);
    stage.must_send(&phone, data(100)).await;
    assert_eq!(times(&stage, &phone, Effect::Discarded), 1);
    assert!(stage.view(&phone).stored.is_empty());
    assert_eq!(stage.view(&phone).deleted_messages, 0, "not told yet");
    stage.must_send(&phone, data(101)).await;
    online(&stage, &phone, true);
    assert_eq!(order(&stage, &phone), ["101"]);
    assert_eq!(stage.view(&phone).deleted_messages, 1);
}

#[tokio::test]
async fn time_to_live() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(offline());
    let mut now_or_never = data(1);
    now_or_never["android"] = json!({"ttl": "0s"});
    stage.must_send(&phone, now_or_never.clone()).await;
    assert_eq!(times(&stage, &phone, Effect::Missed), 1);
    for (n, ttl) in [(2, "60.9s"), (3, "61s")] {
        let mut message = data(n);
        message["android"] = json!({"ttl": ttl});
        stage.must_send(&phone, message).await;
    }
    stage.sim.advance(Duration::from_secs(60));
    online(&stage, &phone, true);
    assert_eq!(order(&stage, &phone), ["3"], "fractions are rounded down");
    assert_eq!(times(&stage, &phone, Effect::Missed), 2);
    stage.must_send(&phone, now_or_never).await;
    assert_eq!(order(&stage, &phone), ["3", "1"]);
}

#[tokio::test]
async fn doze_holds_what_is_not_urgent() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones {
        doze: true,
        ..NewFcmPhones::default()
    });
    stage.must_send(&phone, data(1)).await;
    let mut high = data(2);
    high["android"] = json!({"priority": "high"});
    stage.must_send(&phone, high).await;
    assert_eq!(order(&stage, &phone), ["2"]);
    assert_eq!(times(&stage, &phone, Effect::Held), 1);
    online(&stage, &phone, false);
    online(&stage, &phone, true);
    assert_eq!(order(&stage, &phone), ["2"], "it still sleeps");
    doze(&stage, &phone, false);
    assert_eq!(order(&stage, &phone), ["2", "1"]);
}

#[tokio::test]
async fn a_stopped_app_gets_nothing_until_it_is_opened() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let stop = FcmPhonePatch {
        force_stopped: Some(true),
        ..FcmPhonePatch::default()
    };
    patch(&stage, &phone, stop);
    stage.must_send(&phone, data(1)).await;
    assert_eq!(times(&stage, &phone, Effect::Ignored), 1);
    let open = FcmPhonePatch {
        foreground: Some(true),
        ..FcmPhonePatch::default()
    };
    patch(&stage, &phone, open);
    stage.must_send(&phone, data(2)).await;
    assert_eq!(order(&stage, &phone), ["2"]);
}

#[tokio::test]
async fn removal_expiry_and_a_new_installation() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(offline());
    stage.must_send(&phone, data(1)).await;
    let message = json!({"token": phone.registration_token});
    let remove = FcmPhonePatch {
        installed: Some(false),
        ..FcmPhonePatch::default()
    };
    patch(&stage, &phone, remove);
    assert_eq!(stage.send(&message).await.status, 404);
    let again = FcmPhonePatch {
        installed: Some(true),
        online: Some(true),
        ..FcmPhonePatch::default()
    };
    let view = stage.sim.patch_fcm_phone(phone.id, &again).unwrap();
    assert_ne!(view.fid, phone.fid);
    assert!(view.shown.is_empty(), "what was kept is gone with the app");
    let expire = FcmPhonePatch {
        expire_registration: true,
        online: Some(false),
        ..FcmPhonePatch::default()
    };
    patch(&stage, &phone, expire);
    let renewed = json!({"token": view.registration_token});
    assert_eq!(stage.send(&renewed).await.status, 404);
    online(&stage, &phone, true);
    let after = stage.view(&phone);
    assert_ne!(after.registration_token, view.registration_token);
    assert_eq!(after.fid, view.fid);
    let fresh = json!({"token": after.registration_token});
    assert_eq!(stage.send(&fresh).await.status, 200);
}
