//! What a monitor's definition looks like, for the OpenAPI document only: the model reads it, and knows nothing of
//! OpenAPI. A test holds the field names of both together.

use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A monitor to store.
#[derive(ToSchema)]
#[schema(as = MonitorDefinition)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::MonitorDefinition"
)]
pub(crate) struct DefinitionSchema {
    /// What is looked at: exactly one of the keys.
    check: CheckSchema,
    /// The time from one check to the next: `1s` to `1d`, default `1m`. Not of heartbeats, nor are the next four.
    #[schema(example = "30s")]
    interval: Option<String>,
    /// Each check is later by a random part of this, at most half of the interval. Default none.
    jitter: Option<String>,
    /// How long one attempt may take: `100ms` to `1m`, default `10s`, or the interval where that is shorter.
    timeout: Option<String>,
    /// Attempts after the first before a check counts as failed: 0 to 5, default 1.
    #[schema(maximum = 5)]
    retries: Option<u16>,
    /// The pause before each of them. Default `2s`.
    retry_after: Option<String>,
    /// Failed checks in a row before an incident is opened: 1 to 100, default 2, for heartbeats 1.
    #[schema(minimum = 1, maximum = 100)]
    failures: Option<u16>,
    /// Good checks in a row before it is resolved: 1 to 100, default 2, for heartbeats 1.
    #[schema(minimum = 1, maximum = 100)]
    recoveries: Option<u16>,
    /// When going up and down is an incident of its own. Default: eight changes within an hour.
    flapping: Option<FlappingSchema>,
    /// When what is down is down on purpose: at most 20.
    maintenance: Option<Vec<MaintenanceSchema>>,
    /// For people and filters: at most 20 names.
    tags: Option<Vec<String>>,
    /// Monitors without which this one cannot be up: while one of them is down, nobody is paged for this.
    depends_on: Option<Vec<String>>,
    /// Whether it may look at addresses that are not public. The server's configuration must let them through as well.
    private_target: Option<bool>,
    /// Who is paged, how and when: a ladder's name. Without, nobody is.
    #[schema(example = "night")]
    ladder: Option<String>,
    /// How bad it is, and so how loud it may become. Default `critical`.
    severity: Option<SeveritySchema>,
    /// `true`: it rests, and an incident that is open is closed. Default false.
    paused: Option<bool>,
    /// The app's attributes type of a Live Activity that shows an incident while it lasts, to those who are paged. Default
    /// none.
    #[schema(example = "IncidentAttributes")]
    live_activity: Option<String>,
    /// For people: one line of at most 200 characters.
    description: Option<String>,
}

/// What is looked at: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = Check, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::CheckDefinition"
)]
pub(crate) enum CheckSchema {
    /// A request by HTTP.
    Http(HttpSchema),
    /// A connection.
    Tcp(TcpSchema),
    /// A TLS handshake, and the certificate.
    Tls(TlsSchema),
    /// A question to a name server.
    Dns(DnsSchema),
    /// An echo request (ping), where the server's machine may send them.
    Icmp(IcmpSchema),
    /// Nothing is asked: it is heard of, or it is not.
    Heartbeat(HeartbeatSchema),
    /// This server itself: only in the App that the setting `monitors.watch_server_app` names.
    Server(ServerSchema),
}

/// What is asked by HTTP.
#[derive(ToSchema)]
#[schema(as = HttpCheck)]
#[expect(dead_code, reason = "documents carillon_model::monitor::HttpCheck")]
pub(crate) struct HttpSchema {
    /// `https://…` or `http://…`.
    #[schema(example = "https://shop.example.com/health")]
    url: String,
    /// Default `GET`.
    method: Option<MethodSchema>,
    /// Headers that are sent: at most 20. Their values are sealed and shown as `***`; stored as `***`, one stays.
    headers: Option<BTreeMap<String, String>>,
    /// The body that is sent: at most 16 KiB.
    body: Option<String>,
    /// How many redirects are followed, each asked of the guard anew: 0 to 10. With 0, the default, a redirect is the answer.
    #[schema(maximum = 10)]
    redirects: Option<u8>,
    /// What is expected of the answer: all of it.
    expect: Option<ExpectationSchema>,
}

/// A method of a check.
#[derive(ToSchema)]
#[schema(as = CheckMethod, rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "documents carillon_model::monitor::HttpMethod")]
pub(crate) enum MethodSchema {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
}

