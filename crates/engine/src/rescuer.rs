//! The Rescuer: frees what processes held when they died, in slices: once when it begins, and again
//! whenever one of those who share the store is gone.
//! What may have been written is recorded as in doubt by the store; the rest is simply due.

use crate::dispatch::pause_ms;
use crate::moment::ms;
use crate::service::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    while sweep(&shared).await {
        shared.hub.bells.rescue.notified().await;
    }
}

/// Goes through all there is. `false`: nothing can be done any more.
async fn sweep(shared: &Shared) -> bool {
    let config = &shared.hub.parts.config;
    let store = &shared.hub.parts.store;
    let mut after = None;
    let mut refusals = 0;
    loop {
        if shared.hub.is_stopping() {
            return false;
        }
        let now = shared.hub.parts.clock.now();
        match store.rescue(after, config.rescue_slice, now).await {
            Ok(None) => {
                shared.hub.tell();
                shared.hub.is_rescued.store(true, Relaxed);
                shared.hub.bells.dispatch.notify_one();
                return true;
            }
            Ok(last) => {
                shared.hub.tell();
                after = last;
                refusals = 0;
                tokio::task::yield_now().await;
            }
            Err(error) => {
                if !shared.hub.store_refused("rescuing", &error) {
                    return false;
                }
                refusals += 1;
                let pause = pause_ms(config.store_retry_max_ms, refusals);
                tokio::time::sleep(ms(pause)).await;
            }
        }
    }
}
