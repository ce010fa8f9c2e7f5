//! Pushes that were not written, and those of which nobody knows.

use crate::support::{Bench, NOW, alert, message};
use carillon_model::outcome::Verdict;
use push_sim::{Fault, FaultKind, Settings};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// An Apple that never answers, on one stream: the first push is in flight, all others wait.
fn silent() -> Bench {
    let bench = Bench::new();
    let world = bench.sim.world();
    world
        .add_fault(FaultKind::InitialStreams { max: 1 })
        .unwrap();
    world
        .add_fault(FaultKind::NeverAnswer { processed: true })
        .unwrap();
    bench
}

fn wait_for_arrival(bench: &Bench) {
    let deadline = std::time::Duration::from_secs(20);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(deadline, async {
            while bench.sim.world().received_count() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn what_is_cancelled_while_it_waits_comes_back() {
    let bench = silent();
    let (pool, phone) = (bench.pool(), bench.phone());
    let cancelled = alert();
    let flying = bench.push(&phone, &alert());
    let flying_tag = flying.tag;
    // More than the connection's own queue takes, so that both places are searched.
    let waiting: Vec<_> = (0..100).map(|_| bench.push(&phone, &cancelled)).collect();
    let tags: Vec<u64> = waiting.iter().map(|push| push.tag).collect();
    pool.submit(vec![flying]);
    wait_for_arrival(&bench);
    pool.submit(waiting);
    cancelled.cancelled.store(true, Ordering::Release);
    for outcome in bench.outcomes.of(tags.iter().copied(), 1) {
        assert_eq!(outcome[0].verdict, Verdict::Withdrawn);
    }
    pool.close(0);
    assert_eq!(bench.outcomes.one(flying_tag).verdict, Verdict::InDoubt);
    assert_eq!(bench.sim.world().received_count(), 1);
}

#[test]
fn what_is_cancelled_or_expired_before_is_never_written() {
    let bench = Bench::new();
    let phone = bench.phone();
    let cancelled = alert();
    cancelled.cancelled.store(true, Ordering::Release);
    assert_eq!(
        bench.outcome(&phone, &cancelled).verdict,
        Verdict::Withdrawn
    );
    let expired = message(|message| message.expires_at = Some(NOW));
    assert_eq!(bench.outcome(&phone, &expired).verdict, Verdict::Expired);
    assert_eq!(bench.sim.world().received_count(), 0);
}

#[test]
fn a_push_that_waits_past_its_time_expires_unwritten() {
    let bench = silent();
    let (pool, phone) = (bench.pool(), bench.phone());
    pool.submit(vec![bench.push(&phone, &alert())]);
    wait_for_arrival(&bench);
    let brief = bench.push(
        &phone,
        &message(|message| message.expires_at = Some(NOW + 50)),
    );
    let tag = brief.tag;
    pool.submit(vec![brief]);
    assert_eq!(bench.outcomes.one(tag).verdict, Verdict::Expired);
    assert_eq!(bench.sim.world().received_count(), 1);
}

#[test]
fn closing_gives_back_what_waits_and_calls_the_rest_in_doubt() {
    let bench = silent();
    let (pool, phone) = (bench.pool(), bench.phone());
    let message = alert();
    let pushes: Vec<_> = (0..120).map(|_| bench.push(&phone, &message)).collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    pool.submit(pushes);
    wait_for_arrival(&bench);
    pool.close(50);
    let outcomes = bench.outcomes.of(tags.iter().copied(), 1);
    let count = |verdict: &Verdict| {
        outcomes
            .iter()
            .filter(|outcome| outcome[0].verdict == *verdict)
            .count()
    };
    assert_eq!(
        (count(&Verdict::InDoubt), count(&Verdict::NotSent)),
        (1, 119)
    );
    assert_eq!(outcomes.iter().map(Vec::len).sum::<usize>(), 120);

    let late = bench.push(&phone, &message);
    let tag = late.tag;
    pool.submit(vec![late]);
    assert_eq!(bench.outcomes.one(tag).verdict, Verdict::NotSent);
}

#[test]
fn closing_waits_for_answers_that_come() {
    let bench = Bench::new();
    let (pool, phone) = (bench.pool(), bench.phone());
    bench
        .sim
        .world()
        .add_fault(FaultKind::Delay {
            ms: 150,
            jitter_ms: 0,
        })
        .unwrap();
    let push = bench.push(&phone, &alert());
    let tag = push.tag;
    pool.submit(vec![push]);
    wait_for_arrival(&bench);
    pool.close(10_000);
    assert_eq!(bench.outcomes.one(tag).verdict, Verdict::Accepted);
}

#[test]
fn a_lost_connection_leaves_doubt_and_a_refused_stream_none() {
    let bench = Bench::new();
    let phone = bench.phone();
    let once = |kind: FaultKind| {
        bench
            .sim
            .world()
            .add_fault(Fault {
                count: Some(1),
                ..kind.into()
            })
            .unwrap();
    };
    once(FaultKind::CloseAfterBody {
        processed: true,
        reset: false,
    });
    let outcome = bench.outcome(&phone, &alert());
    assert_eq!(outcome.verdict, Verdict::InDoubt);
    assert_eq!(outcome.answer.unwrap().reason, "connection_lost");
    once(FaultKind::RefuseStream);
    assert_eq!(bench.outcome(&phone, &alert()).verdict, Verdict::Accepted);
    once(FaultKind::CutAnswer { status: 410 });
    let outcome = bench.outcome(&phone, &alert());
    let kept = Verdict::Rejected(carillon_model::outcome::TokenFate::Keep);
    assert_eq!(
        outcome.verdict, kept,
        "without its time stamp a 410 retires nothing"
    );
}

#[test]
fn an_answer_after_the_deadline_is_told_once_more() {
    let bench = Bench::with(Settings::default(), |config| {
        config.pool.request_timeout = Duration::from_millis(100);
        config.pool.sweep_interval = Duration::from_millis(20);
    });
    bench
        .sim
        .world()
        .add_fault(FaultKind::Delay {
            ms: 600,
            jitter_ms: 0,
        })
        .unwrap();
    let pool = bench.pool();
    let push = bench.push(&bench.phone(), &alert());
    let tag = push.tag;
    pool.submit(vec![push]);
    let outcomes = bench.outcomes.of(std::iter::once(tag), 2).remove(0);
    assert_eq!(
        (&outcomes[0].verdict, &outcomes[1].verdict),
        (&Verdict::InDoubt, &Verdict::Accepted)
    );
    assert_eq!(outcomes[0].answer.as_ref().unwrap().reason, "timeout");
}
