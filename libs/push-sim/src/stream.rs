//! Serving one stream: reading the request, having it judged, and answering it, or not, as
//! scripted.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason as H2Reason, RecvStream};
use http::{HeaderValue, Request, Response};
use tokio::time::timeout;
use uuid::Uuid;

use crate::apns::Answer;
use crate::apns::request::{PushRequest, Service, decode_hex, parse_uuid};
use crate::clock::wall_us;
use crate::connection::Served;
use crate::host::Environment;
use crate::link::Link;
use crate::recorder::{AnswerFate, Arrival, Decision};
use crate::respond::{self, Respond};
use crate::script::{FaultKind, Occasion, Stage, Strike};
use crate::world::{Judged, World};

/// Largest body read; the rules refuse far smaller ones.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Holds a stream open until the sender or the connection ends it.
pub(crate) async fn keep_silent(mut respond: SendResponse<Bytes>) -> Result<H2Reason, h2::Error> {
    std::future::poll_fn(|cx| respond.poll_reset(cx)).await
}

pub(crate) fn view<'a>(
    service: &Served,
    request: &'a Request<RecvStream>,
    body: &'a Arc<[u8]>,
) -> PushRequest<'a> {
    PushRequest {
        environment: service.environment,
        host: service.host,
        method: request.method(),
        scheme: request.uri().scheme_str(),
        path: request.uri().path(),
        headers: request.headers(),
        body,
    }
}

fn topic_of<'a>(request: &PushRequest<'a>) -> Option<&'a str> {
    match request.service() {
        Service::Device => request.header("apns-topic"),
        Service::Broadcast => request.broadcast_bundle(),
        Service::Management => request.management_target().map(|(bundle, _)| bundle),
    }
}

pub(crate) fn occasion<'a>(
    service: &Served,
    link: &Link,
    request: &PushRequest<'a>,
) -> Occasion<'a> {
    Occasion {
        environment: service.environment,
        host: service.host,
        connection: link.id,
        topic: topic_of(request),
        push_type: request.header("apns-push-type"),
        push_token: request.push_token_text(),
        project: None,
    }
}

/// The body in memory of its own: the connection's buffers are not kept for a record's sake.
pub(crate) async fn read_body(body: &mut RecvStream) -> Option<Arc<[u8]>> {
    let mut first: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        body.flow_control().release_capacity(chunk.len()).ok()?;
        if first.is_none() && joined.is_empty() {
            first = Some(chunk);
            continue;
        }
        if let Some(first) = first.take() {
            joined.extend_from_slice(&first);
        }
        if joined.len() <= MAX_BODY_BYTES {
            joined.extend_from_slice(&chunk);
        }
    }
    Some(Arc::from(first.as_deref().unwrap_or(&joined)))
}

pub(crate) async fn serve(
    service: &Served,
    link: &Arc<Link>,
    mut request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let world = &service.world;
    let body = match timeout(service.config.body_timeout, read_body(request.body_mut())).await {
        Ok(Some(body)) => body,
        Ok(None) => {
            world.count(|counters| counters.incomplete_requests += 1);
            return;
        }
        Err(_) => {
            world.count(|counters| counters.incomplete_requests += 1);
            respond.send_reset(H2Reason::CANCEL);
            return;
        }
    };
    let stream = respond.stream_id().as_u32();
    if link.is_after_goaway(stream) {
        world.count(|counters| counters.streams_after_goaway += 1);
        let _ = keep_silent(respond).await;
        return;
    }
    // Read before the request is counted: what is done to requests in flight from then on is
    // done to this one.
    let overrides = link.signal.borrow().overrides;
    let (seq, outcome) = {
        let view = view(service, &request, &body);
        let occasion = occasion(service, link, &view);
        let strike = world.strike(Stage::Request, &occasion);
        if let Some(FaultKind::Goaway {
            debug,
            code,
            before_this: true,
            then,
        }) = strike.as_ref().map(|strike| &strike.kind)
        {
            world.count(|counters| counters.streams_after_goaway += 1);
            link.goaway(stream.saturating_sub(2), *code, &debug.bytes(), *then);
            None
        } else {
            let seq = record(service, link, stream, &view);
            Some((seq, decide(service, link, &view, &occasion, seq, strike)))
        }
    }
    .unzip();
    let (Some(seq), Some(mut outcome)) = (seq, outcome) else {
        // Its own stream is above the last one now, so the drain does not wait for it.
        let _ = keep_silent(respond).await;
        return;
    };
    let fate = carry_out(service, link, &mut respond, seq, &mut outcome, overrides).await;
    world.recorder().settle(seq, fate);
    world.count(|counters| match fate {
        AnswerFate::Answered => {
            *counters.answered.entry(outcome.answer.status).or_default() += 1;
            if let Some(reason) = &outcome.answer.reason {
                *counters.reasons.entry(reason.clone()).or_default() += 1;
            }
        }
        AnswerFate::Withheld => counters.withheld += 1,
        AnswerFate::Cut => counters.cut += 1,
        AnswerFate::Reset => counters.reset_by_sender += 1,
        AnswerFate::Pending => {}
    });
    if link.signal.borrow().silent {
        // Letting go of the stream would make `h2` reset it before the connection ends.
        let _ = keep_silent(respond).await;
    }
}

