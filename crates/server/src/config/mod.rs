//! The configuration: what is set when the process starts. Apps, credentials, devices and API keys are
//! not here: they live in the store and change without a restart.
//!
//! [`settings`] lists every key once, with its default and what it means; from that list come the
//! printed example, the check for unknown keys and the environment's names. [`mod@load`] lays file and
//! environment over the defaults; this file says which type each key has and what must hold between
//! them. All of it happens before any port is bound.

mod gateways;
mod load;
mod monitors;
mod nearest;
mod printed;
mod settings;
mod store;
mod value;

pub(crate) use gateways::{Apns, Fcm, Services, WebPush};
pub(crate) use load::{Sources, load};
pub(crate) use monitors::Monitors;
pub(crate) use printed::{example, markdown};
pub(crate) use settings::key_of;
pub(crate) use store::Store;
pub(crate) use value::{Endpoint, Several, Span};

use crate::exit::{Exit, Failure};
use carillon_engine::EngineConfig;
use carillon_model::UnixMs;
use carillon_model::rate::Rate;
use carillon_model::role::{Role, Roles};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything, checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) api: Api,
    pub(crate) store: Store,
    pub(crate) secrets: Secrets,
    pub(crate) credentials: Credentials,
    pub(crate) apns: Apns,
    pub(crate) fcm: Fcm,
    pub(crate) webpush: WebPush,
    pub(crate) webhooks: Webhooks,
    pub(crate) engine: EngineConfig,
    pub(crate) sources: LinkedFile,
    pub(crate) scheduler: Scheduler,
    pub(crate) live_activities: LiveActivities,
    pub(crate) monitors: Monitors,
    pub(crate) retention: Retention,
    pub(crate) log: Log,
    pub(crate) clock: Clock,
}

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) mode: Mode,
    pub(crate) roles: Roles,
    pub(crate) listen: SocketAddr,
    pub(crate) wake_address: Option<SocketAddr>,
    pub(crate) tls_certificate_file: Option<PathBuf>,
    pub(crate) tls_private_key_file: Option<PathBuf>,
    pub(crate) threads: usize,
    pub(crate) header_timeout: Span,
    pub(crate) connections: usize,
    pub(crate) stop_delay: Span,
    pub(crate) stop_deadline: Span,
}

/// Whether things that only help trying out are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Production,
    Development,
}

/// `[api]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) body_bytes: usize,
    pub(crate) line_bytes: usize,
    pub(crate) stream_bytes: u64,
    pub(crate) group_lines: usize,
    pub(crate) groups_in_flight: usize,
    pub(crate) result_bytes: usize,
    pub(crate) requests: usize,
    pub(crate) streams: usize,
    pub(crate) event_streams: usize,
    pub(crate) key_requests_per_second: u32,
    pub(crate) key_requests_burst: u32,
    pub(crate) registrations_per_second: u32,
    pub(crate) registrations_burst: u32,
    pub(crate) body_timeout: Span,
    pub(crate) deadline: Span,
    pub(crate) backup_deadline: Span,
    pub(crate) list_deadline: Span,
    pub(crate) store_tries: u32,
    pub(crate) store_pause: Span,
    pub(crate) open_metrics: bool,
}

impl Api {
    /// As the API takes them.
    pub(crate) fn limits(&self) -> carillon_api::Limits {
        carillon_api::Limits {
            body_bytes: self.body_bytes,
            line_bytes: self.line_bytes,
            stream_bytes: self.stream_bytes,
            group_lines: self.group_lines,
            groups_in_flight: self.groups_in_flight,
            result_bytes: self.result_bytes,
            requests: self.requests,
            streams: self.streams,
            event_streams: self.event_streams,
            key_requests: rate(self.key_requests_per_second, self.key_requests_burst),
            registrations: rate(self.registrations_per_second, self.registrations_burst),
            body_timeout: self.body_timeout.duration(),
            deadline: self.deadline.duration(),
            backup_deadline: self.backup_deadline.duration(),
            list_deadline: self.list_deadline.duration(),
            store_tries: self.store_tries,
            store_pause: self.store_pause.duration(),
            open_metrics: self.open_metrics,
        }
    }
}

/// A rate of requests; 0 in a second: none, and a burst of 0: the usual one.
fn rate(per_second: u32, burst: u32) -> Option<Rate> {
    (per_second > 0).then_some(Rate {
        per_second,
        burst: (burst > 0).then_some(burst),
    })
}

