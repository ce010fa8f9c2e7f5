//! Notifications: what callers asked to be sent.

pub(crate) mod cancel;
pub(crate) mod change;
pub(crate) mod deliveries;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod many;
pub(crate) mod schema;
pub(crate) mod send;

use crate::auth::Caller;
use crate::instant;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::words;
use carillon_model::app::App;
use carillon_model::delivery::FinalState;
use carillon_model::id::NotificationNo;
use carillon_ports::store::NotificationView as Row;
use carillon_ports::timer::{SendPlan, SendState};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A notification, and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(crate) struct NotificationItem {
    /// Its id.
    #[schema(example = "ntf_019876aa-bbbb-7000-8000-000000000007")]
    id: String,
    /// `scheduled` (it waits for its time), `set_aside` (its time came, and it could not be sent: see
    /// `trouble`), `sending`, `paused` (a campaign that rests), `cancelling`, `completed` (every delivery has ended) or `cancelled` (ended,
    /// after a cancel).
    #[schema(example = "completed")]
    status: &'static str,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted_at: String,
    /// When it is to be sent, or was; null where that is with its acceptance.
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// When its sending began, for one that waited for its time.
    #[schema(format = DateTime)]
    begun_at: Option<String>,
    /// Why it was not sent when its time had come.
    trouble: Option<SendTrouble>,
    /// After this instant nothing of it is written.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When its last delivery ended, once all have.
    #[schema(format = DateTime)]
    completed_at: Option<String>,
    /// How it is sent, with every default filled in.
    options: OptionsView,
    /// How its deliveries stand.
    deliveries: Counts,
}

/// Why a notification was not sent when its time had come.
#[derive(Serialize, ToSchema)]
pub(crate) struct SendTrouble {
    /// How often it was tried.
    attempts: u16,
    /// Why the last try failed.
    #[schema(example = "unreadable body")]
    message: String,
    /// When it is tried again; null: not before it is changed.
    #[schema(format = DateTime)]
    next_try_at: Option<String>,
}

/// How a notification is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = SendOptions)]
pub(crate) struct OptionsView {
    /// Kind of push.
    #[schema(example = "alert")]
    push_type: &'static str,
    /// Kind of push token it goes to.
    #[schema(example = "alert")]
    push_token_kind: &'static str,
    /// `high`, `normal` or `low`.
    priority: &'static str,
    /// Whether the gateway may keep it for a device that is offline.
    store_offline: bool,
    /// `resend` or `drop`, when nobody knows whether the gateway took it.
    on_unknown: &'static str,
    /// `urgent`, `normal` or `bulk`.
    class: &'static str,
    /// What it replaces on the device.
    collapse_id: Option<String>,
    /// Bundle id or full topic, when not the credential's default.
    apns_topic: Option<String>,
    /// Broadcast channel, when it goes to one.
    channel: Option<String>,
    /// The category that users can switch off.
    category: Option<String>,
    /// Whether it is critical: preferences and caps do not keep it back.
    is_critical: bool,
}

/// How many deliveries are in which state.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryCounts)]
pub(crate) struct Counts {
    /// All that were made so far.
    total: u64,
    /// Whether the audience is complete; false while it is still counted.
    complete: bool,
    /// Not ended yet.
    open: u64,
    /// The gateway took them.
    accepted: u64,
    /// The gateway refused them for good.
    rejected: u64,
    /// Attempts or time used up, never in doubt.
    failed: u64,
    /// Written, never answered, and not to be sent twice.
    unknown: u64,
    /// Their time was over before they were written.
    expired: u64,
    /// Cancelled before they were written.
    cancelled: u64,
    /// Kept back by a rule.
    suppressed: u64,
    /// Which rule, for those.
    suppressed_by: BTreeMap<&'static str, u64>,
}

