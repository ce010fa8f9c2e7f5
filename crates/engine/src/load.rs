//! From picks to pushes: reads the push tokens of what was picked, commits watermarks, checks one last
//! time what may still be sent, and hands it to the pools.

use crate::core::Core;
use crate::gate::{self, Gate, Gates, Ungated};
use crate::hub::{Hub, Vital};
use crate::job::{JobKey, Note, Step};
use crate::lanes::Chunk;
use crate::late::{Unwritable, Unwritten, Written};
use crate::moment::Moment;
use crate::routing::route_for;
use crate::service::Shared;
use carillon_model::UnixMs;
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
    /// Nearly always empty: see [`gate`].
    ungated: Vec<Ungated>,
}

/// What the store answered.
struct Answers {
    push_tokens: Vec<PushToken>,
    /// Devices that have none.
    without: Vec<DeviceNo>,
    written: Written,
    gates: Gates,
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
    /// for each device. What the gate keeps back is neither marked nor written.
    fn prepare_load(&mut self, load: &Load, gates: &Gates) -> Questions {
        let directory = self.hub.directory.load();
        let mut devices = Vec::new();
        let mut ungated = Vec::new();
        let mut marks: Vec<(WorkId, u16)> = Vec::new();
        let mut unwritten = Vec::new();
        for pick in &load.picks {
            let Some(job) = self.jobs.get_mut(pick.job) else {
                continue;
            };
            if load.kind.is_some() {
                let all = job.devices.as_slice();
                devices.extend(pick.chunk.iter().map(|p| all[usize::from(p)]));
                ungated.extend(gate::ungated(&directory, pick.job, job, pick));
                if job.note.is_late() {
                    let passing = pick.chunk.iter().filter(passes(gates, pick.job));
                    unwritten.extend(passing.map(|position| Unwritten {
                        job: pick.job,
                        position,
                        device: all[usize::from(position)],
                        batch: job.work.id.batch,
                        gateway: job.gateway(),
                        note: job.note.clone(),
                    }));
                }
            }
            if !job.note.drops_doubt() {
                continue;
            }
            let Some(highest) = pick.chunk.iter().filter(passes(gates, pick.job)).max() else {
                continue;
            };
            if highest >= job.marked {
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
            ungated,
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
        answers: &Answers,
        moment: Moment,
    ) -> Vec<(Arc<dyn Pool>, Vec<Push>)> {
        let mut out: Vec<(PoolId, Arc<dyn Pool>, Vec<Push>)> = Vec::new();
        for pick in load.picks {
            self.submit_pick(&pick, load.kind.is_some(), answers, &mut out, moment);
        }
        out.into_iter()
            .map(|(_, pool, pushes)| (pool, pushes))
            .collect()
    }

    fn submit_pick(
        &mut self,
        pick: &Pick,
        needs_token: bool,
        answers: &Answers,
        out: &mut Vec<(PoolId, Arc<dyn Pool>, Vec<Push>)>,
        moment: Moment,
    ) {
        let key = pick.job;
        let Answers {
            push_tokens,
            without,
            written,
            gates,
        } = answers;
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
        let is_paused = self.is_paused(note.no);
        let (mut back, mut aside) = (Vec::new(), Vec::new());
        let mut elsewhere: Vec<(carillon_model::environment::TokenEnvironment, Vec<u16>)> =
            Vec::new();
        let mut held: Vec<(UnixMs, Vec<u16>)> = Vec::new();
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
            if is_paused {
                unsent += 1;
                aside.push(position);
                continue;
            }
            let gate = (!gates.is_empty()).then(|| gates.get(&(key, position)));
            match gate.flatten() {
                None => {}
                Some(Gate::Suppress(rule)) => {
                    unsent += 1;
                    let state = FinalState::Suppressed(*rule);
                    self.end(key, position, state, rule.as_str(), moment);
                    continue;
                }
                Some(Gate::Hold(until)) => {
                    unsent += 1;
                    match held.iter_mut().find(|(at, _)| at == until) {
                        Some((_, positions)) => positions.push(position),
                        None => held.push((*until, vec![position])),
                    }
                    continue;
                }
            }
            let Some(pool) = &pool else {
                back.push(position);
                continue;
            };
            let device = job.devices.as_slice()[usize::from(position)];
            let token = match find(push_tokens, without, device, needs_token) {
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
                (slot.generation, slot.kind) = (token.generation, token.kind);
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
            if is_first && !note.is_campaign {
                let waited = (moment.now - note.begins_at).max(0) as f64 / 1e3;
                meters.accept_to_send.record_many(waited, sent as usize);
            }
        }
        self.routes.give_room(pick.pool, unsent);
        for (until, positions) in held {
            self.hold(key, &positions, until, moment);
        }
        self.put_aside(key, &aside, moment);
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

/// Whether the gate lets a position of a job pass.
fn passes(gates: &Gates, key: JobKey) -> impl Fn(&u16) -> bool {
    move |position| gates.is_empty() || !gates.contains_key(&(key, *position))
}

/// Reads push tokens (and commits watermarks), then hands over to the pools.
pub(crate) async fn send_load(shared: Arc<Shared>, load: Load) {
    let _vital = Vital {
        hub: shared.hub.clone(),
        part: "dispatch",
    };
    let questions = shared.core.lock().prepare_load(&load, &Gates::new());
    let now = shared.hub.parts.clock.now();
    let (marks, answers) = if questions.ungated.is_empty() {
        ask(&shared.hub, load.kind, questions, now).await
    } else {
        Box::pin(ask_gated(&shared, &load, questions, now)).await
    };
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    core.loads -= 1;
    match answers {
        Ok(answers) => {
            core.mark(&load, &marks, true);
            core.store_answered();
            let submits = core.submit(load, &answers, moment);
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

type Marks = Vec<(WorkId, u16)>;

/// Asks the store everything at once. Tells the watermarks that are, or may be, on disk.
async fn ask(
    hub: &Hub,
    kind: Option<TokenKind>,
    questions: Questions,
    now: UnixMs,
) -> (Marks, Result<Answers, StoreError>) {
    let Questions {
        devices,
        marks,
        unwritten,
        ..
    } = questions;
    let answers = tokio::try_join!(
        read_push_tokens(hub, kind, devices),
        mark(hub, &marks),
        crate::late::write(hub, unwritten, now)
    );
    let answers = answers.map(|((push_tokens, without), (), written)| Answers {
        push_tokens,
        without,
        written,
        gates: Gates::new(),
    });
    (marks, answers)
}

/// The same where recipients' preferences or caps may keep something back: they are asked first, so
/// that what is kept back is not marked as if it had been written.
async fn ask_gated(
    shared: &Shared,
    load: &Load,
    questions: Questions,
    now: UnixMs,
) -> (Marks, Result<Answers, StoreError>) {
    let hub = &shared.hub;
    let ungated = questions.ungated;
    let wishes = hub.parts.store.device_preferences(gate::devices(&ungated));
    let read = read_push_tokens(hub, load.kind, questions.devices);
    let ((push_tokens, without), wishes) = match tokio::try_join!(read, wishes) {
        Ok(read) => read,
        Err(error) => return (Marks::new(), Err(error)),
    };
    let gates = match gate::decide(hub, &ungated, &wishes, &push_tokens, now).await {
        Ok(gates) => gates,
        Err(error) => return (Marks::new(), Err(error)),
    };
    let Questions {
        marks, unwritten, ..
    } = shared.core.lock().prepare_load(load, &gates);
    let rest = tokio::try_join!(mark(hub, &marks), crate::late::write(hub, unwritten, now));
    let answers = rest.map(|((), written)| Answers {
        push_tokens,
        without,
        written,
        gates,
    });
    (marks, answers)
}

/// Push tokens by device, and the devices that have none.
async fn read_push_tokens(
    hub: &Hub,
    kind: Option<TokenKind>,
    devices: Vec<DeviceNo>,
) -> Result<(Vec<PushToken>, Vec<DeviceNo>), StoreError> {
    let Some(kind) = kind.filter(|_| !devices.is_empty()) else {
        return Ok(Default::default());
    };
    let store = &hub.parts.store;
    let (mut push_tokens, mut without) = store.read_push_tokens(kind, devices).await?;
    if let Some(stand_in) = kind.stand_in()
        && !without.is_empty()
    {
        without.sort_unstable();
        let (more, left) = store.read_push_tokens(stand_in, without).await?;
        push_tokens.extend(more);
        without = left;
    }
    if !push_tokens.is_sorted_by_key(|token| token.device) {
        push_tokens.sort_by_key(|token| token.device);
    }
    without.sort_unstable();
    Ok((push_tokens, without))
}

async fn mark(hub: &Hub, marks: &[(WorkId, u16)]) -> Result<(), StoreError> {
    if marks.is_empty() {
        return Ok(());
    }
    hub.parts.store.watermark(marks.to_vec()).await?;
    fault::stage("dispatch.watermark_committed");
    Ok(())
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
