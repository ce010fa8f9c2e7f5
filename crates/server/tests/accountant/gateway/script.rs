//! How the faults of the gateway are scripted, and how long they last.

use std::time::Duration;

use push_sim::{AfterGoaway, Fault, FaultFilter, FaultKind, GoawayDebug};

use crate::audience::{APPS, STEADFAST};
use crate::dice::Dice;
use crate::plan::happening::Happening;

/// How a fault is scripted. `troubled` is the bundle of the App that some of them are for.
pub(crate) fn faults(happening: Happening, troubled: &str, dice: &mut Dice) -> Vec<Fault> {
    let sometimes = |kind: FaultKind, share: f64, count: u64| Fault {
        probability: Some(share),
        count: Some(count),
        ..kind.into()
    };
    let answer = |status, reason: &str, retry_after_secs| FaultKind::Answer {
        status,
        reason: Some(reason.to_owned()),
        timestamp_ms: None,
        retry_after_secs,
        body: None,
    };
    let mut goaway = |debug| {
        let then = match dice.index(3) {
            0 => AfterGoaway::Drain,
            1 => AfterGoaway::Close,
            _ => AfterGoaway::Keep,
        };
        let before_this = dice.permille(500);
        sometimes(
            FaultKind::Goaway {
                debug,
                code: 0,
                before_this,
                then,
            },
            0.02,
            6,
        )
    };
    match happening {
        Happening::GoawayJson => vec![goaway(GoawayDebug::Json("Shutdown".to_owned()))],
        Happening::GoawayEmpty => vec![goaway(GoawayDebug::Empty)],
        Happening::GoawayText => vec![goaway(GoawayDebug::Text("going away".to_owned()))],
        Happening::RefusedStream => vec![sometimes(FaultKind::RefuseStream, 0.2, 300)],
        Happening::OneStream => vec![sometimes(FaultKind::LimitStreams { max: 1 }, 0.1, 10)],
        Happening::LateAnswer => vec![
            sometimes(
                FaultKind::Delay {
                    ms: 100,
                    jitter_ms: 900,
                },
                0.3,
                500,
            ),
            sometimes(
                FaultKind::Delay {
                    ms: 2_500,
                    jitter_ms: 1_000,
                },
                0.05,
                60,
            ),
        ],
        Happening::LateYesThenNo => {
            // Written at 0 s, in doubt at 2 s, sent again before 3 s, the first answer at 3.2 s, the second after 4 s.
            let late = FaultKind::Delay {
                ms: 3_200,
                jitter_ms: 0,
            };
            let slow = FaultKind::Delay {
                ms: 1_700,
                jitter_ms: 0,
            };
            let no = answer(413, "PayloadTooLarge", None);
            vec![
                Fault {
                    for_ms: Some(1_000),
                    probability: Some(0.3),
                    ..late.into()
                },
                Fault {
                    after_ms: 2_500,
                    for_ms: Some(1_500),
                    ..no.into()
                },
                Fault {
                    after_ms: 2_500,
                    for_ms: Some(1_500),
                    ..slow.into()
                },
            ]
        }
        Happening::NoAnswer => vec![
            sometimes(FaultKind::NeverAnswer { processed: true }, 0.02, 15),
            sometimes(FaultKind::NeverAnswer { processed: false }, 0.02, 15),
        ],
        Happening::CutConnection => vec![
            sometimes(
                FaultKind::CloseAfterBody {
                    processed: true,
                    reset: false,
                },
                0.02,
                2,
            ),
            sometimes(
                FaultKind::CloseAfterBody {
                    processed: false,
                    reset: true,
                },
                0.02,
                2,
            ),
            // Says yes without a look, so only where the environment is known: a yes from the wrong one would teach
            // the server what Apple never would.
            Fault {
                only: FaultFilter {
                    app: Some(APPS[STEADFAST].1.to_owned()),
                    ..FaultFilter::default()
                },
                ..sometimes(FaultKind::CutAnswer { status: 200 }, 0.02, 2)
            },
            sometimes(
                FaultKind::ResetStream {
                    code: 2,
                    processed: true,
                },
                0.02,
                5,
            ),
        ],
        Happening::SilentApp => vec![Fault {
            only: FaultFilter {
                app: Some(troubled.to_owned()),
                ..FaultFilter::default()
            },
            ..FaultKind::NeverAnswer { processed: false }.into()
        }],
        Happening::Unreachable => vec![FaultKind::RefuseConnection.into()],
        Happening::ExpiredProviderToken => {
            let delay = FaultKind::Delay {
                ms: 300,
                jitter_ms: 200,
            };
            vec![Fault {
                for_ms: Some(1_000),
                ..delay.into()
            }]
        }
        Happening::FrozenConnection => vec![sometimes(FaultKind::Freeze { ms: None }, 0.01, 2)],
        Happening::TooManyRequests => vec![Fault {
            probability: Some(0.5),
            ..answer(429, "TooManyRequests", None).into()
        }],
        Happening::InternalError => vec![Fault {
            probability: Some(0.5),
            ..answer(500, "InternalServerError", None).into()
        }],
        Happening::Unavailable => vec![Fault {
            probability: Some(0.7),
            ..answer(503, "ServiceUnavailable", Some(1)).into()
        }],
        _ => Vec::new(),
    }
}

/// How long a fault goes on after traffic has met it.
pub(crate) fn lasts(happening: Happening) -> Duration {
    match happening {
        Happening::LateYesThenNo => Duration::from_millis(4_500),
        Happening::Unreachable => Duration::from_millis(2_000),
        _ => Duration::from_millis(900),
    }
}

/// How long a fault lasts at most when nothing meets it.
pub(crate) const LONGEST: Duration = Duration::from_secs(4);
