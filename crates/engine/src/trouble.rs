//! What is wrong in one process, as it tells the others: whoever is asked why a push waits must not have to be the
//! one who sends it. A process says it with its heartbeats; only lanes with trouble are in it, and files of credentials
//! that cannot be taken.

use crate::rates::RateLimit;
use crate::service::Shared;
use crate::status::{BreakerState, CredentialProblem, LaneProblem, LaneStatus};
use carillon_model::UnixMs;
use carillon_model::lane::{Gateway, Lane};
use carillon_model::rate::{Rate, RateOf};
use serde::{Deserialize, Serialize};

/// Lanes that are told of at most, so that a heartbeat stays small.
const MOST: usize = 100;

/// Credentials that are told of at most.
const MOST_CREDENTIALS: usize = 20;

/// What others told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elsewhere {
    /// Lanes with trouble.
    pub(crate) lanes: Vec<LaneStatus>,
    /// Files of credentials with trouble.
    pub(crate) credentials: Vec<CredentialProblem>,
}

/// What one process tells.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Told {
    /// As all versions read it.
    Lanes(Vec<Trouble>),
    /// With what is seldom there.
    All {
        lanes: Vec<Trouble>,
        credentials: Vec<CredentialProblem>,
    },
}

/// One lane's trouble, as it is stored.
#[derive(Serialize, Deserialize)]
struct Trouble {
    lane: i64,
    queued: u64,
    in_flight: u64,
    backlog: bool,
    oldest_accepted_at: Option<UnixMs>,
    breaker: BreakerState,
    problem: Option<LaneProblem>,
    /// The gateway's code, 0 for all of the App's pushes.
    limited: Option<(u8, Rate)>,
}

impl From<LaneStatus> for Trouble {
    fn from(status: LaneStatus) -> Self {
        let limited = |limit: RateLimit| match limit.of {
            RateOf::Total => (0, limit.rate),
            RateOf::Gateway(gateway) => (gateway.code(), limit.rate),
        };
        Self {
            lane: status.lane.code(),
            queued: status.queued,
            in_flight: status.in_flight,
            backlog: status.backlog,
            oldest_accepted_at: status.oldest_accepted_at,
            breaker: status.breaker,
            problem: status.problem,
            limited: status.limited.map(limited),
        }
    }
}

impl Trouble {
    fn status(self) -> Option<LaneStatus> {
        let of = |code| match code {
            0 => Some(RateOf::Total),
            code => Gateway::from_code(code).map(RateOf::Gateway),
        };
        let limited = self.limited.and_then(|(code, rate)| {
            let of = of(code)?;
            Some(RateLimit { of, rate })
        });
        Some(LaneStatus {
            lane: Lane::from_code(self.lane)?,
            queued: self.queued,
            in_flight: self.in_flight,
            backlog: self.backlog,
            oldest_accepted_at: self.oldest_accepted_at,
            breaker: self.breaker,
            problem: self.problem,
            limited,
        })
    }
}

impl Shared {
    /// What this process tells the others; empty where all is well.
    pub(crate) fn trouble(&self) -> String {
        let credentials = self.hub.credential_problems.lock().clone();
        write(self.status().lanes, credentials)
    }
}

fn write(lanes: Vec<LaneStatus>, mut credentials: Vec<CredentialProblem>) -> String {
    let has_trouble = |lane: &LaneStatus| lane.problem.is_some() || lane.limited.is_some();
    let mut lanes: Vec<LaneStatus> = lanes.into_iter().filter(has_trouble).collect();
    if lanes.is_empty() && credentials.is_empty() {
        return String::new();
    }
    // A rate that holds back is as somebody wished.
    lanes.sort_by_key(|lane| lane.problem.is_none());
    lanes.truncate(MOST);
    credentials.truncate(MOST_CREDENTIALS);
    let lanes: Vec<Trouble> = lanes.into_iter().map(Trouble::from).collect();
    let told = match credentials.is_empty() {
        true => Told::Lanes(lanes),
        false => Told::All { lanes, credentials },
    };
    // Plain numbers and texts can be written as JSON.
    serde_json::to_string(&told).unwrap_or_default()
}

