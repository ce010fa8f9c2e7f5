//! Every deadline and bound of the engine, named, with its default. The server reads them from its
//! file; nothing here is read again while running.

use crate::self_watch::SelfWatch;
use crate::watch::WatchConfig;
use carillon_model::live_activity::Rules;
use serde::Deserialize;

/// Settings of the engine. Times are in milliseconds, memory in bytes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    // --- intake ---
    /// How long an idempotency key is kept.
    pub idempotency_keep_ms: i64,
    /// Most devices of one user that a notification goes to.
    pub max_devices_per_user: usize,
    /// What a caller is told to wait when the store's queue is full.
    pub overload_retry_after_ms: u32,

    /// How long a call waits for room in a lane that sends but is full, before its work is left in the
    /// store to be claimed again; 0: not at all.
    pub intake_patience_ms: u32,

    // --- lanes ---
    /// A lane keeps about so much time's worth of sending in memory; the rest waits in the store.
    pub lane_horizon_ms: u32,
    /// Deliveries of each class that a lane may always keep in memory, however slow it is.
    pub lane_min_deliveries: u32,
    /// Most deliveries of each class that a lane keeps in memory.
    pub lane_max_deliveries: u32,
    /// Deliveries that a lane keeps in memory while its breaker is open: enough to probe with.
    pub lane_blocked_deliveries: u32,
    /// Most deliveries in memory over all lanes. A lane with less than `lane_floor_deliveries` is let
    /// in all the same, so that a busy App does not shut out a quiet one.
    pub total_deliveries: u32,
    /// See `total_deliveries`.
    pub lane_floor_deliveries: u32,
    /// Most bytes of payloads and device lists in memory over all lanes.
    pub total_bytes: usize,

    // --- dispatch ---
    /// Deliveries that one App of weight 1 gets in its turn.
    pub quantum: u32,
    /// Most deliveries whose push tokens are read in one call.
    pub load_deliveries: u32,
    /// Most such calls at once.
    pub max_loads: u32,
    /// How often the store is asked for due work besides wake-ups.
    pub poll_interval_ms: u32,
    /// How often the store is asked for the age of the oldest that waits there.
    pub backlog_interval_ms: u32,
    /// Most batches of one claim.
    pub claim_batches: u32,
    /// Most deliveries of one claim, about.
    pub claim_deliveries: u32,
    /// Most claims at once.
    pub max_claims: u32,
    /// After so many `NotSent` in a row a delivery backs off like after a refusal, and the attempt is
    /// counted.
    pub max_not_sent: u8,
    /// Longest pause after the store refused a read, a claim or a settle; the first is a 50th of it.
    pub store_retry_max_ms: u32,

    // --- breaker ---
    /// While a pool's breaker is open, a waiting delivery tries it this often.
    pub probe_interval_ms: u32,
    /// Most probes of one pool that may be unanswered at once.
    pub max_probes: u32,
    /// A gateway's `Retry-After` delays a probe at most so long.
    pub max_retry_after_ms: u32,

    // --- environment repair ---
    /// Push tokens of unknown environment that are tried in a second, for each credential and
    /// environment.
    pub probing_per_second: u32,
    /// So many `BadDeviceToken` for declared environments within `flood_window_ms` are a flood: an
    /// event is raised, and no push token is retired for it.
    pub flood_count: u32,
    /// See `flood_count`. A push token refused as `BadDeviceToken` is retired only after this time,
    /// when no flood came up meanwhile.
    pub flood_window_ms: u32,

    // --- settle ---
    /// How often the progress of a large batch is written in its life.
    pub flushes_per_batch: u16,
    /// Longest time that an outcome stays only in memory while its batch goes on.
    pub max_flush_delay_ms: u32,
    /// Most deliveries settled in one transaction.
    pub settle_deliveries: u32,
    /// So many unsettled outcomes stop dispatch until the store catches up.
    pub max_unsettled: u32,
    /// How long, after a delivery became in doubt, a late answer to it is still expected.
    pub late_answer_ms: u32,
    /// Most deliveries in doubt of which a late answer is expected.
    pub max_doubts: u32,

    // --- cancel ---
    /// How long a cancel waits for the answers of what is being sent before it says `cancelling`.
    pub cancel_wait_ms: u32,
    /// How long a cancelled notification's work that surfaces late is still recognised without asking
    /// the store.
    pub cancel_memory_ms: u32,

    // --- fan-out, rescue, pruning ---
    /// Devices of one page of a fan-out; at most 1,000.
    pub fanout_page: u32,
    /// Devices that are asked at once whether a segment or a `tags` target means them.
    pub fanout_scan: u32,
    /// How many times that for one page, when few are meant.
    pub fanout_scans: u32,
    /// How often unfinished fan-outs are looked for besides wake-ups.
    pub fanout_interval_ms: u32,
    /// Devices of a campaign's audience that are written down in one step.
    pub campaign_gather: u32,
    /// How long before the first clocks anywhere show its time a campaign by local time begins.
    pub campaign_lead_ms: u32,
    /// How long a pause waits for what is being sent before it answers how much that is.
    pub pause_wait_ms: u32,
    /// Work rows of a dead process that are freed in one slice.
    pub rescue_slice: u32,
    /// Content of a notification is kept so long after its last delivery is final.
    pub content_retention_ms: i64,
    /// Records are kept so long after the last delivery is final.
    pub record_retention_ms: i64,
    /// How often the pruner looks for something to delete.
    pub prune_interval_ms: u32,
    /// Notifications that the pruner looks at in one slice.
    pub prune_slice: u32,
    /// How often a slice of the device → batch index is filled.
    pub index_interval_ms: u32,
    /// Rows of such a slice: what is written meanwhile waits for it. While something is being sent there are at
    /// most ten slices in each interval.
    pub index_slice: u32,

    // --- processes that share a store ---
    /// How often a process shows that it lives.
    pub heartbeat_ms: u32,
    /// A process that did not for so long is given up by the others.
    pub instance_timeout_ms: u32,

    /// Least time between two wake-ups of others, and between two looks at what they did.
    pub wake_pause_ms: u32,

    // --- timers ---
    /// Timers that are read at once.
    pub timer_round: u32,
    /// Most of them that belong to one App, and are fired together.
    pub timer_share: u32,
    /// With so many bytes of what they say no more are read at once.
    pub timer_round_bytes: u64,
    /// How often a timer that cannot fire is tried before it is set aside.
    pub timer_tries: u16,
    /// Pause after its first try; doubles with each.
    pub timer_backoff_ms: u32,
    /// Longest such pause.
    pub timer_backoff_max_ms: u32,
    /// A timer that fires late by at most so long was not missed.
    pub timer_grace_ms: i64,
    /// What holds for every Live Activity.
    pub live_activities: Rules,
    /// Monitors.
    pub monitors: WatchConfig,
    /// How far ahead a notification may be sent.
    pub send_ahead_max_ms: i64,
    /// How the server watches itself.
    #[serde(skip)]
    pub self_watch: SelfWatch,

    // --- telling ---
    /// Calls to one webhook endpoint that run at once, while it answers.
    pub webhook_concurrency: u32,
    /// Calls to all webhook endpoints that run at once. Those that fail get at most half of them.
    pub webhook_calls: u32,
    /// Events that may wait for one webhook endpoint; with more it is disabled.
    pub webhook_max_queued: u32,
    /// How often events and what is due are looked for besides wake-ups.
    pub webhook_poll_ms: u32,
    /// Least time between two looks, so that many events are taken together.
    pub webhook_pause_ms: u32,
    /// How long a receipt waits for others to be written down with it.
    pub receipt_pause_ms: u32,

    // --- call-outs ---
    /// Questions of one App that are asked at once.
    pub callout_concurrency: u32,
    /// Questions of all Apps that are asked at once.
    pub callout_calls: u32,
    /// How long what has to wait for its turn is left alone.
    pub callout_pause_ms: u32,
    /// How often asking begins for one run, which is more than once only after a crash, before it fails.
    pub callout_begins: u16,

    // --- segments ---
    /// About how many devices an estimate asks. An App that has no more is counted whole.
    pub segment_sample: u32,
    /// In how many places of the App's devices.
    pub segment_places: u32,
    /// About how many devices are looked at for the names of attributes.
    pub segment_names_sample: u32,
    /// Devices that an exact count looks at in one slice.
    pub segment_slice: u32,
    /// After so long an exact count answers with how far it came, to be continued.
    pub segment_count_ms: u32,

    // --- lists ---
    /// Most devices of one list.
    pub list_devices: u32,
    /// Most lists of one App.
    pub lists_per_app: u32,
    /// How long the devices of a list are kept after another upload took its name, at least; also those of an
    /// upload that broke off.
    pub list_grace_ms: i64,

    // --- sources ---
    /// Most sources that are read at once, for campaigns that begin.
    pub source_readings: u32,
    /// A source that cannot be read for a while is tried so often; then its campaign halts.
    pub source_tries: u32,
    /// Pause before it is tried again.
    pub source_pause_ms: u32,

    // --- supervision ---
    /// A part that panicked is started again after this time.
    pub restart_delay_ms: u32,
    /// How long a credential's former pool may finish what it has when the credential changes.
    pub drain_ms: u32,
}

