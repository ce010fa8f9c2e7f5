//! Everything at once, by seed: a gateway that answers anything, crashes, stops, cancels, a store that
//! refuses for a while. At the end the laws are counted out, delivery by delivery.

use crate::fake_gateway::{Reply, Written, accept, outcome};
use crate::world::{T0, World, address, to_with};
use carillon_engine::EngineConfig;
use carillon_model::app::AppSettings;
use carillon_model::delivery::FinalState;
use carillon_model::environment::TokenEnvironment;
use carillon_model::frequency::FrequencyCap;
use carillon_model::id::{DeliveryId, NotificationNo};
use carillon_model::outcome::{Outcome, TokenFate, Trouble, TroubleScope, Verdict};
use carillon_model::preferences::Preferences;
use carillon_model::push_type::TokenKind;
use carillon_ports::fault::{self, Bug};
use carillon_ports::registry::Registry;
use carillon_ports::store::{DeliveryFilter, StoreError};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// SplitMix64: a sequence for each seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) % sides
    }
}

/// What the gateway knows of each delivery, by its id there.
#[derive(Default)]
struct Book {
    written: HashMap<uuid::Uuid, Vec<Instant>>,
    /// Surely taken, whether or not the answer came through.
    taken: HashMap<uuid::Uuid, usize>,
    /// What each try of a delivery said.
    said: HashMap<uuid::Uuid, HashSet<Vec<u8>>>,
    /// The deliveries to each push token, and when the first of them was written.
    reached: HashMap<Vec<u8>, (HashSet<uuid::Uuid>, Instant)>,
}

/// A cap that every third seed has for its whole life.
const CAP: usize = 3;
/// How long every fifth user of such a seed is muted from the start.
const MUTE_MS: i64 = 6_000;

/// Sets what keeps deliveries back.
async fn gate(world: &World) {
    let settings = AppSettings {
        max_attempts: 5,
        frequency_cap: vec![FrequencyCap {
            max: CAP as u32,
            per: 30 * 86_400_000,
            categories: vec![],
        }],
        ..AppSettings::default()
    };
    for user in (5..221).step_by(5) {
        let muted = Preferences {
            muted_until: Some(T0 + MUTE_MS),
            ..Preferences::default()
        };
        let put = world
            .store
            .put_preferences(world.app, format!("u{user}"), muted, T0);
        put.await.unwrap();
    }
    world.app("shop", settings).await;
}

/// No more to anybody than the cap lets through, nothing while he is muted, and every try says the same.
fn check_gate(book: &Book, is_gated: bool, start: Instant, seed: u64) {
    for (id, said) in &book.said {
        assert_eq!(said.len(), 1, "seed {seed}: {id} says {said:?}");
    }
    if !is_gated {
        return;
    }
    for number in 1..221u64 {
        let Some((ids, first)) = book.reached.get(&address(number).0[..]) else {
            continue;
        };
        assert!(ids.len() <= CAP, "seed {seed}: {} to u{number}", ids.len());
        let waited = first.saturating_duration_since(start).as_millis() as i64;
        assert!(
            number % 5 > 0 || waited >= MUTE_MS,
            "seed {seed}: u{number} was woken after {waited} ms"
        );
    }
    assert!(!book.reached.is_empty());
}

fn script(
    seed: u64,
    book: Arc<Mutex<Book>>,
    is_calm: Arc<AtomicBool>,
) -> impl FnMut(&Written) -> Reply {
    let mut dice = Dice(seed);
    let mut trouble_until: Option<Instant> = None;
    move |push| {
        let mut book = book.lock();
        let id = push.gateway_id;
        if trouble_until.is_some_and(|until| push.at < until) && !is_calm.load(Relaxed) {
            return crate::fake_gateway::blocked(TroubleScope::Gateway, "connect_failed", None);
        }
        let after = 1 + dice.roll(40);
        let roll = if is_calm.load(Relaxed) {
            0
        } else {
            dice.roll(100)
        };
        if roll >= 96 {
            trouble_until = Some(push.at + Duration::from_millis(dice.roll(4_000)));
            let trouble = Trouble {
                scope: TroubleScope::Gateway,
                reason: "connect_failed".into(),
                mend: String::new(),
                retry_after_ms: None,
            };
            let blocked = Outcome {
                verdict: Verdict::Blocked(trouble),
                answer: None,
                connection: 0,
                elapsed_us: 0,
            };
            return vec![(after, blocked)];
        }
        if (90..96).contains(&roll) {
            return crate::fake_gateway::not_sent();
        }
        book.written.entry(id).or_default().push(push.at);
        let said = book.said.entry(id).or_default();
        said.insert(push.payload.to_vec());
        let reached = book.reached.entry(push.push_token.clone());
        reached
            .or_insert_with(|| (HashSet::new(), push.at))
            .0
            .insert(id);
        let take = |book: &mut Book| *book.taken.entry(id).or_default() += 1;
        match roll {
            0..60 => {
                take(&mut book);
                vec![(after, Outcome::accepted(1, 1_000))]
            }
            60..70 => {
                let verdict = Verdict::Rejected(TokenFate::Keep);
                vec![(after, outcome(verdict, 400, "BadTopic"))]
            }
            70..80 => {
                let verdict = Verdict::Retry {
                    retry_after_ms: None,
                };
                vec![(after, outcome(verdict, 500, "InternalServerError"))]
            }
            80..85 => {
                // Taken, and nobody hears of it.
                take(&mut book);
                vec![(after, outcome(Verdict::InDoubt, 0, "connection_lost"))]
            }
            85..88 => vec![(after, outcome(Verdict::InDoubt, 0, "timeout"))],
            _ => {
                take(&mut book);
                vec![
                    (after, outcome(Verdict::InDoubt, 0, "timeout")),
                    (after + dice.roll(2_000), Outcome::accepted(1, 1_000)),
                ]
            }
        }
    }
}

