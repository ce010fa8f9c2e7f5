//! What all parts share: ports, settings, the snapshot of the directory, the inboxes of the dispatcher
//! and the bells that wake the parts. Holds no work.

use crate::asking::{Asking, Place};
use crate::callout::Errand;
use crate::clerk::Counter;
use crate::directory::{Directory, Template};
use crate::engine::Parts;
use crate::gauge::Gauges;
use crate::job::Incoming;
use crate::metrics::Meters;
use crate::moment::Moment;
use crate::peers::Peers;
use crate::source::Readings;
use crate::status::CredentialProblem;
use crate::trouble::Elsewhere;
use crate::watch::Watching;
use arc_swap::ArcSwap;
use carillon_model::UnixMs;
use carillon_model::id::DefinitionNo;
use carillon_model::role::Role;
use carillon_ports::gateway::{PoolId, PushOutcome};
use carillon_ports::store::StoreError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// See the module's words.
pub(crate) struct Hub {
    pub(crate) parts: Parts,
    pub(crate) seed: u128,
    pub(crate) runtime: Handle,
    pub(crate) directory: ArcSwap<Directory>,
    /// The number that the store had when it was read, or a later one: where others change it, too.
    pub(crate) directory_no: AtomicI64,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) inbox: Inbox,
    pub(crate) bells: Bells,
    pub(crate) meters: Meters,
    /// Who shares the store.
    pub(crate) peers: watch::Sender<Peers>,
    /// Trouble that others have.
    pub(crate) elsewhere: Mutex<Elsewhere>,
    /// What is wrong with files of credentials that this process follows.
    pub(crate) credential_problems: Mutex<Vec<CredentialProblem>>,
    /// See [`Hub::is_counted_on`].
    pub(crate) counted_until: Mutex<Instant>,
    /// This process is not one of those who share the store any more.
    pub(crate) has_left: AtomicBool,
    pub(crate) is_stopping: AtomicBool,
    pub(crate) is_rescued: AtomicBool,
    /// Versions of templates that were replaced while notifications of them are still sent.
    pub(crate) older_templates: Mutex<HashMap<(DefinitionNo, u32), Template>>,
    pub(crate) fanouts: AtomicU32,
    /// Until when the Scheduler sleeps at most; what is set while it looks always wakes it.
    pub(crate) timers_sleep_until: AtomicI64,
    pub(crate) is_scheduler_paused: AtomicBool,
    pub(crate) failed: watch::Sender<Option<String>>,
    /// Questions of call-outs that are being asked.
    pub(crate) asking: Asking,
    /// Those that are to be asked now: as many as there are places at most.
    pub(crate) errands: Mutex<Vec<(Errand, Place)>>,
    /// Sources that are being read.
    pub(crate) readings: Readings,
    /// Where receipts are brought to.
    pub(crate) receipts: Counter,
    /// What the parts that watch share.
    pub(crate) watching: Watching,
    /// Counts how often events may have been written: for those who follow them.
    pub(crate) told: watch::Sender<u64>,
}

/// What others put in for the dispatcher. Bounded by those who put it there: hot work by what was
/// reserved in the gauges, outcomes by the pools' windows.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) hot: Mutex<Vec<Incoming>>,
    pub(crate) outcomes: Mutex<Vec<(PoolId, Vec<PushOutcome>)>>,
}

/// Wakes the parts.
#[derive(Default)]
pub(crate) struct Bells {
    pub(crate) dispatch: Notify,
    pub(crate) settle: Notify,
    /// The dispatcher or settle made a step: for those who wait until something is over.
    pub(crate) moved: Notify,
    /// Lanes have room again: for those who wait to put something in.
    pub(crate) room: Notify,
    pub(crate) fanout: Notify,
    pub(crate) prune: Notify,
    pub(crate) rescue: Notify,
    pub(crate) digests: Notify,
    pub(crate) timers: Notify,
    pub(crate) errands: Notify,
    /// A channel of a Live Activity is to be looked after.
    pub(crate) channels: Notify,
    /// A monitor is to be checked at another time.
    pub(crate) checks: Notify,
    /// Another process says that there is something to look at.
    pub(crate) look: Notify,
    /// There is something for other processes.
    pub(crate) others: Notify,
}

impl Hub {
    pub(crate) fn moment(&self) -> Moment {
        Moment::read(&*self.parts.clock)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }

    /// Events may have been written: whoever follows them looks.
    pub(crate) fn tell(&self) {
        self.told
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// A timer is on disk that is due then: wakes the Scheduler if it means to sleep longer.
    pub(crate) fn timer_set(&self, due_at: UnixMs) {
        if due_at < self.timers_sleep_until.load(Relaxed) {
            self.bells.timers.notify_one();
        }
        if self.is_soon(due_at) {
            self.wake_leader(Role::Scheduler);
        }
    }

    /// The engine cannot go on: tell the process, once.
    pub(crate) fn fail(&self, sentence: String) {
        self.failed.send_if_modified(|failed| {
            if failed.is_some() {
                return false;
            }
            tracing::error!("the engine cannot go on: {sentence}");
            *failed = Some(sentence);
            true
        });
    }

    /// The store refused. Says whether trying again makes sense; if not, the process is told.
    pub(crate) fn store_refused(&self, what: &str, error: &StoreError) -> bool {
        match error {
            StoreError::DiskFull => {
                self.bells.prune.notify_one();
                true
            }
            StoreError::Busy | StoreError::Overloaded | StoreError::Away(_) => true,
            StoreError::Closed if self.is_stopping() => false,
            StoreError::Corrupt(_) | StoreError::Failed(_) | StoreError::Closed => {
                self.fail(format!("{what}: {error}"));
                false
            }
        }
    }
}

/// Tells the process when the part that holds it dies by a panic: it held work, and what it left
/// behind cannot be trusted. A new start rescues.
pub(crate) struct Vital {
    pub(crate) hub: Arc<Hub>,
    pub(crate) part: &'static str,
}

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.hub.meters.part_panicked(self.part);
            self.hub.fail(format!("{} panicked", self.part));
        }
    }
}
