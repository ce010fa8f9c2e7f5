//! The three books, and what stands beside them: the lives of the process and the faults that happened.
//!
//! Books hold facts and no judgement: the laws judge. All instants are microseconds since the Unix epoch by this
//! computer's clock, which the program, the simulator and the accountant share.

pub(crate) mod accepted;
pub(crate) mod activities;
pub(crate) mod campaigns;
pub(crate) mod events;
pub(crate) mod later;
pub(crate) mod monitors;
pub(crate) mod received;
pub(crate) mod stored;
pub(crate) mod story;
pub(crate) mod webhooks;

use std::collections::BTreeMap;

use accepted::{Address, AppEntry, Asked, DeviceEntry, Gateway};
use activities::Activity;
use campaigns::Campaign;
use events::{Event, Telling};
use later::{ClockMove, Schedule};
use monitors::Monitor;
use received::Receipt;
use stored::{KeptNotification, KeptToken};
use webhooks::Hooks;

/// Microseconds since the Unix epoch.
pub(crate) type Micros = i64;

/// One second.
pub(crate) const SECOND: Micros = 1_000_000;

/// Everything that one run wrote down.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// The Apps; the place in the list is the App's number here.
    pub(crate) apps: Vec<AppEntry>,
    /// The devices that were registered.
    pub(crate) devices: Vec<DeviceEntry>,
    /// Every push token that was ever registered, and whose.
    pub(crate) addresses: Vec<Address>,
    /// First book: what the API accepted.
    pub(crate) asked: Vec<Asked>,
    /// First book, too: the events that it was told.
    pub(crate) events: Vec<Event>,
    /// What its triggers made of them, as far as anybody received it.
    pub(crate) tellings: Vec<Telling>,
    /// First book, too: the schedules that it was told, and in it from the second what came of them.
    pub(crate) schedules: Vec<Schedule>,
    /// First book, too: the campaigns that were asked for, and in it from the second what it says of them.
    pub(crate) campaigns: Vec<Campaign>,
    /// First book, too: the Live Activities that were declared, and in it from the others what came of them.
    pub(crate) activities: Vec<Activity>,
    /// The monitors that were defined, and in it from the others what came of them.
    pub(crate) monitors: Vec<Monitor>,
    /// How far business time was ahead, in order.
    pub(crate) clock: Vec<ClockMove>,
    /// Notifications that no request asked for and of which nobody received anything.
    pub(crate) unread: Vec<String>,
    /// Second book: what the store says at the end, in the order of `asked`; `None`: it knows no such notification.
    pub(crate) kept: Vec<Option<KeptNotification>>,
    /// Notifications of which the store knows and the first book does not.
    pub(crate) strangers: Vec<String>,
    /// What the store says of push tokens at the end.
    pub(crate) tokens: Vec<KeptToken>,
    /// Third book: what the simulator received, sorted by [`Books::close`].
    pub(crate) receipts: Vec<Receipt>,
    /// What webhook endpoints were told.
    pub(crate) hooks: Hooks,
    /// Every life of the process.
    pub(crate) lives: Vec<Life>,
    /// Sent through healthy lanes while another App, or another gateway, was in trouble.
    pub(crate) neighbours: Vec<Probe>,
    /// Sent through a lane after its fault had ended.
    pub(crate) recoveries: Vec<Probe>,
    /// How often each kind of fault really happened.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// How late things were noticed at worst: what happened just before an instant may be written down so much after it.
    pub(crate) slack: Micros,
}

/// One life of the process.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// From start to ready.
    pub(crate) ready_after: Micros,
    /// Largest resident size, in KiB (`VmHWM`).
    pub(crate) peak_kib: u64,
    /// How it ended.
    pub(crate) ending: String,
}

/// A notification sent to see whether a lane works.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// The fault that is (or was) there.
    pub(crate) fault: &'static str,
    /// The App it was sent through.
    pub(crate) app: usize,
    /// To a device of this gateway.
    pub(crate) gateway: Gateway,
    /// From the question (or from the fault's end) to the gateway's 200; `None`: never, within the deadline.
    pub(crate) took: Option<Micros>,
    /// Whether hardly anything else was asked of its lane meanwhile.
    pub(crate) is_alone: bool,
}

impl Books {
    /// Sorts what is looked up later. To be called once, when nothing more is written.
    pub(crate) fn close(&mut self) {
        let addresses = &self.addresses;
        self.receipts.sort_by_key(|receipt| {
            let device = addresses[receipt.address as usize].device;
            (receipt.asked, device, receipt.at, receipt.seq)
        });
        for kept in self.kept.iter_mut().flatten() {
            kept.deliveries.sort_by_key(|delivery| delivery.device);
        }
    }

    /// The App's first device that is reached through a gateway.
    pub(crate) fn first_device(&self, app: u32, gateway: Gateway) -> Option<u32> {
        let is_it = |device: &DeviceEntry| {
            let mut addresses = device.addresses.iter();
            device.app == app
                && addresses.any(|address| self.addresses[*address as usize].gateway == gateway)
        };
        let place = self.devices.iter().position(is_it)?;
        u32::try_from(place).ok()
    }

    /// Business time at an instant of this computer's clock.
    pub(crate) fn business(&self, at: Micros) -> Micros {
        let so_far = self.clock.partition_point(|step| step.at <= at);
        let last = so_far.checked_sub(1).map(|last| self.clock[last]);
        at + last.map_or(0, |last| last.ahead)
    }

    pub(crate) fn device_of(&self, receipt: &Receipt) -> u32 {
        self.addresses[receipt.address as usize].device
    }
}
