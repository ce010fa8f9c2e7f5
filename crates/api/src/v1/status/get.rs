//! `GET /v1/status`

use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::apps::rates::LimitView;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::{
    CredentialProblem, Directory, InstanceReport, LaneProblem, LaneStatus, PoolReport,
    ServerMonitor,
};
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::role::Role;
use carillon_ports::instance::Instance;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// State of the server.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// Version of Carillon.
    version: &'static str,
    /// Whether it is stopping.
    stopping: bool,
    /// Processes that share the store, in the order in which they joined. What else is said here is of
    /// the one that answers, but for the trouble of lanes.
    instances: Vec<InstanceView>,
    /// Whether what a former process held was rescued completely; true where another process does that.
    rescued: bool,
    /// Outcomes that are not on disk yet.
    unsettled: u64,
    /// Why outcomes cannot be stored just now.
    store_problem: Option<String>,
    /// Notifications whose audience is being counted.
    fanouts: u32,
    /// Whether timers do not fire because the store was restored from a backup, until
    /// `POST /v1/scheduler/resume`.
    scheduler_paused: bool,
    /// Lanes that have or had work since the start, and those that other processes send from and that have a
    /// problem or wait for a rate.
    lanes: Vec<LaneView>,
    /// Open pools of connections.
    pools: Vec<PoolView>,
    /// Credentials that are kept in files and cannot be taken from there, whichever process follows these.
    /// What was set before goes on being used.
    credential_problems: Vec<CredentialProblemView>,
    /// Monitors of the server itself, by name: those of the App that the setting `monitors.watch_server_app` names. Null: the
    /// store could not be asked.
    server_monitors: Option<Vec<ServerMonitorView>>,
}

/// A monitor of the server itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerMonitor)]
pub(crate) struct ServerMonitorView {
    /// Id of its App.
    app: String,
    /// Its name.
    #[schema(example = "carillon-lanes")]
    name: String,
    /// What it looks at: `lanes`, `credentials`, `oldest_work`, `disk` or `scheduler_lag`.
    what: &'static str,
    /// `waiting`, `ok`, `suspected`, `firing` or `acknowledged`.
    state: &'static str,
    /// What is wrong, while an incident is open.
    fault: Option<String>,
    /// Since when it is.
    #[schema(format = DateTime)]
    since: Option<String>,
}

/// Why a credential is not what its file says.
#[derive(Serialize, ToSchema)]
#[schema(as = CredentialProblem)]
pub(crate) struct CredentialProblemView {
    /// Id of its App; null: it is the file that names the credentials.
    app: Option<String>,
    /// Its name; null: all of the App's, or of the file's.
    credential: Option<String>,
    /// What is wrong, and what to do.
    problem: String,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
}

/// A process that shares the store.
#[derive(Serialize, ToSchema)]
#[schema(as = Instance)]
pub(crate) struct InstanceView {
    /// The machine's name and the process' number.
    #[schema(example = "push-1:4711")]
    name: String,
    /// What it does: `api`, `scheduler`, `worker`, `sender`.
    roles: Vec<&'static str>,
    /// Of these, what it leads: where it does what must be done once. The others stand by.
    leads: Vec<&'static str>,
    /// Version of Carillon.
    version: String,
    /// Where its API is.
    address: String,
    /// When it joined, by the database's clock.
    #[schema(format = DateTime)]
    started_at: String,
    /// How long ago it was heard of, in milliseconds.
    heartbeat_age_ms: i64,
    /// Whether it is the one that answers.
    answers: bool,
}

/// State of a lane: App and environment.
#[derive(Serialize, ToSchema)]
#[schema(as = Lane)]
pub(crate) struct LaneView {
    /// Id of its App; null when that was deleted.
    app: Option<String>,
    /// Its gateway.
    gateway: &'static str,
    /// Its environment; `auto` for push tokens whose environment is not known yet.
    environment: &'static str,
    /// Deliveries waiting in memory.
    queued: u64,
    /// Deliveries handed to the gateway and not answered.
    in_flight: u64,
    /// Whether more waits in the store.
    backlog: bool,
    /// How long the oldest one in memory has waited, in milliseconds.
    oldest_age_ms: Option<i64>,
    /// `closed` (work flows), `probing` or `open` (work waits).
    breaker: &'static str,
    /// What is wrong, while the breaker is not closed.
    problem: Option<Trouble>,
    /// The rate of its App that what waits in it waits for; null when none does.
    rate_limit: Option<LimitView>,
}

/// State of a pool of connections.
#[derive(Serialize, ToSchema)]
#[schema(as = Pool)]
pub(crate) struct PoolView {
    /// Id of its App; null when that was deleted.
    app: Option<String>,
    /// Name of its credential.
    credential: String,
    /// Version of the credential.
    version: u32,
    /// Its environment.
    environment: &'static str,
    /// Whether it is the one on which push tokens of unknown environment are tried.
    probing: bool,
    /// How many pushes it may have at once.
    window: usize,
    /// How many it has.
    in_flight: usize,
    /// Open connections.
    connections: u32,
    /// Streams in use.
    streams: u32,
    /// Pushes that wait for a stream.
    waiting: u32,
    /// GOAWAY frames since it was opened.
    goaways: u64,
    /// Connections made since it was opened.
    connects: u64,
    /// Why the newest try to connect failed, if it did.
    connect_error: Option<String>,
    /// `closed`, `probing` or `open`.
    breaker: &'static str,
    /// What is wrong, while the breaker is not closed.
    problem: Option<Trouble>,
}

