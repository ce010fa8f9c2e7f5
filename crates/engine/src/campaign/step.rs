//! One step of a campaign: a page of its fan-out, stored with how far the campaign is then.
//!
//! An audience that is asked as it goes is read by device number, as any fan-out is. One that is written
//! down is first gathered in pieces, by the instant at which they go; then slices are made from the pieces.
//! Pieces are numbered in a scattered order, so that a canary is of all parts of the audience.

use super::json;
use super::pieces::{in_order, scattered, spread, take_in_order, take_spread};
use crate::fanout::{Written, batches, look, meant, note_due, written};
use crate::hub::Hub;
use crate::service::Shared;
use crate::source::{self, LOOK_AGAIN_MS};
use carillon_model::UnixMs;
use carillon_model::batch::{BatchDevices, MAX_BATCH};
use carillon_model::campaign::{
    self, AudienceMode, CampaignPlan, CampaignState, CanaryCounts, Halt, Phase, SourceRead, Turn,
    Verdict,
};
use carillon_model::event::{CampaignHalted, EventKind};
use carillon_model::id::DeviceNo;
use carillon_model::lane::Lane;
use carillon_model::list::FrozenList;
use carillon_model::send_at::IfPast;
use carillon_model::target::{Audience, Target};
use carillon_ports::campaign::{CampaignHead, CampaignStep, Chunk, TakenChunk};
use carillon_ports::fault::{self, Bug};
use carillon_ports::news;
use carillon_ports::store::{Fanout, FanoutPage, NewEvent, Recipient, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Pieces from which a slice, or a part of a canary, is made at most.
const MOST_PIECES: u32 = 64;
/// From how many pieces a canary is taken at once.
const CANARY_PIECES: u32 = 16;
/// A notification has some million places for batches. After so many, slices are full ones, whatever the
/// pace, so that they suffice for any audience.
const PLACES_FOR_SMALL: u32 = 1 << 19;

/// What a step comes to.
#[derive(Default)]
struct Made {
    recipients: Vec<Recipient>,
    /// Devices up to this one are done.
    after: Option<DeviceNo>,
    finished: bool,
    due_at: UnixMs,
    chunks: Vec<Chunk>,
    taken: Vec<TakenChunk>,
    halt: Option<NewEvent>,
    /// Whom it is for, now that it is known.
    audience: Option<Audience>,
}

impl Made {
    fn wait(due_at: UnixMs) -> Self {
        Self {
            due_at,
            ..Self::default()
        }
    }

    fn done() -> Self {
        Self {
            finished: true,
            ..Self::default()
        }
    }
}

/// Makes a step and stores it. What is to be done next is read anew.
pub(crate) async fn step(
    shared: &Shared,
    fanout: &Fanout,
    campaign: &CampaignHead,
) -> Result<(), StoreError> {
    let hub = &shared.hub;
    let head = &fanout.notification;
    let now = hub.parts.clock.now();
    let written = written(head);
    let (made, state) = match Going::read(hub, fanout, campaign, &written, now) {
        Ok(mut going) => (going.step().await?, json(&going.state)),
        Err(why) => {
            // It was written by a newer server: nobody of it is reached any more.
            let no = head.no;
            tracing::error!(notification = %no, "campaign {no} ends, it cannot be read: {why}");
            (Made::done(), campaign.state.clone())
        }
    };
    let batches = batches(fanout, &made.recipients);
    let lanes: Vec<Lane> = batches.iter().map(|batch| batch.lane).collect();
    let is_halted = made.halt.is_some();
    let page = FanoutPage {
        notification: head.no,
        badge: written.badge,
        batches,
        after: made.after.unwrap_or(fanout.after),
        finished: made.finished,
        campaign: Some(CampaignStep {
            fence: campaign.fence,
            state,
            due_at: made.due_at,
            chunks: made.chunks,
            taken: made.taken,
            halt: made.halt,
            audience: made.audience,
        }),
        now,
    };
    let is_stored = hub.parts.store.store_fanout_page(page).await?;
    fault::stage("fanout.page_committed");
    if made.finished || is_halted {
        hub.tell();
    }
    if is_stored && is_halted {
        shared.core.lock().pause(head.no, hub.moment());
    }
    if is_stored {
        note_due(shared, lanes, head.options.class);
    }
    Ok(())
}

/// A campaign in the middle of a step.
struct Going<'a> {
    hub: &'a Arc<Hub>,
    fanout: &'a Fanout,
    name: &'a str,
    written: &'a Written,
    now: UnixMs,
    plan: CampaignPlan,
    state: CampaignState,
}

