//! How the faults of the gateway are scripted, and how long they last.

use std::time::Duration;

use push_sim::{AfterGoaway, Fault, FaultFilter, FaultKind, GoawayDebug, Host};

use super::reading::gateway_of;
use crate::audience::{APPS, STEADFAST};
use crate::books::accepted::Gateway as Side;
use crate::dice::Dice;
use crate::plan::happening::Happening;

/// How a fault is scripted. `troubled` is the bundle of the App that some of them are for.
pub(crate) fn faults(happening: Happening, troubled: &str, dice: &mut Dice) -> Vec<Fault> {
    let mut faults = scripted(happening, troubled, dice);
    for fault in &mut faults {
        fault.only.gateway = Some(gateway_of(happening.side()));
        let is_for_messages = happening != Happening::SilentGoogle && fault.only.host.is_none();
        if happening.side() == Side::Fcm && is_for_messages {
            fault.only.host = Some(Host::Fcm);
        }
    }
    faults
}

fn scripted(happening: Happening, troubled: &str, dice: &mut Dice) -> Vec<Fault> {
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
        Happening::FcmGoaway | Happening::BrowsersGoaway => {
            vec![goaway(GoawayDebug::Text("going away".to_owned()))]
        }
        Happening::GoawayJson => vec![goaway(GoawayDebug::Json("Shutdown".to_owned()))],
        Happening::GoawayEmpty => vec![goaway(GoawayDebug::Empty)],
        Happening::GoawayText => vec![goaway(GoawayDebug::Text("going away".to_owned()))],
        Happening::RefusedStream => vec![sometimes(FaultKind::RefuseStream, 0.2, 300)],
        Happening::OneStream | Happening::FcmOneStream => {
            vec![sometimes(FaultKind::LimitStreams { max: 1 }, 0.1, 10)]
        }
        Happening::LateAnswer | Happening::FcmLateAnswer | Happening::BrowsersLateAnswer => vec![
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
        Happening::NoAnswer | Happening::FcmNoAnswer | Happening::BrowsersNoAnswer => vec![
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
        Happening::FcmCut | Happening::BrowsersCut => cut(happening),
        Happening::FcmUnreachable => vec![Fault {
            only: of_host(Host::Fcm),
            ..FaultKind::RefuseConnection.into()
        }],
        Happening::NoAccessTokens => vec![Fault {
            only: of_host(Host::Oauth),
            ..answer(503, "UNAVAILABLE", None).into()
        }],
        Happening::SilentGoogle | Happening::SilentBrowsers => {
            vec![FaultKind::NeverAnswer { processed: false }.into()]
        }
        Happening::Unreachable | Happening::BrowsersUnreachable => {
            vec![FaultKind::RefuseConnection.into()]
        }
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
        Happening::FrozenConnection | Happening::FcmFrozen => {
            vec![sometimes(FaultKind::Freeze { ms: None }, 0.01, 2)]
        }
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
        Happening::FcmUnauthenticated => vec![refused(0.3, answer(401, "UNAUTHENTICATED", None))],
        Happening::FcmForbidden => vec![refused(0.5, answer(403, "PERMISSION_DENIED", None))],
        Happening::FcmThirdParty => vec![refused(0.5, answer(401, "THIRD_PARTY_AUTH_ERROR", None))],
        Happening::FcmQuota => vec![refused(0.5, answer(429, "RATE_LIMIT_EXCEEDED", Some(1)))],
        // Each of these is sent again ten seconds later at the earliest.
        Happening::FcmInternal => vec![sometimes(answer(500, "INTERNAL", None), 0.5, 40)],
        Happening::FcmUnavailable => vec![refused(0.7, answer(503, "UNAVAILABLE", Some(1)))],
        Happening::BrowsersThrottled => vec![refused(0.5, answer(429, "TooManyRequests", Some(1)))],
        Happening::BrowsersUnavailable => {
            vec![refused(0.5, answer(503, "ServiceUnavailable", None))]
        }
        _ => Vec::new(),
    }
}

fn refused(share: f64, answer: FaultKind) -> Fault {
    Fault {
        probability: Some(share),
        ..answer.into()
    }
}

fn of_host(host: Host) -> FaultFilter {
    FaultFilter {
        host: Some(host),
        ..FaultFilter::default()
    }
}

/// Connections that end at every moment of an answer, at Google and at the browsers' push services.
fn cut(happening: Happening) -> Vec<Fault> {
    let status = match happening {
        Happening::FcmCut => 200,
        _ => 201,
    };
    let close = |processed, reset| FaultKind::CloseAfterBody { processed, reset };
    let reset_stream = FaultKind::ResetStream {
        code: 2,
        processed: true,
    };
    [
        (close(true, false), 2),
        (close(false, true), 2),
        (FaultKind::CutAnswer { status }, 2),
        (reset_stream, 5),
    ]
    .into_iter()
    .map(|(kind, count)| Fault {
        probability: Some(0.03),
        count: Some(count),
        ..kind.into()
    })
    .collect()
}

/// How long a fault goes on after traffic has met it.
pub(crate) fn lasts(happening: Happening) -> Duration {
    match happening {
        Happening::LateYesThenNo => Duration::from_millis(4_500),
        Happening::Unreachable
        | Happening::FcmUnreachable
        | Happening::BrowsersUnreachable
        | Happening::NoAccessTokens => Duration::from_millis(2_000),
        _ => Duration::from_millis(900),
    }
}

/// How long a fault lasts at most when nothing meets it.
pub(crate) const LONGEST: Duration = Duration::from_secs(4);
