//! What is wrong with the lanes of one process, as it tells the others: whoever is asked why a push waits must not
//! have to be the one who sends it. A process says it with its heartbeats; only lanes with trouble are in it.

use crate::rates::RateLimit;
use crate::service::Shared;
use crate::status::{BreakerState, LaneProblem, LaneStatus};
use carillon_model::UnixMs;
use carillon_model::lane::{Gateway, Lane};
use carillon_model::rate::{Rate, RateOf};
use serde::{Deserialize, Serialize};

/// Lanes that are told of at most, so that a heartbeat stays small.
const MOST: usize = 100;

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
        write(self.status().lanes)
    }
}

fn write(lanes: Vec<LaneStatus>) -> String {
    let has_trouble = |lane: &LaneStatus| lane.problem.is_some() || lane.limited.is_some();
    let mut lanes: Vec<LaneStatus> = lanes.into_iter().filter(has_trouble).collect();
    if lanes.is_empty() {
        return String::new();
    }
    // A rate that holds back is as somebody wished.
    lanes.sort_by_key(|lane| lane.problem.is_none());
    lanes.truncate(MOST);
    let told: Vec<Trouble> = lanes.into_iter().map(Trouble::from).collect();
    // Plain numbers and texts can be written as JSON.
    serde_json::to_string(&told).unwrap_or_default()
}

/// What others told. What cannot be read, from a newer version, is left out.
pub(crate) fn read(reports: &[String]) -> Vec<LaneStatus> {
    let mut lanes: Vec<LaneStatus> = Vec::new();
    for report in reports {
        let told: Vec<Trouble> = serde_json::from_str(report).unwrap_or_default();
        for status in told.into_iter().filter_map(Trouble::status) {
            // Where a lane has just moved, both may know of it.
            if !lanes.iter().any(|known| known.lane == status.lane) {
                lanes.push(status);
            }
        }
    }
    lanes
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
        assert_eq!(write(vec![lane(1), lane(2)]), "", "all is well");
        let told = write(vec![lane(1), limited(2), stuck(3)]);
        let read = read(&[told]);
        let apps: Vec<i64> = read.iter().map(|status| status.lane.app.0).collect();
        assert_eq!(apps, [3, 2], "what somebody must mend comes first");
        assert_eq!(format!("{:?}", read[0]), format!("{:?}", stuck(3)));
        assert_eq!(format!("{:?}", read[1]), format!("{:?}", limited(2)));
    }

    #[test]
    fn it_stays_small_and_each_lane_comes_once() {
        let many = write((1..1_000).map(stuck).collect());
        assert_eq!(read(std::slice::from_ref(&many)).len(), MOST);
        assert!(many.len() < 32_768, "{}", many.len());
        assert_eq!(read(&[many.clone(), many]).len(), MOST);
        assert!(read(&["{\"newer\": true}".into(), String::new()]).is_empty());
    }
}