/// What is expected of an answer.
#[derive(ToSchema)]
#[schema(as = HttpExpectation)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::HttpExpectation"
)]
pub(crate) struct ExpectationSchema {
    /// Any of these: `200`, `"2xx"`, `"200-204"`. Default `"2xx"`.
    status: Option<Vec<Value>>,
    /// What headers are like, by their names.
    headers: Option<BTreeMap<String, TextRuleSchema>>,
    /// What the body is like; 256 KiB of it are read.
    body: Option<TextRuleSchema>,
    /// What values in the body's JSON are: at most 20.
    json: Option<Vec<ValueRuleSchema>>,
    /// How long the answer may take.
    #[schema(example = "800ms")]
    within: Option<String>,
    /// How many days the certificate is valid at least.
    certificate_days: Option<u16>,
}

/// What a text is like: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = TextRule, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::monitor::TextRule")]
pub(crate) enum TextRuleSchema {
    /// It contains this text.
    Contains(String),
    /// It does not contain this text.
    Lacks(String),
    /// Somewhere in it this regular expression matches: at most 1,024 bytes, without look-around and back-references.
    Matches(String),
}

/// What one value in the body's JSON is: what it `equals`, or the bounds of a number; with neither it only has to be there.
#[derive(ToSchema)]
#[schema(as = ValueRule)]
#[expect(dead_code, reason = "documents carillon_model::monitor::ValueRule")]
pub(crate) struct ValueRuleSchema {
    /// Where: a JSON pointer (RFC 6901); empty for the whole.
    #[schema(example = "/queue/length")]
    pointer: String,
    /// This value.
    equals: Option<Value>,
    /// A number not below this.
    at_least: Option<f64>,
    /// A number not above this.
    at_most: Option<f64>,
}

/// A connection.
#[derive(ToSchema)]
#[schema(as = TcpCheck)]
#[expect(dead_code, reason = "documents carillon_model::monitor::TcpCheck")]
pub(crate) struct TcpSchema {
    /// A name or an address.
    host: String,
    /// Its port.
    #[schema(minimum = 1)]
    port: u16,
}

/// A TLS handshake.
#[derive(ToSchema)]
#[schema(as = TlsCheck)]
#[expect(dead_code, reason = "documents carillon_model::monitor::TlsCheck")]
pub(crate) struct TlsSchema {
    /// A name or an address.
    host: String,
    /// Its port. Default 443.
    port: Option<u16>,
    /// The name that the certificate is to be for. Default: `host`.
    server_name: Option<String>,
    /// How many days the certificate is valid at least.
    certificate_days: Option<u16>,
}

/// A question to a name server.
#[derive(ToSchema)]
#[schema(as = DnsCheck)]
#[expect(dead_code, reason = "documents carillon_model::monitor::DnsCheck")]
pub(crate) struct DnsSchema {
    /// The name that is asked for.
    name: String,
    /// What is asked for. Default `A`.
    r#type: Option<RecordSchema>,
    /// The name server that is asked: an address, with a port unless that is 53. Default: the server's own.
    server: Option<String>,
    /// Answers that must be among those that come; without, there must be any.
    expect: Option<Vec<String>>,
    /// Whether no other answers may come.
    exactly: Option<bool>,
}

/// A type of records.
#[derive(ToSchema)]
#[schema(as = DnsRecord, rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "documents carillon_model::monitor::RecordType")]
pub(crate) enum RecordSchema {
    A,
    Aaaa,
    Cname,
    Mx,
    Ns,
    Txt,
}

/// An echo request.
#[derive(ToSchema)]
#[schema(as = IcmpCheck)]
#[expect(dead_code, reason = "documents carillon_model::monitor::IcmpCheck")]
pub(crate) struct IcmpSchema {
    /// A name or an address.
    host: String,
}

/// How often somebody is to be heard of: `period`, or `cron` with `time_zone`.
#[derive(ToSchema)]
#[schema(as = HeartbeatCheck)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::HeartbeatCheck"
)]
pub(crate) struct HeartbeatSchema {
    /// The time from one beat to the next: `10s` to `100d`.
    #[schema(example = "1d")]
    period: Option<String>,
    /// When the job runs: `minute hour day month weekday`.
    cron: Option<String>,
    /// By the clock of which place the job runs: an IANA time zone.
    time_zone: Option<String>,
    /// How much later a beat may come. Default `1m`.
    grace: Option<String>,
    /// How long the job may run, where it tells when it starts.
    run_limit: Option<String>,
}