struct Sent {
    no: NotificationNo,
    drops: bool,
    expires_at: Option<Instant>,
    cancelled: Option<(bool, Instant)>,
}

async fn run(seed: u64) {
    let config = EngineConfig {
        lane_min_deliveries: 120,
        lane_max_deliveries: 120,
        load_deliveries: 32,
        fanout_page: 70,
        max_flush_delay_ms: 50,
        ..EngineConfig::default()
    };
    let mut world = World::with(config).await;
    let start = Instant::now();
    let settings = AppSettings {
        max_attempts: 5,
        ..AppSettings::default()
    };
    world.app("shop", settings).await;
    world.devices(1..201).await;
    world
        .devices_of(
            world.app,
            201..221,
            TokenKind::Alert,
            TokenEnvironment::Auto,
        )
        .await;
    let is_gated = seed.is_multiple_of(3);
    if is_gated {
        gate(&world).await;
    }
    world.gateway.window(40);
    let book = Arc::new(Mutex::new(Book::default()));
    let is_calm = Arc::new(AtomicBool::new(false));
    let play = script(seed ^ 0xabcdef, book.clone(), is_calm.clone());
    world.gateway.script(play);

    let mut dice = Dice(seed);
    let mut sent: Vec<Sent> = Vec::new();
    for _ in 0..60 {
        match dice.roll(12) {
            0..6 => {
                let first = 1 + dice.roll(220);
                let last = (first + 1 + dice.roll(30)).min(221);
                let drops = dice.roll(3) == 0;
                let on_unknown = if drops { "drop" } else { "resend" };
                let class = ["urgent", "normal", "bulk"][dice.roll(3) as usize];
                let options = json!({ "on_unknown": on_unknown, "class": class });
                let mut body = to_with(first..last, options);
                if is_gated {
                    body["badge"] = json!({ "increment": 1 });
                }
                let mut expires_at = None;
                if dice.roll(4) == 0 {
                    let ms = 200 + dice.roll(5_000);
                    body["expires_in"] = format!("{ms}ms").into();
                    expires_at = Some(Instant::now() + Duration::from_millis(ms));
                }
                if dice.roll(8) == 0 {
                    body["target"] = json!({ "all": true });
                }
                if let Ok(accepted) = world.try_send(body).await {
                    sent.push(Sent {
                        no: accepted.no,
                        drops,
                        expires_at,
                        cancelled: None,
                    });
                }
            }
            6 if !sent.is_empty() => {
                let at = dice.roll(sent.len() as u64) as usize;
                let answer = world.engine.cancel(world.app, sent[at].no).await.unwrap();
                sent[at].cancelled = Some((answer.unwrap().confirmed, Instant::now()));
            }
            7 => world = world.crash().await,
            8 => {
                let deadline = Duration::from_millis(dice.roll(500));
                world.engine.stop(deadline).await;
                world = world.crash().await;
            }
            9 => {
                let error = [StoreError::DiskFull, StoreError::Busy][dice.roll(2) as usize].clone();
                world.store.fail(Some(error));
                world.pass(dice.roll(1_500)).await;
                world.store.fail(None);
            }
            _ => {}
        }
        let pause = dice.roll(400);
        world.pass(pause).await;
    }
    is_calm.store(true, Relaxed);
    for one in &sent {
        let is_done = async || world.view(one.no).await.completed_at.is_some();
        let within = tokio::time::timeout(Duration::from_secs(3_600), async {
            while !is_done().await {
                world.pass(20).await;
            }
        });
        let ended = within.await;
        assert!(ended.is_ok(), "seed {seed}: {} does not end", one.no);
    }
    world.pass(5_000).await;
    let book = std::mem::take(&mut *book.lock());
    check_gate(&book, is_gated, start, seed);
    check(&world, &sent, &book, seed).await;
}