impl<'a> Going<'a> {
    fn read(
        hub: &'a Arc<Hub>,
        fanout: &'a Fanout,
        campaign: &'a CampaignHead,
        written: &'a Written,
        now: UnixMs,
    ) -> serde_json::Result<Self> {
        Ok(Self {
            hub,
            fanout,
            name: &campaign.name,
            written,
            now,
            plan: serde_json::from_str(&campaign.plan)?,
            state: serde_json::from_str(&campaign.state)?,
        })
    }

    async fn step(&mut self) -> Result<Made, StoreError> {
        let head = &self.fanout.notification;
        let is_gone = self.hub.directory.load().app_by_no(head.app).is_none();
        // What would expire at once is not made at all: who had no turn by then gets nothing.
        if is_gone || head.expires_at.is_some_and(|at| at <= self.now) {
            return Ok(Made::done());
        }
        if self.state.phase == Phase::Begin
            && let Target::Source(name) = &self.plan.audience
            && self.fanout.audience.list.is_none()
        {
            let name = name.clone();
            return Ok(self.link(&name).await);
        }
        if self.state.phase == Phase::Begin {
            let last = self.hub.parts.store.last_device(head.app).await?;
            self.state.last_device = last.0;
            self.state.phase = match self.plan.audience_mode {
                AudienceMode::Frozen => Phase::Gather,
                AudienceMode::Live => Phase::Send,
            };
        }
        match self.state.phase {
            Phase::Begin | Phase::Gather => self.gather().await,
            Phase::Canary => self.canary().await,
            Phase::Hold => self.judge().await,
            Phase::Send => match self.plan.audience_mode {
                AudienceMode::Frozen => self.slice().await,
                AudienceMode::Live => self.live_slice().await,
            },
        }
    }

    /// Has its source read, which becomes its audience.
    async fn link(&mut self, name: &str) -> Made {
        let head = &self.fanout.notification;
        let Some(read) = source::ask(self.hub, head.app, head.no, name).await else {
            return Made::wait(self.now.saturating_add(LOOK_AGAIN_MS));
        };
        let config = &self.hub.parts.config;
        let state = self.state.source.get_or_insert_default();
        let error = match read {
            Ok(linked) => {
                *state = SourceRead {
                    devices: Some(linked.devices),
                    rows: linked.rows,
                    ..SourceRead::default()
                };
                let list = FrozenList {
                    version: 0,
                    no: linked.list,
                };
                return Made {
                    audience: Some(Audience {
                        list: Some(list),
                        ..self.fanout.audience.clone()
                    }),
                    ..Made::default()
                };
            }
            Err(error) => error,
        };
        state.failures += 1;
        state.error = Some(error.message.clone());
        if error.is_temporary && state.failures < config.source_tries {
            let pause = config.source_pause_ms.into();
            return Made::wait(self.now.saturating_add(pause));
        }
        self.halt("source", error.message)
    }

    /// The next devices that are meant, of those that were registered when it began.
    async fn meant_devices(
        &self,
        limit: u32,
    ) -> Result<(Vec<Recipient>, DeviceNo, bool), StoreError> {
        let look = look(self.hub, self.fanout, self.written.reach, limit).await?;
        let mut devices = look.devices;
        devices.retain(|recipient| self.state.has(recipient.device));
        let finished = look.finished || look.after.0 >= self.state.last_device;
        let except_users = &self.fanout.audience.except_users;
        let devices = meant(self.hub, except_users, devices).await?;
        Ok((devices, look.after, finished))
    }

    /// Devices that may go together.
    fn most(&self, together: u32) -> u32 {
        if self.fanout.next_place >= PLACES_FOR_SMALL {
            MAX_BATCH as u32
        } else {
            together
        }
    }

    // --- an audience that is asked as it goes ---

