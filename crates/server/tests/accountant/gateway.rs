//! The gateway: push-sim inside this process, with real TLS, strict; its faults, and the book it keeps.

pub(crate) mod script;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Context, Result, anyhow};
use parking_lot::Mutex;
use push_sim::{
    Action, AnswerFate, AppSettings, Config, Effect, Environment, Fault, FaultFilter, FaultKind,
    Host, NewPhones, ReceivedFilter, Simulator, TeamKey,
};

use crate::books::received::{Answer, Receipt};
use crate::dice::Dice;
use crate::plan::happening::Happening;

/// Streams that a connection may have again after a fault that took them away.
const STREAMS: u32 = 1000;
/// Records kept: more than any run makes.
const MAX_RECORDS: usize = 20_000_000;
/// Bytes of payloads kept with them.
const MAX_PAYLOAD_MEMORY: usize = 4 << 30;
/// Bytes kept of one payload: the number of the notification stands in them.
const MAX_PAYLOAD: usize = 256;

/// The simulator, and what was scripted for it.
#[derive(Debug)]
pub(crate) struct Gateway {
    simulator: Simulator,
    armed: Mutex<Vec<(u32, Happening)>>,
    /// Faults that cut an answer after its head.
    half_answers: Mutex<BTreeSet<u32>>,
    happened: Mutex<BTreeMap<Happening, u64>>,
    /// Each App's key as Apple knows it.
    keys: Vec<TeamKey>,
}

impl Gateway {
    /// Starts it, with an App and a signing key for each bundle. Returns the keys' private halves.
    pub(crate) fn start(seed: u64, bundles: &[&str]) -> Result<(Self, Vec<String>)> {
        let config = Config {
            seed,
            max_records: MAX_RECORDS,
            max_payload_memory_bytes: MAX_PAYLOAD_MEMORY,
            max_payload_bytes: MAX_PAYLOAD,
            max_shown_per_app: 0,
            ..Config::default()
        };
        let simulator = Simulator::start(config)?;
        let (mut keys, mut secrets) = (Vec::new(), Vec::new());
        for (at, bundle) in bundles.iter().enumerate() {
            let pair = rcgen::KeyPair::generate().context("cannot make a signing key")?;
            let team_id = format!("TEAM{at:06}");
            let key = TeamKey {
                team_id: team_id.clone(),
                key_id: format!("KEY{at:07}"),
                public_key_pem: pair.public_key_pem(),
                topics: Some(vec![(*bundle).to_owned()]),
                environment: None,
                related_key_id: None,
            };
            simulator
                .add_key(key.clone())
                .map_err(|error| anyhow!(error))?;
            simulator.set_app(
                bundle,
                AppSettings {
                    team_id: Some(team_id),
                    ..AppSettings::default()
                },
            );
            secrets.push(pair.serialize_pem());
            keys.push(key);
        }
        let (armed, happened, half_answers) = Default::default();
        Ok((
            Self {
                simulator,
                armed,
                half_answers,
                happened,
                keys,
            },
            secrets,
        ))
    }

    pub(crate) fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    pub(crate) fn key(&self, app: usize) -> &TeamKey {
        &self.keys[app]
    }

    /// The part of the configuration by which the program finds it.
    pub(crate) fn config(&self) -> String {
        let at = |environment, host| self.simulator.address(environment, host);
        format!(
            "[apns]\nproduction = \"{}\"\nsandbox = \"{}\"\nproduction_channels = \"{}\"\nsandbox_channels = \"{}\"\nca_file = \"ca.pem\"\n",
            at(Environment::Production, Host::Device),
            at(Environment::Sandbox, Host::Device),
            at(Environment::Production, Host::Management),
            at(Environment::Sandbox, Host::Management),
        )
    }

