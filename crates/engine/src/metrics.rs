//! Every metric of the engine, in one place. Labels are bounded: Apps, gateways, push types, final
//! states, and the gateway's reasons as far as they look like Apple's.

use crate::directory::Directory;
use carillon_model::callout::CalloutResult;
use carillon_model::delivery::FinalState;
use carillon_model::id::AppNo;
use carillon_model::lane::{Gateway, Lane};
use carillon_model::monitor::{PageHow, Verdict, WatchState};
use carillon_model::push_type::PushType;
use carillon_model::timer::TimerKind;
use carillon_ports::source::FollowedTable;
use carillon_ports::webhook::EndpointRow;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_gauge};
use metrics::{describe_histogram, gauge, histogram};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};

const ACCEPTED: &str = "carillon_notifications_accepted_total";
const SENT: &str = "carillon_pushes_sent_total";
const FINAL: &str = "carillon_deliveries_final_total";
const RETRIED: &str = "carillon_retries_total";
const PRUNED: &str = "carillon_pruned_rows_total";
const ACCEPT_TO_SEND: &str = "carillon_accept_to_send_seconds";
const GATEWAY_RESPONSE: &str = "carillon_gateway_response_seconds";
const SETTLE: &str = "carillon_settle_seconds";
const QUEUED: &str = "carillon_lane_queued_deliveries";
const IN_FLIGHT: &str = "carillon_lane_in_flight_deliveries";
const OLDEST: &str = "carillon_lane_oldest_waiting_seconds";
const BREAKER: &str = "carillon_lane_breaker_state";
const LIMITED: &str = "carillon_lane_rate_limited";
const UNSETTLED: &str = "carillon_unsettled_outcomes";
const PANICS: &str = "carillon_part_panics_total";
const RECEIPTS: &str = "carillon_receipts_total";
const TIMERS: &str = "carillon_timers_total";
const TIMER_LATENESS: &str = "carillon_timer_lateness_seconds";
const CALLOUTS: &str = "carillon_callouts_total";
const SOURCE_READINGS: &str = "carillon_live_activity_source_readings_total";
const SOURCE_BAD_ROWS: &str = "carillon_live_activity_source_bad_rows";
const CHECKS: &str = "carillon_checks_total";
const MONITORS: &str = "carillon_monitors";
const INCIDENTS_OPEN: &str = "carillon_incidents_open";
const PAGES: &str = "carillon_pages_total";
const HEARTBEATS_POSTED: &str = "carillon_heartbeats_posted_total";
const WEBHOOK_QUEUED: &str = "carillon_webhook_queued_events";
const WEBHOOK_CALLS: &str = "carillon_webhook_calls_total";
const WEBHOOK_FAILING: &str = "carillon_webhook_failing";

/// Handles to what is counted on the hot path.
#[derive(Default)]
pub(crate) struct Meters {
    sends: Mutex<HashMap<(AppNo, PushType), SendMeters>>,
    responses: Mutex<HashMap<AppNo, Histogram>>,
}

/// What is counted for each push.
#[derive(Clone)]
pub(crate) struct SendMeters {
    pub(crate) sent: Counter,
    pub(crate) accept_to_send: Histogram,
}

/// What a lane shows.
pub(crate) struct LaneFigures {
    pub(crate) queued: u32,
    pub(crate) in_flight: u32,
    pub(crate) oldest_secs: f64,
    /// 0 closed, 1 probing, 2 open.
    pub(crate) breaker: u8,
    pub(crate) is_limited: bool,
}

