//! Serving one HTTP/1.1 connection. Faults that only HTTP/2 has a word for end it instead
//! (`refuse_stream`, `reset_stream`) or do nothing (`limit_streams`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::exchange;
use crate::connection::Served;
use crate::link::Link;
use crate::respond::{AnswerBody, OneAnswer};
use crate::script::Stage;
use crate::stream::MAX_BODY_BYTES;
use crate::wire::{PlainWire, WireHandle};

/// Serves requests one after the other, until the connection ends.
pub(crate) async fn serve(
    service: &Arc<Served>,
    link: &Arc<Link>,
    tls: TlsStream<TcpStream>,
    wire: &WireHandle,
) {
    let number = AtomicU32::new(0);
    let answering = service_fn(|request| {
        let number = number.fetch_add(1, Ordering::Relaxed) + 1;
        answer(Arc::clone(service), Arc::clone(link), request, number)
    });
    let io = TokioIo::new(PlainWire::new(tls, wire));
    // However it ends, the sender has closed, sent nonsense, or a script ended it.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(io, answering)
        .await;
}

async fn answer(
    service: Arc<Served>,
    link: Arc<Link>,
    request: Request<Incoming>,
    number: u32,
) -> io::Result<Response<AnswerBody>> {
    let world = &service.world;
    if world
        .strike(Stage::Open, &exchange::occasion(&service, &link, &request))
        .is_some()
    {
        world.count(|counters| counters.streams_refused += 1);
        return Err(io::Error::other("refused by a script"));
    }
    let (head, body) = request.into_parts();
    let Ok(Some(body)) = timeout(service.config.body_timeout, read_body(body)).await else {
        world.count(|counters| counters.incomplete_requests += 1);
        return Err(io::Error::other("the body never came in completely"));
    };
    if !link.enter(number) {
        world.count(|counters| counters.streams_over_limit += 1);
        return Err(io::Error::other("no request is allowed on this connection"));
    }
    let (place, answered) = OneAnswer::new();
    tokio::spawn(async move {
        let request = Request::from_parts(head, ());
        exchange::answer(&service, &link, &request, &body, place, number).await;
        link.leave();
    });
    answered
        .await
        .map_err(|_| io::Error::other("a script withheld the answer"))
}

/// The whole body; what is beyond the limit is read and thrown away, and the rest is still too
/// large for every rule.
async fn read_body(mut body: Incoming) -> Option<Arc<[u8]>> {
    let mut joined = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame.ok()?.data_ref()
            && joined.len() <= MAX_BODY_BYTES
        {
            joined.extend_from_slice(data);
        }
    }
    Some(joined.into())
}