async fn check(world: &World, sent: &[Sent], book: &Book, seed: u64) {
    let gateway_seed = world.hot.installation_seed();
    let mut known = HashSet::new();
    for one in sent {
        let views = world
            .hot
            .deliveries(world.app, one.no, None, DeliveryFilter::All, 100_000)
            .await
            .unwrap();
        for view in views {
            let state = view
                .state
                .unwrap_or_else(|| panic!("seed {seed}: {} is open", view.id));
            let id = view.id.gateway_id(gateway_seed);
            known.insert(id);
            let written = book.written.get(&id).map_or(&[][..], Vec::as_slice);
            let taken = book.taken.get(&id).copied().unwrap_or(0);
            let context = format!(
                "seed {seed}, {}: {state:?}, written {written:?}, taken {taken}",
                view.id
            );
            let attempts = attempts(world, view.id).await;
            let blocks = attempts.iter().filter(|word| *word == "blocked").count();
            assert!(blocks <= 40, "a story, not a heap: {context}: {attempts:?}");
            let doubts = attempts
                .iter()
                .filter(|word| word.contains("in_doubt"))
                .count();
            match state {
                FinalState::Accepted => assert!(taken > 0, "{context}"),
                FinalState::Unknown => assert!(doubts > 0, "{context}: {attempts:?}"),
                FinalState::Expired
                | FinalState::Cancelled
                | FinalState::Failed
                | FinalState::Suppressed(_) => {
                    assert_eq!(taken, 0, "{context}: {attempts:?}");
                }
                FinalState::Rejected => assert!(!written.is_empty(), "{context}"),
            }
            assert!(
                taken <= 1 + doubts,
                "doubles only from recorded doubt: {context} {attempts:?}"
            );
            if one.drops {
                assert!(
                    taken <= 1,
                    "never doubled where doubt is dropped: {context} {attempts:?}"
                );
            }
            for at in written {
                if let Some(expires_at) = one.expires_at {
                    assert!(*at < expires_at, "after its expiry: {context}");
                }
                if let Some((true, acknowledged)) = one.cancelled {
                    assert!(*at <= acknowledged, "after its cancel: {context}");
                }
            }
        }
        let view = world.view(one.no).await;
        assert!(view.fanout_finished && view.open == 0 && view.completed_at.is_some());
    }
    for id in book.written.keys() {
        assert!(
            known.contains(id),
            "seed {seed}: a push that nobody asked for"
        );
    }
    let status = world.engine.status();
    assert_eq!(status.unsettled, 0, "seed {seed}");
    for lane in &status.lanes {
        assert_eq!(
            (lane.queued, lane.in_flight),
            (0, 0),
            "seed {seed}: {lane:?}"
        );
    }
}

async fn attempts(world: &World, id: DeliveryId) -> Vec<String> {
    let (_, attempts) = world.hot.delivery(world.app, id).await.unwrap().unwrap();
    attempts.into_iter().map(|attempt| attempt.result).collect()
}

/// Names the bug that the child of [`planted_bugs_are_caught`] runs with.
const PLANT: &str = "CARILLON_CHAOS_PLANT";

/// The seeds may be set: `CARILLON_CHAOS_FIRST=1000 CARILLON_CHAOS_SEEDS=500`.
#[tokio::test(start_paused = true)]
async fn the_laws_hold_whatever_happens() {
    if let Ok(word) = std::env::var(PLANT) {
        let bug = Bug::ALL.into_iter().find(|bug| bug.as_str() == word);
        fault::install(|_| (), vec![bug.unwrap()]);
    }
    let seeds = match std::env::var("CARILLON_CHAOS_SEEDS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 12,
    };
    let first = std::env::var("CARILLON_CHAOS_FIRST").map_or(1, |text| text.parse().unwrap());
    for seed in first..first + seeds {
        run(seed).await;
    }
}

/// The laws are only held if breaking them is noticed.
#[test]
fn planted_bugs_are_caught() {
    let own = [
        Bug::SettleBeforeAnswer,
        Bug::ResendVoip,
        Bug::LoseWork,
        Bug::DoubleBatch,
        Bug::IgnoreCancel,
        Bug::IgnoreExpiry,
    ];
    for bug in own {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "chaos::the_laws_hold_whatever_happens"])
            .env(PLANT, bug.as_str())
            .env("CARILLON_CHAOS_SEEDS", "60")
            .output()
            .unwrap();
        assert!(!child.status.success(), "{} was not noticed", bug.as_str());
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains("seed "), "by a law, not by accident: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_dice_make_every_fault() {
    // The script above is only worth something if each of its answers really comes up.
    let book = Arc::new(Mutex::new(Book::default()));
    let mut play = script(1, book, Arc::new(AtomicBool::new(false)));
    let world = World::new().await;
    world.devices(1..2).await;
    world.gateway.script(|_| accept());
    world.to(1..2).await;
    world.pass(10).await;
    let sample = world.gateway.written()[0].clone();
    let mut seen = HashSet::new();
    for n in 0..2_000u64 {
        let push = Written {
            at: sample.at + Duration::from_secs(n * 10),
            ..sample.clone()
        };
        for (_, outcome) in play(&push) {
            seen.insert(std::mem::discriminant(&outcome.verdict));
        }
    }
    assert_eq!(
        seen.len(),
        6,
        "accepted, rejected, retry, blocked, not sent, in doubt"
    );
}