fn record(service: &Served, link: &Link, stream: u32, request: &PushRequest<'_>) -> u64 {
    let world = &service.world;
    let push_token = request
        .push_token_text()
        .and_then(decode_hex)
        .unwrap_or_default();
    world.count(|counters| counters.requests += 1);
    world.recorder().arrive(&Arrival {
        at_ms: world.clock().now_ms(),
        wall_us: wall_us(),
        environment: service.environment,
        host: service.host,
        connection: link.id,
        stream,
        push_token: &push_token,
        apns_id: request
            .header("apns-id")
            .and_then(|text| parse_uuid(text, true)),
        topic: topic_of(request).unwrap_or_default(),
        push_type: request.header("apns-push-type").unwrap_or_default(),
        priority: request
            .header("apns-priority")
            .and_then(|text| text.parse().ok()),
        expiration: request
            .header("apns-expiration")
            .and_then(|text| text.parse().ok()),
        collapse_id: request.header("apns-collapse-id"),
        payload: request.body,
        project: "",
        validate_only: false,
    })
}

/// Whether the addressee gets a notification to which this fault happens.
pub(crate) fn delivers(strike: Option<&Strike>) -> bool {
    match strike.map(|strike| &strike.kind) {
        Some(FaultKind::Answer { status, .. }) => (200..300).contains(status),
        Some(FaultKind::RateLimit { .. } | FaultKind::CutAnswer { .. }) => false,
        Some(
            FaultKind::NeverAnswer { processed }
            | FaultKind::CloseAfterBody { processed, .. }
            | FaultKind::ResetStream { processed, .. },
        ) => *processed,
        _ => true,
    }
}

/// The answer instead of the real one, if the fault has one, and what else is left to do.
pub(crate) fn scripted(strike: Option<Strike>, real: Answer) -> (Answer, Option<FaultKind>) {
    match strike.map(|strike| strike.kind) {
        Some(FaultKind::Answer {
            status,
            reason,
            timestamp_ms,
            retry_after_secs,
            body,
        }) => {
            let answer = Answer {
                reason,
                timestamp_ms,
                retry_after_secs,
                body,
                ..Answer::status(status)
            };
            (answer, None)
        }
        Some(FaultKind::RateLimit { .. }) => {
            let answer = Answer {
                reason: Some("TooManyRequests".into()),
                ..Answer::status(429)
            };
            (answer, None)
        }
        Some(FaultKind::CutAnswer { status }) => {
            let answer = Answer::status(status);
            (answer, Some(FaultKind::CutAnswer { status }))
        }
        other => (real, other),
    }
}

/// How long a script makes the answer wait.
pub(crate) fn scripted_delay(world: &World, occasion: &Occasion<'_>) -> Option<Duration> {
    let strike = world.strike(Stage::Delay, occasion)?;
    let FaultKind::Delay { ms, jitter_ms } = strike.kind else {
        return None;
    };
    let jitter = (jitter_ms as f64 * strike.roll) as u64;
    Some(Duration::from_millis(ms + jitter))
}

