//! Notifications that another step stores in its own transaction: all their work waits in the store.

use super::make;
use crate::claim::note_spilled;
use crate::draft::Draft;
use crate::hub::Hub;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::lane::{Class, Lane};
use carillon_model::push_type::PushType;
use carillon_ports::store::{NewNotification, Recipient};

/// Notifications that another step stores: what is to be done when that is on disk.
#[derive(Debug, Default)]
pub(crate) struct Cold {
    lanes: Vec<(Lane, Class)>,
    accepted: Vec<(AppNo, PushType)>,
}

impl Cold {
    pub(crate) fn extend(&mut self, other: Self) {
        self.lanes.extend(other.lanes);
        self.accepted.extend(other.accepted);
    }

    /// Has their work sent.
    pub(crate) fn hand_over(self, shared: &Shared) {
        if !self.lanes.is_empty() {
            note_spilled(shared, self.lanes);
        }
        let directory = shared.hub.directory.load();
        for (app, push_type) in self.accepted {
            if let Some(app) = directory.app_by_no(app) {
                shared.hub.meters.accepted(&app.id, push_type, 1);
            }
        }
    }
}

/// The same for a step that stores it itself: all its work waits in the store.
pub(crate) fn make_cold(
    hub: &Hub,
    app: AppNo,
    draft: Draft,
    recipients: &[Recipient],
    now: UnixMs,
) -> (NewNotification, Cold) {
    let mut ready = make(hub, app, draft, recipients, now);
    ready.hot.clear();
    let batches = &mut ready.new.batches;
    batches.iter_mut().for_each(|batch| batch.hot = false);
    let cold = Cold {
        lanes: batches
            .iter()
            .map(|batch| (batch.lane, batch.class))
            .collect(),
        accepted: vec![(app, ready.new.options.push_type)],
    };
    (ready.new, cold)
}
