//! Steps of several activities together: what they must know of phones is looked up once for all of them, so that ten
//! thousand that are due in the same second cost a few look-ups.

use super::{OpenActivity, item, words};
use crate::draft::{Draft, draft};
use crate::intake::{Ready, make};
use crate::segment::find_campaigns;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::live_activity::{
    ActivityPush, FcmPhones, Look, Plan, PushKind, Recipient, Run, StartBy, WordedPush,
};
use carillon_model::notification::Priority;
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{Reach, TokenKind};
use carillon_ports::live_activity::{ActivityStep, ErrandChange, Startable};
use carillon_ports::store::{self, StoreError};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// An activity that is to make a step.
pub(crate) struct ToMove {
    /// Its place among those that do so together.
    pub(crate) at: usize,
    pub(crate) open: OpenActivity,
    /// Phones that can start it are looked for.
    pub(crate) looks: bool,
}

/// A step that is worked out, to be written.
pub(crate) enum Moved {
    /// With a notification.
    Push(Box<Ready>),
    /// Without.
    Quiet(Box<ActivityStep>),
}

impl Moved {
    /// Whether something is to be asked of a gateway from then on.
    pub(super) fn has_errand(&self) -> bool {
        let step = match self {
            Self::Push(ready) => ready.new.activity.as_ref(),
            Self::Quiet(step) => Some(&**step),
        };
        step.is_some_and(|step| matches!(step.errand, ErrandChange::At(_)))
    }
}

/// A push that is checked, with the devices that keep the push tokens of its phones.
struct Pushing {
    at: usize,
    draft: Draft,
    devices: Vec<DeviceNo>,
}

/// What some activities must know of phones, looked up once for all of them.
pub(super) struct Known {
    /// In their order; who is worked out is taken out.
    each: VecDeque<KnownOfOne>,
    /// How many pushes at once phones got within the hour, with those of whoever is worked out.
    spent: BTreeMap<i64, u32>,
}

struct KnownOfOne {
    /// Phones that can start it.
    startable: Vec<Startable>,
    /// Phones that have no room for it.
    full: Vec<i64>,
    /// Android phones that show it.
    androids: Vec<i64>,
}

/// By place, what became of each.
pub(super) type Answers = Vec<(usize, Result<Moved, Vec<FieldProblem>>)>;

impl Shared {
    /// Works out what each is to do at `now`, and makes the notification of it.
    pub(crate) async fn activities_moved(
        &self,
        app: AppNo,
        all: Vec<ToMove>,
        now: UnixMs,
    ) -> Result<Answers, StoreError> {
        let mut known = self.known_of(app, &all, now).await?;
        self.worked_out(app, all, &mut known, now).await
    }

    /// Looks up what some activities must know of phones.
    pub(super) async fn known_of(
        &self,
        app: AppNo,
        all: &[ToMove],
        now: UnixMs,
    ) -> Result<Known, StoreError> {
        let mut startable = self.startable(app, all, now).await?;
        let full = self.full(app, all, &mut startable, now).await?;
        let androids = self.androids(app, all, &startable, now).await?;
        let spent = self.spent(all, &startable, now).await?;
        let each = startable.into_iter().zip(full).zip(androids);
        let each = each.map(|((startable, full), androids)| KnownOfOne {
            startable,
            full,
            androids,
        });
        Ok(Known {
            each: each.collect(),
            spent,
        })
    }

    /// Works out what the next of those of whom that is known are to do at `now`, and makes the notifications of it.
    pub(super) async fn worked_out(
        &self,
        app: AppNo,
        next: Vec<ToMove>,
        known: &mut Known,
        now: UnixMs,
    ) -> Result<Answers, StoreError> {
        let hub = &self.hub;
        let Known { each, spent } = known;
        let mut moved = Vec::with_capacity(next.len());
        let mut pushing = Vec::new();
        let of_next = each.drain(..next.len());
        for (ToMove { at, mut open, .. }, of_one) in next.into_iter().zip(of_next) {
            let KnownOfOne {
                startable,
                full,
                androids,
            } = of_one;
            let look = Look {
                startable: startable.iter().map(|one| one.device.0).collect(),
                full,
                refused: std::mem::take(&mut open.refused),
                spent: {
                    let asked = startable.iter().map(|one| one.device.0);
                    let phones = open.run.phones.keys().copied().chain(asked);
                    let of = |no| spent.get(&no).map(|count| (no, *count));
                    phones.filter_map(of).collect()
                },
            };
            let rules = &hub.parts.config.live_activities;
            open.run.add_androids(&androids);
            let mut turn = open.run.turn(&open.plan, now, &look, rules);
            open.run.follow_with_channel(&open.plan, rules);
            turn.notices.append(&mut open.told);
            let push = turn.push.take();
            if let Some(start) = push.as_ref().filter(|push| push.kind == PushKind::Start) {
                let phones = &start.phones;
                for one in startable
                    .iter()
                    .filter(|one| phones.contains(&one.device.0))
                {
                    open.run.keep_start_token(one.device.0, one.push_token_of.0);
                }
            }
            let mut step = open.step(app, &turn, now)?;
            if let Some(push) = push.as_ref().filter(|push| push.priority == Priority::High) {
                // Others of the same round are on the same phone, too.
                for phone in &push.phones {
                    *spent.entry(*phone).or_default() += 1;
                }
                step.urgent = push.phones.iter().copied().map(DeviceNo).collect();
            }
            let Some(push) = push else {
                moved.push((at, Ok(Moved::Quiet(Box::new(step)))));
                continue;
            };
            let devices = addresses(&open.run, &push, &startable);
            let by_fcm = by_fcm(&open, &push, &startable);
            let drafted = match self.in_words(app, &open, push, &startable, by_fcm) {
                Ok((push, words)) => {
                    let item = item(&open, &push, by_fcm, words, step, now)?;
                    draft(hub, app, at, item, now)
                }
                Err(problems) => Err(problems),
            };
            let found = match drafted {
                Ok(mut draft) => find_campaigns(hub, app, &draft.target, &mut draft.segment)
                    .await?
                    .map(|()| draft),
                Err(problems) => Err(problems),
            };
            match found {
                Ok(draft) => pushing.push(Pushing { at, draft, devices }),
                Err(problems) => moved.push((at, Err(problems))),
            }
        }
        let recipients = self.recipients_of(&pushing).await?;
        for (Pushing { at, draft, .. }, recipients) in pushing.into_iter().zip(recipients) {
            let ready = make(hub, app, draft, &recipients, now);
            moved.push((at, Ok(Moved::Push(Box::new(ready)))));
        }
        Ok(moved)
    }

