//! Where something is brought for one part of the engine to take up. It has only so much room: whoever finds none is told so
//! at once.

use tokio::sync::{Mutex, MutexGuard, mpsc};

/// At most `ROOM` of what was brought wait in it.
pub(crate) struct Tray<T, const ROOM: usize> {
    bring: mpsc::Sender<T>,
    /// Outlives a part that panics.
    waiting: Mutex<mpsc::Receiver<T>>,
}

impl<T, const ROOM: usize> Default for Tray<T, ROOM> {
    fn default() -> Self {
        let (bring, waiting) = mpsc::channel(ROOM);
        Self {
            bring,
            waiting: Mutex::new(waiting),
        }
    }
}

impl<T, const ROOM: usize> Tray<T, ROOM> {
    /// Whether there was room for it.
    #[must_use]
    pub(crate) fn try_bring(&self, one: T) -> bool {
        self.bring.try_send(one).is_ok()
    }

    /// What waits, for the one part that takes it up.
    pub(crate) async fn waiting(&self) -> MutexGuard<'_, mpsc::Receiver<T>> {
        self.waiting.lock().await
    }
}
