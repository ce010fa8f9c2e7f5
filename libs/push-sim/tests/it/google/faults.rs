//! Scripts at Google's hosts, over HTTP/2.

use push_sim::{
    Action, AfterGoaway, AnswerFate, Fault, FaultFilter, FaultKind, FcmSettings, Gateway,
    GoawayDebug, Host, NewFcmPhones, ReceivedFilter,
};
use serde_json::json;

use super::stage::{Stage, claims, connect, grant, header, seen, sign};
use crate::support::{finish, soon};

fn answer(status: u16, reason: Option<&str>) -> FaultKind {
    FaultKind::Answer {
        status,
        reason: reason.map(str::to_owned),
        timestamp_ms: None,
        retry_after_secs: None,
        body: None,
    }
}

fn only_fcm(kind: FaultKind) -> Fault {
    Fault {
        only: FaultFilter {
            gateway: Some(Gateway::Fcm),
            ..FaultFilter::default()
        },
        count: Some(1),
        ..kind.into()
    }
}

/// Waits until so many requests, the one for the bearer included, are in the books.
async fn until_requests(stage: &Stage, count: u64) {
    soon(async {
        while stage.sim.counters().requests < count {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn every_error_shape_can_be_asked_for() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token, "data": {"a": "b"}});
    let cases = [
        (404, "UNREGISTERED", "NOT_FOUND", Some("UNREGISTERED")),
        (404, "NOT_FOUND", "NOT_FOUND", None),
        (
            400,
            "INVALID_REGISTRATION",
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        (
            400,
            "INVALID_TOKEN_FIELD",
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        (400, "INVALID_DATA_FIELD", "INVALID_ARGUMENT", None),
        (
            400,
            "APNS_UNREGISTERED",
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        (
            400,
            "MESSAGE_TOO_BIG",
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        (
            403,
            "SENDER_ID_MISMATCH",
            "PERMISSION_DENIED",
            Some("SENDER_ID_MISMATCH"),
        ),
        (403, "PERMISSION_DENIED", "PERMISSION_DENIED", None),
        (
            401,
            "THIRD_PARTY_AUTH_ERROR",
            "UNAUTHENTICATED",
            Some("THIRD_PARTY_AUTH_ERROR"),
        ),
        (401, "UNAUTHENTICATED", "UNAUTHENTICATED", None),
        (
            429,
            "QUOTA_EXCEEDED",
            "RESOURCE_EXHAUSTED",
            Some("QUOTA_EXCEEDED"),
        ),
        (429, "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED", None),
        (503, "UNAVAILABLE", "UNAVAILABLE", Some("UNAVAILABLE")),
        (500, "INTERNAL", "INTERNAL", Some("INTERNAL")),
    ];
    for (http, reason, status, code) in cases {
        stage
            .sim
            .add_fault(only_fcm(answer(http, Some(reason))))
            .unwrap();
        let reply = stage.send(&message).await;
        let found = seen(&reply);
        assert_eq!(
            (found.http, found.status.as_str()),
            (http, status),
            "{reason}"
        );
        assert_eq!(found.code.as_deref(), code, "{reason}");
        let retry_after = matches!(http, 429 | 503).then_some("60");
        assert_eq!(reply.header("retry-after"), retry_after, "{reason}");
    }
    assert_eq!(stage.view(&phone).shown.len(), 0);
}

#[tokio::test]
async fn bodies_that_are_not_googles_json() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token, "data": {"a": "b"}});
    stage
        .sim
        .add_fault(only_fcm(answer(502, Some("HTML"))))
        .unwrap();
    let html = stage.send(&message).await;
    assert!(
        html.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(html.body.starts_with(b"<!DOCTYPE"));
    let with_body = |status: u16, body: &str| FaultKind::Answer {
        status,
        reason: None,
        timestamp_ms: None,
        retry_after_secs: Some(12),
        body: Some(body.into()),
    };
    stage.sim.add_fault(only_fcm(with_body(503, ""))).unwrap();
    let empty = stage.send(&message).await;
    assert_eq!((empty.status, empty.body.len()), (503, 0));
    assert_eq!(empty.header("retry-after"), Some("12"));
    stage
        .sim
        .add_fault(only_fcm(with_body(200, "{\"name\":")))
        .unwrap();
    let broken = stage.send(&message).await;
    assert_eq!((broken.status, &broken.body[..]), (200, &b"{\"name\":"[..]));
    assert_eq!(stage.view(&phone).shown.len(), 1, "a 200 is delivered");
}

#[tokio::test]
async fn retry_after_can_be_a_date() {
    let mut stage = Stage::with(FcmSettings {
        retry_after_as_date: true,
        ..FcmSettings::default()
    })
    .await;
    let busy = answer(503, Some("UNAVAILABLE"));
    stage.sim.add_fault(only_fcm(busy)).unwrap();
    let reply = stage.send(&json!({"topic": "news"})).await;
    let date = reply.header("retry-after");
    assert_eq!(date, Some("Tue, 14 Nov 2023 22:14:20 GMT"));
}

#[tokio::test]
async fn filters_choose_gateway_host_project_and_target() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token});
    let misses = [
        FaultFilter {
            gateway: Some(Gateway::Apns),
            ..FaultFilter::default()
        },
        FaultFilter {
            environment: Some(push_sim::Environment::Production),
            ..FaultFilter::default()
        },
        FaultFilter {
            host: Some(Host::Oauth),
            ..FaultFilter::default()
        },
        FaultFilter {
            project: Some("pager-2".into()),
            ..FaultFilter::default()
        },
        FaultFilter {
            push_type: Some("topic".into()),
            ..FaultFilter::default()
        },
    ];
    for only in misses {
        let fault = Fault {
            only,
            ..answer(503, None).into()
        };
        stage.sim.add_fault(fault).unwrap();
    }
    assert_eq!(stage.send(&message).await.status, 200);
    let fits = FaultFilter {
        gateway: Some(Gateway::Fcm),
        host: Some(Host::Fcm),
        project: Some("pager-1".into()),
        push_type: Some("token".into()),
        push_token: Some(phone.registration_token.clone()),
        ..FaultFilter::default()
    };
    let fault = Fault {
        only: fits,
        ..answer(500, None).into()
    };
    let id = stage.sim.add_fault(fault).unwrap();
    assert_eq!(stage.send(&message).await.status, 500);
    assert_eq!(stage.sim.remove_fault(id).unwrap().hits, 1);
    let token = stage.peer.push(&grant(&sign(&header(), &claims()))).await;
    assert_eq!(token.status, 503, "the fault for oauth");
}

