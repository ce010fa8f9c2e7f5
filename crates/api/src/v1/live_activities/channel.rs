//! The broadcast channel of a Live Activity, as it is shown.

use crate::instant;
use carillon_engine::live_activity::OpenActivity;
use serde::Serialize;
use utoipa::ToSchema;

/// The broadcast channel that is made for a Live Activity, and deleted after it has left the lock screens.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveActivityChannel)]
pub(crate) struct ChannelView {
    /// Its id, as Apple issued it: what apps subscribe to. Null until it is made.
    #[schema(example = "c2ltLWNoYW5uZWwtMDAx")]
    id: Option<String>,
    /// `wanted`; `making`; `made`; `deleting`; `deleted`; `failed`: it could not be made; `left`: it could not be deleted, do
    /// that by hand; `unneeded`: the activity was over before it was made.
    #[schema(example = "made")]
    state: &'static str,
    /// Its environment.
    environment: &'static str,
    /// The bundle id that it is made for.
    topic: Option<String>,
    /// Whether Apple keeps the newest push for phones that are offline.
    store: bool,
    /// How often Apple was asked for what it is waiting for.
    tries: u16,
    /// How often nobody heard whether it was made: so many channels may be left over at Apple.
    doubts: u16,
    /// When Apple is asked next.
    #[schema(format = DateTime)]
    next_try_at: Option<String>,
    /// Why the last try failed, and what to do.
    error: Option<String>,
}

impl ChannelView {
    pub(super) fn of(open: &OpenActivity) -> Option<Self> {
        let (new, channel) = (open.plan.new_channel()?, open.run.channel.as_ref()?);
        Some(Self {
            id: channel.id.clone(),
            state: channel.state.as_str(),
            environment: new.environment.as_str(),
            topic: channel.topic.clone().or_else(|| new.topic.clone()),
            store: new.store,
            tries: channel.tries,
            doubts: channel.doubts,
            next_try_at: channel.due_at.map(instant::rfc3339),
            error: channel.error.clone(),
        })
    }
}
