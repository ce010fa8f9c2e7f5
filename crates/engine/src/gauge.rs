//! How much work each lane has in memory and how much more may come: shared by intake, which reserves
//! room before the commit, and dispatch, which frees it.
//!
//! Also remembers in which lanes and classes the store has work, because hot work must not overtake
//! it. Holds counts only; the work itself is in `core`.

use crate::config::EngineConfig;
use carillon_model::lane::{Class, Lane};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Counts of one lane.
#[derive(Debug)]
pub(crate) struct LaneGauge {
    /// Deliveries in memory, or about to come, by class.
    held: [AtomicU32; 3],
    /// Most of each class that may be: a crowd does not take the room of a single push.
    room: AtomicU32,
    /// Whether it may be expected to send what it has room for within a second.
    is_sending: AtomicBool,
    /// For each class: rises whenever work was put into the store, 0 when there is none. At least the
    /// deliveries that callers put there, who were refused room.
    stored: [AtomicU32; 3],
    /// Whether others than callers put work there: nobody knows how much that is.
    has_more_stored: [AtomicBool; 3],
}

impl LaneGauge {
    pub(crate) fn held(&self, class: Class) -> u32 {
        self.held[usize::from(class.code())].load(Relaxed)
    }

    pub(crate) fn set_room(&self, room: u32, is_sending: bool) {
        self.room.store(room, Relaxed);
        self.is_sending.store(is_sending, Relaxed);
    }

    /// Work of this class is in the store: a fan-out's, or what was given back, or what a look found.
    pub(crate) fn mark_stored(&self, class: Class) {
        let at = usize::from(class.code());
        if self.stored[at].fetch_add(1, Relaxed) == 0 {
            self.has_more_stored[at].store(true, Relaxed);
        }
    }

    /// A fan-out puts work of this class into the store, however much.
    pub(crate) fn mark_crowd(&self, class: Class) {
        self.mark_stored(class);
        self.has_more_stored[usize::from(class.code())].store(true, Relaxed);
    }

    /// Deliveries of a caller go into the store.
    pub(crate) fn mark_spilled(&self, class: Class, deliveries: u32) {
        self.stored[usize::from(class.code())].fetch_add(deliveries.max(1), Relaxed);
    }

    /// What [`Self::clear_stored`] wants to be told.
    pub(crate) fn stored(&self, class: Class) -> u32 {
        self.stored[usize::from(class.code())].load(Relaxed)
    }

    /// The store had no more of this class, unless some came since `seen`: then `false`.
    pub(crate) fn clear_stored(&self, class: Class, seen: u32) -> bool {
        let at = usize::from(class.code());
        let cleared = self.stored[at].compare_exchange(seen, 0, Relaxed, Relaxed);
        if cleared.is_ok() {
            self.has_more_stored[at].store(false, Relaxed);
        }
        cleared.is_ok()
    }

    /// Whether work of this class or a more urgent one is in the store.
    pub(crate) fn has_stored_before(&self, class: Class) -> bool {
        self.stored[..=usize::from(class.code())]
            .iter()
            .any(|stored| stored.load(Relaxed) > 0)
    }

    pub(crate) fn has_stored(&self) -> bool {
        self.has_stored_before(Class::Bulk)
    }
}

/// So many times a lane's room may be in the store without a caller being let past at once.
const STORED_ROOMS: u32 = 4;

/// Whether there is room for hot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is, and it was reserved.
    Kept,
    /// Not now, and probably in a moment.
    Soon,
    /// Not now, and not soon.
    None,
}

/// Room in memory that was reserved for work of a lane. It is free again when this is dropped, whatever became of the work.
#[derive(Debug)]
pub(crate) struct HeldRoom {
    gauges: Arc<Gauges>,
    gauge: Arc<LaneGauge>,
    class: Class,
    count: u32,
    bytes: usize,
}

impl Drop for HeldRoom {
    fn drop(&mut self) {
        self.gauges
            .free(&self.gauge, self.class, self.count, self.bytes);
    }
}

/// All lanes' counts.
#[derive(Debug)]
pub(crate) struct Gauges {
    lanes: RwLock<HashMap<Lane, Arc<LaneGauge>>>,
    deliveries: AtomicU32,
    bytes: AtomicUsize,
    is_shut: AtomicBool,
    min_room: u32,
    floor: u32,
    max_deliveries: u32,
    max_bytes: usize,
}