#[tokio::test]
async fn silence_resets_and_cuts() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token, "data": {"a": "b"}});
    let request = stage.request(&message);
    let reset = FaultKind::ResetStream {
        code: 2,
        processed: true,
    };
    stage.sim.add_fault(only_fcm(reset)).unwrap();
    let error = stage.peer.try_push(&request).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(stage.view(&phone).shown.len(), 1);

    stage
        .sim
        .add_fault(only_fcm(FaultKind::RefuseStream))
        .unwrap();
    let error = stage.peer.try_push(&request).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM));

    let silent = FaultKind::NeverAnswer { processed: false };
    stage.sim.add_fault(only_fcm(silent)).unwrap();
    let unanswered = stage.peer.open(&request).unwrap();
    assert_eq!(stage.send(&message).await.status, 200);
    drop(unanswered);

    stage
        .sim
        .add_fault(only_fcm(FaultKind::CutAnswer { status: 200 }))
        .unwrap();
    assert!(stage.peer.try_push(&request).await.is_err());
    let filter = ReceivedFilter {
        answer: Some(AnswerFate::Cut),
        ..ReceivedFilter::default()
    };
    assert_eq!(stage.sim.received(&filter).received.len(), 1);
    assert_eq!(
        stage.view(&phone).shown.len(),
        2,
        "cut and silent: not processed"
    );
}

#[tokio::test]
async fn a_goaway_excludes_what_triggers_it() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let message = json!({"token": phone.registration_token, "data": {"a": "b"}});
    let request = stage.request(&message);
    let goaway = FaultKind::Goaway {
        debug: GoawayDebug::Text("max_age".into()),
        code: 0,
        before_this: true,
        then: AfterGoaway::Drain,
    };
    stage.sim.add_fault(only_fcm(goaway)).unwrap();
    let error = stage.peer.try_push(&request).await.unwrap_err();
    assert!(error.is_go_away(), "{error}");
    assert_eq!(stage.view(&phone).shown.len(), 0);
    let mut peer = connect(&stage.sim).await;
    assert_eq!(peer.push(&request).await.status, 200);
}

#[tokio::test]
async fn one_stream_too_many_ends_the_connection() {
    let stage = Stage::with(FcmSettings {
        max_streams: 1,
        ..FcmSettings::default()
    })
    .await;
    assert_eq!(stage.peer.send.current_max_send_streams(), 1);
    let phone = stage.phone(NewFcmPhones::default());
    let request = stage.request(&json!({"token": phone.registration_token, "data": {"a": "b"}}));
    let delay = FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    };
    stage.sim.add_fault(only_fcm(delay)).unwrap();
    // This client sends before it has read the server's SETTINGS.
    let mut peer = connect(&stage.sim).await;
    let first = peer.open(&request).unwrap();
    let second = peer.clone_sender().open(&request).unwrap();
    let error = soon(finish(second)).await.unwrap_err();
    assert!(error.is_go_away() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(h2::Reason::ENHANCE_YOUR_CALM));
    assert!(format!("{error:?}").contains("exceeded_max_concurrent_streams"));
    assert_eq!(stage.sim.counters().streams_over_limit, 1);
    until_requests(&stage, 2).await;
    let calm = Action::FailInFlight {
        status: 503,
        reason: None,
    };
    stage.sim.act(&calm, &FaultFilter::default());
    assert_eq!(soon(finish(first)).await.unwrap().status, 503);
    assert_eq!(
        stage.view(&phone).shown.len(),
        1,
        "the second was not processed"
    );
}

#[tokio::test]
async fn waiting_answers_can_be_failed_at_once() {
    let mut stage = Stage::new().await;
    let phone = stage.phone(NewFcmPhones::default());
    let request = stage.request(&json!({"token": phone.registration_token}));
    let delay = FaultKind::Delay {
        ms: 60_000,
        jitter_ms: 0,
    };
    stage.sim.add_fault(delay).unwrap();
    let waiting = stage.peer.open(&request).unwrap();
    until_requests(&stage, 2).await;
    let fail = Action::FailInFlight {
        status: 503,
        reason: Some("UNAVAILABLE".into()),
    };
    let only = FaultFilter {
        gateway: Some(Gateway::Fcm),
        ..FaultFilter::default()
    };
    stage.sim.act(&fail, &only);
    let reply = soon(finish(waiting)).await.unwrap();
    assert_eq!(seen(&reply).code.as_deref(), Some("UNAVAILABLE"));
}