impl Meters {
    pub(crate) fn new() -> Self {
        describe_counter!(ACCEPTED, "Notifications accepted: they are on disk");
        describe_counter!(SENT, "Pushes handed to a gateway's pool");
        describe_counter!(FINAL, "Deliveries that ended, by final state and reason");
        describe_counter!(RETRIED, "Deliveries that will be tried again, by reason");
        describe_counter!(PRUNED, "Rows deleted by retention");
        describe_histogram!(
            ACCEPT_TO_SEND,
            Unit::Seconds,
            "From acceptance to the hand-over to the pool, first attempts"
        );
        describe_histogram!(
            GATEWAY_RESPONSE,
            Unit::Seconds,
            "From write to the gateway's answer"
        );
        describe_histogram!(SETTLE, Unit::Seconds, "Time of a settle transaction");
        describe_gauge!(QUEUED, "Deliveries waiting in memory");
        describe_gauge!(IN_FLIGHT, "Deliveries handed to a pool and not answered");
        describe_gauge!(OLDEST, Unit::Seconds, "Age of the oldest waiting delivery");
        describe_gauge!(BREAKER, "0 closed, 1 probing, 2 open");
        describe_gauge!(LIMITED, "1: what waits, waits for a rate of its App");
        describe_gauge!(UNSETTLED, "Outcomes that are not on disk yet");
        describe_counter!(PANICS, "Parts of the engine that panicked");
        describe_counter!(RECEIPTS, "Receipts of apps that were new");
        describe_counter!(
            TIMERS,
            "Timers that fired, failed and are tried again, or were set aside"
        );
        describe_histogram!(
            TIMER_LATENESS,
            Unit::Seconds,
            "From the instant at which a timer was due until it fired"
        );
        describe_counter!(
            CALLOUTS,
            "Runs of call-outs that ended, by what came of them"
        );
        describe_counter!(
            SOURCE_READINGS,
            "Readings of tables that Live Activities follow, by what came of them"
        );
        describe_gauge!(
            SOURCE_BAD_ROWS,
            "Rows of a table that the last reading could not follow"
        );
        describe_counter!(CHECKS, "Attempts to check monitors, by what was found");
        describe_gauge!(MONITORS, "Monitors, by where they are");
        describe_gauge!(INCIDENTS_OPEN, "Incidents that are not over");
        describe_counter!(
            PAGES,
            "Devices that were paged for an incident, by the means"
        );
        describe_counter!(
            HEARTBEATS_POSTED,
            "Heartbeats to monitors.heartbeat_url: posted, failed, or withheld because the server is not well"
        );
        describe_gauge!(WEBHOOK_QUEUED, "Events that wait for a webhook endpoint");
        describe_counter!(
            WEBHOOK_CALLS,
            "Calls to webhook endpoints, by what came of them"
        );
        describe_gauge!(
            WEBHOOK_FAILING,
            "1: the last call to the webhook endpoint failed, or it is disabled"
        );
        Self::default()
    }

    pub(crate) fn accepted(&self, app: &str, push_type: PushType, count: u64) {
        counter!(ACCEPTED, "app" => app.to_owned(), "push_type" => push_type.as_str())
            .increment(count);
    }

    pub(crate) fn send(&self, no: AppNo, app: &str, push_type: PushType) -> SendMeters {
        let mut sends = self.sends.lock();
        let meters = sends.entry((no, push_type)).or_insert_with(|| SendMeters {
            sent: counter!(SENT, "app" => app.to_owned(), "gateway" => "apns", "push_type" => push_type.as_str()),
            accept_to_send: histogram!(ACCEPT_TO_SEND, "app" => app.to_owned(), "push_type" => push_type.as_str()),
        });
        meters.clone()
    }

    pub(crate) fn response(&self, no: AppNo, app: &str) -> Histogram {
        let mut responses = self.responses.lock();
        let histogram = responses.entry(no).or_insert_with(
            || histogram!(GATEWAY_RESPONSE, "app" => app.to_owned(), "gateway" => "apns"),
        );
        histogram.clone()
    }

    pub(crate) fn ended(
        &self,
        app: &str,
        gateway: Gateway,
        state: FinalState,
        reason: &str,
        count: u64,
    ) {
        counter!(FINAL, "app" => app.to_owned(), "gateway" => gateway.as_str(), "outcome" => state.as_str(), "reason" => bounded(reason)).increment(count);
    }

    pub(crate) fn retried(&self, app: &str, reason: &str, count: u64) {
        counter!(RETRIED, "app" => app.to_owned(), "gateway" => "apns", "reason" => bounded(reason)).increment(count);
    }

    /// Timers fired, each so many milliseconds late.
    pub(crate) fn timers_fired(&self, lateness: &[(TimerKind, i64)]) {
        for kind in TimerKind::ALL {
            let of_kind = || lateness.iter().filter(|(of, _)| *of == kind);
            let count = of_kind().count() as u64;
            if count == 0 {
                continue;
            }
            counter!(TIMERS, "kind" => kind.as_str(), "result" => "fired").increment(count);
            let histogram = histogram!(TIMER_LATENESS, "kind" => kind.as_str());
            for (_, ms) in of_kind() {
                histogram.record(*ms as f64 / 1e3);
            }
        }
    }

    /// A timer could not fire.
    pub(crate) fn timer_failed(&self, kind: TimerKind, is_set_aside: bool) {
        let result = if is_set_aside { "set_aside" } else { "failed" };
        counter!(TIMERS, "kind" => kind.as_str(), "result" => result).increment(1);
    }

