//! Intake waits a moment where a lane that sends well has no room: what goes straight from the commit to
//! its lane need not be claimed from the store, so under full load a caller who waits a moment gets more
//! through (docs/adr/0003). Never for long, and not at all for a lane that does not send, or that
//! has much in the store: that would only be a delay.

use crate::draft::Draft;
use crate::gauge::{LaneGauge, Room};
use crate::hub::Hub;
use crate::moment::ms;
use crate::resolve::Answer;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::AppNo;
use carillon_model::lane::{Class, Gateway, Lane};
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// A lane within an App.
type To = (Gateway, TokenEnvironment);

/// Room that is kept for somebody who is about to reserve it.
pub(crate) struct Promise<'h> {
    hub: &'h Hub,
    kept: Vec<(Arc<LaneGauge>, Class, u32)>,
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Hub {
    /// Returns when there is room for these, when waiting makes no sense, or when patience is over. What
    /// is returned keeps the room: it is to be dropped right before the room is reserved.
    pub(crate) async fn wait_for_room(
        &self,
        app: AppNo,
        drafts: &[Draft],
        recipients: &[Answer],
    ) -> Promise<'_> {
        let mut promise = Promise {
            hub: self,
            kept: Vec::new(),
        };
        let patience = self.parts.config.intake_patience_ms;
        if patience == 0 {
            return promise;
        }
        let lane = |(gateway, environment)| Lane {
            app,
            gateway,
            environment,
        };
        let wanted: Vec<_> = wanted(drafts, recipients)
            .into_iter()
            // What another process sends goes to the store anyhow.
            .filter(|(to, ..)| self.owns(lane(*to)))
            .map(|(to, class, count)| (self.gauges.lane(lane(to)), class, count))
            .collect();
        let deadline = Instant::now() + ms(patience);
        loop {
            let freed = self.bells.room.notified();
            if promise.take(&wanted) || timeout_at(deadline, freed).await.is_err() {
                return promise;
            }
        }
    }
}

impl Promise<'_> {
    /// Keeps room where there is some. `false`: some of it will probably be there soon, and none was
    /// kept, so that nobody waits for one lane with the room of another in his hands.
    fn take(&mut self, wanted: &[(Arc<LaneGauge>, Class, u32)]) -> bool {
        for (gauge, class, count) in wanted {
            match self.hub.gauges.promise(gauge, *class, *count) {
                Room::Kept => self.kept.push((gauge.clone(), *class, *count)),
                Room::None => {}
                Room::Soon => {
                    self.give_back();
                    return false;
                }
            }
        }
        true
    }

    fn give_back(&mut self) {
        for (gauge, class, count) in self.kept.drain(..) {
            self.hub.gauges.free(&gauge, class, count, 0);
        }
    }
}

/// How many deliveries go where.
fn wanted(drafts: &[Draft], recipients: &[Answer]) -> Vec<(To, Class, u32)> {
    let mut wanted: Vec<(To, Class, u32)> = Vec::new();
    for (draft, recipients) in drafts.iter().zip(recipients) {
        let class = draft.options.class;
        for recipient in recipients.iter().flatten() {
            let to = (recipient.gateway, recipient.environment);
            match wanted
                .iter_mut()
                .find(|(other, of, _)| *other == to && *of == class)
            {
                Some((_, _, count)) => *count += 1,
                None => wanted.push((to, class, 1)),
            }
        }
    }
    wanted
}
