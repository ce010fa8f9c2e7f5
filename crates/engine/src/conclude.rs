//! What an outcome means for the delivery, the push token and the pool: one law for each verdict.
//!
//! | verdict | delivery | besides |
//! | --- | --- | --- |
//! | `Accepted` | ends accepted | an unknown environment is found out |
//! | `Rejected` | ends rejected | push token's fate; unknown environment: the other one is tried |
//! | `Retry` | moves to a work row due later; at its end failed, or unknown when ever in doubt | counted |
//! | `Blocked` | waits in its lane | the breaker opens; not counted |
//! | `NotSent` | goes again at once | not counted, up to `max_not_sent` in a row |
//! | `Expired`, `Withdrawn` | ends expired, cancelled | |
//! | `InDoubt` | `drop`: ends unknown; `resend`: doubt recorded, then as `Retry` | a late answer is awaited |
//!
//! A cancelled notification's deliveries are not tried again: what surely was not taken ends cancelled,
//! what is in doubt ends unknown.

use crate::attempt::{reason, row};
use crate::core::{Core, Doubt};
use crate::job::{Job, JobKey, Move, Step, tried_bit};
use crate::moment::Moment;
use carillon_model::delivery::FinalState;
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::event::{CredentialFailing, CredentialRecovered, EventKind};
use carillon_model::lane::Gateway;
use carillon_model::outcome::{Outcome, TokenFate, Trouble, TroubleScope, Verdict};
use carillon_ports::fault::{self, Bug};
use carillon_ports::gateway::{PoolId, PushOutcome};
use carillon_ports::news::event;
use carillon_ports::store::{CountDelta, EnvironmentRepair, Failure};

/// Positions of one job that go back to their lane.
struct Back {
    job: JobKey,
    environment: TokenEnvironment,
    positions: Vec<u16>,
}

impl Core {
    /// Takes outcomes of a pool.
    pub(crate) fn conclude(&mut self, pool: PoolId, outcomes: Vec<PushOutcome>, moment: Moment) {
        fault::stage("settle.answered");
        let Some(route) = self.routes.by_pool(pool) else {
            return;
        };
        let mut backs: Vec<Back> = Vec::new();
        let mut answered = 0;
        let app = self.routes.all[route].route.app;
        let directory = self.hub.directory.load();
        let name = directory.app_by_no(app).map_or("", |app| &app.id);
        let response = self.hub.meters.response(app, name);
        for PushOutcome { tag, outcome } in outcomes {
            if outcome.elapsed_us > 0 {
                response.record(f64::from(outcome.elapsed_us) / 1e6);
            }
            let (key, position) = JobKey::from_tag(tag);
            let is_awaited = self
                .jobs
                .get(key)
                .is_some_and(|job| job.slot(position).step == Step::InFlight);
            if is_awaited {
                answered += 1;
                self.conclude_one(route, pool, tag, outcome, &mut backs, moment);
            } else {
                self.conclude_late(pool, tag, outcome, moment);
            }
        }
        self.routes.give_room(pool, answered);
        let is_blocked = !self.routes.all[route].breaker.is_closed();
        for back in backs {
            if is_blocked {
                self.send_back(back.job, back.positions, back.environment, moment);
            } else {
                self.requeue(back.job, back.positions, back.environment, moment);
            }
        }
    }

