//! HTTP/1.1 to Google's hosts, which many clients still speak.
//!
//! Scripts work here too, as far as HTTP/1.1 has the means: whatever would end a stream or send a
//! GOAWAY closes the connection without an answer. These connections are not among those that
//! actions reach.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::call::{Call, Reading};
use super::reply::Reply;
use super::serve;
use crate::connection::Served;
use crate::recorder::AnswerFate;
use crate::script::{FaultKind, Stage};

/// Largest body read.
const MAX_BODY_BYTES: usize = 1 << 20;

/// The connection has to end without an answer.
#[derive(Debug)]
struct Ended;

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the script ended this connection")
    }
}

impl std::error::Error for Ended {}

/// Serves one connection to its end.
pub(crate) async fn serve(service: Arc<Served>, connection: u32, tls: TlsStream<TcpStream>) {
    let answer = service_fn(|request| {
        let service = Arc::clone(&service);
        async move { serve_one(&service, connection, request).await }
    });
    let http1 = hyper::server::conn::http1::Builder::new();
    // However it ends, the other side has gone or a script wanted it.
    let _ = http1.serve_connection(TokioIo::new(tls), answer).await;
}

async fn serve_one(
    service: &Served,
    connection: u32,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Ended> {
    let world = &service.world;
    let (head, body) = request.into_parts();
    let collected = Limited::new(body, MAX_BODY_BYTES).collect();
    let body: Arc<[u8]> = match timeout(service.config.body_timeout, collected).await {
        Ok(Ok(body)) => Arc::from(&*body.to_bytes()),
        _ => {
            world.count(|counters| counters.incomplete_requests += 1);
            return Err(Ended);
        }
    };
    let outcome = {
        let reading = Reading::of(Call {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query(),
            headers: &head.headers,
            body: &body,
        });
        let occasion = reading.occasion(connection);
        if world.strike(Stage::Open, &occasion).is_some() {
            world.count(|counters| counters.streams_refused += 1);
            return Err(Ended);
        }
        let strike = world.strike(Stage::Request, &occasion);
        let seq = serve::record(service, connection, 0, &reading);
        serve::decide(world, &reading, &occasion, seq, strike)
    };
    let end = |fate| {
        serve::settle(world, outcome.seq, &outcome.reply, fate);
        Err(Ended)
    };
    match &outcome.ending {
        Some(FaultKind::NeverAnswer { .. } | FaultKind::Freeze { ms: None }) => {
            serve::settle(world, outcome.seq, &outcome.reply, AnswerFate::Withheld);
            let never: Infallible = std::future::pending().await;
            match never {}
        }
        Some(FaultKind::Freeze { ms: Some(ms) }) => {
            tokio::time::sleep(std::time::Duration::from_millis(*ms)).await;
        }
        Some(FaultKind::CutAnswer { .. }) => return end(AnswerFate::Cut),
        Some(_) => return end(AnswerFate::Withheld),
        None => {}
    }
    if let Some(delay) = outcome.delay {
        tokio::time::sleep(delay).await;
    }
    serve::settle(world, outcome.seq, &outcome.reply, AnswerFate::Answered);
    Ok(response(outcome.reply))
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    *response.headers_mut() = reply.headers;
    response
}
