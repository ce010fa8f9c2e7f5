//! Vector V7: every scripted fault, seen by a plain client; and the limits that need no script.

use std::time::{Duration, Instant};

use push_sim::{
    Action, ActionReport, AfterGoaway, AnswerFate, Effect, Environment, Fault, FaultFilter,
    FaultKind, GoawayDebug, Host, Received, ReceivedFilter, Settings, Simulator,
};

use crate::support::{
    APP, ID, KEY, NOW, PATIENCE, Peer, Push, Signer, TEAM, TOKEN, finish, simulator, soon,
};

fn sim() -> Simulator {
    simulator(Settings::default())
}

/// A simulator whose connections allow many streams from the start.
fn wide() -> Simulator {
    simulator(Settings {
        initial_streams: 1000,
        ..Settings::default()
    })
}

fn everything() -> FaultFilter {
    FaultFilter::default()
}

fn once(kind: FaultKind) -> Fault {
    Fault {
        count: Some(1),
        ..kind.into()
    }
}

fn hits(sim: &Simulator, kind: &str) -> u64 {
    sim.counters().faults.get(kind).copied().unwrap_or(0)
}

fn records(sim: &Simulator) -> Vec<Received> {
    sim.received(&ReceivedFilter::default()).received
}

/// Waits until the simulator's books say so.
async fn until(sim: &Simulator, mut holds: impl FnMut(&Simulator) -> bool) {
    let begun = Instant::now();
    while !holds(sim) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", sim.counters());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until the client's side of the stream limit is `max`.
async fn until_limit(peer: &Peer, max: usize) {
    let begun = Instant::now();
    while peer.send.current_max_send_streams() != max {
        assert!(
            begun.elapsed() < PATIENCE,
            "{}",
            peer.send.current_max_send_streams()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn v7_one_stream_until_the_first_valid_provider_token() {
    let sim = sim();
    let slow = FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    };
    let mut peer = Peer::connect(&sim).await;
    // SETTINGS may come after the hand-shake.
    until_limit(&peer, 1).await;
    let bad = Push::v2().token(&Signer::fresh().token(TEAM, KEY, NOW));
    assert_eq!(peer.push(&bad).await.status, 403);
    assert_eq!(
        peer.send.current_max_send_streams(),
        1,
        "an invalid one does not count"
    );
    assert_eq!(peer.push(&Push::v2().path("/3/device/")).await.status, 400);
    until_limit(&peer, 1000).await;

    sim.add_fault(slow).unwrap();
    let waiting: Vec<_> = (0..1000).map(|_| peer.open(&Push::v2()).unwrap()).collect();
    until(&sim, |sim| sim.counters().requests == 1002).await;
    assert_eq!(sim.counters().streams_over_limit, 0);
    assert_eq!(sim.connections()[0].in_flight, 1000);
    let report = sim.act(
        &Action::FailInFlight {
            status: 503,
            reason: None,
        },
        &everything(),
    );
    assert_eq!(
        report,
        ActionReport {
            connections: 1,
            requests_in_flight: 1000
        }
    );
    for response in waiting {
        let reply = soon(finish(response)).await.unwrap();
        assert_eq!((reply.status, reply.body.len()), (503, 0));
    }
}

#[tokio::test]
async fn v7_a_stream_above_the_limit_is_refused() {
    let sim = sim();
    sim.add_fault(once(FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    }))
    .unwrap();
    // This client sends before it has read the server's SETTINGS.
    let mut peer = Peer::connect(&sim).await;
    let first = peer.open(&Push::v2()).unwrap();
    let mut eager = peer.send.clone();
    assert!(
        peer.send.current_max_send_streams() > 1,
        "SETTINGS not read yet"
    );
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("https://localhost/3/device/{TOKEN}"))
        .body(())
        .unwrap();
    let (second, _) = eager.send_request(request, true).unwrap();
    let error = soon(second).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
    assert_eq!(sim.counters().streams_over_limit, 1);
    sim.act(
        &Action::FailInFlight {
            status: 500,
            reason: None,
        },
        &everything(),
    );
    drop(first);
}

#[tokio::test]
async fn v7_initial_streams_stay_where_a_script_puts_them() {
    let sim = sim();
    sim.add_fault(FaultKind::InitialStreams { max: 3 }).unwrap();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    until_limit(&peer, 3).await;
    assert_eq!(hits(&sim, "initial_streams"), 1);
}

#[tokio::test]
async fn v7_the_limit_shrinks_after_an_error_and_grows_after_a_success() {
    let sim = simulator(Settings {
        shrink_on_error: true,
        ..Settings::default()
    });
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    until_limit(&peer, 1000).await;
    assert_eq!(
        peer.push(&Push::v2().with("apns-priority", "7"))
            .await
            .status,
        400
    );
    until_limit(&peer, 1).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    until_limit(&peer, 1000).await;
    let gone = push_sim::PhonePatch {
        installed: Some(false),
        ..Default::default()
    };
    sim.patch_phone(1, &gone).unwrap();
    assert_eq!(peer.push(&Push::v2()).await.status, 410);
    sim.add_fault(FaultKind::UpperCaseId).unwrap();
    assert_eq!(peer.push(&Push::v2()).await.status, 410);
    assert_eq!(
        peer.send.current_max_send_streams(),
        1000,
        "410 is no error"
    );
}

#[tokio::test]
async fn v7_settings_change_while_the_connection_lives() {
    let sim = wide();
    sim.add_fault(Fault {
        skip: 1,
        ..once(FaultKind::LimitStreams { max: 5 })
    })
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    for _ in 0..2 {
        assert_eq!(peer.push(&Push::v2()).await.status, 200);
    }
    until_limit(&peer, 5).await;
    let report = sim.act(&Action::LimitStreams { max: 7 }, &everything());
    assert_eq!(report.connections, 1);
    until_limit(&peer, 7).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    assert_eq!(hits(&sim, "limit_streams"), 2);
}

#[tokio::test]
async fn v7_refused_streams_were_not_processed() {
    let sim = sim();
    let mut peer = Peer::connect(&sim).await;
    sim.add_fault(Fault {
        count: Some(2),
        ..FaultKind::RefuseStream.into()
    })
    .unwrap();
    for _ in 0..2 {
        let error = peer.try_push(&Push::v2()).await.unwrap_err();
        assert!(error.is_reset() && error.is_remote());
        assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));
    }
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    assert_eq!(records(&sim).len(), 1);
    assert_eq!(
        (hits(&sim, "refuse_stream"), sim.counters().streams_refused),
        (2, 2)
    );
}

