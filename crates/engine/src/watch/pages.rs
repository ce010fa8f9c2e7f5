//! What happened to incidents, acted upon: whom a page goes to, by which means, and who is told how it went on. Each
//! notification goes the way of any other, but past quiet hours, caps and preferences, and is stored with the step.

use super::letters::{Addressee, Letter, Ringing, life_ms, send};
use super::turning::{Turning, overtakes};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::AppNo;
use carillon_model::lane::Gateway;
use carillon_model::monitor::{
    Detour, Entry, IncidentState, Instead, LaneTroubles, Notice, Page, PageHow, PageNo, PhoneFacts,
    Sound, Told, What, Whom,
};
use carillon_ports::store::StoreError;
use carillon_ports::watch::{INCIDENT_ENTRIES, PagePhone, RingChange, WatchEntry};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Of one person at most so many devices are paged: those that were seen last.
pub(super) const MOST_DEVICES: u32 = 20;

/// By which means a device is paged.
struct Means {
    how: PageHow,
    gateway: Option<Gateway>,
    instead: Option<Instead>,
    detour: Option<Detour>,
    ring: Option<RingChange>,
}

/// Phones of people, by App and user.
type Phones = HashMap<(AppNo, String), Vec<PagePhone>>;

/// Acts upon everything that happened in these steps.
pub(super) async fn follow(
    shared: &Shared,
    turnings: &mut [Turning],
    now: UnixMs,
) -> Result<(), StoreError> {
    let mut ringing = Ringing::new();
    // Each time round is a page that reached nobody: a ladder has few steps.
    while turnings.iter().any(|turning| !turning.happened.is_empty()) {
        for turning in turnings.iter_mut() {
            read_former(shared, turning).await?;
        }
        let people: Vec<Vec<Vec<String>>> = turnings
            .iter()
            .map(|turning| people(shared, turning, now))
            .collect();
        let phones = phones_of(shared, turnings, &people).await?;
        let (mut letters, mut pages) = (Vec::new(), Vec::new());
        for ((place, turning), people) in turnings.iter_mut().enumerate().zip(&people) {
            let happened = std::mem::take(&mut turning.happened);
            for (entry, people) in happened.into_iter().zip(people) {
                if let What::Paged(page) = &entry.what {
                    pages.push((place, turning.entries.len(), page.clone()));
                }
                let mut desk = Desk {
                    shared,
                    place,
                    phones: &phones,
                    ringing: &mut ringing,
                    letters: &mut letters,
                    now,
                };
                desk.act(turning, entry, people);
            }
        }
        send(shared, turnings, letters, &mut ringing, now).await?;
        for (place, entry, page) in pages {
            let turning = &mut turnings[place];
            if !turning.has_reached(entry) {
                turning.reached_nobody(&shared.hub, &page, now);
            }
        }
    }
    Ok(())
}

/// Whom each thing that happened pages, in order.
fn people(shared: &Shared, turning: &Turning, now: UnixMs) -> Vec<Vec<String>> {
    let directory = shared.hub.directory.load();
    let app = turning.monitor.app;
    let rotation = |name: &str| {
        let found = directory.definition(app, DefinitionKind::Rotation, name)?;
        directory.watch.rotation(found.no).map(|plan| &**plan)
    };
    let former = turning.former.iter().chain(&turning.entries);
    let mut before: Vec<(Option<u32>, PageNo, String)> = former.flat_map(paged).collect();
    let mut all = Vec::with_capacity(turning.happened.len());
    for entry in &turning.happened {
        let (What::Paged(page), Some(ladder)) = (&entry.what, &turning.ladder) else {
            all.push(Vec::new());
            continue;
        };
        let known = before.iter().filter(|(no, ..)| *no == entry.incident);
        let known: Vec<_> = known.map(|(_, no, user)| (*no, user.as_str())).collect();
        let people = ladder.people(page.no, rotation, &known, now);
        let people: Vec<String> = people.into_iter().map(str::to_owned).collect();
        let paged = people.iter().cloned();
        before.extend(paged.map(|user| (entry.incident, page.no, user)));
        all.push(people);
    }
    all
}

/// Whom a page went to, whether they have a device or not.
fn paged(one: &WatchEntry) -> impl Iterator<Item = (Option<u32>, PageNo, String)> {
    let no = match &one.entry.what {
        What::Paged(page) => Some(page.no),
        _ => None,
    };
    let told = one.told.iter();
    told.filter_map(move |told| Some((one.entry.incident, no?, told.user.clone())))
}

