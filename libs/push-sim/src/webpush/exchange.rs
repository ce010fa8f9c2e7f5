//! Between the connections and the push services: which faults a request meets, what is recorded of
//! it, and how its answer is put together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::Request;
use http::header::HOST;
use tokio::time::timeout;

use super::face::Face;
use super::judge::Asked;
use super::service::WebPushService;
use crate::apns::Answer;
use crate::apns::request::decode_hex;
use crate::clock::wall_us;
use crate::connection::Served;
use crate::link::Link;
use crate::recorder::{AnswerFate, Arrival, Decision};
use crate::respond::{self, Respond};
use crate::script::{FaultKind, Occasion, Stage, Strike};
use crate::stream;

/// Serves one stream of an HTTP/2 connection.
pub(crate) async fn serve(
    service: &Served,
    link: &Arc<Link>,
    mut request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let reading = stream::read_body(request.body_mut());
    let Ok(Some(body)) = timeout(service.config.body_timeout, reading).await else {
        let counted = |counters: &mut crate::Counters| counters.incomplete_requests += 1;
        service.world.count(counted);
        respond.send_reset(h2::Reason::CANCEL);
        return;
    };
    let number = respond.stream_id().as_u32();
    answer(service, link, &request, &body, respond, number).await;
}

/// Answers a request that has arrived completely: `number` is that of its stream, or its place on
/// a connection without streams.
pub(crate) async fn answer<B>(
    service: &Served,
    link: &Arc<Link>,
    request: &Request<B>,
    body: &Arc<[u8]>,
    mut respond: impl Respond,
    number: u32,
) {
    let world = &service.world;
    if link.is_after_goaway(number) {
        world.count(|counters| counters.streams_after_goaway += 1);
        respond::gone(&mut respond).await;
        return;
    }
    // Read before the request is counted: what is done to requests in flight from then on is
    // done to this one.
    let overrides = link.signal.borrow().overrides;
    let occasion = occasion(service, link, request);
    let strike = world.strike(Stage::Request, &occasion);
    if let Some(FaultKind::Goaway {
        debug,
        code,
        before_this: true,
        then,
    }) = strike.as_ref().map(|strike| &strike.kind)
    {
        world.count(|counters| counters.streams_after_goaway += 1);
        link.goaway(number.saturating_sub(2), *code, &debug.bytes(), *then);
        if respond.stream().is_none() {
            link.die();
        }
        respond::gone(&mut respond).await;
        return;
    }
    let asked = asked(request, body);
    let (seq, mut outcome) = decide(service, link, &asked, number, &occasion, strike);
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
        respond::gone(&mut respond).await;
    }
}

/// What is to be done about a request that was recorded.
struct Outcome {
    answer: Answer,
    face: Face,
    ending: Option<FaultKind>,
    delay: Option<Duration>,
}

async fn carry_out(
    service: &Served,
    link: &Arc<Link>,
    respond: &mut impl Respond,
    seq: u64,
    outcome: &mut Outcome,
    overrides: u64,
) -> AnswerFate {
    let ending = outcome.ending.as_ref();
    match stream::before_answer(link, respond, ending, outcome.delay, overrides).await {
        Ok(None) => {}
        Ok(Some(answer)) => {
            let reason = answer.reason.as_deref();
            service.world.recorder().correct(seq, answer.status, reason);
            outcome.answer = answer;
        }
        Err(fate) => return fate,
    }
    let cut_short = matches!(outcome.ending, Some(FaultKind::CutAnswer { .. }));
    let (response, body) = outcome.face.response(&outcome.answer);
    if respond.send(response, body, cut_short).is_err() {
        return AnswerFate::Cut;
    }
    if cut_short {
        link.die();
        return AnswerFate::Cut;
    }
    AnswerFate::Answered
}

/// A request as the push services read it.
fn asked<'a, B>(request: &'a Request<B>, body: &'a Arc<[u8]>) -> Asked<'a> {
    let uri = request.uri();
    let host = request
        .headers()
        .get(HOST)
        .and_then(|value| value.to_str().ok());
    Asked {
        method: request.method(),
        path_and_query: uri
            .path_and_query()
            .map_or("/", |path_and_query| path_and_query.as_str()),
        authority: uri
            .authority()
            .map(|authority| authority.as_str())
            .or(host)
            .unwrap_or_default(),
        headers: request.headers(),
        body,
    }
}

/// What a fault may be chosen by: the name of the service is the app, the end of the endpoint is
/// the push token.
pub(crate) fn occasion<'a, B>(
    service: &Served,
    link: &Link,
    request: &'a Request<B>,
) -> Occasion<'a> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path_and_query| path_and_query.as_str());
    let endpoint = WebPushService::of_path(path);
    Occasion {
        environment: service.environment,
        host: service.host,
        connection: link.id,
        topic: endpoint.map(|(service, _)| service.name()),
        push_type: None,
        push_token: endpoint.map(|(_, id)| id),
        project: None,
    }
}

/// Records a request and decides about it: its number in the record, and what is to be done.
fn decide(
    service: &Served,
    link: &Link,
    asked: &Asked<'_>,
    number: u32,
    occasion: &Occasion<'_>,
    strike: Option<Strike>,
) -> (u64, Outcome) {
    let world = &service.world;
    let seq = record(service, link, asked, number);
    let fault = strike.as_ref().map(|strike| strike.fault);
    let judged = world.judge_web_push(asked, seq, stream::delivers(strike.as_ref()));
    let (answer, ending) = stream::scripted(strike, judged.answer);
    {
        let mut recorder = world.recorder();
        recorder.decide(
            seq,
            &Decision {
                status: answer.status,
                reason: answer.reason.as_deref(),
                apns_id: judged
                    .face
                    .accepted
                    .as_ref()
                    .map(|_| judged.face.message_id),
                effect: judged.effect,
                fault,
            },
        );
        if let Some(data) = &judged.data {
            recorder.reveal(seq, data);
        }
    }
    let aside = world.strike(Stage::Aside, occasion);
    if let Some(FaultKind::LimitStreams { max }) = aside.map(|strike| strike.kind) {
        link.wire.limit_streams(max);
    }
    let outcome = Outcome {
        answer,
        face: judged.face,
        ending,
        delay: stream::scripted_delay(world, occasion),
    };
    (seq, outcome)
}

fn record(service: &Served, link: &Link, asked: &Asked<'_>, number: u32) -> u64 {
    let world = &service.world;
    let header = |name| {
        asked
            .headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    let endpoint = asked.endpoint();
    let subscription_id = endpoint
        .and_then(|(_, id)| decode_hex(id))
        .unwrap_or_default();
    world.count(|counters| counters.requests += 1);
    world.recorder().arrive(&Arrival {
        at_ms: world.clock().now_ms(),
        wall_us: wall_us(),
        environment: service.environment,
        host: service.host,
        connection: link.id,
        stream: number,
        push_token: &subscription_id,
        apns_id: None,
        topic: endpoint.map_or("", |(service, _)| service.name()),
        push_type: header("urgency").unwrap_or_default(),
        priority: None,
        expiration: header("ttl").and_then(|text| text.parse().ok()),
        collapse_id: header("topic"),
        payload: asked.body,
        project: "",
        validate_only: false,
    })
}
