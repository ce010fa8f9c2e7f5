//! What happened to incidents, acted upon: whom a page goes to, by which means, and who is told how it went on. Each
//! notification goes the way of any other, but past quiet hours, caps and preferences, and is stored with the step.

use super::secrets::IncidentLink;
use super::turning::{About, Turning};
use crate::draft::{Draft, draft};
use crate::intake::make_cold;
use crate::request::{Origin, SendItem};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::content::{Content, Urgency};
use carillon_model::definition::DefinitionKind;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::{Class, Gateway};
use carillon_model::monitor::{
    Detour, Entry, Instead, Notice, Page, PageHow, PhoneFacts, Rings, Sound, Told, What,
    collapse_id,
};
use carillon_model::notification::{NotificationRequest, Priority, RequestOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{OnUnknown, PushType, Reach};
use carillon_model::target::Target;
use carillon_ports::store::{Recipient, StoreError};
use carillon_ports::watch::{INCIDENT_ENTRIES, PagePhone, RingChange};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Of one person at most so many devices are paged: those that were seen last.
const MOST_DEVICES: u32 = 20;
/// The set of actions that the app registers for incidents.
const CATEGORY: &str = "CARILLON_INCIDENT";
/// Under this key the incident stands in a push's data.
const DATA_KEY: &str = "carillon_incident";

/// A notification that is to be made.
struct Letter {
    /// Whose step it is of.
    place: usize,
    /// Which entry it is about.
    entry: usize,
    about: About,
    user: String,
    /// By their public ids.
    devices: Vec<String>,
    /// By which gateway alone it goes, where others are in trouble.
    gateway: Option<Gateway>,
    notice: Notice,
    /// Of a critical alert.
    sound: Sound,
    /// Where the incident is, in a word.
    state: &'static str,
    is_page: bool,
}

/// By which means a device is paged.
struct Means {
    how: PageHow,
    gateway: Option<Gateway>,
    instead: Option<Instead>,
    detour: Option<Detour>,
}

/// Phones of people, by App and user.
type Phones = HashMap<(AppNo, String), Vec<PagePhone>>;

/// Acts upon everything that happened in these steps.
pub(super) async fn follow(
    shared: &Shared,
    turnings: &mut [Turning],
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut letters = Vec::new();
    let mut rings = HashMap::new();
    // Each time round is a page that reached nobody: a ladder has few steps.
    while turnings.iter().any(|turning| !turning.happened.is_empty()) {
        let people: Vec<Vec<Vec<String>>> = turnings
            .iter()
            .map(|turning| people(shared, turning, now))
            .collect();
        let phones = phones_of(shared, turnings, &people).await?;
        for (place, turning) in turnings.iter_mut().enumerate() {
            let before = told_before(shared, turning).await?;
            let count = turning.happened.len();
            for people in people[place].iter().take(count) {
                let Some(entry) = turning.happened.pop_front() else {
                    break;
                };
                let mut desk = Desk {
                    shared,
                    place,
                    phones: &phones,
                    rings: &mut rings,
                    letters: &mut letters,
                    now,
                };
                desk.act(turning, entry, people, &before);
            }
        }
    }
    send(shared, turnings, letters, now).await
}

/// Whom each thing that happened pages, in order.
fn people(shared: &Shared, turning: &Turning, now: UnixMs) -> Vec<Vec<String>> {
    let directory = shared.hub.directory.load();
    let app = turning.monitor.app;
    let rotation = |name: &str| {
        let found = directory.definition(app, DefinitionKind::Rotation, name)?;
        directory.watch.rotation(found.no).map(|plan| &**plan)
    };
    let of = |entry: &Entry| match (&entry.what, &turning.ladder) {
        (What::Paged(page), Some(ladder)) => {
            let people = ladder.people(page.no.step, rotation, now);
            people.into_iter().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    turning.happened.iter().map(of).collect()
}

async fn phones_of(
    shared: &Shared,
    turnings: &[Turning],
    people: &[Vec<Vec<String>>],
) -> Result<Phones, StoreError> {
    let mut wanted: BTreeMap<AppNo, BTreeSet<String>> = BTreeMap::new();
    for (turning, people) in turnings.iter().zip(people) {
        let users = people.iter().flatten().cloned();
        wanted.entry(turning.monitor.app).or_default().extend(users);
    }
    let mut phones = Phones::new();
    for (app, users) in wanted {
        if users.is_empty() {
            continue;
        }
        let users = users.into_iter().collect();
        let store = &shared.hub.parts.store;
        for phone in store.page_phones(app, users, MOST_DEVICES).await? {
            let of_user = phones.entry((app, phone.user.clone())).or_default();
            of_user.push(phone);
        }
    }
    Ok(phones)
}

/// Who was told of the incident before this step, where somebody is to be told how it went on.
async fn told_before(shared: &Shared, turning: &Turning) -> Result<Vec<Told>, StoreError> {
    let is_told = |entry: &Entry| {
        matches!(
            entry.what,
            What::Acknowledged { .. } | What::Resolved { is_told: true, .. }
        )
    };
    let (Some(about), true) = (&turning.about, turning.happened.iter().any(is_told)) else {
        return Ok(Vec::new());
    };
    let store = &shared.hub.parts.store;
    let limit = u32::try_from(INCIDENT_ENTRIES).unwrap_or(u32::MAX);
    let entries = store
        .incident_entries(turning.monitor.no, about.no, limit)
        .await?;
    let entries = entries.into_iter().map(|stored| stored.what);
    Ok(entries
        .filter(is_page)
        .flat_map(|entry| entry.told)
        .collect())
}

fn is_page(entry: &carillon_ports::watch::WatchEntry) -> bool {
    matches!(entry.entry.what, What::Paged(_))
}

struct Desk<'a> {
    shared: &'a Shared,
    place: usize,
    phones: &'a Phones,
    /// Rings that are written down with these steps.
    rings: &'a mut HashMap<DeviceNo, Rings>,
    letters: &'a mut Vec<Letter>,
    now: UnixMs,
}

impl Desk<'_> {
    fn act(&mut self, turning: &mut Turning, entry: Entry, people: &[String], before: &[Told]) {
        match &entry.what {
            What::Paged(page) => {
                let page = page.clone();
                let told = self.page(turning, &entry, &page, people);
                let is_anybody = told.iter().any(|told| told.how.is_some());
                turning.enter(entry, told);
                if !is_anybody {
                    turning.reached_nobody(&self.shared.hub, &page, self.now);
                }
            }
            What::Acknowledged { by } => {
                let by = by.clone();
                let told = self.tell(turning, &entry, before, Some(&by), "acknowledged");
                turning.enter(entry, told);
            }
            What::Resolved { is_told: true, .. } => {
                let told = self.tell(turning, &entry, before, None, "resolved");
                turning.enter(entry, told);
            }
            _ => turning.enter(entry, Vec::new()),
        }
    }

    /// A step of the ladder: by which means it goes to each device of these people.
    fn page(
        &mut self,
        turning: &mut Turning,
        entry: &Entry,
        page: &Page,
        people: &[String],
    ) -> Vec<Told> {
        let mut all = Vec::new();
        let in_trouble = self.shared.gateways_in_trouble(turning.monitor.app);
        for user in people {
            let mut by_means: BTreeMap<(PageHow, Option<Gateway>), Vec<String>> = BTreeMap::new();
            let key = (turning.monitor.app, user.clone());
            for phone in self.phones.get(&key).into_iter().flatten() {
                let Some(means) = self.means(turning, phone, page.how, &in_trouble) else {
                    continue;
                };
                let together = by_means.entry((means.how, means.gateway)).or_default();
                together.push(phone.id.clone());
                all.push(Told {
                    user: user.clone(),
                    device: Some(phone.id.clone()),
                    how: Some(means.how),
                    instead: means.instead,
                    detour: means.detour,
                    notification: None,
                });
            }
            if by_means.is_empty() {
                all.push(Told {
                    user: user.clone(),
                    device: None,
                    how: None,
                    instead: None,
                    detour: None,
                    notification: None,
                });
            }
            for (means, devices) in by_means {
                self.write(turning, entry, user, devices, means, "firing", &page.sound);
            }
        }
        all
    }

    /// By which means a device is paged; none: nothing reaches it.
    fn means(
        &mut self,
        turning: &mut Turning,
        phone: &PagePhone,
        how: PageHow,
        in_trouble: &[Gateway],
    ) -> Option<Means> {
        let (how, gateway, detour) = Detour::take(how, &phone.alert_gateways, in_trouble);
        let known = self.rings.get(&phone.device);
        let was = known.cloned().unwrap_or_else(|| phone.rings.clone());
        let mut rings = was.clone();
        let facts = PhoneFacts {
            has_call_screen: phone.has_call_screen,
            has_voip_token: phone.has_voip_token,
        };
        let rules = &self.shared.hub.parts.config.monitors.rings;
        let (how, instead) = rings.page(how, facts, rules, self.now);
        let means = Means {
            how,
            gateway,
            instead,
            detour,
        };
        if how == PageHow::Ring {
            self.rings.insert(phone.device, rings.clone());
            turning.rings.push(RingChange {
                device: phone.device,
                was,
                now: rings,
            });
            return Some(means);
        }
        (!phone.alert_gateways.is_empty()).then_some(means)
    }

    /// How it went on: quietly, to everybody who was paged but `by`.
    fn tell(
        &mut self,
        turning: &Turning,
        entry: &Entry,
        before: &[Told],
        by: Option<&str>,
        state: &'static str,
    ) -> Vec<Told> {
        let now = turning.entries.iter().filter(|entry| is_page(entry));
        let all = before.iter().chain(now.flat_map(|entry| &entry.told));
        let mut devices: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for told in all.filter(|told| Some(told.user.as_str()) != by) {
            if let Some(device) = &told.device {
                devices.entry(&told.user).or_default().insert(device);
            }
        }
        let mut all = Vec::new();
        for (user, devices) in devices {
            let ids: Vec<String> = devices.into_iter().map(str::to_owned).collect();
            all.extend(ids.iter().map(|id| Told {
                user: user.to_owned(),
                device: Some(id.clone()),
                how: None,
                instead: None,
                detour: None,
                notification: None,
            }));
            let (means, sound) = ((PageHow::Alert, None), Sound::default());
            self.write(turning, entry, user, ids, means, state, &sound);
        }
        all
    }

    #[expect(clippy::too_many_arguments, reason = "a letter has so many parts")]
    fn write(
        &mut self,
        turning: &Turning,
        entry: &Entry,
        user: &str,
        devices: Vec<String>,
        (how, gateway): (PageHow, Option<Gateway>),
        state: &'static str,
        sound: &Sound,
    ) {
        let Some(about) = &turning.about else {
            return;
        };
        let notice = Notice::of(
            &turning.monitor.name,
            &about.fault,
            about.opened_at,
            &entry.what,
            how,
            self.now,
        );
        let Some(notice) = notice else {
            return;
        };
        self.letters.push(Letter {
            place: self.place,
            entry: turning.entries.len(),
            about: about.clone(),
            user: user.to_owned(),
            devices,
            gateway,
            notice,
            sound: sound.clone(),
            state,
            is_page: matches!(entry.what, What::Paged(_)),
        });
    }
}

/// Makes the notifications, and puts each to the step that it is stored with.
async fn send(
    shared: &Shared,
    turnings: &mut [Turning],
    letters: Vec<Letter>,
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut drafts: Vec<(Letter, Draft)> = Vec::with_capacity(letters.len());
    let mut wanted: HashMap<(AppNo, Reach), BTreeSet<String>> = HashMap::new();
    for letter in letters {
        let monitor = &turnings[letter.place].monitor;
        match shared.letter(monitor, &letter, now) {
            Ok(draft) => {
                let ids = wanted.entry((monitor.app, draft.reach)).or_default();
                ids.extend(letter.devices.iter().cloned());
                drafts.push((letter, draft));
            }
            Err(problems) => {
                let why = problems
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let (name, incident) = (&monitor.name, letter.about.no);
                tracing::error!(app = %monitor.app, monitor = name, incident, "somebody was not told of the incident: {why}");
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
        let of = |id: &String| found.get(&(app, draft.reach, id.clone())).copied();
        let mut recipients: Vec<Recipient> = letter.devices.iter().filter_map(of).collect();
        recipients.sort_by_key(|recipient| recipient.device);
        if recipients.is_empty() {
            // They lost their push tokens a moment ago.
            continue;
        }
        let (new, cold) = make_cold(&shared.hub, app, draft, &recipients, now);
        turning.name(letter.entry, &letter.devices, new.no, now);
        turning.pages.push((letter.about.no, new));
        turning.cold.extend(cold);
    }
    Ok(())
}

impl Shared {
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
            "state": letter.state,
            "link": format!("/i/{link}"),
        });
        let notice = &letter.notice;
        if notice.is_ring {
            // For the call screen: such a push shows nothing by itself.
            incident["title"] = notice.title.as_str().into();
            incident["body"] = notice.body.as_str().into();
        }
        let data = raw(&json!({ DATA_KEY: incident }))?;
        let request = NotificationRequest {
            target: Target::Devices(letter.devices.clone()),
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
        Ok(draft)
    }
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
        "acknowledged" => Urgency::Passive,
        _ => notice.urgency,
    });
    if !letter.is_page {
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
        priority: Some(match letter.is_page {
            true => Priority::High,
            false => Priority::Normal,
        }),
        collapse_id: (!is_ring).then(|| collapse_id(monitor, letter.about.no)),
        // A ring that comes late, or twice, is worse than none.
        store_offline: is_ring.then_some(false),
        on_unknown: is_ring.then_some(OnUnknown::Drop),
        class: Some(Class::Urgent),
        gateway: letter.gateway,
        receipt: Some(letter.is_page),
        ..RequestOptions::default()
    }
}
