//! The Pruner: deletes what retention allows, in slices, and at once when the disk is full. Beside it
//! the filler of the device → batch index, which is not on the hot path and catches up here.

use crate::moment::ms;
use crate::service::Shared;
use carillon_ports::fault;
use carillon_ports::store::{Retention, StoreError};
use std::sync::Arc;

/// Slices of the index in one interval while something is being sent.
const BUSY_SLICES: u32 = 10;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let config = &shared.hub.parts.config;
    loop {
        tokio::select! {
            () = shared.hub.bells.prune.notified() => {}
            () = tokio::time::sleep(ms(config.prune_interval_ms)) => {}
        }
        if shared.hub.is_stopping() {
            return;
        }
        loop {
            let now = shared.hub.parts.clock.now();
            let retention = Retention {
                content_before: now - config.content_retention_ms,
                records_before: now - config.record_retention_ms,
                versions_before: now - config.record_retention_ms - config.send_ahead_max_ms,
                lists_before: now - config.list_grace_ms,
                now,
                slice: config.prune_slice,
            };
            match shared.hub.parts.store.prune(retention).await {
                Ok(0) => break,
                Ok(rows) => {
                    fault::stage("prune.slice_committed");
                    shared.hub.meters.pruned(rows);
                }
                Err(error) => {
                    if is_final(&shared, "pruning", &error) {
                        return;
                    }
                    break;
                }
            }
            if shared.hub.is_stopping() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Fills the device → batch index. Runs until the engine is dropped.
pub(crate) async fn index(shared: Arc<Shared>) {
    let config = &shared.hub.parts.config;
    loop {
        tokio::time::sleep(ms(config.index_interval_ms)).await;
        if shared.hub.is_stopping() {
            return;
        }
        // Until all is there. Busy: with pauses, since whatever is written waits while the writer is at a slice.
        loop {
            let added = match shared
                .hub
                .parts
                .store
                .index_devices(config.index_slice)
                .await
            {
                Ok(added) => added,
                Err(error) => {
                    if is_final(&shared, "indexing devices", &error) {
                        return;
                    }
                    break;
                }
            };
            let is_idle = shared.hub.gauges.held().0 == 0;
            if added == 0 || shared.hub.is_stopping() {
                break;
            }
            if is_idle {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(ms(config.index_interval_ms / BUSY_SLICES)).await;
            }
        }
    }
}

/// Neither part's refusal is worth stopping the process for, nor an own pause: the next round comes.
fn is_final(shared: &Shared, what: &str, error: &StoreError) -> bool {
    if matches!(
        error,
        StoreError::DiskFull | StoreError::Busy | StoreError::Overloaded | StoreError::Away(_)
    ) {
        tracing::warn!(%error, "{what} waits: {error}");
        return false;
    }
    !shared.hub.store_refused(what, error)
}