    fn conclude_one(
        &mut self,
        route: usize,
        pool: PoolId,
        tag: u64,
        outcome: Outcome,
        backs: &mut Vec<Back>,
        moment: Moment,
    ) {
        let (key, position) = JobKey::from_tag(tag);
        let mut is_telling = true;
        match &outcome.verdict {
            Verdict::Blocked(trouble) => is_telling = self.trip(route, tag, trouble, moment),
            Verdict::Accepted | Verdict::Rejected(_) | Verdict::Retry { .. } => {
                if !self.routes.all[route].breaker.is_closed()
                    && let Some(trouble) = self.routes.all[route].breaker.answered(tag)
                {
                    self.recovered(route, &trouble);
                }
            }
            _ => self.routes.all[route].breaker.unanswered(tag),
        }
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let lane = &mut self.lanes.all[job.lane];
        lane.in_flight = lane.in_flight.saturating_sub(1);
        lane.answers += 1;
        let is_cancelled = job.note.is_cancelled() && !fault::planted(Bug::IgnoreCancel);
        let slot = &mut job.slots[usize::from(position)];
        match outcome.verdict.clone() {
            Verdict::Accepted => {
                let is_plain = outcome.answer.is_none()
                    && job.work.attempt == 0
                    && !job.work.in_doubt
                    && slot.tried == 0;
                if slot.is_auto {
                    self.repaired(key, position, pool.environment);
                }
                if !is_plain {
                    self.attempt(key, position, pool, &outcome, "accepted", None, moment);
                }
                self.end(key, position, FinalState::Accepted, "", moment);
            }
            Verdict::Rejected(fate) => {
                self.attempt(key, position, pool, &outcome, "rejected", None, moment);
                self.rejected(key, position, pool, &outcome, fate, backs, moment);
            }
            Verdict::Retry { retry_after_ms } => {
                self.tried_again(
                    key,
                    position,
                    pool,
                    &outcome,
                    "retry",
                    retry_after_ms,
                    moment,
                );
            }
            Verdict::Blocked(trouble) => {
                if is_telling && !slot.is_block_noted {
                    slot.is_block_noted = true;
                    let mut told = outcome.clone();
                    told.answer.get_or_insert_default().reason = trouble.reason;
                    self.attempt(key, position, pool, &told, "blocked", None, moment);
                }
                self.back(key, position, pool, is_cancelled, backs, moment);
            }
            Verdict::NotSent => {
                slot.not_sent = slot.not_sent.saturating_add(1);
                if slot.not_sent >= self.hub.parts.config.max_not_sent && !is_cancelled {
                    self.tried_again(key, position, pool, &outcome, "not_sent", None, moment);
                } else {
                    self.back(key, position, pool, is_cancelled, backs, moment);
                }
            }
            Verdict::Expired => {
                self.end(key, position, FinalState::Expired, "", moment);
            }
            Verdict::Withdrawn => {
                let is_withdrawn = job.note.is_cancelled();
                self.back(key, position, pool, is_withdrawn, backs, moment);
            }
            Verdict::InDoubt => self.in_doubt(key, position, pool, tag, &outcome, moment),
        }
    }