impl Gauges {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            lanes: RwLock::default(),
            deliveries: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
            is_shut: AtomicBool::new(false),
            min_room: config.lane_min_deliveries,
            floor: config.lane_floor_deliveries,
            max_deliveries: config.total_deliveries,
            max_bytes: config.total_bytes,
        }
    }

    pub(crate) fn lane(&self, lane: Lane) -> Arc<LaneGauge> {
        if let Some(gauge) = self.lanes.read().get(&lane) {
            return gauge.clone();
        }
        let new = || LaneGauge {
            held: Default::default(),
            room: AtomicU32::new(self.min_room),
            is_sending: AtomicBool::new(true),
            stored: Default::default(),
            has_more_stored: Default::default(),
        };
        let mut lanes = self.lanes.write();
        lanes.entry(lane).or_insert_with(|| Arc::new(new())).clone()
    }

    /// Nothing more is let in: the engine stops.
    pub(crate) fn shut(&self) {
        self.is_shut.store(true, Relaxed);
    }

    /// Reserves room for hot work, if its lane has some and the store has nothing that goes first.
    pub(crate) fn reserve_hot(
        self: &Arc<Self>,
        gauge: &Arc<LaneGauge>,
        class: Class,
        count: u32,
        bytes: usize,
    ) -> Option<HeldRoom> {
        if self.is_shut.load(Relaxed) || gauge.has_stored_before(class) {
            return None;
        }
        self.hold(gauge, class, count, bytes);
        let room = HeldRoom {
            gauges: self.clone(),
            gauge: gauge.clone(),
            class,
            count,
            bytes,
        };
        let held = gauge.held(class);
        let is_full = self.deliveries.load(Relaxed) > self.max_deliveries
            || self.bytes.load(Relaxed) > self.max_bytes;
        let has_room = held <= gauge.room.load(Relaxed) && (!is_full || held <= self.floor);
        has_room.then_some(room)
    }

    /// Keeps room for hot work of this class, or says whether it is worth waiting for some: in a lane
    /// that sends well, with no more in the store than it sends in a few seconds.
    pub(crate) fn promise(&self, gauge: &LaneGauge, class: Class, count: u32) -> Room {
        let room = gauge.room.load(Relaxed);
        if self.is_shut.load(Relaxed) || !gauge.is_sending.load(Relaxed) {
            return Room::None;
        }
        // More than half of the room would hardly ever be free at once.
        if count > room / 2 {
            return Room::None;
        }
        let upto = usize::from(class.code());
        if gauge.has_more_stored[..=upto]
            .iter()
            .any(|more| more.load(Relaxed))
        {
            return Room::None;
        }
        let stored = gauge.stored[..=upto]
            .iter()
            .fold(0u32, |sum, stored| sum.saturating_add(stored.load(Relaxed)));
        if stored > 0 {
            return if stored <= room.saturating_mul(STORED_ROOMS) {
                Room::Soon
            } else {
                Room::None
            };
        }
        self.hold(gauge, class, count, 0);
        let held = gauge.held(class);
        let is_full = self.deliveries.load(Relaxed) > self.max_deliveries
            || self.bytes.load(Relaxed) > self.max_bytes;
        if held > room || (is_full && held > self.floor) {
            self.free(gauge, class, count, 0);
            return Room::Soon;
        }
        Room::Kept
    }

    /// How many deliveries of this class may be claimed now, and reserves room for them.
    pub(crate) fn reserve_claim(&self, gauge: &LaneGauge, class: Class, most: u32) -> u32 {
        if self.is_shut.load(Relaxed) {
            return 0;
        }
        let (held, limit) = (gauge.held(class), gauge.room.load(Relaxed));
        let is_full = self.deliveries.load(Relaxed) >= self.max_deliveries
            || self.bytes.load(Relaxed) >= self.max_bytes;
        let limit = if is_full {
            limit.min(self.floor)
        } else {
            limit
        };
        // Claims come in pages, not in dribs: only when a quarter is free.
        if held > limit - limit / 4 || limit == 0 {
            return 0;
        }
        let count = (limit - held).min(most).max(1);
        self.hold(gauge, class, count, 0);
        count
    }

    /// Counts work that came in without a reservation.
    pub(crate) fn hold(&self, gauge: &LaneGauge, class: Class, count: u32, bytes: usize) {
        gauge.held[usize::from(class.code())].fetch_add(count, Relaxed);
        self.deliveries.fetch_add(count, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Work left the memory.
    pub(crate) fn free(&self, gauge: &LaneGauge, class: Class, count: u32, bytes: usize) {
        gauge.held[usize::from(class.code())].fetch_sub(count, Relaxed);
        self.deliveries.fetch_sub(count, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    pub(crate) fn held(&self) -> (u32, usize) {
        (self.deliveries.load(Relaxed), self.bytes.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::environment::TokenEnvironment;
    use carillon_model::id::AppNo;
    use carillon_model::lane::Gateway;

    fn lane(app: i64) -> Lane {
        Lane {
            app: AppNo(app),
            gateway: Gateway::Apns,
            environment: TokenEnvironment::Production,
        }
    }

    fn gauges() -> Arc<Gauges> {
        Arc::new(Gauges::new(&EngineConfig {
            lane_min_deliveries: 100,
            lane_floor_deliveries: 10,
            total_deliveries: 120,
            total_bytes: 1_000,
            ..EngineConfig::default()
        }))
    }

    #[test]
    fn each_class_has_room_of_its_own() {
        let gauges = Arc::new(Gauges::new(&EngineConfig {
            lane_min_deliveries: 100,
            ..EngineConfig::default()
        }));
        let lane = gauges.lane(lane(1));
        let mut rooms = Vec::new();
        for class in [Class::Bulk, Class::Normal, Class::Urgent] {
            rooms.extend(gauges.reserve_hot(&lane, class, 100, 0));
            assert!(gauges.reserve_hot(&lane, class, 1, 0).is_none());
            assert_eq!(lane.held(class), 100, "refusals leave no trace");
        }
        assert_eq!(gauges.held(), (300, 0));
        drop(rooms);
        assert_eq!(gauges.held(), (0, 0), "whatever became of the work");
    }

    #[test]
    fn stored_work_is_not_overtaken_by_its_equals() {
        let gauges = gauges();
        let lane = gauges.lane(lane(1));
        lane.mark_stored(Class::Normal);
        let has_room = |class| gauges.reserve_hot(&lane, class, 1, 0).is_some();
        assert!(!has_room(Class::Normal));
        assert!(!has_room(Class::Bulk));
        assert!(has_room(Class::Urgent));
        let seen = lane.stored(Class::Normal);
        lane.mark_stored(Class::Normal);
        lane.clear_stored(Class::Normal, seen);
        assert!(lane.has_stored(), "some came meanwhile");
        lane.clear_stored(Class::Normal, lane.stored(Class::Normal));
        assert!(has_room(Class::Normal));
    }

    #[test]
    fn waiting_is_for_lanes_that_send_and_have_little_in_the_store() {
        let gauges = gauges();
        let lane = gauges.lane(lane(1));
        let ask = |count| gauges.promise(&lane, Class::Normal, count);
        lane.set_room(100, false);
        assert_eq!(ask(1), Room::None, "who knows when");
        lane.set_room(100, true);
        assert_eq!(ask(51), Room::None, "more than half is never free at once");
        assert_eq!(ask(50), Room::Kept);
        assert_eq!(ask(50), Room::Kept);
        assert_eq!(ask(1), Room::Soon);
        gauges.free(&lane, Class::Normal, 100, 0);
        lane.mark_spilled(Class::Normal, 100 * STORED_ROOMS);
        lane.mark_stored(Class::Bulk);
        assert_eq!(ask(1), Room::Soon);
        lane.mark_spilled(Class::Normal, 1);
        assert_eq!(ask(1), Room::None, "that takes longer than a moment");
        lane.clear_stored(Class::Normal, lane.stored(Class::Normal));
        assert_eq!(ask(1), Room::Kept);
        lane.mark_crowd(Class::Normal);
        assert_eq!(ask(1), Room::None, "nobody knows how much");
        lane.clear_stored(Class::Normal, lane.stored(Class::Normal));
        lane.mark_stored(Class::Normal);
        assert_eq!(ask(1), Room::None, "somebody's work was found");
        lane.clear_stored(Class::Normal, lane.stored(Class::Normal));
        lane.mark_spilled(Class::Normal, 1);
        lane.mark_stored(Class::Normal);
        assert_eq!(ask(1), Room::Soon, "the callers' own work was found");
        lane.clear_stored(Class::Normal, lane.stored(Class::Normal));
        gauges.shut();
        assert_eq!(ask(1), Room::None);
        assert_eq!(lane.held(Class::Normal), 1, "refusals leave no trace");
    }

    #[test]
    fn a_busy_app_does_not_shut_out_a_quiet_one() {
        let gauges = gauges();
        let (busy, quiet) = (gauges.lane(lane(1)), gauges.lane(lane(2)));
        let all = gauges.reserve_hot(&busy, Class::Urgent, 100, 1_000);
        assert!(all.is_some());
        let floor = gauges.reserve_hot(&quiet, Class::Normal, 10, 10);
        assert!(floor.is_some(), "the floor");
        let more = || gauges.reserve_hot(&quiet, Class::Normal, 1, 10);
        assert!(more().is_none());
        assert_eq!(gauges.reserve_claim(&quiet, Class::Normal, 50), 0);
        drop(all);
        assert_eq!(gauges.reserve_claim(&quiet, Class::Normal, 50), 50);
        gauges.shut();
        assert!(gauges.reserve_hot(&quiet, Class::Urgent, 1, 0).is_none());
    }
}
