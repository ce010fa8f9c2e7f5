//! Counts and logs what happens to the connections of one origin, and says of which.

use crate::gauge::{Gauge, Watch};
use carillon_ports::gateway::PoolId;
use std::sync::Arc;
use webpush::Origin;
use webpush::pool::{Event, Observer};

pub(super) struct OriginWatch {
    watch: Watch,
    origin: String,
}

impl OriginWatch {
    pub(super) fn new(id: PoolId, gauge: Arc<Gauge>, origin: &Origin) -> Self {
        Self {
            watch: Watch {
                id,
                gauge,
                gateway: "webpush",
            },
            origin: origin.to_string(),
        }
    }
}

impl Observer for OriginWatch {
    fn observe(&self, event: &Event<'_>) {
        tracing::info_span!("origin", origin = %self.origin).in_scope(|| self.watch.observe(event));
    }
}