    /// Makes a phone; returns its push tokens in hexadecimal, in the order of `new.kinds`.
    pub(crate) fn make_phones(&self, new: &NewPhones) -> Result<Vec<(u32, Vec<String>)>> {
        let made = self
            .simulator
            .make_phones(new)
            .map_err(|error| anyhow!(error))?;
        let tokens = |made: push_sim::MadePhone| {
            let tokens = new
                .kinds
                .iter()
                .filter_map(|kind| made.push_tokens.get(kind).cloned());
            (made.id, tokens.collect())
        };
        Ok(made.into_iter().map(tokens).collect())
    }

    /// How often it has really happened so far.
    pub(crate) fn count(&self, happening: Happening) -> u64 {
        if happening == Happening::BrokenCredential {
            let reasons = self.simulator.counters().reasons;
            return reasons.get("InvalidProviderToken").copied().unwrap_or(0);
        }
        let before = self.happened.lock().get(&happening).copied().unwrap_or(0);
        let armed = self.armed.lock();
        let of_it = |id: u32| {
            armed
                .iter()
                .any(|(armed, what)| *armed == id && *what == happening)
        };
        let reports = self.simulator.faults();
        let hits = reports
            .iter()
            .filter(|report| of_it(report.id))
            .map(|report| report.hits);
        before + hits.sum::<u64>()
    }

    /// Adds to a count that no script keeps.
    pub(crate) fn note(&self, happening: Happening, times: u64) {
        *self.happened.lock().entry(happening).or_default() += times;
    }

    /// Lets a fault begin. `troubled` is the App that some of them are for.
    pub(crate) fn begin(
        &self,
        happening: Happening,
        troubled: &str,
        dice: &mut Dice,
    ) -> Result<()> {
        let counts_as = match happening {
            // What precedes the expiry: answers late enough that something is in flight.
            Happening::ExpiredProviderToken => Happening::LateAnswer,
            other => other,
        };
        for fault in script::faults(happening, troubled, dice) {
            self.arm(counts_as, fault)?;
        }
        match happening {
            Happening::BrokenCredential => {
                for key in self
                    .keys
                    .iter()
                    .filter(|key| key.topics.as_deref() == Some(&[troubled.to_owned()]))
                {
                    self.simulator.revoke_key(&key.team_id, &key.key_id);
                }
            }
            // Whoever is connected has to come again.
            Happening::Unreachable => {
                let drop = Action::Drop { reset: true };
                self.simulator.act(&drop, &FaultFilter::default());
            }
            _ => {}
        }
        Ok(())
    }

    /// What the fault does at its height, once traffic has met it.
    pub(crate) fn culminate(&self, happening: Happening) {
        let everywhere = FaultFilter::default();
        match happening {
            Happening::ExpiredProviderToken => {
                let report = self
                    .simulator
                    .act(&Action::ExpireProviderTokens, &everywhere);
                self.note(happening, report.requests_in_flight);
            }
            Happening::CutConnection => {
                let report = self
                    .simulator
                    .act(&Action::Drop { reset: true }, &everywhere);
                self.note(happening, report.connections);
            }
            _ => {}
        }
    }

    fn arm(&self, happening: Happening, fault: Fault) -> Result<()> {
        let is_half = matches!(fault.kind, FaultKind::CutAnswer { .. });
        let id = self
            .simulator
            .add_fault(fault)
            .map_err(|error| anyhow!(error))?;
        self.armed.lock().push((id, happening));
        if is_half {
            self.half_answers.lock().insert(id);
        }
        Ok(())
    }

    /// Ends every fault, and counts what they did.
    pub(crate) fn calm(&self) {
        let armed = std::mem::take(&mut *self.armed.lock());
        for (id, happening) in armed {
            let hits = self
                .simulator
                .remove_fault(id)
                .map_or(0, |report| report.hits);
            if hits > 0 {
                self.note(happening, hits);
            }
            match happening {
                Happening::OneStream if hits > 0 => {
                    self.simulator.act(
                        &Action::LimitStreams { max: STREAMS },
                        &FaultFilter::default(),
                    );
                }
                Happening::FrozenConnection => self.drop_frozen(),
                _ => {}
            }
        }
        for key in &self.keys {
            let known = self.simulator.keys();
            if !known.iter().any(|known| known.key_id == key.key_id) {
                // It was known before, so it is well-formed.
                let _ = self.simulator.add_key(key.clone());
            }
        }
    }