/// A check of this server itself.
#[derive(ToSchema)]
#[schema(as = ServerCheck)]
#[expect(dead_code, reason = "documents carillon_model::monitor::ServerCheck")]
pub(crate) struct ServerSchema {
    /// What is looked at.
    what: ServerPartSchema,
    /// From when on it is a fault: a duration, of `disk` a size. Default: by what is looked at.
    #[schema(example = "5m")]
    limit: Option<String>,
}

/// What of the server is looked at.
#[derive(ToSchema)]
#[schema(as = ServerPart, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::monitor::ServerPart")]
pub(crate) enum ServerPartSchema {
    /// Lanes that cannot send for longer than the limit.
    Lanes,
    /// Credentials that end within the limit, or cannot be used.
    Credentials,
    /// Work that nobody took for longer than the limit after it was due.
    OldestWork,
    /// Less free space than the limit where the store is, or a store that takes no writes.
    Disk,
    /// Timers that did not fire for longer than the limit after they were due.
    SchedulerLag,
}

/// When going up and down is an incident.
#[derive(ToSchema)]
#[schema(as = FlappingRule)]
#[expect(dead_code, reason = "documents carillon_model::monitor::FlappingRule")]
pub(crate) struct FlappingSchema {
    /// So many changes between up and down; 0: never.
    changes: u16,
    /// Within this time. It is over when there was no change for as long.
    #[schema(example = "1h")]
    within: String,
}

/// A time at which what is down is down on purpose: `from` and `until` once, or `cron`, `lasts` and `time_zone` again and
/// again.
#[derive(ToSchema)]
#[schema(as = MaintenanceWindow)]
#[expect(
    dead_code,
    reason = "documents carillon_model::monitor::MaintenanceWindow"
)]
pub(crate) struct MaintenanceSchema {
    /// When it begins.
    #[schema(format = DateTime)]
    from: Option<String>,
    /// When it ends.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// When it begins, again and again: `minute hour day month weekday`.
    #[schema(example = "0 22 * * FRI")]
    cron: Option<String>,
    /// How long it lasts then: at most `7d`.
    lasts: Option<String>,
    /// By the clock of which place: an IANA time zone.
    time_zone: Option<String>,
}

/// How bad it is.
#[derive(ToSchema)]
#[schema(as = Severity, rename_all = "snake_case")]
#[expect(dead_code, reason = "documents carillon_model::monitor::Severity")]
pub(crate) enum SeveritySchema {
    /// It is written down, and nobody is paged.
    Info,
    /// Nothing louder than an alert.
    Warning,
    /// Everything that the ladder says.
    Critical,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::monitor::{
        CheckDefinition, DnsCheck, FlappingRule, HeartbeatCheck, HttpCheck, HttpExpectation,
        IcmpCheck, MaintenanceWindow, MonitorDefinition, ServerCheck, TcpCheck, TextRule, TlsCheck,
        ValueRule,
    };

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        let mut definition = taken::<MonitorDefinition>();
        assert!(
            definition.remove("heartbeat_serial"),
            "it is ours, and nobody's to write"
        );
        assert_eq!(documented::<DefinitionSchema>(), definition);
        assert_eq!(documented::<CheckSchema>(), taken::<CheckDefinition>());
        assert_eq!(documented::<HttpSchema>(), taken::<HttpCheck>());
        assert_eq!(
            documented::<ExpectationSchema>(),
            taken::<HttpExpectation>()
        );
        assert_eq!(documented::<TextRuleSchema>(), taken::<TextRule>());
        assert_eq!(documented::<ValueRuleSchema>(), taken::<ValueRule>());
        assert_eq!(documented::<TcpSchema>(), taken::<TcpCheck>());
        assert_eq!(documented::<TlsSchema>(), taken::<TlsCheck>());
        assert_eq!(documented::<DnsSchema>(), taken::<DnsCheck>());
        assert_eq!(documented::<IcmpSchema>(), taken::<IcmpCheck>());
        assert_eq!(documented::<HeartbeatSchema>(), taken::<HeartbeatCheck>());
        assert_eq!(documented::<ServerSchema>(), taken::<ServerCheck>());
        assert_eq!(documented::<FlappingSchema>(), taken::<FlappingRule>());
        assert_eq!(
            documented::<MaintenanceSchema>(),
            taken::<MaintenanceWindow>()
        );
    }
}