/// Opens streams 1, 3 and 5 of which the last triggers a GOAWAY.
async fn three_streams(
    sim: &Simulator,
    fault: FaultKind,
) -> (Peer, Vec<h2::client::ResponseFuture>) {
    let only = FaultFilter {
        push_type: Some("background".into()),
        ..everything()
    };
    sim.add_fault(Fault {
        only,
        ..fault.into()
    })
    .unwrap();
    let slow = FaultKind::Delay {
        ms: 100,
        jitter_ms: 0,
    };
    sim.add_fault(slow).unwrap();
    let mut peer = Peer::connect(sim).await;
    let mut waiting: Vec<_> = (0..2).map(|_| peer.open(&Push::v2()).unwrap()).collect();
    let trigger = Push::v2()
        .with("apns-push-type", "background")
        .with("apns-priority", "5")
        .body(r#"{"aps":{"content-available":1}}"#);
    waiting.push(peer.open(&trigger).unwrap());
    (peer, waiting)
}

#[tokio::test]
async fn v7_goaway_below_the_third_of_three_streams() {
    for (debug, text) in [
        (GoawayDebug::default(), r#"{\"reason\":\"Shutdown\"}"#),
        (
            GoawayDebug::Text("too many active streams".into()),
            "too many active streams",
        ),
        (GoawayDebug::Empty, ""),
    ] {
        let sim = wide();
        let fault = FaultKind::Goaway {
            debug,
            code: 0,
            before_this: true,
            then: AfterGoaway::Drain,
        };
        let (peer, mut waiting) = three_streams(&sim, fault).await;
        let third = waiting.pop().unwrap();
        let error = soon(third).await.unwrap_err();
        assert!(error.is_go_away() && error.is_remote(), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
        for response in waiting {
            assert_eq!(soon(finish(response)).await.unwrap().status, 200);
        }
        // Drained: the simulator closes.
        assert!(soon(peer.driver).await.is_ok());
        until(&sim, |sim| sim.counters().open_connections == 0).await;
        assert_eq!(records(&sim).len(), 2, "the third was not processed");
        assert_eq!(sim.counters().streams_after_goaway, 1);
        assert_eq!(hits(&sim, "goaway"), 1);
    }
}

#[tokio::test]
async fn v7_goaway_that_answers_everything_it_has() {
    let sim = wide();
    let fault = FaultKind::Goaway {
        debug: GoawayDebug::default(),
        code: 0,
        before_this: false,
        then: AfterGoaway::Keep,
    };
    let (mut peer, waiting) = three_streams(&sim, fault).await;
    for response in waiting {
        assert_eq!(soon(finish(response)).await.unwrap().status, 200);
    }
    let begun = Instant::now();
    while peer.open(&Push::v2()).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "the GOAWAY never came");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(peer);
}

#[tokio::test]
async fn v7_goaway_then_tcp_close() {
    let sim = wide();
    let fault = FaultKind::Goaway {
        debug: GoawayDebug::Text("bye".into()),
        code: 2,
        before_this: false,
        then: AfterGoaway::Close,
    };
    let (peer, waiting) = three_streams(&sim, fault).await;
    for response in waiting {
        soon(response).await.unwrap_err();
    }
    let end = soon(peer.driver).await.unwrap();
    let error = end.unwrap_err();
    assert!(error.to_string().contains("bye"), "{error}");
    until(&sim, |sim| {
        records(sim).iter().all(|r| r.answer == AnswerFate::Cut)
    })
    .await;
    assert_eq!(records(&sim).len(), 3);
}

#[tokio::test]
async fn goaway_as_an_action() {
    let sim = sim();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let goaway = Action::Goaway {
        debug: GoawayDebug::Json("IdleTimeout".into()),
        code: 0,
        then: AfterGoaway::Drain,
    };
    let elsewhere = FaultFilter {
        environment: Some(Environment::Production),
        ..everything()
    };
    assert_eq!(sim.act(&goaway, &elsewhere).connections, 0);
    assert_eq!(sim.act(&goaway, &everything()).connections, 1);
    assert!(soon(peer.driver).await.is_ok());
    assert_eq!(hits(&sim, "goaway"), 1);
}

#[tokio::test]
async fn v7_the_body_is_taken_and_nothing_comes_back() {
    for (processed, reset) in [(true, false), (false, false), (true, true)] {
        let sim = sim();
        sim.add_fault(once(FaultKind::CloseAfterBody { processed, reset }))
            .unwrap();
        let mut peer = Peer::connect(&sim).await;
        let error = peer.try_push(&Push::v2()).await.unwrap_err();
        assert!(!error.is_reset() && !error.is_go_away(), "{error:?}");
        until(&sim, |sim| sim.counters().withheld == 1).await;
        let record = records(&sim).remove(0);
        assert_eq!(record.answer, AnswerFate::Withheld);
        assert_eq!(record.effect, processed.then_some(Effect::Shown));
        assert_eq!(record.fault, Some(1));
    }
}

#[tokio::test]
async fn v7_an_answer_that_never_comes() {
    let sim = wide();
    sim.add_fault(once(FaultKind::NeverAnswer { processed: true }))
        .unwrap();
    let mut peer = Peer::connect(&sim).await;
    let silent = peer.open(&Push::v2()).unwrap();
    until(&sim, |sim| sim.counters().requests == 1).await;
    assert_eq!(
        peer.push(&Push::v2()).await.status,
        200,
        "the connection goes on"
    );
    assert_eq!(sim.connections()[0].in_flight, 1);
    drop(silent); // The client gives up: RST_STREAM.
    until(&sim, |sim| sim.counters().withheld == 1).await;
    until(&sim, |sim| sim.connections()[0].in_flight == 0).await;
    assert_eq!(records(&sim)[0].answer, AnswerFate::Withheld);
}

#[tokio::test]
async fn v7_a_late_answer_and_a_client_that_does_not_wait() {
    let sim = wide();
    sim.add_fault(once(FaultKind::Delay {
        ms: 30,
        jitter_ms: 20,
    }))
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    let begun = Instant::now();
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    sim.add_fault(once(FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    }))
    .unwrap();
    let impatient = peer.open(&Push::v2()).unwrap();
    until(&sim, |sim| sim.counters().requests == 2).await;
    drop(impatient);
    until(&sim, |sim| sim.counters().reset_by_sender == 1).await;
    assert_eq!(records(&sim)[1].answer, AnswerFate::Reset);
    assert_eq!(
        records(&sim)[1].effect,
        Some(Effect::Replaced),
        "it was processed all the same"
    );
}

#[tokio::test]
async fn v7_frozen_connections_answer_nothing_not_even_pings() {
    let sim = wide();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let mut pings = peer.pings.take().unwrap();
    soon(pings.ping(h2::Ping::opaque())).await.unwrap();
    sim.add_fault(once(FaultKind::Freeze { ms: None })).unwrap();
    let frozen = peer.open(&Push::v2()).unwrap();
    until(&sim, |sim| sim.connections()[0].frozen).await;
    let short = Duration::from_millis(100);
    assert!(
        tokio::time::timeout(short, pings.ping(h2::Ping::opaque()))
            .await
            .is_err()
    );
    assert_eq!(records(&sim)[1].answer, AnswerFate::Pending);
    sim.act(&Action::Thaw, &everything());
    assert_eq!(soon(finish(frozen)).await.unwrap().status, 200);
    assert_eq!(hits(&sim, "freeze"), 1);

    // For a while only.
    sim.add_fault(once(FaultKind::Freeze { ms: Some(50) }))
        .unwrap();
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    // By action.
    assert_eq!(sim.act(&Action::Freeze, &everything()).connections, 1);
    let waiting = peer.open(&Push::v2()).unwrap();
    assert!(sim.connections()[0].frozen);
    sim.act(&Action::Drop { reset: false }, &everything());
    soon(finish(waiting)).await.unwrap_err();
}

#[tokio::test]
async fn v7_sixty_bad_push_tokens_end_the_connection() {
    let settings = Settings {
        disconnect_after_bad_tokens: Some(60),
        ..Settings::default()
    };
    let sim = simulator(settings);
    let mut peer = Peer::connect(&sim).await;
    let nobody = Push::v2().at_token(&"ab".repeat(32));
    for _ in 0..60 {
        assert_eq!(
            peer.push(&nobody).await.verdict(),
            (400, "BadDeviceToken".into())
        );
    }
    assert!(soon(peer.driver).await.is_ok(), "closed by the simulator");
    assert_eq!(sim.counters().reasons["BadDeviceToken"], 60);
}

#[tokio::test]
async fn v7_unavailable_three_times() {
    let sim = sim();
    let unavailable = FaultKind::Answer {
        status: 503,
        reason: Some("ServiceUnavailable".into()),
        timestamp_ms: None,
        retry_after_secs: Some(7),
        body: None,
    };
    sim.add_fault(Fault {
        count: Some(3),
        ..unavailable.into()
    })
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    for _ in 0..3 {
        let reply = peer.push(&Push::v2()).await;
        assert_eq!(reply.verdict(), (503, "ServiceUnavailable".into()));
        assert_eq!(reply.header("retry-after"), Some("7"));
        assert_eq!(reply.header("apns-id"), Some(ID));
    }
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let phone = sim.phone_of_push_token(TOKEN).unwrap();
    assert_eq!(phone.apps[0].effects[&Effect::Shown], 1, "shown once");
}

#[tokio::test]
async fn answers_with_strange_bodies_and_timestamps() {
    let sim = sim();
    let answer = |status, reason: Option<&str>, timestamp_ms, body: Option<&str>| {
        once(FaultKind::Answer {
            status,
            reason: reason.map(str::to_owned),
            timestamp_ms,
            retry_after_secs: None,
            body: body.map(str::to_owned),
        })
    };
    let mut peer = Peer::connect(&sim).await;
    sim.add_fault(answer(410, Some("Unregistered"), Some(123), None))
        .unwrap();
    sim.add_fault(answer(500, None, None, Some("<html>oops</html>")))
        .unwrap();
    sim.add_fault(answer(400, Some("BadTopic"), None, Some("")))
        .unwrap();
    let reply = peer.push(&Push::v2()).await;
    assert_eq!(reply.body, r#"{"reason":"Unregistered","timestamp":123}"#);
    assert_eq!(peer.push(&Push::v2()).await.body, "<html>oops</html>");
    let reply = peer.push(&Push::v2()).await;
    assert_eq!((reply.status, reply.ended_with_headers), (400, true));
    assert_eq!(
        sim.add_fault(answer(99, None, None, None)).unwrap_err(),
        "status: expected 200 to 599, found 99"
    );
}

#[tokio::test]
async fn a_rate_limit_answers_429() {
    let sim = sim();
    sim.add_fault(FaultKind::RateLimit {
        per_second: 0.0,
        burst: 2.0,
    })
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(peer.push(&Push::v2()).await.verdict());
    }
    let limited = (429, "TooManyRequests".to_owned());
    assert_eq!(statuses[2..], [limited.clone(), limited]);
    assert_eq!(statuses[0].0, 200);
    assert_eq!(hits(&sim, "rate_limit"), 2);
    assert_eq!(sim.counters().effects[&Effect::Shown], 1);
}

#[tokio::test]
async fn an_answer_cut_in_the_middle() {
    let sim = sim();
    sim.add_fault(once(FaultKind::CutAnswer { status: 400 }))
        .unwrap();
    let mut peer = Peer::connect(&sim).await;
    let response = peer.open(&Push::v2()).unwrap();
    let head = soon(response).await.unwrap();
    assert_eq!(head.status(), 400);
    let mut body = head.into_body();
    assert!(soon(body.data()).await.unwrap().is_err());
    until(&sim, |sim| sim.counters().cut == 1).await;
}

#[tokio::test]
async fn a_stream_reset_with_another_code() {
    let sim = sim();
    sim.add_fault(once(FaultKind::ResetStream {
        code: 2,
        processed: false,
    }))
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    let error = peer.try_push(&Push::v2()).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    assert_eq!(records(&sim)[0].effect, None);
}

#[tokio::test]
async fn refused_and_dropped_connections() {
    let sim = sim();
    sim.add_fault(once(FaultKind::RefuseConnection)).unwrap();
    let address = sim.address(Environment::Sandbox, Host::Device);
    assert!(Peer::try_to(&sim, address, None).await.is_err());
    for reset in [false, true] {
        let mut peer = Peer::connect(&sim).await;
        assert_eq!(peer.push(&Push::v2()).await.status, 200);
        assert_eq!(
            sim.act(&Action::Drop { reset }, &everything()).connections,
            1
        );
        let _ = soon(peer.driver).await.unwrap();
        until(&sim, |sim| sim.counters().open_connections == 0).await;
    }
    assert_eq!(
        (
            hits(&sim, "refuse_connection"),
            hits(&sim, "drop_connection")
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn all_provider_tokens_in_flight_expire() {
    let sim = simulator(Settings {
        wedge_on_expiry: true,
        ..Settings::default()
    });
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    until_limit(&peer, 1000).await;
    sim.add_fault(FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    })
    .unwrap();
    let waiting: Vec<_> = (0..10).map(|_| peer.open(&Push::v2()).unwrap()).collect();
    until(&sim, |sim| sim.counters().requests == 11).await;
    let report = sim.act(&Action::ExpireProviderTokens, &everything());
    assert_eq!(report.requests_in_flight, 10);
    sim.clear_faults();
    let expired = (403, "ExpiredProviderToken".to_owned());
    for response in waiting {
        assert_eq!(soon(finish(response)).await.unwrap().verdict(), expired);
    }
    let given = records(&sim);
    let given: Vec<_> = given[1..]
        .iter()
        .map(|r| (r.status, r.reason.as_deref()))
        .collect();
    assert_eq!(
        given,
        [(403, Some("ExpiredProviderToken")); 10],
        "the answers really given"
    );
    assert_eq!(sim.counters().answered[&403], 10);
    assert_eq!(
        peer.push(&Push::v2()).await.verdict(),
        expired,
        "and later ones"
    );
    sim.advance(Duration::from_secs(1500));
    let fresh = Push::v2().token(&Signer::v1().token(TEAM, KEY, NOW + 1500));
    assert_eq!(
        peer.push(&fresh).await.verdict(),
        expired,
        "this connection is wedged"
    );
    assert_eq!(Peer::connect(&sim).await.push(&fresh).await.status, 200);
    assert_eq!(
        Peer::connect(&sim).await.push(&Push::v2()).await.verdict(),
        expired
    );
}

#[tokio::test]
async fn upper_case_ids_by_script() {
    let sim = sim();
    sim.add_fault(once(FaultKind::UpperCaseId)).unwrap();
    let mut peer = Peer::connect(&sim).await;
    let reply = peer.push(&Push::v2()).await;
    assert_eq!(reply.header("apns-id"), Some(ID.to_uppercase().as_str()));
    assert_eq!(peer.push(&Push::v2()).await.header("apns-id"), Some(ID));
}

#[tokio::test]
async fn faults_for_one_app_leave_the_others_alone() {
    let sim = sim();
    let other = push_sim::NewPhones {
        app: "net.example.other".into(),
        environment: Environment::Sandbox,
        ..push_sim::NewPhones::default()
    };
    let made = sim.make_phones(&other).unwrap().remove(0);
    let token = &made.push_tokens[&push_sim::PushTokenKind::Alert];
    let only = FaultFilter {
        app: Some(APP.into()),
        ..everything()
    };
    sim.add_fault(Fault {
        only,
        ..FaultKind::RefuseStream.into()
    })
    .unwrap();
    let mut peer = Peer::connect(&sim).await;
    let unhurt = Push::v2()
        .at_token(token)
        .with("apns-topic", "net.example.other");
    assert_eq!(peer.push(&unhurt).await.status, 200);
    assert!(peer.try_push(&Push::v2()).await.is_err());
    assert_eq!(peer.push(&unhurt).await.status, 200);
}

#[tokio::test]
async fn a_fault_with_a_time_of_its_own() {
    let sim = sim();
    let late = Fault {
        after_ms: 3_600_000,
        ..FaultKind::RefuseStream.into()
    };
    sim.add_fault(late).unwrap();
    let short = Fault {
        for_ms: Some(0),
        ..FaultKind::RefuseStream.into()
    };
    sim.add_fault(short).unwrap();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let active: Vec<_> = sim.faults().iter().map(|fault| fault.active).collect();
    assert_eq!(active, [true, false]);
    assert_eq!(sim.clear_faults().len(), 2);
}

#[tokio::test]
async fn a_body_that_never_ends_is_no_request() {
    let sim = sim();
    let mut peer = Peer::connect(&sim).await;
    let request = http::Request::builder()
        .method("POST")
        .uri(format!("https://localhost/3/device/{TOKEN}"))
        .body(())
        .unwrap();
    let (response, mut body) = peer.send.send_request(request, false).unwrap();
    body.send_data("{".into(), false).unwrap();
    until(&sim, |sim| {
        sim.connections()
            .first()
            .is_some_and(|one| one.in_flight == 1)
    })
    .await;
    body.send_reset(h2::Reason::CANCEL);
    drop(response);
    until(&sim, |sim| sim.counters().incomplete_requests == 1).await;
    assert!(records(&sim).is_empty());
}

#[tokio::test]
async fn a_stopped_simulator_closes_its_connections() {
    let sim = sim();
    let mut peer = Peer::connect(&sim).await;
    assert_eq!(peer.push(&Push::v2()).await.status, 200);
    let world = sim.world().clone();
    sim.shutdown();
    let _ = soon(peer.driver).await.unwrap();
    assert_eq!(
        world.counters().answered[&200],
        1,
        "its books stay readable"
    );
}
