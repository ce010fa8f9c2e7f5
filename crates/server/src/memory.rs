//! Memory that load has left behind goes back to the system.
//!
//! The allocator keeps what a thread's heap had at its height, and looks at what other threads have freed there only
//! when the thread allocates again: a server that became quiet would keep the memory of its busiest second.

#![expect(
    unsafe_code,
    reason = "the allocator's own function has no safe face; it takes no pointer and may be called at any time"
)]

use carillon_ports::upkeep::Upkeep;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often a worker looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// For the workers of a runtime with several threads, which have no task of their own to run it: whenever one of them
/// goes idle, at most once a second.
pub(crate) fn on_park() {
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let now = Instant::now();
    let is_time = LAST
        .get()
        .is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
    if is_time {
        LAST.set(Some(now));
        UPKEEP.once();
    }
}

/// Gives back what the calling thread does not need.
pub(crate) const UPKEEP: Upkeep = Upkeep::new(|| {
    // SAFETY: has no argument that could be wrong, and works on the calling thread's own heap.
    unsafe { libmimalloc_sys::mi_collect(true) };
});
