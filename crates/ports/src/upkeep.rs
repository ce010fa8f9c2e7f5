//! What every thread does now and then, whatever else it does.

use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// Called about once a second on each thread that a crate makes for itself. The process hands it in: what it is
/// for (an allocator that wants to be asked for memory by the thread that has it) is nobody else's business.
///
/// ```
/// use carillon_ports::upkeep::Upkeep;
///
/// let upkeep = Upkeep::new(|| {});
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// tokio::select! {
///     never = upkeep.run() => never,
///     () = async { /* the thread's own work */ } => {}
/// }
/// # });
/// ```
#[derive(Clone, Copy)]
pub struct Upkeep(fn());

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upkeep")
    }
}

impl Upkeep {
    /// Nothing to do.
    pub const NONE: Self = Self(|| {});

    /// Calls `f`, which must be quick: the thread does nothing else meanwhile.
    #[must_use]
    pub const fn new(f: fn()) -> Self {
        Self(f)
    }

    /// Once, on the calling thread: for a thread without a runtime that has nothing to do.
    pub fn once(self) {
        (self.0)();
    }

    /// Runs until it is dropped.
    pub async fn run(self) -> ! {
        let mut tick = interval(INTERVAL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.once();
        }
    }
}
