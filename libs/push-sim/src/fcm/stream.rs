//! One HTTP/2 stream to Google's hosts, from its headers to its answer.

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason as H2Reason, RecvStream};
use http::{Request, Response};
use tokio::time::timeout;

use super::call::{Call, Reading, place_of};
use super::reply::Reply;
use super::scripted;
use super::serve::{self, Outcome};
use crate::connection::Served;
use crate::link::Link;
use crate::recorder::AnswerFate;
use crate::script::{AfterGoaway, FaultKind, Occasion, Stage};
use crate::stream::{before_answer, keep_silent, read_body};

/// What Google's front end puts into the GOAWAY for one stream too many.
const TOO_MANY_STREAMS: &[u8] = b"exceeded_max_concurrent_streams";

/// What a script can know of a stream before its body.
pub(crate) fn opening<'a>(service: &Served, connection: u32, path: &'a str) -> Occasion<'a> {
    let (host, project) = place_of(path);
    Occasion {
        environment: service.environment,
        host,
        connection,
        topic: None,
        push_type: None,
        push_token: None,
        project,
    }
}

/// One stream more than allowed: GOAWAY; it is not processed, those before it are.
pub(crate) fn too_many(link: &Link, stream: u32) {
    let code = u32::from(H2Reason::ENHANCE_YOUR_CALM);
    link.goaway(
        stream.saturating_sub(2),
        code,
        TOO_MANY_STREAMS,
        AfterGoaway::Drain,
    );
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
    // Read before the request is counted, as for Apple's streams.
    let overrides = link.signal.borrow().overrides;
    let decided = {
        let reading = Reading::of(Call {
            method: request.method(),
            path: request.uri().path(),
            query: request.uri().query(),
            headers: request.headers(),
            body: &body,
        });
        let occasion = reading.occasion(link.id);
        let strike = world.strike(Stage::Request, &occasion);
        match strike.as_ref().map(|strike| &strike.kind) {
            Some(FaultKind::Goaway {
                debug,
                code,
                before_this: true,
                then,
            }) => {
                world.count(|counters| counters.streams_after_goaway += 1);
                link.goaway(stream.saturating_sub(2), *code, &debug.bytes(), *then);
                None
            }
            _ => {
                let seq = serve::record(service, link.id, stream, &reading);
                let project = reading.service.project().unwrap_or_default().to_owned();
                let outcome = serve::decide(world, &reading, &occasion, seq, strike);
                Some((outcome, project))
            }
        }
    };
    let Some((mut outcome, project)) = decided else {
        let _ = keep_silent(respond).await;
        return;
    };
    if let Some(max) = outcome.stream_limit {
        link.wire.limit_streams(max);
    }
    let fate = carry_out(
        service,
        link,
        &mut respond,
        &mut outcome,
        &project,
        overrides,
    )
    .await;
    serve::settle(world, outcome.seq, &outcome.reply, fate);
    if link.signal.borrow().silent {
        // Letting go of the stream would make `h2` reset it before the connection ends.
        let _ = keep_silent(respond).await;
    }
}

async fn carry_out(
    service: &Served,
    link: &Arc<Link>,
    respond: &mut SendResponse<Bytes>,
    outcome: &mut Outcome,
    project: &str,
    overrides: u64,
) -> AnswerFate {
    let ending = outcome.ending.as_ref();
    match before_answer(link, respond, ending, outcome.delay, overrides).await {
        Ok(None) => {}
        Ok(Some(answer)) => {
            let settings = service.world.shared_settings();
            let reply = scripted::reply(&answer, project, &settings.fcm);
            let mut recorder = service.world.recorder();
            recorder.correct(outcome.seq, reply.status, reply.code.as_deref());
            outcome.reply = reply;
        }
        Err(fate) => return fate,
    }
    let cut_short = matches!(outcome.ending, Some(FaultKind::CutAnswer { .. }));
    if answer(respond, &outcome.reply, cut_short).is_err() {
        return AnswerFate::Cut;
    }
    if cut_short {
        link.die();
        return AnswerFate::Cut;
    }
    AnswerFate::Answered
}

/// Hands an answer to the connection; `cut_short`: its headers only, with a body to come.
fn answer(
    respond: &mut SendResponse<Bytes>,
    reply: &Reply,
    cut_short: bool,
) -> Result<(), h2::Error> {
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    *response.headers_mut() = reply.headers.clone();
    let end = reply.body.is_empty() && !cut_short;
    let mut stream = respond.send_response(response, end)?;
    match end || cut_short {
        true => Ok(()),
        false => stream.send_data(Bytes::copy_from_slice(&reply.body), true),
    }
}
