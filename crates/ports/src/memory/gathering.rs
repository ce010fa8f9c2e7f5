//! Digests and throttles of the fake.

use super::state::{IdempotencyKey, State};
use crate::gathering::{DigestAdd, DigestAdded, DigestClaim, DueDigest};
use crate::store::{Acceptance, NewNotification};
use crate::timer::When;
use carillon_model::UnixMs;
use carillon_model::digest::DigestState;
use carillon_model::id::{AppNo, NotificationNo};
use carillon_model::throttle::ThrottleDecision;

impl State {
    pub(super) fn gather(&mut self, add: DigestAdd, now: UnixMs) -> DigestAdded {
        if let Some(given) = add.idempotency {
            let earlier = self.idempotency.get(&given.scoped_key);
            if let Some(key) = earlier.filter(|key| key.keep_until > now) {
                return match key.body_hash == given.body_hash {
                    true => DigestAdded::Repeated,
                    false => DigestAdded::KeyReused,
                };
            }
            let key = IdempotencyKey {
                body_hash: given.body_hash,
                keep_until: given.keep_until,
                no: NotificationNo(0),
                accepted_at: now,
            };
            self.idempotency.insert(given.scoped_key, key);
        }
        let open = self.digests.values_mut().find(|(open, group)| {
            open.trigger == add.trigger && open.user == add.user && *group == add.group
        });
        let state = match open {
            Some((open, _)) => {
                open.claim.version += 1;
                open.event = add.event;
                open.state.add(&add.rule, &add.data);
                open.state.clone()
            }
            None => {
                let state = DigestState::open(&add.rule, now, &add.data);
                let no = self.number();
                let open = DueDigest {
                    claim: DigestClaim { no, version: 1 },
                    app: add.app,
                    trigger: add.trigger,
                    user: add.user,
                    due_at: state.closes_at(),
                    event: add.event,
                    state: state.clone(),
                };
                self.digests.insert(no, (open, add.group));
                state
            }
        };
        DigestAdded::Gathered {
            due_at: state.closes_at(),
            count: state.count(),
        }
    }

    pub(super) fn due_digests(&self, now: UnixMs, limit: u32) -> (Vec<DueDigest>, Option<UnixMs>) {
        let all = || self.digests.values().map(|(digest, _)| digest);
        let mut due: Vec<_> = all()
            .filter(|digest| digest.due_at <= now)
            .cloned()
            .collect();
        due.sort_by_key(|digest| digest.due_at);
        due.truncate(limit as usize);
        let next = all()
            .map(|digest| digest.due_at)
            .filter(|at| *at > now)
            .min();
        (due, next)
    }

    pub(super) fn consume(&mut self, claim: DigestClaim) -> bool {
        let is_meant = |(open, _): &(DueDigest, String)| open.claim == claim;
        let found = self.digests.get(&claim.no).is_some_and(is_meant);
        if found {
            self.digests.remove(&claim.no);
        }
        found
    }

    /// The timer that sends it, the digest that it tells, and the throttle that it must pass.
    pub(super) fn pass(&mut self, item: &NewNotification) -> Option<Acceptance> {
        if let Some((no, accepted_at)) = self.name_holder(item) {
            return Some(Acceptance::NameTaken { no, accepted_at });
        }
        if let When::Fired(fired) = &item.when
            && !self.take_timer(fired.claim)
        {
            return Some(Acceptance::Stale);
        }
        if let Some(claim) = item.consumes
            && !self.consume(claim)
        {
            return Some(Acceptance::Stale);
        }
        if let Some(step) = &item.activity
            && !self.step_activity(step, Some(item.no))
        {
            return Some(Acceptance::Stale);
        }
        if let Some(turn) = &item.turn
            && !self.write_turn(turn, Some(item.no))
        {
            return Some(Acceptance::Stale);
        }
        let claim = item.throttle.as_ref()?;
        let key = (claim.trigger, claim.user.clone());
        let (_, state) = self
            .throttles
            .entry(key)
            .or_insert_with(|| (item.app, Default::default()));
        match state.take(claim.rule, item.accepted_at) {
            ThrottleDecision::Allowed => None,
            ThrottleDecision::Denied { next_allowed_at } => {
                Some(Acceptance::Throttled { next_allowed_at })
            }
        }
    }

    pub(super) fn erase_gathered(&mut self, app: AppNo, user: &str) {
        self.digests
            .retain(|_, (open, _)| open.app != app || open.user != user);
        self.throttles
            .retain(|(_, of), (its, _)| *its != app || of != user);
    }
}
