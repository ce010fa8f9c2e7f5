//! From picks to pushes: reads the push tokens of what was picked, commits watermarks, checks one last
//! time what may still be sent, and hands it to the pools.

use crate::core::Core;
use crate::hub::Vital;
use crate::job::{JobKey, Note, Step};
use crate::lanes::Chunk;
use crate::late::{Unwritable, Unwritten, Written};
use crate::moment::Moment;
use crate::routing::route_for;
use crate::service::Shared;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::id::{DeliveryId, DeviceNo};
use carillon_model::push_token::{PushToken, PushTokenBytes};
use carillon_model::push_type::TokenKind;
use carillon_ports::fault::{self, Bug};
use carillon_ports::gateway::{Pool, PoolId, Push};
use carillon_ports::store::{NewAttempt, StoreError, WorkId};
use std::sync::Arc;

/// Deliveries whose push tokens are read together.
pub(crate) struct Load {
    /// `None`: broadcasts, which need none.
    pub(crate) kind: Option<TokenKind>,
    pub(crate) picks: Vec<Pick>,
}

/// What a load asks of the store.
struct Questions {
    devices: Vec<DeviceNo>,
    marks: Vec<(WorkId, u16)>,
    unwritten: Vec<Unwritten>,
}

/// Some positions of a job, for which a pool keeps room.
pub(crate) struct Pick {
    pub(crate) job: JobKey,
    pub(crate) route: usize,
    pub(crate) pool: PoolId,
    pub(crate) chunk: Chunk,
    pub(crate) is_probe: bool,
}

impl Core {
    /// What a load has to ask of the store: devices, ascending, watermarks, and what is to be written
    /// for each device.
    fn prepare_load(&mut self, load: &Load) -> Questions {
        let mut devices = Vec::new();
        let mut marks: Vec<(WorkId, u16)> = Vec::new();
        let mut unwritten = Vec::new();
        for pick in &load.picks {
            let Some(job) = self.jobs.get_mut(pick.job) else {
                continue;
            };
            if load.kind.is_some() {
                let all = job.devices.as_slice();
                devices.extend(pick.chunk.iter().map(|p| all[usize::from(p)]));
                if job.note.is_late() {
                    unwritten.extend(pick.chunk.iter().map(|position| Unwritten {
                        job: pick.job,
                        position,
                        device: all[usize::from(position)],
                        gateway: job.gateway(),
                        note: job.note.clone(),
                    }));
                }
            }
            let highest = pick.chunk.iter().max().unwrap_or(0);
            if job.note.drops_doubt() && highest >= job.marked {
                match marks.last_mut() {
                    Some((id, upto)) if *id == job.work.id => *upto = (*upto).max(highest + 1),
                    _ => marks.push((job.work.id, highest + 1)),
                }
            }
        }
        if !devices.is_sorted_by(|a, b| a < b) {
            devices.sort_unstable();
            devices.dedup();
        }
        Questions {
            devices,
            marks,
            unwritten,
        }
    }

    /// The read (or the watermark) failed: everything back, and a pause.
    fn unload(&mut self, load: Load, error: &StoreError, moment: Moment) {
        for pick in load.picks {
            if pick.is_probe {
                self.routes.all[pick.route].breaker.probe_lost(moment.at);
            }
            self.put_back(&pick, pick.chunk.iter().collect(), moment);
        }
        self.store_refused("a read for sending", error, moment);
    }

    /// Positions of a pick that are not sent now.
    fn put_back(&mut self, pick: &Pick, positions: Vec<u16>, moment: Moment) {
        self.routes.give_room(pick.pool, positions.len());
        let route = self.routes.all[pick.route].route;
        let environment = if route.is_probing {
            carillon_model::environment::TokenEnvironment::Auto
        } else {
            route.environment.into()
        };
        self.requeue(pick.job, positions, environment, moment);
    }

