//! Broadcast channels: publishing to them as part of a pool, and managing them.

use super::Shared;
use carillon_model::UnixMs;
use carillon_ports::gateway::{
    ChannelAnswer, ChannelCall, ChannelError, PoolId, PoolSpec, Push, PushOutcome,
};
use std::sync::Arc;
use tokio::time::Instant;

pub(super) struct Broadcasts;

impl Broadcasts {
    pub(super) fn open(_: &Shared, _: PoolId, _: &apns::Credential) -> Result<Self, String> {
        Err("waits for the library".into())
    }

    pub(super) fn publish(&mut self, _: &PoolSpec, _: Push, _: UnixMs) -> Option<PushOutcome> {
        None
    }

    pub(super) async fn outcome(&mut self) -> PushOutcome {
        std::future::pending().await
    }

    pub(super) async fn finish(&mut self, _: Instant) -> Vec<PushOutcome> {
        Vec::new()
    }
}

pub(super) async fn call(
    _: &Arc<Shared>,
    _: PoolSpec,
    _: &str,
    _: ChannelCall,
) -> Result<ChannelAnswer, ChannelError> {
    Err(ChannelError {
        status: 0,
        reason: String::new(),
        mend: String::new(),
    })
}
