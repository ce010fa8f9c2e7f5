//! Memory that load has left behind goes back to the system.
//!
//! The allocator keeps what a thread's heap had at its height, and looks at what other threads have freed there only
//! when the thread allocates again: a server that became quiet would keep the memory of its busiest second.

#![expect(
    unsafe_code,
    reason = "the allocator's own function has no safe face; it takes no pointer and may be called at any time"
)]

use carillon_ports::upkeep::Upkeep;

/// Gives back what the calling thread does not need.
pub(crate) const UPKEEP: Upkeep = Upkeep::new(|| {
    // SAFETY: has no argument that could be wrong, and works on the calling thread's own heap.
    unsafe { libmimalloc_sys::mi_collect(true) };
});