/// The most that `intake_patience_ms` may be.
const MAX_PATIENCE_MS: u32 = 1_000;

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            idempotency_keep_ms: 86_400_000,
            max_devices_per_user: 1_000,
            overload_retry_after_ms: 1_000,
            intake_patience_ms: 100,
            lane_horizon_ms: 200,
            lane_min_deliveries: 2_000,
            lane_max_deliveries: 20_000,
            lane_blocked_deliveries: 64,
            total_deliveries: 60_000,
            lane_floor_deliveries: 256,
            total_bytes: 48 << 20,
            quantum: 64,
            load_deliveries: 1_024,
            max_loads: 4,
            poll_interval_ms: 250,
            backlog_interval_ms: 5_000,
            claim_batches: 256,
            claim_deliveries: 8_000,
            max_claims: 8,
            max_not_sent: 16,
            store_retry_max_ms: 5_000,
            probe_interval_ms: 1_000,
            max_probes: 4,
            max_retry_after_ms: 60_000,
            probing_per_second: 200,
            flood_count: 100,
            flood_window_ms: 10_000,
            flushes_per_batch: 6,
            max_flush_delay_ms: 1_000,
            settle_deliveries: 8_000,
            max_unsettled: 40_000,
            late_answer_ms: 60_000,
            max_doubts: 50_000,
            cancel_wait_ms: 2_000,
            cancel_memory_ms: 60_000,
            fanout_page: 1_000,
            fanout_scan: 5_000,
            fanout_scans: 20,
            fanout_interval_ms: 1_000,
            campaign_gather: 10_000,
            campaign_lead_ms: 600_000,
            pause_wait_ms: 800,
            rescue_slice: 500,
            content_retention_ms: 7 * 86_400_000,
            record_retention_ms: 30 * 86_400_000,
            prune_interval_ms: 60_000,
            prune_slice: 500,
            index_interval_ms: 1_000,
            index_slice: 500,
            heartbeat_ms: 1_000,
            instance_timeout_ms: 3_000,
            wake_pause_ms: 10,
            timer_round: 2_000,
            timer_share: 500,
            timer_round_bytes: 16 << 20,
            timer_tries: 8,
            timer_backoff_ms: 1_000,
            timer_backoff_max_ms: 600_000,
            timer_grace_ms: 60_000,
            live_activities: Rules::default(),
            monitors: WatchConfig::default(),
            send_ahead_max_ms: 366 * 86_400_000,
            self_watch: SelfWatch::default(),
            webhook_concurrency: 4,
            webhook_calls: 64,
            callout_concurrency: 4,
            callout_calls: 32,
            callout_pause_ms: 1_000,
            callout_begins: 5,
            webhook_max_queued: 100_000,
            webhook_poll_ms: 1_000,
            webhook_pause_ms: 10,
            receipt_pause_ms: 100,
            segment_sample: 20_000,
            segment_places: 2_000,
            segment_names_sample: 2_000,
            segment_slice: 20_000,
            segment_count_ms: 10_000,
            list_devices: 10_000_000,
            lists_per_app: 100,
            list_grace_ms: 3_600_000,
            source_readings: 4,
            source_tries: 5,
            source_pause_ms: 30_000,
            restart_delay_ms: 100,
            drain_ms: 10_000,
        }
    }
}