impl From<&Row> for Counts {
    fn from(row: &Row) -> Self {
        let of = |wanted: &str| {
            let states = row
                .states
                .iter()
                .filter(|(state, _)| state.as_str() == wanted);
            states.map(|(_, count)| count).sum()
        };
        let suppressed = row.states.iter().filter_map(|(state, count)| match state {
            FinalState::Suppressed(rule) if *count > 0 => Some((rule.as_str(), *count)),
            _ => None,
        });
        Self {
            total: row.deliveries,
            complete: row.fanout_finished,
            open: row.open,
            accepted: of("accepted"),
            rejected: of("rejected"),
            failed: of("failed"),
            unknown: of("unknown"),
            expired: of("expired"),
            cancelled: of("cancelled"),
            suppressed: of("suppressed"),
            suppressed_by: suppressed.collect(),
        }
    }
}

impl From<&Row> for NotificationItem {
    fn from(row: &Row) -> Self {
        let head = &row.head;
        let options = &head.options;
        Self {
            id: head.no.public(head.accepted_at),
            status: status(row),
            accepted_at: instant::rfc3339(head.accepted_at),
            send_at: instant::optional(head.send_at),
            begun_at: instant::optional(head.begun_at),
            trouble: row.plan.as_ref().and_then(trouble),
            expires_at: instant::optional(head.expires_at),
            completed_at: instant::optional(row.completed_at),
            options: OptionsView {
                push_type: options.push_type.as_str(),
                push_token_kind: options.token_kind.as_str(),
                priority: words::priority(options.priority),
                store_offline: options.store_offline,
                on_unknown: words::on_unknown(options.on_unknown),
                class: words::class(options.class),
                collapse_id: options.collapse_id.clone(),
                apns_topic: options.apns_topic.clone(),
                channel: options.channel.clone(),
                category: options.category.clone(),
                is_critical: options.is_critical,
            },
            deliveries: row.into(),
        }
    }
}

fn status(row: &Row) -> &'static str {
    if row.head.paused && row.completed_at.is_none() && !row.head.cancelled {
        return "paused";
    }
    match row.plan.as_ref().map(|plan| &plan.state) {
        Some(SendState::Waiting { .. }) => return "scheduled",
        Some(SendState::SetAside { .. }) => return "set_aside",
        Some(SendState::Begun { .. } | SendState::Withdrawn) | None => {}
    }
    match (row.head.cancelled, row.completed_at.is_some()) {
        (false, false) => "sending",
        (true, false) => "cancelling",
        (false, true) => "completed",
        (true, true) => "cancelled",
    }
}

fn trouble(plan: &SendPlan) -> Option<SendTrouble> {
    let (attempts, message, next_try_at) = match &plan.state {
        SendState::Waiting {
            next_try_at,
            attempts,
            last_error,
        } => (*attempts, last_error, Some(*next_try_at)),
        SendState::SetAside {
            attempts,
            last_error,
        } => (*attempts, last_error, None),
        SendState::Begun { .. } | SendState::Withdrawn => return None,
    };
    (attempts > 0).then(|| SendTrouble {
        attempts,
        message: message.clone().unwrap_or_default(),
        next_try_at: instant::optional(next_try_at),
    })
}

/// The notification with this public id: number and time of acceptance must both fit.
pub(crate) async fn find(api: &Api, app: &App, id: &str) -> Result<Row, Problem> {
    let unknown = || {
        Problem::new(
            &codes::NOTIFICATION_UNKNOWN,
            format!("the App {:?} has no notification {id:?}", app.id),
        )
    };
    let (no, accepted_at) = NotificationNo::parse(id).ok_or_else(unknown)?;
    let row = api.store().notification(app.no, no).await?;
    row.filter(|row| row.head.accepted_at == accepted_at)
        .ok_or_else(unknown)
}

/// What the handlers of this folder ask of the caller for reading.
pub(crate) fn readable<'d>(caller: &'d Caller, app: &str) -> Result<&'d App, Problem> {
    use carillon_ports::registry::Scope;
    caller.app(app, &[Scope::Read, Scope::Send])
}