/// `[secrets]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    pub(crate) master_key: Option<SecretString>,
    pub(crate) master_key_file: Option<PathBuf>,
}

/// `[credentials]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(crate) file: Option<PathBuf>,
    pub(crate) poll_interval: Span,
}

/// `[webhooks]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhooks {
    pub(crate) allow_private: Option<Several<String>>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) deadline: Span,
    pub(crate) connect_timeout: Span,
}

/// `[scheduler]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scheduler {
    pub(crate) round: u32,
    pub(crate) share: u32,
    pub(crate) round_bytes: u64,
    pub(crate) tries: u16,
    pub(crate) backoff: Span,
    pub(crate) backoff_max: Span,
    pub(crate) grace: Span,
    pub(crate) send_ahead_max: Span,
}

/// `[sources]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkedFile {
    pub(crate) file: Option<PathBuf>,
}

/// `[live_activities]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveActivities {
    pub(crate) coalesce: Span,
    pub(crate) alert_grace: Span,
    pub(crate) start_deadline: Span,
    pub(crate) start_tries: u16,
    pub(crate) start_repeats: u16,
    pub(crate) start_repeat_after: Span,
    pub(crate) urgent_per_hour: u16,
    pub(crate) urgent_per_hour_frequent: u16,
    pub(crate) channel_tries: u16,
    pub(crate) channel_pause: Span,
    pub(crate) channel_delete_after: Span,
    pub(crate) channels_warn_at: u32,
    pub(crate) most_on_a_phone: u16,
}

/// `[retention]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retention {
    pub(crate) content: Span,
    pub(crate) records: Span,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// `[clock]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clock {
    #[serde(default, deserialize_with = "value::instant")]
    pub(crate) at: Option<UnixMs>,
    pub(crate) offset: Span,
    pub(crate) speed: f64,
}