/// Why a breaker is open.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trouble {
    /// The gateway's reason, or our word.
    #[schema(example = "InvalidProviderToken")]
    reason: String,
    /// What to do.
    mend: String,
    /// Whether a person must mend the credential (true), or time mends the gateway.
    is_credential: bool,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
}

impl From<&LaneProblem> for Trouble {
    fn from(problem: &LaneProblem) -> Self {
        Self {
            reason: problem.reason.clone(),
            mend: problem.mend.clone(),
            is_credential: problem.is_credential,
            since: instant::rfc3339(problem.since),
        }
    }
}

impl From<CredentialProblem> for CredentialProblemView {
    fn from(problem: CredentialProblem) -> Self {
        Self {
            app: problem.app,
            credential: problem.credential,
            problem: problem.problem,
            since: instant::rfc3339(problem.since),
        }
    }
}

impl From<ServerMonitor> for ServerMonitorView {
    fn from(monitor: ServerMonitor) -> Self {
        let (fault, since) = match monitor.incident {
            Some((fault, since)) => (Some(fault.message), Some(instant::rfc3339(since))),
            None => (None, None),
        };
        Self {
            app: monitor.app,
            name: monitor.name,
            what: monitor.what.as_str(),
            state: monitor.state.as_str(),
            fault,
            since,
        }
    }
}

fn app(directory: &Directory, no: AppNo) -> Option<String> {
    directory.app_by_no(no).map(|app| app.id.clone())
}

fn instance(report: InstanceReport) -> InstanceView {
    let words = |roles: &mut dyn Iterator<Item = Role>| roles.map(Role::as_str).collect();
    let Instance {
        presence,
        started_at,
        age_ms,
        ..
    } = report.instance;
    InstanceView {
        name: presence.name,
        roles: words(&mut presence.roles.iter()),
        leads: words(&mut report.leads.into_iter()),
        version: presence.version,
        address: presence.address,
        started_at: instant::rfc3339(started_at),
        heartbeat_age_ms: age_ms,
        answers: report.is_own,
    }
}

fn lane(status: &LaneStatus, directory: &Directory, now: UnixMs) -> LaneView {
    LaneView {
        app: app(directory, status.lane.app),
        gateway: status.lane.gateway.as_str(),
        environment: status.lane.environment.as_str(),
        queued: status.queued,
        in_flight: status.in_flight,
        backlog: status.backlog,
        oldest_age_ms: status
            .oldest_accepted_at
            .map(|at| now.saturating_sub(at).max(0)),
        breaker: status.breaker.as_str(),
        problem: status.problem.as_ref().map(Trouble::from),
        rate_limit: status.limited.map(LimitView::from),
    }
}

fn pool(report: PoolReport, directory: &Directory) -> PoolView {
    PoolView {
        app: app(directory, report.app),
        credential: report.credential,
        version: report.id.version,
        environment: report.id.environment.as_str(),
        probing: report.id.probing,
        window: report.window,
        in_flight: report.in_flight,
        connections: report.status.connections,
        streams: report.status.in_flight,
        waiting: report.status.waiting,
        goaways: report.status.goaways,
        connects: report.status.connects,
        connect_error: report.status.connect_error,
        breaker: report.breaker.as_str(),
        problem: report.problem.as_ref().map(Trouble::from),
    }
}

problems!(GUARDED, GLOBAL);

/// Read the state of lanes, breakers and connections.
///
/// Needs the scope `read`, and an API key that is not bound to an App.
#[utoipa::path(
    get, path = "/v1/status", operation_id = "status_get", tag = "server",
    responses((status = 200, description = "The state.", body = Status), Problems),
)]
pub(crate) async fn get(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    caller.global(&[Scope::Read])?;
    let status = api.engine.status();
    // What else is known is of use in just that moment.
    let server_monitors = api.engine.server_monitors().await.ok();
    let (directory, now) = (&caller.directory, api.now());
    let lanes = status
        .all_lanes()
        .map(|status| lane(status, directory, now))
        .collect();
    answer::ok(&Status {
        version: api.version,
        stopping: status.stopping,
        instances: status.instances.into_iter().map(instance).collect(),
        rescued: status.rescued,
        unsettled: status.unsettled,
        store_problem: status.store_problem,
        fanouts: status.fanouts,
        scheduler_paused: status.scheduler_paused,
        lanes,
        pools: status
            .pools
            .into_iter()
            .map(|report| pool(report, directory))
            .collect(),
        credential_problems: status
            .credential_problems
            .into_iter()
            .map(CredentialProblemView::from)
            .collect(),
        server_monitors: server_monitors
            .map(|monitors| monitors.into_iter().map(ServerMonitorView::from).collect()),
    })
}
