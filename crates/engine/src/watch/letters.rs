//! Notifications about incidents: made, stored with the step that they are of, and taken back where that is not so any more.

use super::config::WatchConfig;
use super::secrets::IncidentLink;
use super::turning::{About, Turning};
use crate::dispatch::pause_ms;
use crate::draft::{Draft, draft};
use crate::intake::make_cold;
use crate::moment::ms;
use crate::request::{Origin, SendItem};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::content::{Content, Urgency};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Gateway};
use carillon_model::monitor::{
    INCIDENT_KEY, INCIDENT_LINK_PATH, Incident, IncidentState, Notice, PageHow, Rings, Sound,
    collapse_id,
};
use carillon_model::notification::{NotificationRequest, Priority, RequestOptions};
use carillon_model::problem::{FieldProblem, first_sentence};
use carillon_model::push_type::{OnUnknown, PushType, Reach};
use carillon_model::target::Target;
use carillon_ports::store::{Recipient, StoreError};
use carillon_ports::watch::RingChange;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The set of actions that the app registers for incidents.
const CATEGORY: &str = "CARILLON_INCIDENT";
/// An alert is sent until the next step is due, but at least for so long …
const ALERT_LIFE_MIN_MS: i64 = 600_000;
/// … and at most for so long.
const ALERT_LIFE_MAX_MS: i64 = 3_600_000;

/// So many pages are taken back at once, in all: each looks through all that is sent, and waits for gateways.
const TAKEN_BACK_AT_ONCE: usize = 16;

/// Whoever takes a page back holds one of these.
pub(super) struct Takers(Arc<Semaphore>);

impl Default for Takers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TAKEN_BACK_AT_ONCE)))
    }
}

/// A notification that is taken back, and whose.
type Overtaken = (AppNo, NotificationNo);

/// A notification that is to be made.
pub(super) struct Letter {
    /// Whose step it is of.
    pub(super) place: usize,
    /// Which entry it is about.
    pub(super) entry: usize,
    pub(super) about: About,
    pub(super) user: String,
    pub(super) devices: Vec<Addressee>,
    /// By which gateway alone it goes, where others are in trouble.
    pub(super) gateway: Option<Gateway>,
    pub(super) notice: Notice,
    /// Of a critical alert.
    pub(super) sound: Sound,
    /// Where the incident is.
    pub(super) state: IncidentState,
    /// How long it is worth to be sent, where it is a page: milliseconds.
    pub(super) life_ms: Option<i64>,
}

/// A device that a letter is for.
pub(super) struct Addressee {
    /// Its public id.
    pub(super) id: String,
    /// What is written down of its rings, where it is rung.
    pub(super) ring: Option<RingChange>,
}

/// Rings of devices that are written down with steps which are being made.
pub(super) type Ringing = HashMap<DeviceNo, Rings>;

/// How long a page by these means is worth to be sent. Whoever reads an alert late still knows what is down; a ring that
/// comes late wakes somebody for what may be over.
pub(super) fn life_ms(turning: &Turning, how: PageHow, config: &WatchConfig, now: UnixMs) -> i64 {
    if how == PageHow::Ring {
        return config.ring_life_ms;
    }
    let incident = turning.watch.incident.as_ref();
    let next_at = incident.and_then(Incident::next_page_at);
    let wait_ms = next_at.map_or(0, |at| at.saturating_sub(now));
    wait_ms.clamp(ALERT_LIFE_MIN_MS, ALERT_LIFE_MAX_MS)
}