/// What others told. What cannot be read, from a newer version, is left out.
pub(crate) fn read(reports: &[String]) -> Elsewhere {
    let mut elsewhere = Elsewhere::default();
    for report in reports {
        let (told, credentials) = match serde_json::from_str(report) {
            Ok(Told::Lanes(lanes)) => (lanes, Vec::new()),
            Ok(Told::All { lanes, credentials }) => (lanes, credentials),
            Err(_) => continue,
        };
        elsewhere.credentials.extend(credentials);
        let lanes = &mut elsewhere.lanes;
        for status in told.into_iter().filter_map(Trouble::status) {
            // Where a lane has just moved, both may know of it.
            if !lanes.iter().any(|known| known.lane == status.lane) {
                lanes.push(status);
            }
        }
    }
    elsewhere
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::environment::TokenEnvironment;
    use carillon_model::id::AppNo;

    fn lane(app: i64) -> LaneStatus {
        LaneStatus {
            lane: Lane {
                app: AppNo(app),
                gateway: Gateway::Fcm,
                environment: TokenEnvironment::Production,
            },
            queued: 7,
            in_flight: 3,
            backlog: true,
            oldest_accepted_at: Some(5),
            breaker: BreakerState::Closed,
            problem: None,
            limited: None,
        }
    }

    fn stuck(app: i64) -> LaneStatus {
        LaneStatus {
            breaker: BreakerState::Open,
            problem: Some(LaneProblem {
                reason: "InvalidProviderToken".into(),
                mend: "upload another key".into(),
                is_credential: true,
                since: 4,
                tried_at: 5,
            }),
            ..lane(app)
        }
    }

    fn limited(app: i64) -> LaneStatus {
        let rate = Rate::per_second(5);
        let of = RateOf::Gateway(Gateway::Fcm);
        LaneStatus {
            limited: Some(RateLimit { of, rate }),
            ..lane(app)
        }
    }

    #[test]
    fn trouble_is_read_as_it_is_told_and_nothing_else_is() {
        let write = |lanes| write(lanes, Vec::new());
        assert_eq!(write(vec![lane(1), lane(2)]), "", "all is well");
        let told = write(vec![lane(1), limited(2), stuck(3)]);
        let read = read(&[told]).lanes;
        let apps: Vec<i64> = read.iter().map(|status| status.lane.app.0).collect();
        assert_eq!(apps, [3, 2], "what somebody must mend comes first");
        assert_eq!(format!("{:?}", read[0]), format!("{:?}", stuck(3)));
        assert_eq!(format!("{:?}", read[1]), format!("{:?}", limited(2)));
    }

    #[test]
    fn it_stays_small_and_each_lane_comes_once() {
        let many = write((1..1_000).map(stuck).collect(), Vec::new());
        let read = |reports: &[String]| read(reports).lanes;
        assert_eq!(read(std::slice::from_ref(&many)).len(), MOST);
        assert!(many.len() < 32_768, "{}", many.len());
        assert_eq!(read(&[many.clone(), many]).len(), MOST);
        assert!(read(&["{\"newer\": true}".into(), String::new()]).is_empty());
    }

    #[test]
    fn files_of_credentials_are_told_beside_the_lanes() {
        let problem = |n: u32| CredentialProblem {
            app: Some("shop".into()),
            credential: Some(format!("apple-{n}")),
            problem: "it is no key".into(),
            since: 4,
        };
        let told = write(vec![stuck(1)], vec![problem(1)]);
        let elsewhere = read(&[told, write(Vec::new(), vec![problem(2)])]);
        assert_eq!(elsewhere.credentials, [problem(1), problem(2)]);
        assert_eq!(elsewhere.lanes.len(), 1);
        let many = write(Vec::new(), (0..1_000).map(problem).collect());
        assert_eq!(read(&[many]).credentials.len(), MOST_CREDENTIALS);
    }
}
