//! What a pool shows of itself to other threads.

use apns::pool::{Event, Observer};
use carillon_ports::gateway::{PoolId, PoolStatus};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Written by the pool's I/O thread, read by anyone.
pub(crate) struct Gauge {
    window: AtomicUsize,
    status: Mutex<PoolStatus>,
}

impl Gauge {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window: AtomicUsize::new(window),
            status: Mutex::default(),
        }
    }

    pub(crate) fn window(&self) -> usize {
        self.window.load(Ordering::Relaxed)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        self.status.lock().clone()
    }

    pub(crate) fn publish(
        &self,
        window: usize,
        connections: usize,
        in_flight: usize,
        waiting: usize,
    ) {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        self.window.store(window, Ordering::Relaxed);
        let mut status = self.status.lock();
        status.connections = count(connections);
        status.in_flight = count(in_flight);
        status.waiting = count(waiting);
    }
}

/// Counts and logs what happens to a pool's connections.
pub(crate) struct Watch {
    pub(crate) id: PoolId,
    pub(crate) gauge: Arc<Gauge>,
    /// Word for the gateway, in logs.
    pub(crate) gateway: &'static str,
}

impl Observer for Watch {
    fn observe(&self, event: &Event<'_>) {
        let (credential, environment) = (self.id.credential.0, self.id.environment.as_str());
        let gateway = self.gateway;
        let mut status = self.gauge.status.lock();
        match event {
            Event::Connected { connection, took } => {
                status.connects += 1;
                status.connect_error = None;
                tracing::info!(
                    gateway,
                    credential,
                    environment,
                    connection,
                    took_ms = took.as_millis() as u64,
                    "connected to the gateway"
                );
            }
            Event::ConnectFailed {
                error,
                failures,
                retry_in,
            } => {
                status.connect_error = Some(error.to_string());
                tracing::warn!(gateway, credential, environment, %error, failures, retry_in_ms = retry_in.as_millis() as u64, "cannot connect to the gateway");
            }
            Event::GoAway { connection, frame } => {
                status.goaways += 1;
                tracing::info!(gateway, credential, environment, connection, said = %frame.text(), "the gateway closes a connection");
            }
            Event::PingTimedOut {
                connection,
                in_flight,
            } => {
                tracing::warn!(
                    gateway,
                    credential,
                    environment,
                    connection,
                    in_flight,
                    "a connection to the gateway is dead: PING went unanswered"
                );
            }
            Event::Closed {
                connection,
                cause,
                requests,
            } => {
                tracing::debug!(
                    gateway,
                    credential,
                    environment,
                    connection,
                    ?cause,
                    requests,
                    "connection to the gateway ended"
                );
            }
            _ => {}
        }
    }
}
