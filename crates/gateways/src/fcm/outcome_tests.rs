//! The protocol sheet's vectors, and every other way a push can end, as outcomes.

use super::*;
use fcm::AccessTokenErrorKind;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// 2026-10-21 07:27:30 UTC.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_792_567_650)
}

fn judged_as(status: u16, retry_after: &str, body: &str, on_unknown: OnUnknown) -> Outcome {
    let mut headers = HeaderMap::new();
    if !retry_after.is_empty() {
        headers.insert(RETRY_AFTER, HeaderValue::from_str(retry_after).unwrap());
    }
    let response = Response::read(
        StatusCode::from_u16(status).unwrap(),
        &headers,
        bytes::Bytes::copy_from_slice(body.as_bytes()),
        now(),
    );
    of(
        Ok(response),
        Some(3),
        Some(Duration::from_micros(1_500)),
        on_unknown,
        None,
    )
}

fn judged(status: u16, retry_after: &str, body: &str) -> Outcome {
    judged_as(status, retry_after, body, OnUnknown::Resend)
}

fn error(status: &str, message: &str, details: &[Value]) -> String {
    json!({"error": {"code": 0, "message": message, "status": status, "details": details}})
        .to_string()
}

fn fcm(code: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
}

fn apns(status: u16, reason: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError", "statusCode": status, "reason": reason})
}

fn bad_request(field: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": field, "description": "d"}]})
}

/// A verdict in a few words.
fn told(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Blocked(trouble) => format!(
            "blocked {:?} {} {:?}",
            trouble.scope, trouble.reason, trouble.retry_after_ms
        ),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_19_vectors() {
    let invalid = || fcm("INVALID_ARGUMENT");
    let bad = |message: &str, details: &[Value]| error("INVALID_ARGUMENT", message, details);
    let quota = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{"subject": "device", "description": "d"}]});
    let project = json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com", "metadata": {
            "quota_limit": "SendsPerMinutePerProject", "quota_metric": "fcm.googleapis.com/send_requests",
            "quota_unit": "1/min/{project}", "consumer": "projects/123"}});
    let dead = "Rejected(Retire { since: None })";
    let keep = "Rejected(Keep)";
    let table: [(u8, u16, &str, String, &str); 19] = [
        (
            1,
            200,
            "",
            r#"{"name":"projects/demo/messages/0:1%ab"}"#.into(),
            "Accepted",
        ),
        (
            2,
            404,
            "",
            error("NOT_FOUND", "m", &[fcm("UNREGISTERED")]),
            dead,
        ),
        (
            3,
            404,
            "",
            error("NOT_FOUND", "m", &[]),
            "blocked Credential NOT_FOUND None",
        ),
        (
            4,
            400,
            "",
            bad(
                "The registration token is not a valid FCM registration token",
                &[invalid()],
            ),
            dead,
        ),
        (
            5,
            400,
            "",
            bad("m", &[invalid(), bad_request("message.token")]),
            dead,
        ),
        (
            6,
            400,
            "",
            bad("m", &[bad_request("message.data[0].value")]),
            keep,
        ),
        (
            7,
            400,
            "",
            bad("m", &[invalid(), apns(410, "Unregistered")]),
            dead,
        ),
        (
            8,
            400,
            "",
            bad("Android message is too big", &[invalid()]),
            keep,
        ),
        // Dead for this app, unless so many are that it is the credential.
        (
            9,
            403,
            "",
            error("PERMISSION_DENIED", "m", &[fcm("SENDER_ID_MISMATCH")]),
            "Rejected(WrongEnvironment)",
        ),
        (
            10,
            403,
            "",
            error("PERMISSION_DENIED", "m", &[]),
            "blocked Credential PERMISSION_DENIED None",
        ),
        (
            11,
            401,
            "",
            error(
                "UNAUTHENTICATED",
                "m",
                &[
                    fcm("THIRD_PARTY_AUTH_ERROR"),
                    apns(403, "InvalidProviderToken"),
                ],
            ),
            "blocked Credential THIRD_PARTY_AUTH_ERROR None",
        ),
        (
            12,
            401,
            "",
            error("UNAUTHENTICATED", "m", &[]),
            "blocked Credential UNAUTHENTICATED None",
        ),
        (
            13,
            429,
            "7",
            error("RESOURCE_EXHAUSTED", "m", &[fcm("QUOTA_EXCEEDED"), quota]),
            "Retry { retry_after_ms: Some(60000) }",
        ),
        (
            14,
            429,
            "",
            error("RESOURCE_EXHAUSTED", "m", &[project]),
            "blocked Gateway RESOURCE_EXHAUSTED Some(60000)",
        ),
        (
            15,
            503,
            "Wed, 21 Oct 2026 07:28:00 GMT",
            error("UNAVAILABLE", "m", &[]),
            "blocked Gateway UNAVAILABLE Some(30000)",
        ),
        (
            16,
            503,
            "",
            String::new(),
            "blocked Gateway unavailable Some(10000)",
        ),
        (
            17,
            500,
            "",
            error("INTERNAL", "m", &[fcm("INTERNAL")]),
            "Retry { retry_after_ms: Some(10000) }",
        ),
        (18, 200, "", "{broken".into(), "Accepted"),
        // Whether the app was seen since is compared where registrations are: the answer itself says "dead".
        (
            19,
            404,
            "",
            error("NOT_FOUND", "m", &[fcm("UNREGISTERED")]),
            dead,
        ),
    ];
    for (number, status, retry_after, body, expected) in table {
        let outcome = judged(status, retry_after, &body);
        assert_eq!(told(&outcome), expected, "vector {number}");
    }
    let html = judged(502, "", "<html>502</html>");
    assert_eq!(told(&html), "Retry { retry_after_ms: Some(10000) }");
}