    /// A push whose texts are as everybody reads them, and what is to be written for each reader apart.
    fn in_words(
        &self,
        app: AppNo,
        open: &OpenActivity,
        push: ActivityPush,
        startable: &[Startable],
        by_fcm: FcmPhones,
    ) -> Result<(ActivityPush, Option<WordedPush>), Vec<FieldProblem>> {
        if push.templates().is_empty() {
            return Ok((push, None));
        }
        let is_published = open.plan.is_broadcast() && push.kind != PushKind::Start;
        if is_published || open.plan.audience().is_some() {
            let push = words::for_everybody(&self.hub, app, open, &push)?;
            return Ok((push, None));
        }
        let address = |phone: &i64| address(&open.run, push.kind, startable, *phone);
        let readers = words::readers(&push.phones, address);
        let worded = words::worded(&self.hub, app, open, &push, readers, by_fcm)?;
        Ok((words::sample(&push)?, Some(worded)))
    }

    /// Writes steps for which nothing is sent, in one transaction. `false`: that one is not as it was read.
    pub(crate) async fn activities_quiet(
        &self,
        steps: Vec<ActivityStep>,
    ) -> Result<Vec<bool>, StoreError> {
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let has_news = steps.iter().any(|step| !step.events.is_empty());
        let next_at = steps.iter().filter_map(|step| step.next_at).min();
        let store = &self.hub.parts.store;
        let written = store.step_live_activities(steps).await?;
        if let Some(at) = next_at {
            self.hub.timer_set(at);
        }
        if has_news {
            self.hub.tell();
        }
        Ok(written)
    }