/// What is to be done about a request that was recorded.
struct Outcome {
    service: Service,
    answer: Answer,
    id: Option<Uuid>,
    sender_named_id: bool,
    upper_case: bool,
    ending: Option<FaultKind>,
    delay: Option<Duration>,
}

fn decide(
    service: &Served,
    link: &Link,
    request: &PushRequest<'_>,
    occasion: &Occasion<'_>,
    seq: u64,
    strike: Option<Strike>,
) -> Outcome {
    let world = &service.world;
    let settings = world.shared_settings();
    let delivers = delivers(strike.as_ref());
    let Judged {
        answer,
        id,
        authenticated,
        effect,
    } = world.judge(request, &mut link.auth.lock(), seq, delivers);
    if let Some(effect) = effect {
        world.count(|counters| *counters.effects.entry(effect).or_default() += 1);
    }
    if authenticated {
        link.authenticated(settings.max_streams);
    }
    let fault = strike.as_ref().map(|strike| strike.fault);
    let (answer, ending) = scripted(strike, answer);
    let decision = Decision {
        status: answer.status,
        reason: answer.reason.as_deref(),
        apns_id: id,
        effect,
        fault,
    };
    world.recorder().decide(seq, &decision);
    let mut upper_case = settings.echo_upper_case_ids;
    match world
        .strike(Stage::Aside, occasion)
        .map(|strike| strike.kind)
    {
        Some(FaultKind::LimitStreams { max }) => link.wire.limit_streams(max),
        Some(FaultKind::UpperCaseId) => upper_case = true,
        _ => {}
    }
    let delay = scripted_delay(world, occasion);
    let name = match request.service() {
        Service::Device => "apns-id",
        Service::Broadcast | Service::Management => "apns-request-id",
    };
    Outcome {
        service: request.service(),
        answer,
        id,
        sender_named_id: request.header(name).is_some(),
        upper_case,
        ending,
        delay,
    }
}

/// What ended a wait.
enum Waited {
    Over,
    Overridden(Answer),
    Silent,
    Reset,
}

/// Waits for `delay`, or for whatever comes first; then for the end of a freeze.
async fn wait(
    link: &Link,
    respond: &mut impl Respond,
    delay: Option<Duration>,
    overrides: u64,
) -> Waited {
    if let Some(delay) = delay {
        let mut signal = link.signal.subscribe();
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            changed = signal.wait_for(|s| s.silent || s.overrides != overrides) => {
                let Ok(state) = changed else { return Waited::Silent };
                if state.silent {
                    return Waited::Silent;
                }
                if let Some(answer) = &state.override_answer {
                    return Waited::Overridden(answer.clone());
                }
            }
            () = respond::gone(respond) => {
                return if link.signal.borrow().silent { Waited::Silent } else { Waited::Reset };
            }
        }
    }
    let calm = {
        let signal = link.signal.borrow();
        !signal.frozen && !signal.silent
    };
    if !calm {
        let mut signal = link.signal.subscribe();
        let state = signal
            .wait_for(|signal| signal.silent || !signal.frozen)
            .await;
        if state.is_err() || state.is_ok_and(|signal| signal.silent) {
            return Waited::Silent;
        }
    }
    Waited::Over
}

