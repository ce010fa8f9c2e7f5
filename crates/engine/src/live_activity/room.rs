//! A phone shows only so many activities of an app: what would be one more is not started there.
//!
//! Those with the highest relevance get the places that are free; what runs is not ended for them. Counted are the activities
//! of the same recipient: those of a user do not know of those that are for one of his devices alone.

use super::recipient;
use super::round::ToMove;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::AppNo;
use carillon_model::live_activity::{Phone, Run};
use carillon_ports::live_activity::Startable;
use carillon_ports::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};

/// Most activities of one recipient that are looked at, for each place on a phone.
const LOOKED_AT: u32 = 10;

fn shows(phone: &Phone) -> bool {
    !phone.is_gone && (phone.has_token || phone.asked_at.is_some())
}

impl Shared {
    /// Takes those out of `startable` that have no room, and returns them: in the order of `all`.
    pub(super) async fn full(
        &self,
        app: AppNo,
        all: &[ToMove],
        startable: &mut [Vec<Startable>],
        now: UnixMs,
    ) -> Result<Vec<Vec<i64>>, StoreError> {
        let mut full = vec![Vec::new(); all.len()];
        // Whoever is told by a channel has no recipient of his own.
        let is_ours =
            |one: &ToMove| one.is_looked_for(now) && !recipient(&one.open.plan).is_empty();
        let asking = |at: &usize| !startable[*at].is_empty() && is_ours(&all[*at]);
        let mut order: Vec<usize> = (0..all.len()).filter(asking).collect();
        if order.is_empty() {
            return Ok(full);
        }
        let most = self.hub.parts.config.live_activities.most_on_a_phone;
        let recipients: BTreeSet<String> = order
            .iter()
            .map(|at| recipient(&all[*at].open.plan))
            .collect();
        let limit = u32::from(most) * LOOKED_AT;
        let store = &self.hub.parts.store;
        let running = store.running_live_activities(app, recipients.into_iter().collect(), limit);
        // By phone, the activities that it shows.
        let mut shown: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for (_, stored) in running.await? {
            // One that cannot be read says so when it is due.
            let Ok(run) = serde_json::from_str::<Run>(&stored.run) else {
                continue;
            };
            for (no, _) in run.phones.iter().filter(|(_, phone)| shows(phone)) {
                shown.entry(*no).or_default().insert(stored.id.clone());
            }
        }
        let relevance = |at: &usize| all[*at].open.plan.relevance.unwrap_or_default();
        order.sort_by(|a, b| relevance(b).total_cmp(&relevance(a)));
        for at in order {
            let id = &all[at].open.id;
            startable[at].retain(|one| {
                let on_phone = shown.entry(one.device.0).or_default();
                let is_there = on_phone.contains(id);
                let has_room = is_there || on_phone.len() < usize::from(most);
                if has_room {
                    on_phone.insert(id.clone());
                } else {
                    full[at].push(one.device.0);
                }
                has_room
            });
        }
        Ok(full)
    }
}
