//! Forged books: small true ones, to be falsified by the tests of the laws.

use std::collections::BTreeMap;

use crate::books::accepted::{
    Address, AppEntry, Asked, Audience, Call, Cancelled, DeviceEntry, Gateway, Kind, OnUnknown,
    Sighting,
};
use crate::books::activities::{self, Activity, Does, FIRST, KeptActivity, LAST, Pushed, Record};
use crate::books::campaigns::{Answer as Switched, Campaign, CampaignCall, Seen, Switch};
use crate::books::events::{Acknowledged, Event, Manner, Telling};
use crate::books::later::{self, Missed, Planned, Run, RunResult, Schedule, ScheduleCall};
use crate::books::received::{Answer, Meaning, Receipt};
use crate::books::stored::{KeptDelivery, KeptNotification, KeptToken, State};
use crate::books::webhooks::{Endpoint, HookCall, Logged, Temper};
use crate::books::{Books, Life, Micros, Probe, SECOND};
use crate::laws::{Breach, Law, check};
use crate::plan::happening::Happening;

/// When the forged run begins.
pub(crate) const START: Micros = 1_800_000_000 * SECOND;

/// Books being forged. Three devices in one App; device `n` has the push tokens `2 n` (alert) and `2 n + 1` (VoIP).
pub(crate) struct Forged(pub(crate) Books);

/// Books of a run in which everything went well: an alert to two devices and a call to the third.
pub(crate) fn true_books() -> Forged {
    let mut books = Books {
        apps: vec![AppEntry { id: "app".into() }],
        slack: SECOND / 2,
        ..Books::default()
    };
    for device in 0..3 {
        let call = Call {
            sent: START - 9 * SECOND,
            answered: START - 8 * SECOND,
        };
        books.devices.push(DeviceEntry {
            app: 0,
            id: format!("device-{device}"),
            user: device,
            topic: u32::from(device < 2),
            zone: u32::from(device > 1),
            addresses: vec![2 * device, 2 * device + 1],
            registered: vec![call],
            deleted: None,
            is_steady: true,
            is_nameless: false,
        });
        for kind in [Kind::Alert, Kind::Voip] {
            let text = format!("{device:02x}{:02x}", u8::from(kind == Kind::Voip));
            books.addresses.push(Address {
                device,
                gateway: Gateway::Apns,
                kind,
                text,
                subscription: None,
                is_sandbox: false,
                dead_since_ms: None,
            });
            books.tokens.push(KeptToken {
                device,
                kind,
                is_retired: false,
            });
        }
    }
    books.lives.push(Life {
        ready_after: SECOND,
        peak_kib: 50_000,
        ending: "stopped".into(),
    });
    books
        .faults
        .extend(Happening::ALL.map(|happening| (happening.name(), 1)));
    let probe = Probe {
        fault: "gateway 503",
        app: 0,
        gateway: Gateway::Apns,
        took: Some(SECOND),
        is_alone: true,
    };
    books.recoveries.push(probe.clone());
    books.neighbours.push(probe);
    let mut forged = Forged(books);
    let alert = forged.ask(Kind::Alert, &[0, 1]);
    let call = forged.ask(Kind::Voip, &[2]);
    for (number, device) in [(alert, 0), (alert, 1), (call, 2)] {
        forged.receive(number, device, 200, "");
    }
    forged
}

impl Forged {
    /// A notification that was accepted, kept and ended `accepted` for each device. One second after the one before.
    pub(crate) fn ask(&mut self, kind: Kind, devices: &[u32]) -> u32 {
        let number = self.0.asked.len() as u32;
        let sent = START + Micros::from(number) * SECOND;
        self.0.asked.push(Asked {
            app: 0,
            kind,
            on_unknown: match kind {
                Kind::Alert | Kind::Activity => OnUnknown::Resend,
                Kind::Voip => OnUnknown::Drop,
            },
            audience: Audience::Devices(devices.to_vec()),
            expires_at: None,
            planned: None,
            ahead: 0,
            sent,
            accepted: Some((format!("ntf_{number}"), sent + SECOND / 10)),
            refused: None,
            is_cancel_asked: false,
            cancelled: None,
            sightings: Vec::new(),
        });
        let deliveries = devices.iter().map(|device| KeptDelivery {
            id: format!("dlv_{number}_{device}"),
            device: Some(*device),
            state: Some(State::Accepted),
            doubts: 0,
            gateway_id: None,
            heard: None,
        });
        self.0.kept.push(Some(KeptNotification {
            counts: counts(State::Accepted, devices.len() as u64),
            open: 0,
            deliveries: deliveries.collect(),
        }));
        number
    }