/// The devices of whoever is paged now, or was before and may be told how it goes on.
async fn phones_of(
    shared: &Shared,
    turnings: &[Turning],
    people: &[Vec<Vec<String>>],
) -> Result<Phones, StoreError> {
    let mut wanted: BTreeMap<AppNo, BTreeSet<String>> = BTreeMap::new();
    for (turning, people) in turnings.iter().zip(people) {
        let users = people.iter().flatten();
        let reached = reached(turning).map(|(_, told)| &told.user);
        let of_app = wanted.entry(turning.monitor.app).or_default();
        of_app.extend(users.chain(reached).cloned());
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

/// Reads what happened to the incident before this step, where that is overtaken now or says who is next.
async fn read_former(shared: &Shared, turning: &mut Turning) -> Result<(), StoreError> {
    let ladder = turning.ladder.as_deref();
    let is_next = |page: &Page| {
        let step = ladder.and_then(|ladder| ladder.steps.get(usize::from(page.no.step)));
        step.is_some_and(|step| matches!(step.whom, Whom::Next(_)))
    };
    let is_wanted = turning.happened.iter().any(|entry| match &entry.what {
        What::Paged(page) => is_next(page),
        what => overtakes(what),
    });
    let (Some(about), true) = (&turning.about, is_wanted && turning.former.is_empty()) else {
        return Ok(());
    };
    let store = &shared.hub.parts.store;
    let entries = store.incident_entries(turning.monitor.no, about.no, INCIDENT_ENTRIES);
    turning.former = entries.await?.into_iter().map(|one| one.what).collect();
    Ok(())
}

/// Whom pages have reached until now, each with the entry that says so.
fn reached(turning: &Turning) -> impl Iterator<Item = (&WatchEntry, &Told)> {
    let all = turning.former.iter().chain(&turning.entries);
    let pages = all.filter(|one| matches!(one.entry.what, What::Paged(_)));
    let told = pages.flat_map(|page| page.told.iter().map(move |told| (page, told)));
    told.filter(|(_, told)| told.how.is_some())
}

struct Desk<'a> {
    shared: &'a Shared,
    place: usize,
    phones: &'a Phones,
    ringing: &'a mut Ringing,
    letters: &'a mut Vec<Letter>,
    now: UnixMs,
}

impl Desk<'_> {
    fn act(&mut self, turning: &mut Turning, entry: Entry, people: &[String]) {
        let told = match &entry.what {
            What::Paged(page) => self.page(turning, &entry, page, people),
            What::Acknowledged { by } => {
                self.tell(turning, &entry, Some(by), IncidentState::Acknowledged)
            }
            What::Resolved { is_told: true, .. } => {
                self.tell(turning, &entry, None, IncidentState::Resolved)
            }
            _ => Vec::new(),
        };
        turning.enter(entry, told);
    }

    /// A step of the ladder: by which means it goes to each device of these people.
    fn page(
        &mut self,
        turning: &Turning,
        entry: &Entry,
        page: &Page,
        people: &[String],
    ) -> Vec<Told> {
        let mut all = Vec::new();
        let troubles = self.shared.lane_troubles(turning.monitor.app, self.now);
        for user in people {
            let mut by_means: BTreeMap<(PageHow, Option<Gateway>), Vec<Addressee>> =
                BTreeMap::new();
            let key = (turning.monitor.app, user.clone());
            for phone in self.phones.get(&key).into_iter().flatten() {
                let Some(means) = self.means(phone, page.how, &troubles) else {
                    continue;
                };
                let together = by_means.entry((means.how, means.gateway)).or_default();
                together.push(Addressee {
                    id: phone.id.clone(),
                    ring: means.ring,
                });
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
                let state = IncidentState::Firing;
                self.write(turning, entry, user, devices, means, state, &page.sound);
            }
        }
        all
    }

    /// By which means a device is paged; none: nothing reaches it.
    fn means(&mut self, phone: &PagePhone, how: PageHow, troubles: &LaneTroubles) -> Option<Means> {
        let known = self.ringing.get(&phone.device);
        let was = known.cloned().unwrap_or_else(|| phone.rings.clone());
        let mut rings = was.clone();
        let facts = PhoneFacts {
            has_call_screen: phone.has_call_screen,
            has_voip_token: phone.ring_lane.is_some(),
            has_alert_token: !phone.alert_lanes.is_empty(),
        };
        let rules = &self.shared.hub.parts.config.monitors.rings;
        let (how, instead) = rings.page(how, facts, rules, self.now);
        let (how, gateway, detour) =
            Detour::take(how, phone.ring_lane, &phone.alert_lanes, troubles);
        let ring = (how == PageHow::Ring).then(|| RingChange {
            device: phone.device,
            was,
            now: rings.clone(),
        });
        if ring.is_some() {
            self.ringing.insert(phone.device, rings);
        } else if phone.alert_lanes.is_empty() {
            return None;
        }
        Some(Means {
            how,
            gateway,
            instead,
            detour,
            ring,
        })
    }

    /// How it went on: quietly, to everybody who was paged but `by`.
    fn tell(
        &mut self,
        turning: &Turning,
        entry: &Entry,
        by: Option<&String>,
        state: IncidentState,
    ) -> Vec<Told> {
        let mut devices: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (page, told) in reached(turning) {
            if page.entry.incident != entry.incident || Some(&told.user) == by {
                continue;
            }
            let key = (turning.monitor.app, told.user.clone());
            let mut phones = self.phones.get(&key).into_iter().flatten();
            // A device that has another owner since is not theirs to be told by.
            if let Some(device) = &told.device
                && phones.any(|phone| phone.id == *device)
            {
                devices.entry(&told.user).or_default().insert(device);
            }
        }
        let mut all = Vec::new();
        for (user, devices) in devices {
            let addressee = |id: &&str| Addressee {
                id: (*id).to_owned(),
                ring: None,
            };
            let addressees = devices.iter().map(addressee).collect();
            all.extend(devices.into_iter().map(|id| Told {
                user: user.to_owned(),
                device: Some(id.to_owned()),
                how: None,
                instead: None,
                detour: None,
                notification: None,
            }));
            let (means, sound) = ((PageHow::Alert, None), Sound::default());
            self.write(turning, entry, user, addressees, means, state, &sound);
        }
        all
    }

    #[expect(clippy::too_many_arguments, reason = "a letter has so many parts")]
    fn write(
        &mut self,
        turning: &Turning,
        entry: &Entry,
        user: &str,
        devices: Vec<Addressee>,
        (how, gateway): (PageHow, Option<Gateway>),
        state: IncidentState,
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
        let is_page = matches!(entry.what, What::Paged(_));
        let config = &self.shared.hub.parts.config.monitors;
        let life_ms = is_page.then(|| life_ms(turning, how, config, self.now));
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
            life_ms,
        });
    }
}