impl Config {
    /// What must hold between several keys.
    fn check(&self) -> Result<(), Failure> {
        let wrong = |key: &str, why: &str, mend: &str| {
            Err(Failure::new(Exit::Usage, format!("{key}: {why}")).mend(mend))
        };
        let (server, webpush) = (&self.server, &self.webpush);
        if server.tls_certificate_file.is_some() != server.tls_private_key_file.is_some() {
            return wrong(
                "server.tls_certificate_file",
                "it and server.tls_private_key_file belong together, and only one is set",
                "set both, or neither",
            );
        }
        if server.threads > 64 {
            return wrong(
                "server.threads",
                "expected 0 (automatic) to 64",
                "leave it at 0: one thread serves tens of thousands of requests a second",
            );
        }
        for (key, count, least) in [
            ("server.connections", server.connections as u64, 1),
            ("api.group_lines", self.api.group_lines as u64, 1),
            ("api.groups_in_flight", self.api.groups_in_flight as u64, 1),
            ("api.requests", self.api.requests as u64, 1),
            ("api.streams", self.api.streams as u64, 1),
            ("api.event_streams", self.api.event_streams as u64, 1),
            ("api.body_bytes", self.api.body_bytes as u64, 1_024),
            ("api.line_bytes", self.api.line_bytes as u64, 1_024),
            ("api.store_tries", self.api.store_tries.into(), 1),
            ("scheduler.round", self.scheduler.round.into(), 1),
            ("scheduler.share", self.scheduler.share.into(), 1),
            ("scheduler.tries", self.scheduler.tries.into(), 1),
            ("store.readers", self.store.readers.into(), 2),
            ("store.queue_items", self.store.queue_items.into(), 1_000),
            ("store.queue_reads", self.store.queue_reads.into(), 16),
            ("store.cache_kib", self.store.cache_kib.into(), 1_024),
            (
                "store.checkpoint_pages",
                self.store.checkpoint_pages.into(),
                100,
            ),
            ("apns.io_threads", self.apns.io_threads as u64, 1),
            ("apns.max_connections", self.apns.max_connections as u64, 1),
            ("apns.max_streams", self.apns.max_streams as u64, 1),
            (
                "apns.connect_attempts",
                self.apns.connect_attempts.into(),
                1,
            ),
            ("fcm.io_threads", self.fcm.io_threads as u64, 1),
            ("fcm.max_connections", self.fcm.max_connections as u64, 1),
            ("fcm.max_streams", self.fcm.max_streams as u64, 1),
            ("fcm.connect_attempts", self.fcm.connect_attempts.into(), 1),
            ("fcm.quota_per_minute", self.fcm.quota_per_minute.into(), 1),
            ("webpush.io_threads", webpush.io_threads as u64, 1),
            (
                "webpush.encryption_threads",
                webpush.encryption_threads as u64,
                1,
            ),
            ("webpush.max_origins", webpush.max_origins as u64, 1),
            ("webpush.max_connections", webpush.max_connections as u64, 1),
            ("webpush.max_streams", webpush.max_streams as u64, 1),
            (
                "webpush.connect_attempts",
                webpush.connect_attempts.into(),
                1,
            ),
        ] {
            if count < least {
                return wrong(
                    key,
                    &format!("expected at least {least}, found {count}"),
                    "leave it out: its default works",
                );
            }
        }
        if self.api.group_lines > 1_000 {
            return wrong(
                "api.group_lines",
                "expected at most 1000",
                "leave it out: its default works",
            );
        }
        for (key, span) in [
            ("server.stop_deadline", server.stop_deadline),
            ("server.header_timeout", server.header_timeout),
            ("api.body_timeout", self.api.body_timeout),
            ("api.deadline", self.api.deadline),
            ("api.backup_deadline", self.api.backup_deadline),
            ("api.list_deadline", self.api.list_deadline),
            ("store.busy_timeout", self.store.busy_timeout),
            ("store.queue_wait", self.store.queue_wait),
            ("store.connect_timeout", self.store.connect_timeout),
            ("store.statement_timeout", self.store.statement_timeout),
            ("store.lock_timeout", self.store.lock_timeout),
            ("store.reconnect_min", self.store.reconnect_min),
            ("store.reconnect_max", self.store.reconnect_max),
            ("credentials.poll_interval", self.credentials.poll_interval),
            ("apns.connect_timeout", self.apns.connect_timeout),
            ("apns.request_timeout", self.apns.request_timeout),
            ("apns.queue_timeout", self.apns.queue_timeout),
            ("apns.probe_timeout", self.apns.probe_timeout),
            ("apns.ping_timeout", self.apns.ping_timeout),
            ("apns.backoff_min", self.apns.backoff_min),
            ("fcm.connect_timeout", self.fcm.connect_timeout),
            ("fcm.request_timeout", self.fcm.request_timeout),
            ("fcm.queue_timeout", self.fcm.queue_timeout),
            ("fcm.probe_timeout", self.fcm.probe_timeout),
            ("fcm.access_token_timeout", self.fcm.access_token_timeout),
            ("fcm.ping_timeout", self.fcm.ping_timeout),
            ("fcm.backoff_min", self.fcm.backoff_min),
            ("webpush.origin_idle_timeout", webpush.origin_idle_timeout),
            ("webpush.connect_timeout", webpush.connect_timeout),
            ("webpush.request_timeout", webpush.request_timeout),
            ("webpush.queue_timeout", webpush.queue_timeout),
            ("webpush.probe_timeout", webpush.probe_timeout),
            ("webpush.ping_timeout", webpush.ping_timeout),
            ("webpush.backoff_min", webpush.backoff_min),
            ("webpush.default_ttl", webpush.default_ttl),
            ("webhooks.deadline", self.webhooks.deadline),
            ("webhooks.connect_timeout", self.webhooks.connect_timeout),
            ("scheduler.backoff", self.scheduler.backoff),
            ("scheduler.backoff_max", self.scheduler.backoff_max),
            ("scheduler.grace", self.scheduler.grace),
            ("scheduler.send_ahead_max", self.scheduler.send_ahead_max),
            (
                "live_activities.start_deadline",
                self.live_activities.start_deadline,
            ),
            (
                "live_activities.channel_pause",
                self.live_activities.channel_pause,
            ),
            (
                "live_activities.start_repeat_after",
                self.live_activities.start_repeat_after,
            ),
            ("retention.content", self.retention.content),
            ("retention.records", self.retention.records),
        ] {
            if span.ms() <= 0 {
                return wrong(key, "expected a duration above zero", "e.g. \"30s\"");
            }
        }
        if server.stop_delay.ms() * 2 > server.stop_deadline.ms() {
            return wrong(
                "server.stop_delay",
                "expected at most half of server.stop_deadline, of which it is a part",
                "leave time for what is in flight: e.g. a delay of \"5s\" and a deadline of \"25s\"",
            );
        }
        if self.retention.records.ms() < self.retention.content.ms() {
            return wrong(
                "retention.records",
                "records cannot go before the content they describe",
                "make it at least as long as retention.content",
            );
        }
        if let Err((key, why)) = self.monitors.check() {
            return wrong(key, &why, "see docs/guide/monitors.md");
        }
        if let Err((name, why)) = self.monitors.engine().check() {
            let key = format!("monitors.{name}");
            return wrong(&key, &why, "leave it out: its default works");
        }
        if let Err((name, why)) = self.engine.check() {
            let key = format!("engine.{}", name.trim_end_matches("_ms"));
            return wrong(&key, &why, "leave it out: its default works");
        }
        let store = &self.store;
        if store.certificate_file.is_some() != store.key_file.is_some() {
            return wrong(
                "store.certificate_file",
                "it and store.key_file belong together, and only one is set",
                "set both, or neither",
            );
        }
        if store.server().is_none() {
            for (key, is_set) in [
                // One process has the file, and does everything.
                ("server.roles", server.roles != Roles::ALL),
                ("store.password", store.password.is_some()),
                ("store.schema", store.schema.is_some()),
                ("store.tls", store.tls.is_some()),
                ("store.ca_file", store.ca_file.is_some()),
                ("store.certificate_file", store.certificate_file.is_some()),
            ] {
                if is_set {
                    return wrong(
                        key,
                        "it is for a database on a server, and the store is a SQLite file",
                        "set store.url, or leave it out",
                    );
                }
            }
        }
        if self.secrets.master_key.is_some() && self.secrets.master_key_file.is_some() {
            return wrong(
                "secrets.master_key",
                "both it and secrets.master_key_file are set",
                "keep one of them",
            );
        }
        let (apns, fcm) = (&self.apns, &self.fcm);
        for (section, proxy, user, password) in [
            ("apns", &apns.proxy, &apns.proxy_user, &apns.proxy_password),
            ("fcm", &fcm.proxy, &fcm.proxy_user, &fcm.proxy_password),
            (
                "webpush",
                &webpush.proxy,
                &webpush.proxy_user,
                &webpush.proxy_password,
            ),
        ] {
            if proxy.is_none() && (user.is_some() || password.is_some()) {
                return wrong(
                    &format!("{section}.proxy_user"),
                    "a proxy's user or password is set, and no proxy",
                    &format!("set {section}.proxy to host:port, or remove them"),
                );
            }
        }
        if !(self.clock.speed.is_finite() && (0.001..=100_000.0).contains(&self.clock.speed)) {
            return wrong(
                "clock.speed",
                "expected 0.001 to 100000",
                "1.0 is real time",
            );
        }
        if let Some(key) = self.moved_clock()
            && server.mode == Mode::Production
        {
            return wrong(
                key,
                "a moved clock is for trying out, and server.mode is \"production\"",
                "remove [clock], or set server.mode = \"development\"",
            );
        }
        if let Err(error) = self.log.level.parse::<tracing_subscriber::EnvFilter>() {
            return wrong(
                "log.level",
                &format!("{:?} is not a filter: {error}", self.log.level),
                "e.g. \"info\", or \"warn,carillon_engine=debug\"",
            );
        }
        Ok(())
    }