    async fn live_slice(&mut self) -> Result<Made, StoreError> {
        if self.state.next_at > self.now {
            return Ok(Made::wait(self.state.next_at));
        }
        let rate = self.plan.pace.as_ref().map(|pace| pace.rate(0));
        let together = rate.map_or(self.plan.slice_size, |rate| {
            rate.together(self.plan.slice_size)
        });
        let (recipients, after, finished) = self.meant_devices(self.most(together)).await?;
        if let Some(rate) = rate {
            let made = recipients.len() as u32;
            self.state.next_at = rate.next_at(self.state.next_at, self.now, made);
        }
        Ok(Made {
            recipients,
            after: Some(after),
            finished,
            due_at: self.state.next_at,
            ..Made::default()
        })
    }

    // --- an audience that is written down ---

    async fn gather(&mut self) -> Result<Made, StoreError> {
        let limit = self.hub.parts.config.campaign_gather;
        let (devices, after, finished) = self.meant_devices(limit).await?;
        let numbers: Vec<DeviceNo> = devices.iter().map(|recipient| recipient.device).collect();
        let mut chunks = Vec::new();
        let most = self.plan.slice_size as usize;
        let has_canary = self.plan.canary.is_some();
        for (wave_at, numbers) in self.waves(numbers).await? {
            self.state.gathered(wave_at, numbers.len() as u64);
            // Only a canary has to be like the whole. In the order of the devices, what is read and written of them lies
            // together: that is twice as fast.
            let pieces = match has_canary {
                true => spread(&numbers, most),
                false => in_order(&numbers, most),
            };
            for devices in pieces {
                chunks.push(Chunk {
                    wave_at,
                    no: match has_canary {
                        true => scattered(self.state.chunks),
                        false => self.state.chunks,
                    },
                    devices: BatchDevices::new(devices),
                });
                self.state.chunks += 1;
            }
        }
        if finished {
            self.state.phase = match self.plan.canary {
                Some(_) => Phase::Canary,
                None => Phase::Send,
            };
        }
        Ok(Made {
            after: Some(after),
            chunks,
            ..Made::default()
        })
    }

    /// Devices by the instant at which they go.
    async fn waves(
        &mut self,
        devices: Vec<DeviceNo>,
    ) -> Result<BTreeMap<UnixMs, Vec<DeviceNo>>, StoreError> {
        let Some(local) = &self.plan.local_time else {
            return Ok(BTreeMap::from([(0, devices)]));
        };
        let zones = self.hub.parts.store.time_zones(devices.clone()).await?;
        let begun_at = self.fanout.notification.begins_at();
        let mut known: HashMap<Option<String>, UnixMs> = HashMap::new();
        let mut waves: BTreeMap<UnixMs, Vec<DeviceNo>> = BTreeMap::new();
        for (device, zone) in devices.into_iter().zip(zones) {
            let at = match known.get(&zone) {
                Some(at) => *at,
                None => {
                    let at = local.wave_at(zone.as_deref()).unwrap_or(0);
                    known.insert(zone, at);
                    at
                }
            };
            let is_past = at < begun_at;
            if is_past && self.plan.if_past.unwrap_or_default() == IfPast::Refuse {
                self.state.left_out += 1;
            } else {
                waves.entry(at).or_default().push(device);
            }
        }
        Ok(waves)
    }

    async fn slice(&mut self) -> Result<Made, StoreError> {
        match self.state.turn(&self.plan, self.now) {
            Turn::Done => Ok(Made::done()),
            Turn::Wait(at) => Ok(Made::wait(at)),
            Turn::Take { wave, devices } => {
                let most = self.most(devices) as usize;
                let at = self.state.waves[wave].at;
                let chunks = self.chunks(at, MOST_PIECES).await?;
                let (numbers, mut taken) = take_in_order(chunks, most);
                if fault::planted(Bug::LosePiece) {
                    taken.iter_mut().for_each(|taken| taken.left = None);
                }
                if fault::planted(Bug::TakeTwice) {
                    taken.clear();
                }
                if numbers.is_empty() {
                    self.lost(wave);
                    return Ok(Made::default());
                }
                let count = numbers.len() as u32;
                self.state.took(&self.plan, wave, count, self.now);
                let next = match self.state.turn(&self.plan, self.now) {
                    Turn::Wait(at) => at,
                    Turn::Done | Turn::Take { .. } => 0,
                };
                self.made(numbers, taken, next).await
            }
        }
    }