    /// A request for it arrives, half a second after the notification (and 10 ms after the one before), and is answered.
    pub(crate) fn receive(
        &mut self,
        number: u32,
        device: u32,
        status: u16,
        reason: &str,
    ) -> &mut Receipt {
        let asked = &self.0.asked[number as usize];
        let voip = u32::from(asked.kind == Kind::Voip);
        let seq = self.0.receipts.len() as u64 + 1;
        self.0.receipts.push(Receipt {
            seq,
            at: asked.sent + SECOND / 2 + seq as Micros * 10_000,
            asked: number,
            text: None,
            address: 2 * device + voip,
            gateway: Gateway::Apns,
            own_id: Some(u128::from(number) << 32 | u128::from(device)),
            collapse: (voip == 0).then_some(u64::from(number) << 32 | u64::from(device)),
            is_shown: status == 200,
            expiration: None,
            ttl_secs: None,
            status,
            reason: reason.to_owned(),
            answer: Answer::Given,
        });
        self.0.receipts.last_mut().unwrap()
    }

    /// The same without an answer.
    pub(crate) fn receive_silently(&mut self, number: u32, device: u32) {
        self.receive(number, device, 200, "").answer = Answer::Withheld;
    }

    /// The only receipt of the true books for a device.
    pub(crate) fn receipt(&mut self, device: u32) -> &mut Receipt {
        self.0
            .receipts
            .iter_mut()
            .find(|receipt| receipt.address / 2 == device)
            .unwrap()
    }

    /// Drops the receipts of a device.
    pub(crate) fn receive_nothing(&mut self, device: u32) {
        self.0
            .receipts
            .retain(|receipt| receipt.address / 2 != device);
    }

    pub(crate) fn notification(&mut self, number: u32) -> &mut KeptNotification {
        self.0.kept[number as usize].as_mut().unwrap()
    }

    pub(crate) fn delivery(&mut self, number: u32, device: u32) -> &mut KeptDelivery {
        let deliveries = &mut self.notification(number).deliveries;
        deliveries
            .iter_mut()
            .find(|delivery| delivery.device == Some(device))
            .unwrap()
    }

    /// Changes a delivery's state, and the notification's counts with it.
    pub(crate) fn end(&mut self, number: u32, device: u32, state: State) {
        let before = self.delivery(number, device).state.replace(state).unwrap();
        let counts = &mut self.notification(number).counts;
        *counts.get_mut(before.as_str()).unwrap() -= 1;
        counts.retain(|_, count| *count > 0);
        *counts.entry(state.as_str().to_owned()).or_default() += 1;
    }

    pub(crate) fn cancel(&mut self, number: u32, not_sent: u64) -> Micros {
        let asked = &mut self.0.asked[number as usize];
        let at = asked.sent + SECOND / 4;
        asked.is_cancel_asked = true;
        asked.cancelled = Some(Cancelled { at, not_sent });
        at
    }

    pub(crate) fn sight(&mut self, number: u32, state: State, count: u64) -> Micros {
        let asked = &mut self.0.asked[number as usize];
        let at = asked.sent + 2 * SECOND;
        asked.sightings.push(Sighting {
            at,
            counts: counts(state, count),
        });
        at
    }

