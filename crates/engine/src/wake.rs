//! Wake-ups between processes: who has written something for others to do tells them to look at once.
//!
//! A wake-up says nothing but "look"; what there is to do stands in the store. One that is lost, or that nobody could
//! send, costs what is left until the next look.

use crate::hub::Hub;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::role::Role;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Sends a wake-up to each of these addresses. Neither waits nor fails: a wake-up may be lost.
pub type WakeUp = Arc<dyn Fn(&[String]) + Send + Sync>;

impl Hub {
    /// There is something in the store that another process is to do.
    pub(crate) fn wake_others(&self) {
        if self.parts.instances.wake_up.is_some() {
            self.bells.others.notify_one();
        }
    }

    /// There is something to do for who leads a role.
    pub(crate) fn wake_leader(&self, role: Role) {
        if !self.peers.borrow().leads(role) {
            self.wake_others();
        }
    }

    /// Whether something is due before everybody looks anyway.
    pub(crate) fn is_soon(&self, due_at: UnixMs) -> bool {
        due_at <= self.parts.clock.now() + i64::from(self.parts.config.poll_interval_ms)
    }
}

/// Sends wake-ups, many together, until this process has left.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let Some(wake_up) = hub.parts.instances.wake_up.clone() else {
        return;
    };
    loop {
        hub.bells.others.notified().await;
        if hub.has_left.load(Relaxed) {
            return;
        }
        let addresses = hub.peers.borrow().wake_addresses();
        if !addresses.is_empty() {
            wake_up(&addresses);
        }
        tokio::time::sleep(ms(hub.parts.config.wake_pause_ms)).await;
    }
}