    async fn canary(&mut self) -> Result<Made, StoreError> {
        let Some(canary) = self.plan.canary.clone() else {
            self.state.phase = Phase::Send;
            return Ok(Made::default());
        };
        let (wave, together) = match self.state.canary_turn(&self.plan, self.now) {
            Turn::Done => return Ok(Made::done()),
            Turn::Wait(at) => return Ok(Made::wait(at)),
            Turn::Take { wave, devices } => (wave, self.most(devices)),
        };
        let at = self.state.waves[wave].at;
        let missing = canary.size - self.state.canary.min(canary.size);
        let most = missing.min(together) as usize;
        let chunks = self.chunks(at, CANARY_PIECES).await?;
        let from = scattered(self.state.canary) as usize;
        let (numbers, taken) = take_spread(chunks, most, from);
        if numbers.is_empty() && most > 0 {
            self.lost(wave);
        }
        let count = numbers.len() as u32;
        self.state.took(&self.plan, wave, count, self.now);
        self.state.canary += count;
        let is_whole = self.state.canary >= canary.size || self.state.waves[wave].left == 0;
        let due_at = if is_whole {
            self.state.phase = Phase::Hold;
            self.state.hold_until = self.now.saturating_add(canary.hold_ms());
            self.state.hold_until
        } else {
            match self.state.canary_turn(&self.plan, self.now) {
                Turn::Wait(at) => at,
                Turn::Done | Turn::Take { .. } => 0,
            }
        };
        self.made(numbers, taken, due_at).await
    }

    async fn judge(&mut self) -> Result<Made, StoreError> {
        if self.state.hold_until > self.now {
            return Ok(Made::wait(self.state.hold_until));
        }
        let head = &self.fanout.notification;
        let store = &self.hub.parts.store;
        let view = store.campaign(head.app, head.no).await?;
        let (Some(canary), Some(view)) = (&self.plan.canary, view) else {
            return Ok(Made::done());
        };
        let seen = &view.notification;
        let counts = CanaryCounts::of(&seen.states, seen.open, view.retired);
        match canary.judge(&counts) {
            Verdict::GoOn => {
                self.state.phase = Phase::Send;
                Ok(Made::default())
            }
            Verdict::Halt(reason, message) => Ok(self.halt(reason, message)),
        }
    }

    /// It rests by itself, and tells why.
    fn halt(&mut self, reason: &'static str, message: String) -> Made {
        let head = &self.fanout.notification;
        let id = campaign::public(head.no, head.accepted_at);
        tracing::warn!(
            campaign = id,
            reason,
            "the campaign {} halts: {message}",
            self.name
        );
        let data = CampaignHalted {
            campaign: id.clone(),
            name: self.name.to_owned(),
            reason: reason.to_owned(),
            message: message.clone(),
        };
        self.state.halted = Some(Halt {
            at: self.now,
            reason: reason.to_owned(),
            message,
        });
        Made {
            halt: Some(news::event(head.app, EventKind::CampaignHalted, &id, &data)),
            ..Made::default()
        }
    }

    async fn chunks(&self, wave_at: UnixMs, limit: u32) -> Result<Vec<Chunk>, StoreError> {
        let no = self.fanout.notification.no;
        let store = &self.hub.parts.store;
        store.campaign_chunks(no, wave_at, limit).await
    }

    async fn made(
        &self,
        numbers: Vec<DeviceNo>,
        taken: Vec<TakenChunk>,
        due_at: UnixMs,
    ) -> Result<Made, StoreError> {
        let store = &self.hub.parts.store;
        Ok(Made {
            recipients: store.recipients(numbers, self.written.reach).await?,
            taken,
            due_at,
            ..Made::default()
        })
    }

    /// What was counted of a wave is not there: a bug, which must not keep the campaign for ever.
    fn lost(&mut self, wave: usize) {
        let no = self.fanout.notification.no;
        let left = std::mem::take(&mut self.state.waves[wave].left);
        tracing::error!(notification = %no, left, "campaign {no} has lost {left} devices of its audience");
    }
}