    /// An event that was acknowledged: its number.
    pub(crate) fn report(&mut self, manner: Manner, recipients: &[u32]) -> u32 {
        let number = self.0.events.len() as u32;
        self.0.events.push(Event {
            app: 0,
            manner,
            recipients: recipients.to_vec(),
            post: 1,
            sent: START,
            acknowledged: Some(Acknowledged::default()),
        });
        number
    }

    /// What the API said of an event that is told at once.
    pub(crate) fn acknowledge(&mut self, event: u32, ids: &[&str], throttled: u32) {
        self.0.events[event as usize].acknowledged = Some(Acknowledged {
            notifications: ids.iter().map(|id| (*id).to_owned()).collect(),
            throttled,
        });
    }

    /// A notification that tells events to a user, on his one device.
    pub(crate) fn tell(&mut self, user: u32, events: &[u32]) -> &mut Telling {
        let number = self.ask(Kind::Alert, &[user]);
        self.receive(number, user, 200, "");
        self.0.tellings.push(Telling {
            number,
            id: format!("ntf_{number}"),
            user,
            accepted_at: Micros::from(number) * 100 * SECOND,
            count: events.len() as u64,
            events: events.to_vec(),
            is_contradictory: false,
        });
        self.0.tellings.last_mut().unwrap()
    }

    /// An event of the log that tells completions, and that reached both endpoints of the App.
    pub(crate) fn log(&mut self, completed: &[&str]) {
        let hooks = &mut self.0.hooks;
        let no = hooks.log.len() as i64 + 1;
        hooks.log.push(Logged {
            app: 0,
            no,
            completed: completed.iter().map(|id| (*id).to_owned()).collect(),
        });
        for temper in [Temper::Living, Temper::Dead] {
            hooks.calls.push(HookCall {
                app: 0,
                temper,
                id: format!("evt_{no}_{}", temper.name()),
                no,
                is_signed: true,
                is_taken: temper == Temper::Living,
            });
            if no == 1 {
                hooks.endpoints.push(Endpoint {
                    app: 0,
                    temper,
                    is_enabled: true,
                    queued: 0,
                });
            }
        }
    }

    /// A notification that is due so long after it was accepted.
    pub(crate) fn plan(&mut self, devices: &[u32], after: Micros) -> u32 {
        let number = self.ask(Kind::Alert, devices);
        let asked = &mut self.0.asked[number as usize];
        asked.planned = Some(Planned {
            due: asked.sent + after,
            change: None,
        });
        number
    }

    pub(crate) fn planned(&mut self, number: u32) -> &mut Planned {
        let asked = &mut self.0.asked[number as usize];
        asked.planned.as_mut().unwrap()
    }

    /// A schedule for the first user that is active from [`START`] on, for twelve minutes.
    pub(crate) fn schedule(&mut self, missed: Missed) {
        let call = |what, at| ScheduleCall {
            what,
            sent: at,
            answered: Some(at + SECOND),
        };
        self.0.schedules.push(Schedule {
            app: 0,
            name: "forged".into(),
            users: vec![0],
            missed,
            calls: vec![
                call(later::Asked::Put(1), START),
                call(later::Asked::Pause, START + 12 * 60 * SECOND),
            ],
            runs: Vec::new(),
        });
    }

    /// A run of that schedule so long after [`START`], with what it sent.
    pub(crate) fn fire(&mut self, after: Micros) {
        let number = self.ask(Kind::Alert, &[0]);
        self.receive(number, 0, 200, "").text = Some(1);
        let due = START + after;
        self.0.schedules[0].runs.push(Run {
            due,
            last_due: due,
            fired: due + SECOND / 100,
            is_asked: false,
            result: RunResult::Sent,
            id: Some(format!("ntf_{number}")),
            number: Some(number),
        });
    }