    /// Frozen connections never wake up: what they hold is neither read nor answered.
    fn drop_frozen(&self) {
        for connection in self
            .simulator
            .connections()
            .iter()
            .filter(|connection| connection.frozen)
        {
            let only = FaultFilter {
                connection: Some(connection.id),
                ..FaultFilter::default()
            };
            self.simulator.act(&Action::Drop { reset: false }, &only);
        }
    }

    /// The newest record's number.
    pub(crate) fn last_seq(&self) -> u64 {
        self.simulator
            .received(&ReceivedFilter {
                after_seq: u64::MAX - 1,
                limit: 1,
                ..ReceivedFilter::default()
            })
            .total
    }

    /// The first 200 given to this notification through this push token, after a record.
    pub(crate) fn taken_at(&self, push_token: &str, number: u32, after_seq: u64) -> Option<i64> {
        let filter = ReceivedFilter {
            after_seq,
            push_token: Some(push_token.to_owned()),
            ..ReceivedFilter::default()
        };
        let page = self.simulator.received(&filter);
        let mut of_it = page.received.iter().filter(|received| {
            received.status == 200
                && received.answer == AnswerFate::Answered
                && received.payload.as_deref().and_then(number_in) == Some(number)
        });
        of_it.next().map(|received| received.wall_us)
    }

    /// The whole third book. `addresses` says which push token is which.
    pub(crate) fn read_book(&self, addresses: &HashMap<String, u32>) -> Result<Vec<Receipt>> {
        let half_answers = self.half_answers.lock().clone();
        let is_half = |fault| half_answers.contains(&fault);
        let mut receipts = Vec::with_capacity(self.simulator.received_count());
        let mut filter = ReceivedFilter {
            limit: 10_000,
            ..ReceivedFilter::default()
        };
        loop {
            let page = self.simulator.received(&filter);
            if page.dropped > 0 {
                return Err(anyhow!("the simulator dropped {} records", page.dropped));
            }
            for received in page.received {
                let payload = received.payload.as_deref().unwrap_or_default();
                let number = number_in(payload);
                let asked =
                    number.with_context(|| format!("a push without a number: {payload}"))?;
                let address = addresses.get(&received.push_token);
                let address = address.with_context(|| {
                    format!("push {asked} went to a push token that nobody registered")
                })?;
                receipts.push(Receipt {
                    seq: received.seq,
                    at: received.wall_us,
                    asked,
                    address: *address,
                    apns_id: received.apns_id.map_or(0, |id| id.as_u128()),
                    collapse: received.collapse_id.as_ref().map(|id| {
                        let mut hasher = DefaultHasher::new();
                        id.hash(&mut hasher);
                        hasher.finish()
                    }),
                    is_shown: matches!(
                        received.effect,
                        Some(Effect::Shown | Effect::Replaced | Effect::Call)
                    ),
                    expiration: received.expiration,
                    status: received.status,
                    reason: received.reason.unwrap_or_default(),
                    answer: match received.answer {
                        AnswerFate::Answered => Answer::Given,
                        AnswerFate::Cut if received.fault.is_some_and(is_half) => Answer::Begun,
                        _ => Answer::Withheld,
                    },
                });
            }
            match page.next_after_seq {
                Some(after) => filter.after_seq = after,
                None => return Ok(receipts),
            }
        }
    }
}

/// The number of the notification in a payload: `"n":123`.
pub(crate) fn number_in(payload: &str) -> Option<u32> {
    let (_, rest) = payload.split_once("\"n\":")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}