    /// The push tokens are here: sends what may still be sent.
    fn submit(
        &mut self,
        load: Load,
        mut tokens: Vec<PushToken>,
        mut without: Vec<DeviceNo>,
        written: &Written,
        moment: Moment,
    ) -> Vec<(Arc<dyn Pool>, Vec<Push>)> {
        if !tokens.is_sorted_by_key(|token| token.device) {
            tokens.sort_by_key(|token| token.device);
        }
        without.sort_unstable();
        let mut out: Vec<(PoolId, Arc<dyn Pool>, Vec<Push>)> = Vec::new();
        for pick in load.picks {
            self.submit_pick(
                &pick,
                load.kind.is_some(),
                &tokens,
                &without,
                written,
                &mut out,
                moment,
            );
        }
        out.into_iter()
            .map(|(_, pool, pushes)| (pool, pushes))
            .collect()
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one pick, and everything that was read for its load"
    )]
    fn submit_pick(
        &mut self,
        pick: &Pick,
        needs_token: bool,
        tokens: &[PushToken],
        without: &[DeviceNo],
        written: &Written,
        out: &mut Vec<(PoolId, Arc<dyn Pool>, Vec<Push>)>,
        moment: Moment,
    ) {
        let key = pick.job;
        let Some(job) = self.jobs.get(key) else {
            self.routes.give_room(pick.pool, pick.chunk.len());
            return;
        };
        let note = job.note.clone();
        let (lane, of_lane) = (job.lane, job.work.lane);
        let ready = note.ready(of_lane.gateway);
        let (is_first, batch) = (job.work.attempt == 0, job.work.id.batch);
        let state = &self.routes.all[pick.route];
        let is_open = state.breaker.is_closed() || pick.is_probe;
        let pool = state
            .open
            .as_ref()
            .filter(|open| open.id == pick.pool && is_open)
            .map(|open| open.pool.clone());
        let route = state.route;
        let directory = self.hub.directory.load();
        let mut back = Vec::new();
        let mut elsewhere: Vec<(carillon_model::environment::TokenEnvironment, Vec<u16>)> =
            Vec::new();
        let mut sent = 0u32;
        let mut unsent = 0;
        for position in pick.chunk.iter() {
            let Some(job) = self.jobs.get_mut(key) else {
                unsent += 1;
                continue;
            };
            if job.slot(position).step != Step::Loading {
                unsent += 1;
                continue;
            }
            if let Some(state) = end_before_sending(&note, moment) {
                unsent += 1;
                self.end(key, position, state, "", moment);
                continue;
            }
            let Some(pool) = &pool else {
                back.push(position);
                continue;
            };
            let device = job.devices.as_slice()[usize::from(position)];
            let token = match find(tokens, without, device, needs_token) {
                Ok(token) => token,
                Err(rule) => {
                    unsent += 1;
                    let state = FinalState::Suppressed(rule);
                    self.end(key, position, state, rule.as_str(), moment);
                    continue;
                }
            };
            let slot = &mut job.slots[usize::from(position)];
            if let Some(token) = token {
                let credentials = directory.credentials(note.app);
                let options = &note.options;
                let wanted =
                    route_for(credentials, of_lane, token.environment, slot.tried, options);
                if wanted != Some(route) {
                    unsent += 1;
                    match elsewhere
                        .iter_mut()
                        .find(|(env, _)| *env == token.environment)
                    {
                        Some((_, positions)) => positions.push(position),
                        None => elsewhere.push((token.environment, vec![position])),
                    }
                    continue;
                }
                slot.generation = token.generation;
                slot.is_auto = token.environment.known().is_none();
            }
            let message = match (ready, written.get(&(key, position))) {
                (Some(message), _) | (None, Some(Ok(message))) => message.clone(),
                (None, why) => {
                    unsent += 1;
                    let why = why.and_then(|written| written.as_ref().err());
                    self.unwritable(key, position, why, moment);
                    continue;
                }
            };
            slot.step = Step::InFlight;
            let tag = key.tag(position);
            let push = Push {
                tag,
                push_token: token.map_or_else(
                    || PushTokenBytes(bytes::Bytes::new()),
                    |token| token.bytes.clone(),
                ),
                gateway_id: DeliveryId { batch, position }.gateway_id(self.hub.seed),
                message,
            };
            match out.iter_mut().rev().find(|(id, _, _)| *id == pick.pool) {
                Some((_, _, pushes)) => pushes.push(push),
                None => out.push((pick.pool, pool.clone(), vec![push])),
            }
            sent += 1;
            if pick.is_probe {
                self.routes.all[pick.route].breaker.probe_sent(tag);
            }
        }
        if pick.is_probe && sent == 0 {
            self.routes.all[pick.route].breaker.probe_lost(moment.at);
        }
        self.lanes.all[lane].in_flight += sent;
        if sent > 0 {
            let name = directory.app_by_no(note.app).map_or("", |app| &app.id);
            let push_type = note.options.push_type;
            let meters = self.hub.meters.send(note.app, name, push_type);
            meters.sent.increment(sent.into());
            if is_first {
                let waited = (moment.now - note.accepted_at).max(0) as f64 / 1e3;
                meters.accept_to_send.record_many(waited, sent as usize);
            }
        }
        self.routes.give_room(pick.pool, unsent);
        for (environment, positions) in elsewhere {
            self.requeue(key, positions, environment, moment);
        }
        if !back.is_empty() {
            self.put_back(pick, back, moment);
        }
        if fault::planted(Bug::SettleBeforeAnswer) {
            for position in pick.chunk.iter() {
                let is_sent = |job: &crate::job::Job| job.slot(position).step == Step::InFlight;
                if self.jobs.get(key).is_some_and(is_sent) {
                    self.routes.give_room(pick.pool, 1);
                    self.end(key, position, FinalState::Accepted, "", moment);
                }
            }
        }
    }
}