    /// A campaign to these devices that is over, each of them told.
    pub(crate) fn campaign(&mut self, devices: &[u32]) -> u32 {
        let number = self.ask(Kind::Alert, devices);
        for device in devices {
            self.receive(number, *device, 200, "");
        }
        self.0.campaigns.push(Campaign {
            number,
            id: Some(format!("cmp_{number}")),
            is_frozen: true,
            slice: 100,
            per_second: None,
            canary: None,
            wave: None,
            calls: Vec::new(),
            halts: 0,
            seen: Some(Seen {
                status: "completed".into(),
                audience: Some(devices.len() as u64),
                left: Some(0),
                counts: counts(State::Accepted, devices.len() as u64),
            }),
        });
        number
    }

    /// A Live Activity from the second second after [`START`] to the twelfth, with all its pushes.
    pub(crate) fn activity(&mut self) {
        let at = |second: i64| START + second * SECOND;
        let steps = [(2, FIRST), (5, 1), (9, 2), (12, LAST)];
        let pushes = (1..).zip(steps).map(|(own_id, (second, shows))| Pushed {
            does: if shows == LAST {
                Does::End
            } else {
                Does::Update
            },
            own_id: Some(own_id),
            at: at(second),
            timestamp: at(second) / SECOND,
            plan: 1,
            shows,
            meaning: Meaning::Taken,
        });
        let records = [
            ("phase", Some("one"), 5),
            ("phase", Some("two"), 9),
            ("ended", None, 12),
        ];
        let records = records.map(|(what, phase, second)| Record {
            what: what.to_owned(),
            phase: phase.map(str::to_owned),
            due: at(second),
            at: at(second),
        });
        let plan = activities::Plan {
            ends_at: at(12),
            sent: START,
            answered: Some(at(1)),
        };
        self.0.activities.push(Activity {
            app: 0,
            name: "forged".into(),
            starts_at: at(2),
            is_pushed: false,
            plans: vec![plan],
            end_asked: None,
            pushes: pushes.collect(),
            kept: Some(KeptActivity {
                state: "ended".into(),
                ended_by: "planned".into(),
                records: records.to_vec(),
            }),
        });
    }

    pub(crate) fn last_campaign(&mut self) -> &mut Campaign {
        self.0.campaigns.last_mut().unwrap()
    }

    /// Something that was asked of the last campaign, answered so long after it was asked for.
    pub(crate) fn switch(&mut self, what: Switch, after: Micros, answer: Switched) -> Micros {
        let number = self.last_campaign().number;
        let at = self.0.asked[number as usize].sent + after;
        self.last_campaign().calls.push(CampaignCall {
            what,
            sent: at - SECOND / 10,
            answered: Some((at, answer)),
        });
        at
    }

    /// Another device of a user of its own, registered as the others are.
    pub(crate) fn device(&mut self) -> u32 {
        let device = self.0.devices.len() as u32;
        let mut entry = self.0.devices[0].clone();
        entry.id = format!("device-{device}");
        entry.user = device;
        entry.addresses = vec![2 * device, 2 * device + 1];
        for address in 0..2 {
            let mut address = self.0.addresses[address].clone();
            address.device = device;
            self.0.addresses.push(address);
        }
        self.0.devices.push(entry);
        device
    }

    /// What all laws find.
    pub(crate) fn breaches(mut self) -> Vec<Breach> {
        self.0.close();
        check(&self.0)
    }

    /// Asserts that exactly these laws are broken, the first of them in a sentence with this part.
    pub(crate) fn breaks(self, laws: &[Law], part: &str) {
        let breaches = self.breaches();
        let mut found: Vec<Law> = breaches.iter().map(|breach| breach.law).collect();
        found.dedup();
        let mut expected = laws.to_vec();
        expected.sort();
        assert_eq!(found, expected, "{breaches:#?}");
        if let Some(first) = laws.first() {
            let told = breaches
                .iter()
                .any(|breach| breach.law == *first && breach.what.contains(part));
            assert!(told, "no breach of {first:?} says {part:?}: {breaches:#?}");
        }
    }

    /// Asserts that no law is broken.
    pub(crate) fn holds(self) {
        self.breaks(&[], "");
    }
}

fn counts(state: State, count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([(state.as_str().to_owned(), count)])
}

#[test]
fn true_books_break_no_law() {
    true_books().holds();
}