impl EngineConfig {
    /// The first setting that cannot work: its name, and a sentence with what was expected.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let positive = [
            ("lane_min_deliveries", self.lane_min_deliveries),
            ("lane_blocked_deliveries", self.lane_blocked_deliveries),
            ("total_deliveries", self.total_deliveries),
            ("quantum", self.quantum),
            ("load_deliveries", self.load_deliveries),
            ("max_loads", self.max_loads),
            ("poll_interval_ms", self.poll_interval_ms),
            ("backlog_interval_ms", self.backlog_interval_ms),
            ("claim_batches", self.claim_batches),
            ("claim_deliveries", self.claim_deliveries),
            ("max_claims", self.max_claims),
            ("store_retry_max_ms", self.store_retry_max_ms),
            ("probe_interval_ms", self.probe_interval_ms),
            ("max_probes", self.max_probes),
            ("probing_per_second", self.probing_per_second),
            ("flood_count", self.flood_count),
            ("settle_deliveries", self.settle_deliveries),
            ("max_unsettled", self.max_unsettled),
            ("fanout_page", self.fanout_page),
            ("fanout_scan", self.fanout_scan),
            ("fanout_scans", self.fanout_scans),
            ("fanout_interval_ms", self.fanout_interval_ms),
            ("campaign_gather", self.campaign_gather),
            ("campaign_lead_ms", self.campaign_lead_ms),
            ("pause_wait_ms", self.pause_wait_ms),
            ("segment_sample", self.segment_sample),
            ("segment_places", self.segment_places),
            ("segment_names_sample", self.segment_names_sample),
            ("segment_slice", self.segment_slice),
            ("segment_count_ms", self.segment_count_ms),
            ("list_devices", self.list_devices),
            ("lists_per_app", self.lists_per_app),
            ("source_readings", self.source_readings),
            ("source_tries", self.source_tries),
            ("source_pause_ms", self.source_pause_ms),
            ("rescue_slice", self.rescue_slice),
            ("prune_interval_ms", self.prune_interval_ms),
            ("prune_slice", self.prune_slice),
            ("index_interval_ms", self.index_interval_ms),
            ("index_slice", self.index_slice),
            ("heartbeat_ms", self.heartbeat_ms),
            ("wake_pause_ms", self.wake_pause_ms),
            ("timer_round", self.timer_round),
            ("timer_share", self.timer_share),
            ("timer_tries", self.timer_tries.into()),
            ("timer_backoff_ms", self.timer_backoff_ms),
            ("webhook_concurrency", self.webhook_concurrency),
            ("webhook_calls", self.webhook_calls),
            ("callout_concurrency", self.callout_concurrency),
            ("callout_calls", self.callout_calls),
            ("callout_pause_ms", self.callout_pause_ms),
            ("callout_begins", self.callout_begins.into()),
            ("webhook_max_queued", self.webhook_max_queued),
            ("webhook_poll_ms", self.webhook_poll_ms),
            ("flushes_per_batch", self.flushes_per_batch.into()),
            ("max_not_sent", self.max_not_sent.into()),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err((name, "expected at least 1, found 0".into()));
        }
        if self.timer_round_bytes == 0 {
            return Err(("timer_round_bytes", "expected at least 1, found 0".into()));
        }
        if self.intake_patience_ms > MAX_PATIENCE_MS {
            return Err((
                "intake_patience_ms",
                format!(
                    "expected at most {MAX_PATIENCE_MS} ms, found {}: a caller is not to wait longer for nothing but speed",
                    self.intake_patience_ms
                ),
            ));
        }
        if self.lane_max_deliveries < self.lane_min_deliveries {
            return Err((
                "lane_max_deliveries",
                format!(
                    "expected at least lane_min_deliveries ({}), found {}",
                    self.lane_min_deliveries, self.lane_max_deliveries
                ),
            ));
        }
        if self.instance_timeout_ms < self.heartbeat_ms.saturating_mul(2) {
            return Err((
                "instance_timeout_ms",
                format!(
                    "expected at least twice heartbeat_ms ({}), found {}: one heartbeat that is late must not end a process",
                    self.heartbeat_ms, self.instance_timeout_ms
                ),
            ));
        }
        if self.fanout_page as usize > carillon_model::batch::MAX_BATCH {
            return Err((
                "fanout_page",
                format!("expected at most 1000, found {}", self.fanout_page),
            ));
        }
        if self.timer_grace_ms < 0 || self.send_ahead_max_ms < 0 {
            let is_grace = self.timer_grace_ms < 0;
            let name = if is_grace {
                "timer_grace_ms"
            } else {
                "send_ahead_max_ms"
            };
            return Err((name, "expected 0 or more".into()));
        }
        if self.content_retention_ms < 0 || self.record_retention_ms < self.content_retention_ms {
            return Err((
                "record_retention_ms",
                "expected records to be kept at least as long as content".into(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_work_and_nonsense_is_named() {
        assert_eq!(EngineConfig::default().check(), Ok(()));
        let zero = EngineConfig {
            quantum: 0,
            ..EngineConfig::default()
        };
        assert_eq!(zero.check().unwrap_err().0, "quantum");
        let patient = EngineConfig {
            intake_patience_ms: 1_001,
            ..EngineConfig::default()
        };
        assert_eq!(patient.check().unwrap_err().0, "intake_patience_ms");
        let upside_down = EngineConfig {
            lane_max_deliveries: 1,
            ..EngineConfig::default()
        };
        assert_eq!(upside_down.check().unwrap_err().0, "lane_max_deliveries");
        assert!(serde_json::from_str::<EngineConfig>(r#"{"colour":1}"#).is_err());
        let one: EngineConfig = serde_json::from_str(r#"{"quantum":7}"#).unwrap();
        assert_eq!(one.quantum, 7);
    }
}