    /// Phones that can start each of these; none where nobody looks for them.
    async fn startable(
        &self,
        app: AppNo,
        all: &[ToMove],
        now: UnixMs,
    ) -> Result<Vec<Vec<Startable>>, StoreError> {
        let store = &self.hub.parts.store;
        let reach = Reach::only(TokenKind::LiveActivityStart);
        let (mut users, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for one in all.iter().filter(|one| one.is_looked_for(now)) {
            match &one.open.plan.recipient {
                Recipient::User(user) => drop(users.insert(user.clone())),
                Recipient::Device(id) => drop(ids.insert(id.clone())),
                Recipient::NewChannel(new) => {
                    users.extend(new.users.iter().cloned());
                    ids.extend(new.devices.iter().cloned());
                }
                Recipient::Channel(_) | Recipient::PushToken(_) => {}
            }
        }
        let devices = self.by_name(app, users, ids, reach).await?;
        let of = |one: &ToMove| -> BTreeSet<DeviceNo> {
            let names = one.is_looked_for(now).then(|| names(&one.open.plan));
            let found = names.into_iter().flatten();
            let found = found.filter_map(|name| devices.get(&name));
            found.flatten().map(|one| one.device).collect()
        };
        let mut by_type: BTreeMap<&str, BTreeSet<DeviceNo>> = BTreeMap::new();
        for one in all {
            let of_type = by_type.entry(&one.open.plan.attributes_type).or_default();
            of_type.extend(of(one));
        }
        let mut tokens: BTreeMap<(&str, DeviceNo), Startable> = BTreeMap::new();
        for (attributes_type, devices) in by_type {
            if devices.is_empty() {
                continue;
            }
            let devices = devices.into_iter().collect();
            let found = store.startable(devices, attributes_type.to_owned()).await?;
            tokens.extend(
                found
                    .into_iter()
                    .map(|one| ((attributes_type, one.device), one)),
            );
        }
        let startable = all.iter().map(|one| {
            let attributes_type = &*one.open.plan.attributes_type;
            let found = of(one).into_iter();
            let found = found.filter_map(|no| tokens.get(&(attributes_type, no)));
            found.copied().collect()
        });
        Ok(startable.collect())
    }

    /// How many pushes at once the phones of these got within the hour.
    async fn spent(
        &self,
        all: &[ToMove],
        startable: &[Vec<Startable>],
        now: UnixMs,
    ) -> Result<BTreeMap<i64, u32>, StoreError> {
        let mut phones: BTreeSet<DeviceNo> =
            startable.iter().flatten().map(|one| one.device).collect();
        let reachable = all.iter().flat_map(|one| &one.open.run.phones);
        let reachable = reachable.filter(|(_, phone)| phone.is_reachable());
        phones.extend(reachable.map(|(no, _)| DeviceNo(*no)));
        if phones.is_empty() {
            return Ok(BTreeMap::new());
        }
        let store = &self.hub.parts.store;
        let found = store
            .urgent_pushes(phones.into_iter().collect(), now)
            .await?;
        Ok(found.into_iter().map(|(no, count)| (no.0, count)).collect())
    }

    /// How the phones of each push are reached, looked up once for each way.
    async fn recipients_of(
        &self,
        all: &[Pushing],
    ) -> Result<Vec<Vec<store::Recipient>>, StoreError> {
        let mut by_reach: HashMap<Reach, BTreeSet<DeviceNo>> = HashMap::new();
        for one in all {
            let of_reach = by_reach.entry(one.draft.reach).or_default();
            of_reach.extend(&one.devices);
        }
        let mut known: HashMap<(Reach, DeviceNo), store::Recipient> = HashMap::new();
        for (reach, devices) in by_reach {
            if devices.is_empty() {
                continue;
            }
            let devices = devices.into_iter().collect();
            let found = self.hub.parts.store.recipients(devices, reach).await?;
            known.extend(found.into_iter().map(|one| ((reach, one.device), one)));
        }
        let of = |one: &Pushing| {
            let found = one.devices.iter();
            let found = found.filter_map(|no| known.get(&(one.draft.reach, *no)));
            found.copied().collect()
        };
        Ok(all.iter().map(of).collect())
    }
}

impl ToMove {
    /// Whether phones that can start it matter.
    pub(super) fn is_looked_for(&self, now: UnixMs) -> bool {
        let open = &self.open;
        (self.looks || open.run.wants_start(now))
            && open.plan.start == StartBy::Push
            && !open.run.state.is_over()
            && now >= open.plan.starts_at
    }
}

/// The names of those who start it, as they are looked up.
pub(super) fn names(plan: &Plan) -> Vec<String> {
    let user = |user: &String| format!("user:{user}");
    let device = |id: &String| format!("device:{id}");
    match &plan.recipient {
        Recipient::User(one) => vec![user(one)],
        Recipient::Device(one) => vec![device(one)],
        Recipient::NewChannel(new) => {
            let users = new.users.iter().map(user);
            users.chain(new.devices.iter().map(device)).collect()
        }
        Recipient::Channel(_) | Recipient::PushToken(_) => Vec::new(),
    }
}

/// Which of a push's phones are told by FCM.
fn by_fcm(open: &OpenActivity, push: &ActivityPush, startable: &[Startable]) -> FcmPhones {
    let (plan, run) = (&open.plan, &open.run);
    let is_start = push.kind == PushKind::Start;
    // Of an audience nobody knows it yet.
    let is_crowd = is_start && plan.audience().is_some();
    let mut started = startable.iter().filter(|_| is_start);
    let is_started = started.any(|one| one.is_through_fcm && push.phones.contains(&one.device.0));
    let mut known = push.phones.iter().filter_map(|no| run.phones.get(no));
    FcmPhones {
        android: known.clone().any(|phone| phone.is_android),
        iphones: is_started || is_crowd || known.any(|phone| !is_start && phone.is_through_fcm),
    }
}

/// The devices that keep the push tokens of a push's phones, ascending.
fn addresses(run: &Run, push: &ActivityPush, startable: &[Startable]) -> Vec<DeviceNo> {
    let of = |phone: &i64| address(run, push.kind, startable, *phone);
    let mut devices: Vec<DeviceNo> = push.phones.iter().filter_map(of).collect();
    devices.sort_unstable();
    devices.dedup();
    devices
}

/// The device that keeps the push token of a phone.
fn address(run: &Run, kind: PushKind, startable: &[Startable], phone: i64) -> Option<DeviceNo> {
    let is_start = kind == PushKind::Start;
    let mut startable = startable.iter().filter(|_| is_start);
    if let Some(found) = startable.find(|one| one.device.0 == phone) {
        return Some(found.push_token_of);
    }
    let known = run.phones.get(&phone)?;
    let no = match is_start && !known.is_android {
        true => known.asked_by,
        false => known.push_token_of,
    };
    no.map(DeviceNo)
}
