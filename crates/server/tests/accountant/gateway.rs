//! The gateways: push-sim inside this process, with real TLS, strict; its faults, and how often they happened.

pub(crate) mod reading;
pub(crate) mod script;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow};
use parking_lot::Mutex;
use push_sim::{
    Action, AnswerFate, AppSettings, Config, Environment, Fault, FaultFilter, FaultKind,
    FcmSettings, Host, NewPhones, ReceivedFilter, Settings, Simulator, TeamKey,
};

use crate::books::accepted::Gateway as Side;
use crate::dice::Dice;
use crate::plan::happening::Happening;
use reading::number_in;

/// Streams that a connection may have again after a fault that took them away.
const STREAMS: u32 = 1000;
/// Records kept: more than any run makes.
const MAX_RECORDS: usize = 20_000_000;
/// Bytes of payloads kept with them.
const MAX_PAYLOAD_MEMORY: usize = 4 << 30;
/// Bytes kept of one payload: the number of the notification stands in them, and the events of a digest.
const MAX_PAYLOAD: usize = 2048;
/// Streams of one connection to Google.
const GOOGLES_STREAMS: u32 = 100;
/// From which age on a provider token is replaced when Apple says that it has expired, and a minute for clocks that differ.
const RENEWABLE_AFTER_SECS: i64 = 22 * 60;
/// What Google and the push services ask to wait.
const RETRY_AFTER_SECS: u64 = 1;

/// The same for each gateway, so that everything that happens in a day happens in a minute; few streams, so that what waits
/// unread in the simulator's sockets was written not long ago.
const POOL: &str = r#"request_timeout = "2s"
late_grace = "4s"
ping_busy = "1s"
ping_timeout = "1s"
backoff_min = "100ms"
backoff_max = "1s"
max_streams = 100
max_connections = 2
"#;

/// The Firebase project of an App.
pub(crate) fn project(bundle: &str) -> String {
    bundle.replace('.', "-")
}

/// What belongs to one gateway.
fn only(side: Side) -> FaultFilter {
    FaultFilter {
        gateway: Some(reading::gateway_of(side)),
        ..FaultFilter::default()
    }
}

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
            settings: Settings {
                fcm: FcmSettings {
                    // All that is sent to one phone in a minute would otherwise be too much now and then.
                    device_sends_per_minute: None,
                    retry_after_secs: Some(RETRY_AFTER_SECS),
                    ..FcmSettings::default()
                },
                ..Settings::default()
            },
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

    /// The key file of a new service account of an App's project.
    pub(crate) fn service_account(&self, bundle: &str) -> Result<String> {
        let made = self.simulator.service_account_json(&project(bundle));
        made.map_err(|error| anyhow!(error))
    }

    pub(crate) fn key(&self, app: usize) -> &TeamKey {
        &self.keys[app]
    }

    /// The part of the configuration by which the program finds it.
    pub(crate) fn config(&self) -> String {
        let at = |environment, host| self.simulator.address(environment, host);
        let web_push = self.simulator.web_push_origin();
        let web_push = web_push.trim_start_matches("https://");
        let google = self.simulator.google_url();
        let google = google.trim_start_matches("https://");
        format!(
            "[fcm]\nendpoint = \"{google}\"\ntoken_endpoint = \"{google}\"\nca_file = \"ca.pem\"\n{POOL}access_token_timeout = \"5s\"\nquota_ramp = \"1s\"\n\
             [webpush]\ntrusted_origins = \"{web_push}\"\nca_file = \"ca.pem\"\n{POOL}throttle_pause = \"300ms\"\n\
             [apns]\nproduction = \"{}\"\nsandbox = \"{}\"\nproduction_channels = \"{}\"\nsandbox_channels = \"{}\"\nca_file = \"ca.pem\"\n{POOL}",
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
            Happening::Unreachable | Happening::FcmUnreachable | Happening::BrowsersUnreachable => {
                self.simulator
                    .act(&Action::Drop { reset: true }, &only(happening.side()));
            }
            Happening::NoAccessTokens => {
                self.simulator
                    .act(&Action::ExpireAccessTokens, &FaultFilter::default());
            }
            _ => {}
        }
        Ok(())
    }

    /// What the fault does at its height, once traffic has met it.
    pub(crate) fn culminate(&self, happening: Happening) {
        let everywhere = only(happening.side());
        match happening {
            Happening::ExpiredProviderToken => {
                for connection in self.with_old_tokens() {
                    let only = FaultFilter {
                        connection: Some(connection),
                        ..everywhere.clone()
                    };
                    let report = self.simulator.act(&Action::ExpireProviderTokens, &only);
                    self.note(happening, report.requests_in_flight);
                }
            }
            Happening::CutConnection | Happening::FcmCut | Happening::BrowsersCut => {
                let report = self
                    .simulator
                    .act(&Action::Drop { reset: true }, &everywhere);
                self.note(happening, report.connections);
            }
            _ => {}
        }
    }

    /// The connections whose newest provider token may be renewed. A process that was killed before it had stored one
    /// signs another as soon as it is back, and must then keep to it.
    fn with_old_tokens(&self) -> Vec<u32> {
        let newest = self.simulator.clock().now_secs() - RENEWABLE_AFTER_SECS;
        let connections = self.simulator.connections().into_iter();
        connections
            .filter(|connection| {
                connection
                    .provider_token_issued_at
                    .is_some_and(|issued_at| issued_at <= newest)
            })
            .map(|connection| connection.id)
            .collect()
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

    /// Ends every fault of everybody, and counts what they did.
    pub(crate) fn calm(&self) {
        for side in Side::ALL {
            self.calm_side(side);
        }
    }

    /// Ends every fault of one gateway.
    pub(crate) fn calm_side(&self, side: Side) {
        let armed: Vec<_> = {
            let mut armed = self.armed.lock();
            let of_it = armed.extract_if(.., |(_, happening)| happening.side() == side);
            of_it.collect()
        };
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
                    self.simulator
                        .act(&Action::LimitStreams { max: STREAMS }, &only(side));
                }
                Happening::FcmOneStream if hits > 0 => {
                    let max = GOOGLES_STREAMS;
                    self.simulator
                        .act(&Action::LimitStreams { max }, &only(side));
                }
                Happening::FrozenConnection | Happening::FcmFrozen => self.drop_frozen(),
                _ => {}
            }
        }
        // Apple's keys are nobody else's to mend: the faults of the others end while one of them is revoked.
        if side != Side::Apns {
            return;
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
    pub(crate) fn taken_at(
        &self,
        side: Side,
        push_token: &str,
        number: u32,
        after_seq: u64,
    ) -> Option<i64> {
        let filter = ReceivedFilter {
            after_seq,
            gateway: Some(reading::gateway_of(side)),
            push_token: Some(push_token.to_owned()),
            ..ReceivedFilter::default()
        };
        let page = self.simulator.received(&filter);
        let mut of_it = page.received.iter().filter(|received| {
            (200..300).contains(&received.status)
                && received.answer == AnswerFate::Answered
                && received.payload.as_deref().and_then(number_in) == Some(number)
        });
        of_it.next().map(|received| received.wall_us)
    }
}