#[test]
fn every_reason_of_the_library_has_a_verdict() {
    for reason in Reason::ALL {
        let rejected = Rejected {
            status: 400,
            reason: *reason,
            error: Box::default(),
            retry_after: None,
            raw: bytes::Bytes::new(),
        };
        let verdict = refused(&rejected, OnUnknown::Resend);
        let is_final = matches!(verdict, Verdict::Rejected(_));
        let is_ours = matches!(reason.rule().class, Class::Message | Class::PushToken);
        assert_eq!(is_final, is_ours, "{reason}");
        if let Verdict::Blocked(trouble) = verdict {
            assert_eq!(trouble.mend, reason.rule().mend);
        }
    }
}

#[test]
fn what_may_have_been_taken_is_not_sent_twice_against_orders() {
    for (status, body) in [(504, String::new()), (500, error("INTERNAL", "m", &[]))] {
        let told = |on_unknown| told(&judged_as(status, "", &body, on_unknown));
        assert!(told(OnUnknown::Resend).starts_with("Retry"), "{status}");
        assert_eq!(told(OnUnknown::Drop), "InDoubt", "{status}");
    }
    let unavailable = judged_as(503, "", "", OnUnknown::Drop);
    assert!(told(&unavailable).starts_with("blocked"));
}

#[test]
fn many_foreign_push_tokens_are_suspects_and_not_dead() {
    let body = error(
        "INVALID_ARGUMENT",
        "m",
        &[fcm("INVALID_ARGUMENT"), apns(400, "BadDeviceToken")],
    );
    let outcome = judged(400, "", &body);
    assert_eq!(told(&outcome), "Rejected(WrongEnvironment)");
}

#[test]
fn the_gateways_words_are_kept() {
    let body = error("NOT_FOUND", "m", &[fcm("UNREGISTERED")]);
    let outcome = judged(404, "", &body);
    assert_eq!((outcome.connection, outcome.elapsed_us), (3, 1_500));
    assert_eq!(
        *outcome.answer.unwrap(),
        Answer {
            status: 404,
            reason: "UNREGISTERED".into(),
            raw: body,
            timestamp: None,
        }
    );
    let long = judged(500, "", &"x".repeat(4_000)).answer.unwrap();
    assert_eq!(
        (long.reason.as_str(), long.raw.len()),
        ("internal", MAX_RAW)
    );
    assert_eq!(judged(200, "", r#"{"name":"n"}"#).answer, None);
}

#[test]
fn no_access_token_is_the_credentials_trouble_or_the_networks() {
    let table = [
        (
            AccessTokenErrorKind::Account,
            "blocked Credential access_token_account None",
        ),
        (
            AccessTokenErrorKind::Clock,
            "blocked Credential access_token_clock None",
        ),
        (
            AccessTokenErrorKind::Busy,
            "blocked Gateway access_token_busy None",
        ),
        (
            AccessTokenErrorKind::Unreachable,
            "blocked Gateway access_token_unreachable None",
        ),
    ];
    for (kind, expected) in table {
        let why = AccessTokenError::new(kind, "what happened");
        let Verdict::Blocked(trouble) = no_access(Some(why)) else {
            panic!("{kind:?}")
        };
        assert!(trouble.mend.contains("what happened"), "{}", trouble.mend);
        let found = format!("blocked {:?} {} None", trouble.scope, trouble.reason);
        assert_eq!(found, expected);
    }
}
