//! Serving one connection: hand-shakes, and which of its streams are served at all. What is done
//! with a stream is in [`crate::stream`].

use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason as H2Reason, RecvStream};
use http::Request;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::apns::auth::ConnectionAuth;
use crate::apns::certificate::CertificateIdentity;
use crate::config::Config;
use crate::fcm;
use crate::host::{Environment, Gateway, Host};
use crate::link::Link;
use crate::script::{FaultKind, Occasion, Stage};
use crate::stream::{self, keep_silent};
use crate::webpush;
use crate::wire::{Wire, WireHandle};
use crate::world::World;

/// What `h2` itself allows; the real limit is kept by [`Link::enter`].
const H2_STREAMS: u32 = 100_000;

/// What all connections of a listener share.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) world: World,
    pub(crate) config: Config,
    pub(crate) environment: Environment,
    pub(crate) host: Host,
}

/// Serves one TCP connection to its end.
pub(crate) async fn serve(service: Arc<Served>, acceptor: TlsAcceptor, tcp: TcpStream) {
    let world = &service.world;
    world.count(|counters| counters.connections += 1);
    let id = world.next_connection();
    let occasion = Occasion {
        environment: service.environment,
        host: service.host,
        connection: id,
        topic: None,
        push_type: None,
        push_token: None,
        project: None,
    };
    if world.strike(Stage::Connect, &occasion).is_some() {
        return;
    }
    let accepted = tcp.set_nodelay(true).map(|()| acceptor.accept(tcp));
    let tls = match accepted {
        Ok(accept) => match timeout(service.config.handshake_timeout, accept).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(_)) | Err(_) => {
                world.count(|counters| counters.failed_handshakes += 1);
                return;
            }
        },
        Err(_) => return,
    };
    let certificate = tls
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .map(|leaf| CertificateIdentity::from_der(leaf));
    if service.host.gateway() == Gateway::Fcm && tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        return fcm::http1::serve(service, id, tls).await;
    }
    let settings = world.shared_settings();
    let scripted = match world
        .strike(Stage::Settings, &occasion)
        .map(|strike| strike.kind)
    {
        Some(FaultKind::InitialStreams { max }) => Some(max),
        _ => None,
    };
    let usual = match service.host.gateway() {
        Gateway::WebPush => settings.web_push.max_streams,
        Gateway::Fcm => settings.fcm.max_streams,
        Gateway::Apns if certificate.is_some() => settings.max_streams,
        Gateway::Apns => settings.initial_streams,
    };
    let wire = WireHandle::new(scripted.unwrap_or(usual));
    let link = Arc::new(Link::new(
        id,
        service.environment,
        service.host,
        wire.clone(),
        ConnectionAuth::with_certificate(certificate),
        scripted.is_some(),
        Handle::current(),
    ));
    if service.host == Host::WebPush && tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        world.register(&link);
        webpush::http1::serve(&service, &link, tls, &wire).await;
        link.signal.send_modify(|signal| signal.silent = true);
        world.unregister(&link);
        return;
    }
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(service.config.max_header_list_bytes)
        .initial_window_size(service.config.window_bytes)
        .initial_connection_window_size(service.config.window_bytes)
        .max_pending_accept_reset_streams(H2_STREAMS as usize)
        .max_concurrent_reset_streams(H2_STREAMS as usize)
        .max_local_error_reset_streams(None)
        .data_frame_budget(1 << 30);
    let handshake = builder.handshake::<_, Bytes>(Wire::new(tls, &wire));
    let Ok(Ok(mut connection)) = timeout(service.config.handshake_timeout, handshake).await else {
        world.count(|counters| counters.failed_handshakes += 1);
        return;
    };
    world.register(&link);
    while let Some(Ok((request, respond))) = connection.accept().await {
        admit(&service, &link, request, respond);
    }
    link.signal.send_modify(|signal| signal.silent = true);
    world.unregister(&link);
}

/// A stream was opened: refuse it, ignore it or serve it.
fn admit(
    service: &Arc<Served>,
    link: &Arc<Link>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let world = &service.world;
    let stream = respond.stream_id().as_u32();
    if link.is_after_goaway(stream) {
        world.count(|counters| counters.streams_after_goaway += 1);
        tokio::spawn(keep_silent(respond));
        return;
    }
    if !link.enter(stream) {
        world.count(|counters| counters.streams_over_limit += 1);
        if service.host.gateway() == Gateway::Fcm {
            fcm::stream::too_many(link, stream);
            tokio::spawn(keep_silent(respond));
            return;
        }
        respond.send_reset(H2Reason::REFUSED_STREAM);
        return;
    }
    let refused = {
        let nothing = Arc::from([]);
        let view = stream::view(service, &request, &nothing);
        let occasion = match service.host.gateway() {
            Gateway::Apns => stream::occasion(service, link, &view),
            Gateway::WebPush => webpush::exchange::occasion(service, link, &request),
            Gateway::Fcm => fcm::stream::opening(service, link.id, request.uri().path()),
        };
        world.strike(Stage::Open, &occasion).is_some()
    };
    if refused {
        world.count(|counters| counters.streams_refused += 1);
        respond.send_reset(H2Reason::REFUSED_STREAM);
        link.leave();
        return;
    }
    let service = Arc::clone(service);
    let link = Arc::clone(link);
    tokio::spawn(async move {
        match service.host.gateway() {
            Gateway::Apns => stream::serve(&service, &link, request, respond).await,
            Gateway::WebPush => {
                webpush::exchange::serve(&service, &link, request, respond).await;
            }
            Gateway::Fcm => fcm::stream::serve(&service, &link, request, respond).await,
        }
        link.leave();
    });
}
