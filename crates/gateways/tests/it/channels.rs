//! Broadcast channels: their life on the management host, and publishing to them through a pool.

use crate::support::{APP, Bench, is_blocked, message};
use carillon_model::outcome::{TokenFate, Verdict};
use carillon_model::push_type::PushType;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall, Gateway, Message};
use push_sim::{AppSettings, Fault, FaultFilter, FaultKind, Host, NewPhones, ReceivedFilter};
use std::sync::Arc;

const UPDATE: &str =
    r#"{"aps":{"timestamp":1700000000,"event":"update","content-state":{"state":"degraded"}}}"#;

async fn created(bench: &Bench, store: bool) -> String {
    let answer = bench
        .gateway
        .channels(bench.spec(), APP, ChannelCall::Create { store })
        .await
        .unwrap();
    let ChannelAnswer::Created(id) = answer else {
        panic!("{answer:?}")
    };
    id
}

fn broadcast(channel: &str, change: impl FnOnce(&mut Message)) -> Arc<Message> {
    message(|message| {
        message.options.push_type = PushType::LiveActivity;
        message.options.store_offline = false;
        message.options.channel = Some(channel.to_owned());
        message.payload = UPDATE.into();
        change(message);
    })
}

#[tokio::test]
async fn v6_the_life_of_a_channel() {
    let bench = Bench::new();
    let call = |call| bench.gateway.channels(bench.spec(), APP, call);
    let id = created(&bench, true).await;
    assert_eq!(
        call(ChannelCall::Read(id.clone())).await.unwrap(),
        ChannelAnswer::Read { store: true }
    );
    assert_eq!(
        call(ChannelCall::List).await.unwrap(),
        ChannelAnswer::List(vec![id.clone()])
    );
    assert_eq!(
        call(ChannelCall::Delete(id.clone())).await.unwrap(),
        ChannelAnswer::Deleted
    );
    let error = call(ChannelCall::Read(id)).await.unwrap_err();
    assert_eq!(
        (error.status, error.reason.as_str()),
        (400, "ChannelNotRegistered")
    );
    assert!(
        error.mend.contains("Create a new channel"),
        "{}",
        error.mend
    );
    let error = call(ChannelCall::Delete("no id".into())).await.unwrap_err();
    assert_eq!((error.status, error.reason.as_str()), (0, "BadChannelId"));
}

#[tokio::test]
async fn a_feature_switched_off_is_said() {
    let bench = Bench::new();
    bench.sim.world().set_app(
        APP,
        AppSettings {
            broadcast: false,
            ..AppSettings::default()
        },
    );
    let error = bench
        .gateway
        .channels(bench.spec(), APP, ChannelCall::List)
        .await
        .unwrap_err();
    assert_eq!(error.reason, "FeatureNotEnabled");
    assert!(error.mend.contains("developer portal"), "{}", error.mend);
}

#[tokio::test]
async fn publishing_goes_to_the_channel_and_device_pushes_go_on() {
    let bench = Bench::new();
    let (plain, storing) = (created(&bench, false).await, created(&bench, true).await);
    let pool = bench.pool();
    let pushes = vec![
        bench.push("", &broadcast(&plain, |_| {})),
        bench.push(&bench.phones(&NewPhones::default())[0], &message(|_| {})),
        bench.push(
            "",
            &broadcast(&storing, |message| message.options.store_offline = true),
        ),
    ];
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    pool.submit(pushes);
    for outcome in bench.outcomes.of(tags.into_iter(), 1) {
        assert_eq!(outcome[0].verdict, Verdict::Accepted, "{outcome:?}");
    }
    let received = bench
        .sim
        .world()
        .received(&ReceivedFilter::default())
        .received;
    let broadcasts: Vec<_> = received
        .iter()
        .filter(|one| one.host == Host::Broadcast)
        .collect();
    assert_eq!(broadcasts.len(), 2);
    assert!(
        broadcasts
            .iter()
            .all(|one| one.topic == APP && one.push_type == "liveactivity")
    );
    let expirations: Vec<_> = broadcasts.iter().map(|one| one.expiration).collect();
    assert!(expirations.contains(&Some(0)));
    assert!(
        expirations.contains(&Some(1_700_000_000 + 8 * 3600)),
        "{expirations:?}"
    );
    assert_eq!(
        bench.vault.stored.lock().unwrap().len(),
        1,
        "one provider token for all hosts"
    );
}

#[tokio::test]
async fn refused_and_doubtful_broadcasts() {
    let bench = Bench::new();
    let gone = created(&bench, false).await;
    let delete = ChannelCall::Delete(gone.clone());
    bench
        .gateway
        .channels(bench.spec(), APP, delete)
        .await
        .unwrap();
    let outcome = bench.outcome("", &broadcast(&gone, |_| {}));
    assert_eq!(outcome.verdict, Verdict::Rejected(TokenFate::Keep));
    assert_eq!(outcome.answer.unwrap().reason, "ChannelNotRegistered");

    let start = UPDATE.replace("update", "start");
    let outcome = bench.outcome(
        "",
        &broadcast(&gone, |message| message.payload = start.into()),
    );
    assert_eq!(
        outcome.answer.unwrap().reason,
        "bad_broadcast",
        "never written"
    );

    let kept = created(&bench, false).await;
    let only = FaultFilter {
        host: Some(Host::Broadcast),
        ..FaultFilter::default()
    };
    let cut = FaultKind::CloseAfterBody {
        processed: true,
        reset: false,
    };
    bench
        .sim
        .world()
        .add_fault(Fault {
            only,
            count: Some(1),
            ..cut.into()
        })
        .unwrap();
    let outcome = bench.outcome("", &broadcast(&kept, |_| {}));
    assert_eq!(outcome.verdict, Verdict::InDoubt, "{outcome:?}");
    assert!(!is_blocked(&outcome, "connect_failed"));
}

#[tokio::test]
async fn closing_a_pool_leaves_no_broadcast_without_an_outcome() {
    let bench = Bench::new();
    let channel = created(&bench, false).await;
    let only = FaultFilter {
        host: Some(Host::Broadcast),
        ..FaultFilter::default()
    };
    let silent = FaultKind::NeverAnswer { processed: true };
    bench
        .sim
        .world()
        .add_fault(Fault {
            only,
            ..silent.into()
        })
        .unwrap();
    let pool = bench.pool();
    let push = bench.push("", &broadcast(&channel, |_| {}));
    let tag = push.tag;
    pool.submit(vec![push]);
    pool.close(100);
    let verdict = bench.outcomes.one(tag).verdict;
    assert!(
        matches!(verdict, Verdict::InDoubt | Verdict::NotSent),
        "{verdict:?}"
    );
}