/// Makes the notifications, and puts each to the step that it is stored with.
pub(super) async fn send(
    shared: &Shared,
    turnings: &mut [Turning],
    letters: Vec<Letter>,
    ringing: &mut Ringing,
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut drafts: Vec<(Letter, Draft)> = Vec::with_capacity(letters.len());
    let mut wanted: HashMap<(AppNo, Reach), BTreeSet<String>> = HashMap::new();
    for letter in letters {
        let monitor = &turnings[letter.place].monitor;
        match shared.letter(monitor, &letter, now) {
            Ok(draft) => {
                let ids = wanted.entry((monitor.app, draft.reach)).or_default();
                ids.extend(letter.devices.iter().map(|device| device.id.clone()));
                drafts.push((letter, draft));
            }
            Err(problems) => {
                let why = first_sentence(&problems);
                let (name, incident) = (&monitor.name, letter.about.no);
                tracing::error!(app = %monitor.app, monitor = name, incident, "somebody was not told of the incident: {why}");
                for device in letter.devices {
                    device.forget_ring(ringing);
                }
            }
        }
    }
    let mut found: HashMap<(AppNo, Reach, String), Recipient> = HashMap::new();
    for ((app, reach), ids) in wanted {
        let ids: Vec<String> = ids.into_iter().collect();
        let resolved = shared
            .hub
            .parts
            .store
            .resolve_devices(app, ids.clone(), reach);
        for (id, recipient) in ids.into_iter().zip(resolved.await?) {
            if let Some(recipient) = recipient {
                found.insert((app, reach, id), recipient);
            }
        }
    }
    for (letter, draft) in drafts {
        let turning = &mut turnings[letter.place];
        let app = turning.monitor.app;
        let (mut recipients, mut reached) = (Vec::new(), Vec::new());
        for device in letter.devices {
            match found.get(&(app, draft.reach, device.id.clone())) {
                Some(recipient) => {
                    recipients.push(*recipient);
                    turning.rings.extend(device.ring);
                    reached.push(device.id);
                }
                // It was deleted a moment ago.
                None => device.forget_ring(ringing),
            }
        }
        recipients.sort_by_key(|recipient| recipient.device);
        if recipients.is_empty() {
            continue;
        }
        let (new, cold) = make_cold(&shared.hub, app, draft, &recipients, now);
        turning.name(letter.entry, &reached, new.no, now);
        turning.pages.push((letter.about.no, new));
        turning.cold.extend(cold);
    }
    Ok(())
}

impl Addressee {
    /// It is not rung after all: whoever rings it next finds its rings as they were.
    fn forget_ring(self, ringing: &mut Ringing) {
        if let Some(RingChange { device, was, now }) = self.ring
            && ringing.get(&device) == Some(&now)
        {
            ringing.insert(device, was);
        }
    }
}

impl Shared {
    /// Takes back what still waits of these: nobody is woken for what somebody has in hand, or what is over. Of what a crash
    /// leaves waiting, pages expire.
    pub(super) fn take_back(self: &Arc<Self>, overtaken: Vec<Overtaken>) {
        if overtaken.is_empty() {
            return;
        }
        // In a task: whoever has answered does not wait for gateways.
        let shared = self.clone();
        tokio::spawn(async move { shared.take_all_back(overtaken).await });
    }

    /// What the store does not take is tried again for as long as a page may be sent.
    async fn take_all_back(self: Arc<Self>, mut left: Vec<Overtaken>) {
        let until = Instant::now() + Duration::from_millis(ALERT_LIFE_MAX_MS.unsigned_abs());
        let longest = self.hub.parts.config.store_retry_max_ms;
        let mut refusals = 0;
        loop {
            left = self.take_some_back(left).await;
            let has_time = Instant::now() < until && !self.hub.is_stopping();
            if left.is_empty() || !has_time {
                break;
            }
            refusals += 1;
            tokio::time::sleep(ms(pause_ms(longest, refusals))).await;
        }
        for (app, no) in left {
            tracing::warn!(%app, notification = no.0, "a page that is not wanted any more was not cancelled: the store took nothing");
        }
    }

    /// Takes back each of these once. Returns those that the store does not take now.
    async fn take_some_back(self: &Arc<Self>, some: Vec<Overtaken>) -> Vec<Overtaken> {
        let mut taking = JoinSet::new();
        for (app, no) in some {
            let takers = self.hub.watching.takers.0.clone();
            let taker = takers.acquire_owned().await;
            let shared = self.clone();
            taking.spawn(async move {
                let taken = shared.take_one_back(app, no).await;
                drop(taker);
                ((app, no), taken)
            });
        }
        let mut refused = Vec::new();
        while let Some(ended) = taking.join_next().await {
            match ended {
                Ok((_, Ok(()))) => {}
                Ok((page, Err(error))) if may_pass(&error) => refused.push(page),
                Ok(((app, no), Err(error))) => {
                    tracing::warn!(%app, notification = no.0, %error, "a page that is not wanted any more was not cancelled: {error}");
                }
                Err(error) => tracing::error!("taking a page back panicked: {error}"),
            }
        }
        refused
    }

    async fn take_one_back(&self, app: AppNo, no: NotificationNo) -> Result<(), StoreError> {
        let found = self.hub.parts.store.notification(app, no).await?;
        let now = self.hub.parts.clock.now();
        let is_open = found.is_some_and(|found| {
            let expires_at = found.head.expires_at;
            found.completed_at.is_none() && expires_at.is_none_or(|at| at > now)
        });
        if is_open {
            self.cancel(app, no).await?;
        }
        Ok(())
    }