/// Does what a script wants instead of an answer, or before it. `Ok`: now answer, with the one
/// given if there is one.
pub(crate) async fn before_answer(
    link: &Arc<Link>,
    respond: &mut impl Respond,
    ending: Option<&FaultKind>,
    delay: Option<Duration>,
    overrides: u64,
) -> Result<Option<Answer>, AnswerFate> {
    match ending {
        Some(FaultKind::NeverAnswer { .. }) => {
            respond::gone(respond).await;
            return Err(AnswerFate::Withheld);
        }
        Some(FaultKind::CloseAfterBody { reset, .. }) => {
            if *reset {
                link.cut(true);
            } else {
                link.die();
            }
            return Err(AnswerFate::Withheld);
        }
        Some(FaultKind::ResetStream { code, .. }) => {
            if !respond.reset(*code) {
                link.die();
            }
            return Err(AnswerFate::Withheld);
        }
        Some(FaultKind::Freeze { ms }) => {
            link.freeze(true);
            if let Some(ms) = *ms {
                let link = Arc::clone(link);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    link.freeze(false);
                });
            }
        }
        Some(FaultKind::Goaway {
            debug, code, then, ..
        }) => {
            let highest = link.wire.highest_stream();
            let last = respond.stream().map_or(u32::MAX, |own| own.max(highest));
            link.goaway(last, *code, &debug.bytes(), *then);
        }
        _ => {}
    }
    match wait(link, respond, delay, overrides).await {
        Waited::Over => Ok(None),
        Waited::Overridden(answer) => Ok(Some(answer)),
        Waited::Silent => Err(AnswerFate::Cut),
        Waited::Reset => Err(AnswerFate::Reset),
    }
}

async fn carry_out(
    service: &Served,
    link: &Arc<Link>,
    respond: &mut SendResponse<Bytes>,
    seq: u64,
    outcome: &mut Outcome,
    overrides: u64,
) -> AnswerFate {
    let ending = outcome.ending.as_ref();
    match before_answer(link, respond, ending, outcome.delay, overrides).await {
        Ok(None) => {}
        Ok(Some(answer)) => {
            let reason = answer.reason.as_deref();
            service.world.recorder().correct(seq, answer.status, reason);
            outcome.answer = answer;
        }
        Err(fate) => return fate,
    }
    let answer = &outcome.answer;
    let cut_short = matches!(outcome.ending, Some(FaultKind::CutAnswer { .. }));
    if send(service, respond, outcome, answer, cut_short).is_err() {
        return AnswerFate::Cut;
    }
    if cut_short {
        link.die();
        return AnswerFate::Cut;
    }
    let settings = service.world.shared_settings();
    if settings.shrink_on_error {
        link.follow_status(answer.status, settings.max_streams);
    }
    if let (Some(limit), Some("BadDeviceToken")) = (
        settings.disconnect_after_bad_tokens,
        answer.reason.as_deref(),
    ) && link.bad_token(limit)
    {
        link.close();
    }
    AnswerFate::Answered
}

/// Hands an answer to the connection.
fn send(
    service: &Served,
    respond: &mut SendResponse<Bytes>,
    outcome: &Outcome,
    answer: &Answer,
    cut_short: bool,
) -> Result<(), h2::Error> {
    let world = &service.world;
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    let is_push = outcome.service == Service::Device;
    let id = outcome
        .id
        .or_else(|| (!outcome.sender_named_id).then(|| world.next_uuid()));
    if let Some(id) = id {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = if outcome.upper_case || !outcome.sender_named_id {
            id.hyphenated().encode_upper(&mut buffer)
        } else {
            id.hyphenated().encode_lower(&mut buffer)
        };
        let name = if is_push {
            "apns-id"
        } else {
            "apns-request-id"
        };
        headers.insert(name, sensitive(text));
    }
    if is_push && service.environment == Environment::Sandbox {
        let mut buffer = Uuid::encode_buffer();
        let text = world.next_uuid().hyphenated().encode_lower(&mut buffer);
        headers.insert("apns-unique-id", sensitive(text));
    }
    if let Some(channel) = &answer.channel_id {
        headers.insert("apns-channel-id", sensitive(channel));
    }
    if let Some(seconds) = answer.retry_after_secs {
        headers.insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let body = answer.body_text().filter(|body| !body.is_empty());
    if body.is_some() || cut_short {
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
    }
    let end = body.is_none() && !cut_short;
    let mut stream = respond.send_response(response, end)?;
    match body {
        Some(body) if !cut_short => stream.send_data(body.into(), true),
        _ => Ok(()),
    }
}

/// A value that changes with each answer: kept out of the HPACK table.
pub(crate) fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