    /// Whether business time is not the machine's.
    pub(crate) fn is_clock_moved(&self) -> bool {
        self.moved_clock().is_some()
    }

    /// The first key that moves it.
    fn moved_clock(&self) -> Option<&'static str> {
        let clock = &self.clock;
        [
            ("clock.at", clock.at.is_some()),
            ("clock.offset", clock.offset.ms() != 0),
            ("clock.speed", clock.speed != 1.0),
        ]
        .into_iter()
        .find_map(|(key, moves)| moves.then_some(key))
    }

    /// Where the master key file is.
    pub(crate) fn master_key_file(&self) -> PathBuf {
        self.secrets.master_key_file.clone().unwrap_or_else(|| {
            let beside = self.store.file().unwrap_or(&self.store.path);
            beside.with_file_name("master.key")
        })
    }

    /// How long requests are still taken when a stop was asked for.
    pub(crate) fn stop_delay(&self) -> Duration {
        match self.server.roles.has(Role::Api) {
            true => self.server.stop_delay.duration(),
            // Nobody sends any here.
            false => Duration::ZERO,
        }
    }

    /// Deadline of a graceful stop.
    pub(crate) fn stop_deadline(&self) -> Duration {
        self.server.stop_deadline.duration()
    }
}

#[cfg(test)]
mod tests;