    fn letter(
        &self,
        monitor: &super::Monitor,
        letter: &Letter,
        now: UnixMs,
    ) -> Result<Draft, Vec<FieldProblem>> {
        let hub = &self.hub;
        let directory = hub.directory.load();
        let app = directory.app_by_no(monitor.app);
        let link = hub.watching.keys.link(&IncidentLink {
            app: monitor.app,
            monitor: monitor.no,
            incident: letter.about.no,
            user: letter.user.clone(),
            until: now.saturating_add(hub.parts.config.monitors.link_life_ms),
        });
        let mut incident = json!({
            "app": app.map_or("", |app| app.id.as_str()),
            "monitor": monitor.name,
            "incident": letter.about.no,
            "state": letter.state.as_str(),
            "link": format!("{INCIDENT_LINK_PATH}{link}"),
        });
        let notice = &letter.notice;
        if notice.is_ring {
            // For the call screen: such a push shows nothing by itself.
            incident["title"] = notice.title.as_str().into();
            incident["body"] = notice.body.as_str().into();
        }
        let data = raw(&json!({ INCIDENT_KEY: incident }))?;
        let ids = letter
            .devices
            .iter()
            .map(|device| device.id.clone())
            .collect();
        let request = NotificationRequest {
            target: Target::Devices(ids),
            except_users: Vec::new(),
            content: Some(content(letter, data)?),
            template: None,
            content_from: None,
            badge: None,
            options: options(monitor.no.0, letter),
            send_at: None,
            if_past: None,
            expires_at: None,
            expires_in: None,
        };
        let item = SendItem {
            request,
            idempotency: None,
            origin: Origin::default(),
        };
        let mut draft = draft(hub, monitor.app, letter.place, item, now)?;
        // Past quiet hours, caps and preferences: that is what somebody is on call for.
        draft.options.is_critical = true;
        draft.expires_at = letter.life_ms.map(|ms| now.saturating_add(ms));
        Ok(draft)
    }
}

/// Whether a store that answers so may take it soon.
fn may_pass(error: &StoreError) -> bool {
    use StoreError as E;
    matches!(error, E::Busy | E::Overloaded | E::DiskFull | E::Away(_))
}

fn raw(value: &serde_json::Value) -> Result<Box<RawValue>, Vec<FieldProblem>> {
    to_raw_value(value).map_err(|error| {
        vec![FieldProblem::new(
            "/content",
            "content.json",
            error.to_string(),
        )]
    })
}

fn content(letter: &Letter, data: Box<RawValue>) -> Result<Content, Vec<FieldProblem>> {
    let notice = &letter.notice;
    let mut content = Content {
        data: Some(data),
        ..Content::default()
    };
    if notice.is_ring {
        return Ok(content);
    }
    content.title = Some(notice.title.clone());
    content.body = Some(notice.body.clone());
    content.category = Some(CATEGORY.to_owned());
    content.urgency = Some(match letter.state {
        IncidentState::Acknowledged => Urgency::Passive,
        IncidentState::Firing | IncidentState::Resolved => notice.urgency,
    });
    if letter.life_ms.is_none() {
        return Ok(content);
    }
    let Sound { name, volume } = &letter.sound;
    if notice.urgency != Urgency::Critical {
        content.sound = Some("default".to_owned());
        return Ok(content);
    }
    content.sound = Some(name.clone());
    if !letter.sound.is_default() {
        let sound = json!({"critical": 1, "name": name, "volume": volume});
        content.apns = Some(raw(&json!({"aps": {"sound": sound}}))?);
    }
    Ok(content)
}

fn options(monitor: i64, letter: &Letter) -> RequestOptions {
    let is_ring = letter.notice.is_ring;
    RequestOptions {
        push_type: match is_ring {
            true => PushType::Voip,
            false => PushType::Alert,
        },
        priority: Some(match letter.life_ms.is_some() {
            true => Priority::High,
            false => Priority::Normal,
        }),
        collapse_id: (!is_ring).then(|| collapse_id(monitor, letter.about.no)),
        // A ring that comes late, or twice, is worse than none.
        store_offline: is_ring.then_some(false),
        on_unknown: is_ring.then_some(OnUnknown::Drop),
        class: Some(Class::Urgent),
        gateway: letter.gateway,
        receipt: Some(letter.life_ms.is_some()),
        ..RequestOptions::default()
    }
}