    pub(crate) fn pruned(&self, rows: u64) {
        counter!(PRUNED).increment(rows);
    }

    pub(crate) fn settled(&self, seconds: f64) {
        histogram!(SETTLE).record(seconds);
    }

    pub(crate) fn unsettled(&self, count: usize) {
        gauge!(UNSETTLED).set(count as f64);
    }

    pub(crate) fn lane(&self, app: &str, lane: Lane, figures: &LaneFigures) {
        let labels = [
            ("app", app.to_owned()),
            ("gateway", lane.gateway.as_str().to_owned()),
            ("environment", lane.environment.as_str().to_owned()),
        ];
        gauge!(QUEUED, &labels).set(figures.queued);
        gauge!(IN_FLIGHT, &labels).set(figures.in_flight);
        gauge!(OLDEST, &labels).set(figures.oldest_secs);
        gauge!(BREAKER, &labels).set(figures.breaker);
        gauge!(LIMITED, &labels).set(f64::from(u8::from(figures.is_limited)));
    }

    /// Receipts that were new.
    pub(crate) fn receipts(&self, count: u64) {
        counter!(RECEIPTS).increment(count);
    }

    /// A call to a receiver ended.
    pub(crate) fn told(&self, app: &str, outcome: &'static str) {
        counter!(WEBHOOK_CALLS, "app" => app.to_owned(), "outcome" => outcome).increment(1);
    }

    /// An attempt to check a monitor ended.
    pub(crate) fn checked(&self, verdict: Verdict) {
        counter!(CHECKS, "verdict" => verdict.as_str()).increment(1);
    }

    /// How many monitors of an App are in each state; there is an incident for each that is firing or in hand.
    pub(crate) fn monitors(&self, app: &str, counts: &BTreeMap<WatchState, u64>) {
        let count = |state| counts.get(&state).copied().unwrap_or_default() as f64;
        for state in WatchState::ALL {
            gauge!(MONITORS, "app" => app.to_owned(), "state" => state.as_str()).set(count(state));
        }
        let open = count(WatchState::Firing) + count(WatchState::Acknowledged);
        gauge!(INCIDENTS_OPEN, "app" => app.to_owned()).set(open);
    }

    /// A device is paged.
    pub(crate) fn paged(&self, how: PageHow) {
        counter!(PAGES, "how" => how.as_str()).increment(1);
    }

    /// A run of a call-out ended.
    pub(crate) fn asked(&self, app: &str, result: CalloutResult) {
        counter!(CALLOUTS, "app" => app.to_owned(), "result" => result.as_str()).increment(1);
    }

    /// A table that Live Activities follow was read, or not.
    pub(crate) fn source_read(&self, table: &FollowedTable, result: &'static str) {
        counter!(SOURCE_READINGS, "app" => table.app.clone(), "source" => table.name.clone(), "result" => result)
            .increment(1);
    }

    /// So many of its rows could not be followed.
    pub(crate) fn source_bad_rows(&self, table: &FollowedTable, count: u64) {
        gauge!(SOURCE_BAD_ROWS, "app" => table.app.clone(), "source" => table.name.clone())
            .set(count as f64);
    }

    /// How webhook endpoints are.
    pub(crate) fn webhooks(&self, directory: &Directory, rows: &[EndpointRow]) {
        for row in rows {
            let (Some(app), Some(endpoint)) =
                (directory.app_by_no(row.app), directory.webhook(row.no))
            else {
                continue;
            };
            let labels = [("app", app.id.clone()), ("endpoint", endpoint.name.clone())];
            let is_failing = !row.is_enabled() || row.health.failures > 0;
            gauge!(WEBHOOK_QUEUED, &labels).set(row.queued as f64);
            gauge!(WEBHOOK_FAILING, &labels).set(f64::from(u8::from(is_failing)));
        }
    }

    /// It was time for a heartbeat to the outside.
    pub(crate) fn outside_beat(&self, result: &'static str) {
        counter!(HEARTBEATS_POSTED, "result" => result).increment(1);
    }

    pub(crate) fn part_panicked(&self, part: &'static str) {
        counter!(PANICS, "part" => part).increment(1);
    }
}

/// A reason as a label: Apple's are words of letters; anything else is `other`.
fn bounded(reason: &str) -> String {
    let is_word = reason.len() <= 40
        && reason
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { reason } else { "other" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn labels_are_words() {
        assert_eq!(bounded("BadDeviceToken"), "BadDeviceToken");
        assert_eq!(bounded(""), "");
        assert_eq!(bounded("Service Unavailable <html>"), "other");
    }
}
