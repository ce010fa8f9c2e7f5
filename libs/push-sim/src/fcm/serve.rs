//! Deciding about one call, whichever way it came: books, scripts, rules.

use std::time::Duration;

use super::call::{Reading, Service};
use super::error::GoogleError;
use super::reply::Reply;
use super::send::{self, Facts, Judged};
use super::{iid, oauth, scripted};
use crate::apns::Answer;
use crate::clock::wall_us;
use crate::connection::Served;
use crate::host::{Environment, Host};
use crate::recorder::{AnswerFate, Arrival, Decision};
use crate::script::{FaultKind, Occasion, Stage, Strike};
use crate::world::World;

/// What is to be done about a call that was recorded.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) seq: u64,
    pub(super) reply: Reply,
    pub(super) ending: Option<FaultKind>,
    pub(super) delay: Option<Duration>,
    /// SETTINGS to send beside the answer.
    pub(super) stream_limit: Option<u32>,
}

/// Writes an arrival down.
pub(super) fn record(service: &Served, connection: u32, stream: u32, reading: &Reading<'_>) -> u64 {
    let world = &service.world;
    world.count(|counters| counters.requests += 1);
    let host = reading.service.host();
    // An assertion is as good as a password for an hour.
    let nothing = std::sync::Arc::from([]);
    let payload = match host {
        Host::Oauth => &nothing,
        _ => reading.call.body,
    };
    world.recorder().arrive(&Arrival {
        at_ms: world.clock().now_ms(),
        wall_us: wall_us(),
        environment: Environment::Production,
        host,
        connection,
        stream,
        push_token: reading.registration().unwrap_or_default().as_bytes(),
        apns_id: None,
        topic: reading.topic().unwrap_or_default(),
        push_type: reading.target.as_ref().map_or("", |(kind, _)| kind),
        priority: None,
        expiration: None,
        collapse_id: None,
        payload,
        project: reading.service.project().unwrap_or_default(),
        validate_only: reading.validate_only,
    })
}

/// Judges a call and carries it out, as far as a script lets it.
pub(super) fn decide(
    world: &World,
    reading: &Reading<'_>,
    occasion: &Occasion<'_>,
    seq: u64,
    strike: Option<Strike>,
) -> Outcome {
    let delivers = match strike.as_ref().map(|strike| &strike.kind) {
        Some(FaultKind::Answer { status, .. }) => *status == 200,
        Some(FaultKind::RateLimit { .. } | FaultKind::CutAnswer { .. }) => false,
        Some(
            FaultKind::NeverAnswer { processed }
            | FaultKind::CloseAfterBody { processed, .. }
            | FaultKind::ResetStream { processed, .. },
        ) => *processed,
        _ => true,
    };
    let Judged {
        mut reply,
        effect,
        happened,
        gave_token,
        passed_on: _,
    } = judge(world, reading, seq, delivers);
    if gave_token || !happened.is_empty() {
        world.count(|counters| {
            counters.access_tokens += u64::from(gave_token);
            for effect in &happened {
                *counters.effects.entry(*effect).or_default() += 1;
            }
        });
    }
    let settings = world.shared_settings();
    let project = reading.service.project().unwrap_or_default();
    let fault = strike.as_ref().map(|strike| strike.fault);
    let mut ending = None;
    match strike.map(|strike| strike.kind) {
        // The real answer is the 200 that was asked for.
        Some(FaultKind::Answer {
            status: 200,
            body: None,
            ..
        }) if reply.status == 200 => {}
        Some(FaultKind::Answer {
            status,
            reason,
            timestamp_ms: _,
            retry_after_secs,
            body,
        }) => {
            let asked = Answer {
                reason,
                retry_after_secs,
                body,
                ..Answer::status(status)
            };
            reply = scripted::reply(&asked, project, &settings.fcm);
        }
        Some(FaultKind::RateLimit { .. }) => {
            reply = send::refusal(&GoogleError::project_quota(project), &settings.fcm);
        }
        Some(FaultKind::CutAnswer { status }) => {
            reply = scripted::reply(&Answer::status(status), project, &settings.fcm);
            ending = Some(FaultKind::CutAnswer { status });
        }
        other => ending = other,
    }
    if settings.fcm.retry_after_as_date {
        reply = reply.dated(world.clock().now_ms());
    }
    let decision = Decision {
        status: reply.status,
        reason: reply.code.as_deref(),
        apns_id: None,
        effect,
        fault,
    };
    world.recorder().decide(seq, &decision);
    let aside = world.strike(Stage::Aside, occasion);
    let stream_limit = match aside.map(|strike| strike.kind) {
        Some(FaultKind::LimitStreams { max }) => Some(max),
        _ => None,
    };
    let delay = world
        .strike(Stage::Delay, occasion)
        .and_then(|strike| match strike.kind {
            FaultKind::Delay { ms, jitter_ms } => {
                let jitter = (jitter_ms as f64 * strike.roll) as u64;
                Some(Duration::from_millis(ms + jitter))
            }
            _ => None,
        });
    Outcome {
        seq,
        reply,
        ending,
        delay,
        stream_limit,
    }
}

fn judge(world: &World, reading: &Reading<'_>, seq: u64, deliver: bool) -> Judged {
    let settings = world.shared_settings();
    let facts = Facts {
        settings: &settings.fcm,
        now_ms: world.clock().now_ms(),
        seq,
        deliver,
    };
    let mut google = world.google();
    let method = reading.call.method.as_str();
    match &reading.service {
        Service::Token => {
            let (reply, gave_token) =
                oauth::token(&mut google, &reading.call, facts.settings, facts.now_ms);
            Judged {
                gave_token,
                ..Judged::nothing(reply)
            }
        }
        Service::Send { project } if method == "POST" => {
            let judged = send::send(&mut google, reading, project, facts);
            drop(google);
            judged.passed(world, facts.settings)
        }
        Service::BatchAdd if method == "POST" => {
            Judged::nothing(iid::batch(&mut google, reading, facts, true))
        }
        Service::BatchRemove if method == "POST" => {
            Judged::nothing(iid::batch(&mut google, reading, facts, false))
        }
        Service::Info { registration } if method == "GET" => {
            Judged::nothing(iid::info(&mut google, reading, registration, facts))
        }
        Service::Subscriptions {
            project,
            registration,
            topic,
        } => {
            let reply =
                iid::subscriptions(&mut google, reading, (project, registration, *topic), facts);
            Judged::nothing(reply)
        }
        Service::Legacy => {
            let body = serde_json::json!({
                "error": "Deprecated endpoint, see \
                          https://firebase.google.com/docs/cloud-messaging/migrate-v1"
            });
            Judged::nothing(Reply::json(404, &body).coded("DEPRECATED"))
        }
        _ => {
            let body = "<!DOCTYPE html>\n<title>Error 404 (Not Found)!!1</title>\n";
            Judged::nothing(Reply::text(404, body).coded("NOT_FOUND"))
        }
    }
}

/// The books after an answer, or instead of one.
pub(super) fn settle(world: &World, seq: u64, reply: &Reply, fate: AnswerFate) {
    world.recorder().settle(seq, fate);
    world.count(|counters| match fate {
        AnswerFate::Answered => {
            *counters.answered.entry(reply.status).or_default() += 1;
            if let Some(code) = &reply.code {
                *counters.reasons.entry(code.clone()).or_default() += 1;
            }
        }
        AnswerFate::Withheld => counters.withheld += 1,
        AnswerFate::Cut => counters.cut += 1,
        AnswerFate::Reset => counters.reset_by_sender += 1,
        AnswerFate::Pending => {}
    });
}