    /// Back to its lane, or to its end when it was cancelled.
    fn back(
        &mut self,
        key: JobKey,
        position: u16,
        pool: PoolId,
        is_cancelled: bool,
        backs: &mut Vec<Back>,
        moment: Moment,
    ) {
        if is_cancelled {
            self.end(key, position, FinalState::Cancelled, "", moment);
            return;
        }
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let environment = if job.slot(position).is_auto {
            TokenEnvironment::Auto
        } else {
            pool.environment.into()
        };
        match backs
            .iter_mut()
            .rev()
            .find(|back| back.job == key && back.environment == environment)
        {
            Some(back) => back.positions.push(position),
            None => backs.push(Back {
                job: key,
                environment,
                positions: vec![position],
            }),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one delivery, its answer, and where the rest goes"
    )]
    fn rejected(
        &mut self,
        key: JobKey,
        position: u16,
        pool: PoolId,
        outcome: &Outcome,
        fate: TokenFate,
        backs: &mut Vec<Back>,
        moment: Moment,
    ) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let slot = &mut job.slots[usize::from(position)];
        if fate == TokenFate::WrongEnvironment && slot.is_auto {
            slot.tried |= tried_bit(pool.environment);
            let tried = slot.tried;
            let note = job.note.clone();
            let lane = job.work.lane;
            let directory = self.hub.directory.load();
            let other = crate::routing::route_for(
                directory.credentials(note.app),
                lane,
                TokenEnvironment::Auto,
                tried,
                &note.options,
            );
            if other.is_some() && !note.is_cancelled() {
                self.back(key, position, pool, false, backs, moment);
                return;
            }
        }
        let reason = reason(outcome).to_owned();
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let mut doubt = doubt(job, position);
        let tried = job.slot(position).tried;
        let is_tried = |environment: &Environment| tried & tried_bit(*environment) != 0;
        let is_of_activity = doubt.kind.starts_activity() || doubt.kind.updates_activity();
        if is_of_activity && Environment::ALL.iter().all(is_tried) {
            // A device may come back with the same push token; a Live Activity that neither environment knows does not.
            doubt.is_auto = false;
        }
        self.token_fate(&doubt, pool, fate, &reason, moment);
        self.end(key, position, FinalState::Rejected, &reason, moment);
    }

    /// A counted attempt failed: tried again later, or at its end.
    #[expect(
        clippy::too_many_arguments,
        reason = "one delivery, its answer, and how it is told"
    )]
    fn tried_again(
        &mut self,
        key: JobKey,
        position: u16,
        pool: PoolId,
        outcome: &Outcome,
        result: &str,
        retry_after_ms: Option<u32>,
        moment: Moment,
    ) {
        let is_doubt = outcome.verdict == Verdict::InDoubt;
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let in_doubt = is_doubt || job.work.in_doubt;
        let note = job.note.clone();
        let directory = self.hub.directory.load();
        let app = directory.app_by_no(note.app);
        let policy = app.map_or_else(Default::default, |app| app.settings.retry_policy());
        let is_cancelled = note.is_cancelled() && !fault::planted(Bug::IgnoreCancel);
        // A slice of a campaign may begin days after it: attempts and expiry are its bounds.
        let since = if note.is_campaign {
            moment.now
        } else {
            note.begins_at
        };
        let due_at = policy
            .next_attempt_at(
                job.work.attempt.saturating_add(1),
                since,
                moment.now,
                retry_after_ms,
                self.hub.parts.clock.random() as u32,
            )
            .filter(|at| note.expires_at.is_none_or(|expires_at| *at < expires_at))
            .filter(|_| !is_cancelled);
        self.attempt(key, position, pool, outcome, result, due_at, moment);
        match due_at {
            Some(due_at) => {
                let name = app.map_or("", |app| &app.id);
                self.hub.meters.retried(name, reason(outcome), 1);
                let moved = Move {
                    position,
                    due_at,
                    delay_ms: due_at - moment.now,
                    in_doubt,
                    is_held: false,
                };
                self.move_on(key, moved, moment);
            }
            None => {
                let state = match (in_doubt, is_cancelled) {
                    (true, _) => FinalState::Unknown,
                    (false, true) => FinalState::Cancelled,
                    (false, false) => FinalState::Failed,
                };
                self.end(key, position, state, reason(outcome), moment);
            }
        }
    }

    fn in_doubt(
        &mut self,
        key: JobKey,
        position: u16,
        pool: PoolId,
        tag: u64,
        outcome: &Outcome,
        moment: Moment,
    ) {
        let Some(job) = self.jobs.get(key) else {
            return;
        };
        let doubt = doubt(job, position);
        let most = self.hub.parts.config.max_doubts;
        let is_dropped = job.note.drops_doubt() && !fault::planted(Bug::ResendVoip);
        self.doubts.add(tag, doubt, moment.at, most);
        if is_dropped {
            self.attempt(key, position, pool, outcome, "in_doubt", None, moment);
            let reason = reason(outcome);
            self.end(key, position, FinalState::Unknown, reason, moment);
        } else {
            self.tried_again(key, position, pool, outcome, "in_doubt", None, moment);
        }
    }

    /// An answer to a delivery that was in doubt already. Never thrown away.
    fn conclude_late(&mut self, pool: PoolId, tag: u64, outcome: Outcome, moment: Moment) {
        let Some(doubt) = self.doubts.take(tag) else {
            return;
        };
        let state = match outcome.verdict {
            Verdict::Accepted => Some(FinalState::Accepted),
            Verdict::Rejected(_) => Some(FinalState::Rejected),
            // The gateway did not take it: nothing new where it is sent again anyway.
            _ => None,
        };
        let reason = reason(&outcome).to_owned();
        let attempt = row(
            doubt.position,
            doubt.attempt,
            pool,
            &outcome,
            "late_answer",
            moment,
        );
        let note = (doubt.app, doubt.accepted_at);
        let batch = self.ledger.batch(doubt.batch, note);
        batch.attempts.push(attempt);
        if let Some(state) = state {
            batch.verdicts.push((doubt.position, state));
            batch.failures.push(Failure {
                position: doubt.position,
                gateway: doubt.lane.gateway,
                reason: reason.clone(),
            });
            self.ledger.add(1);
            let counted = CountDelta {
                app: doubt.app,
                gateway: doubt.lane.gateway,
                state,
                reason: reason.clone(),
                count: 1,
                at: None,
            };
            // It counted as unknown, and does not any more.
            let unknown = self.doubts.unknown.remove(&(doubt.batch, doubt.position));
            let uncounted = unknown.map(|unknown| CountDelta {
                state: FinalState::Unknown,
                reason: unknown.reason,
                count: -1,
                at: Some(unknown.at),
                ..counted.clone()
            });
            let counted = [Some(counted), uncounted];
            self.ledger
                .count(doubt.batch, counted.into_iter().flatten());
            self.doubts
                .answered
                .insert((doubt.batch, doubt.position), moment.at);
            self.withdraw(doubt.batch, doubt.position);
        }
        match outcome.verdict {
            Verdict::Rejected(fate) => self.token_fate(&doubt, pool, fate, &reason, moment),
            Verdict::Accepted if doubt.is_auto => self.ledger.repair(EnvironmentRepair {
                device: doubt.device,
                kind: doubt.kind,
                generation: doubt.generation,
                environment: pool.environment,
            }),
            _ => {}
        }
        self.hub.bells.settle.notify_one();
    }

    /// The resend of a delivery that waits in memory is not needed any more.
    fn withdraw(&mut self, batch: carillon_model::id::BatchNo, position: u16) {
        let keys = self.doubts.resending.get(&batch).cloned();
        for key in keys.unwrap_or_default() {
            let Some(job) = self.jobs.get_mut(key) else {
                continue;
            };
            let slot = &mut job.slots[usize::from(position)];
            if slot.step == Step::Queued {
                slot.step = Step::Done;
                job.open -= 1;
                if job.open == 0 {
                    self.flush(key);
                }
            }
        }
    }

    // --- breakers ---

    /// A pool is in trouble: its work waits. Returns whether that is worth a line in the delivery's
    /// story.
    pub(crate) fn trip(
        &mut self,
        route: usize,
        tag: u64,
        trouble: &Trouble,
        moment: Moment,
    ) -> bool {
        let rules = self.probe_rules();
        let state = &mut self.routes.all[route];
        let trip = state.breaker.trip(tag, trouble, moment, rules);
        if !trip.is_new {
            return trip.is_telling;
        }
        let (of, is_credential) = (state.route, trouble.scope == TroubleScope::Credential);
        let credential = of.credential.map(|no| self.routes.ring.name(no).to_owned());
        let credential = credential.unwrap_or_default();
        tracing::warn!(app = %of.app, credential, environment = of.environment.as_str(), reason = trouble.reason, "sending for App {} waits: {} ({})", of.app, trouble.reason, trouble.mend);
        if is_credential {
            self.routes.all[route].is_failing = true;
            let data = CredentialFailing {
                environment: told_environment(of.gateway, of.environment),
                reason: trouble.reason.clone(),
                mend: trouble.mend.clone(),
            };
            let kind = EventKind::CredentialFailing;
            self.ledger.event(event(of.app, kind, &credential, &data));
            self.hub.bells.settle.notify_one();
        }
        trip.is_telling
    }

    /// A pool sends again.
    pub(crate) fn recovered(&mut self, route: usize, trouble: &Trouble) {
        let state = &mut self.routes.all[route];
        let of = state.route;
        let credential = of.credential.map(|no| self.routes.ring.name(no).to_owned());
        let credential = credential.unwrap_or_default();
        tracing::info!(app = %of.app, credential, environment = of.environment.as_str(), "sending for App {} goes on after {}", of.app, trouble.reason);
        if std::mem::take(&mut state.is_failing) {
            let data = CredentialRecovered {
                environment: told_environment(of.gateway, of.environment),
                reason: trouble.reason.clone(),
            };
            let kind = EventKind::CredentialRecovered;
            self.ledger.event(event(of.app, kind, &credential, &data));
            self.hub.bells.settle.notify_one();
        }
    }

    // --- attempts ---

    #[expect(clippy::too_many_arguments, reason = "a row's columns")]
    fn attempt(
        &mut self,
        key: JobKey,
        position: u16,
        pool: PoolId,
        outcome: &Outcome,
        result: &str,
        next_attempt_at: Option<i64>,
        moment: Moment,
    ) {
        if let Some(job) = self.jobs.get_mut(key) {
            let number = job.work.attempt.saturating_add(1);
            let mut row = row(position, number, pool, outcome, result, moment);
            row.next_attempt_at = next_attempt_at;
            job.progress.attempts.push(row);
        }
    }
}

/// Only Apple has environments.
fn told_environment(gateway: Gateway, environment: Environment) -> Option<Environment> {
    (gateway == Gateway::Apns).then_some(environment)
}

fn doubt(job: &Job, position: u16) -> Doubt {
    Doubt {
        batch: job.work.id.batch,
        position,
        device: job.devices.as_slice()[usize::from(position)],
        generation: job.slot(position).generation,
        kind: job.slot(position).kind,
        app: job.note.app,
        accepted_at: job.note.accepted_at,
        lane: job.work.lane,
        attempt: job.work.attempt.saturating_add(1),
        is_auto: job.slot(position).is_auto,
    }
}