impl Core {
    /// Nothing can be written for this device: its delivery ends, with the reason.
    fn unwritable(&mut self, key: JobKey, position: u16, why: Option<&Unwritable>, moment: Moment) {
        let Some(job) = self.jobs.get_mut(key) else {
            return;
        };
        let (reason, raw) = match why {
            Some(why) => (why.reason.clone(), why.sentence.clone()),
            None => (
                "gateway".to_owned(),
                "nothing was written for this gateway".to_owned(),
            ),
        };
        job.progress.attempts.push(NewAttempt {
            position: Some(position),
            positions: None,
            attempt: job.work.attempt.saturating_add(1),
            at: moment.now,
            environment: None,
            connection: 0,
            result: "unrenderable".to_owned(),
            status: 0,
            reason: reason.clone(),
            raw,
            elapsed_us: 0,
            next_attempt_at: None,
        });
        let rule = Suppression::Unrenderable;
        self.end(key, position, FinalState::Suppressed(rule), &reason, moment);
    }
}

/// Why nothing of a notification is sent any more.
pub(crate) fn end_before_sending(note: &Note, moment: Moment) -> Option<FinalState> {
    if note.is_cancelled() && !fault::planted(Bug::IgnoreCancel) {
        Some(FinalState::Cancelled)
    } else if note.is_expired(moment.now) {
        Some(FinalState::Expired)
    } else {
        None
    }
}

/// The push token of a device, `None` where none is needed, or the rule that keeps the delivery back.
fn find<'a>(
    tokens: &'a [PushToken],
    without: &[DeviceNo],
    device: DeviceNo,
    needs_token: bool,
) -> Result<Option<&'a PushToken>, Suppression> {
    if !needs_token {
        return Ok(None);
    }
    match tokens.binary_search_by_key(&device, |token| token.device) {
        Ok(at) if tokens[at].retired_at.is_some() => Err(Suppression::PushTokenRetired),
        Ok(at) => Ok(Some(&tokens[at])),
        Err(_) if without.binary_search(&device).is_ok() => Err(Suppression::NoPushToken),
        Err(_) => Err(Suppression::DeviceGone),
    }
}

/// Reads push tokens (and commits watermarks), then hands over to the pools.
pub(crate) async fn send_load(shared: Arc<Shared>, load: Load) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let Questions {
        devices,
        marks,
        unwritten,
    } = shared.core.lock().prepare_load(&load);
    let now = shared.hub.parts.clock.now();
    let store = &shared.hub.parts.store;
    let read = async {
        match load.kind {
            Some(kind) if !devices.is_empty() => store.read_push_tokens(kind, devices).await,
            _ => Ok(Default::default()),
        }
    };
    let mark = async {
        if marks.is_empty() {
            return Ok(());
        }
        store.watermark(marks.clone()).await?;
        fault::stage("dispatch.watermark_committed");
        Ok(())
    };
    let write = crate::late::write(&shared.hub, unwritten, now);
    let result = tokio::try_join!(read, mark, write);
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.loads -= 1;
    match result {
        Ok(((tokens, without), (), written)) => {
            core.mark(&load, &marks, true);
            core.store_answered();
            let submits = core.submit(load, tokens, without, &written, moment);
            drop(core);
            for (pool, pushes) in submits {
                pool.submit(pushes);
            }
            fault::stage("dispatch.submitted");
        }
        Err(error) => {
            // The watermark may be on disk all the same.
            core.mark(&load, &marks, false);
            core.unload(load, &error, moment);
            drop(core);
        }
    }
    shared.hub.bells.dispatch.notify_one();
}

impl Core {
    /// Remembers watermarks that are, or may be, on disk.
    fn mark(&mut self, load: &Load, marks: &[(WorkId, u16)], is_sure: bool) {
        for pick in &load.picks {
            let Some(job) = self.jobs.get_mut(pick.job) else {
                continue;
            };
            let mark = marks.iter().find(|(id, _)| *id == job.work.id);
            if let Some((_, upto)) = mark {
                job.work.watermark = job.work.watermark.max(*upto);
                if is_sure {
                    job.marked = job.marked.max(*upto);
                }
            }
        }
    }
}
