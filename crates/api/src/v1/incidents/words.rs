//! What happened to an incident, in words and in fields.

use crate::instant;
use crate::v1::monitors::{FaultView, HoldView};
use carillon_model::duration::format_secs;
use carillon_model::monitor::{Hold, PageHow, ResolvedBy, Told, What};
use carillon_ports::watch::StoredEntry;
use serde::Serialize;
use utoipa::ToSchema;

/// Something that happened to an incident.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentEntry)]
pub(crate) struct EntryView {
    /// Its number; rises.
    no: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What: `opened`, `paged`, `given_up`, `acknowledged`, `unacknowledged`, `snoozed`, `held`, `released`,
    /// `flapping_began`, `flapping_ended` or `resolved`.
    #[schema(example = "paged")]
    what: &'static str,
    /// The same in a sentence.
    #[schema(example = "step 2 of the ladder: a critical alert")]
    said: String,
    /// Who did it; null: nobody.
    by: Option<String>,
    /// What was wrong, where it was opened.
    fault: Option<FaultView>,
    /// Which step of the ladder was taken.
    page: Option<PageView>,
    /// Why nobody is paged.
    hold: Option<HoldView>,
    /// Until when pages are put off.
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Who was told of it.
    told: Vec<ToldView>,
}

/// A step of a ladder that was taken.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentPage)]
pub(crate) struct PageView {
    /// How often paging began anew before, after an acknowledgement that did not last.
    run: u16,
    /// Which time through the ladder, from 0.
    round: u16,
    /// Which step of it, from 0.
    step: u16,
    /// How, at most: `alert`, `critical` or `ring`.
    #[schema(example = "critical")]
    how: &'static str,
}

/// Somebody who was told, on one device.
#[derive(Serialize, ToSchema)]
#[schema(as = IncidentTold)]
pub(crate) struct ToldView {
    /// Who.
    #[schema(example = "ann")]
    user: String,
    /// The device; null: they have none that a push reaches.
    device: Option<String>,
    /// By which means, where it is a page: `alert`, `critical` or `ring`.
    how: Option<&'static str>,
    /// Why more quietly than the step says: a sentence.
    instead: Option<&'static str>,
    /// What was done because a gateway is in trouble: a sentence.
    detour: Option<&'static str>,
    /// The notification: its deliveries say what became of it.
    notification: Option<String>,
}

impl EntryView {
    pub(super) fn of(stored: &StoredEntry) -> Self {
        let entry = &stored.what.entry;
        Self {
            no: stored.no,
            at: instant::rfc3339(entry.at),
            what: word(&entry.what),
            said: sentence(&entry.what),
            by: by(&entry.what),
            fault: match &entry.what {
                What::Suspected(fault) | What::Opened(fault) => Some(FaultView::of(fault)),
                _ => None,
            },
            page: match &entry.what {
                What::Paged(page) => Some(PageView {
                    run: page.no.run,
                    round: page.no.round,
                    step: page.no.step,
                    how: page.how.as_str(),
                }),
                _ => None,
            },
            hold: match &entry.what {
                What::Held(hold) => Some(HoldView::of(hold)),
                _ => None,
            },
            until: match &entry.what {
                What::Snoozed { until, .. } => Some(instant::rfc3339(*until)),
                _ => None,
            },
            told: stored.what.told.iter().map(ToldView::of).collect(),
        }
    }
}

impl ToldView {
    fn of(told: &Told) -> Self {
        Self {
            user: told.user.clone(),
            device: told.device.clone(),
            how: told.how.map(PageHow::as_str),
            instead: told.instead.map(|instead| instead.sentence()),
            detour: told.detour.map(|detour| detour.sentence()),
            notification: told.notification.clone(),
        }
    }
}

fn word(what: &What) -> &'static str {
    match what {
        What::Suspected(_) => "suspected",
        What::Cleared => "cleared",
        What::Opened(_) => "opened",
        What::Paged(_) => "paged",
        What::GivenUp => "given_up",
        What::Acknowledged { .. } => "acknowledged",
        What::Unacknowledged { .. } => "unacknowledged",
        What::Snoozed { .. } => "snoozed",
        What::Held(_) => "held",
        What::Released => "released",
        What::FlappingBegan => "flapping_began",
        What::FlappingEnded => "flapping_ended",
        What::Resolved { .. } => "resolved",
    }
}

fn by(what: &What) -> Option<String> {
    match what {
        What::Acknowledged { by } | What::Snoozed { by, .. } => Some(by.clone()),
        What::Unacknowledged { by } => by.clone(),
        What::Resolved { by, .. } => by.person().map(str::to_owned),
        _ => None,
    }
}

fn sentence(what: &What) -> String {
    match what {
        What::Suspected(fault) => format!("perhaps down: {}", fault.message),
        What::Cleared => "that was nothing".to_owned(),
        What::Opened(fault) => format!("down: {}", fault.message),
        What::Paged(page) => {
            let how = match page.how {
                PageHow::Alert => "an alert",
                PageHow::Critical => "a critical alert",
                PageHow::Ring => "a ring",
            };
            let step = u32::from(page.no.step) + 1;
            match page.no.round {
                0 => format!("step {step} of the ladder: {how}"),
                round => format!(
                    "step {step} of the ladder, round {}: {how}",
                    u32::from(round) + 1
                ),
            }
        }
        What::GivenUp => "nobody answered, and nobody is paged again".to_owned(),
        What::Acknowledged { by } => format!("{by} has it in hand"),
        What::Unacknowledged { by: Some(by) } => {
            format!("{by} gave it back: the ladder begins anew")
        }
        What::Unacknowledged { by: None } => {
            "acknowledged for too long and not resolved: the ladder begins anew".to_owned()
        }
        What::Snoozed { by, until } => format!(
            "{by} put the next page off until {}",
            instant::rfc3339(*until)
        ),
        What::Held(Hold::Maintenance) => "nobody is paged: there is maintenance".to_owned(),
        What::Held(Hold::Dependency(name)) => {
            format!("nobody is paged: it depends on {name}, which is not up")
        }
        What::Released => "nothing holds it any more".to_owned(),
        What::FlappingBegan => "it goes up and down too often".to_owned(),
        What::FlappingEnded => "it has stopped going up and down".to_owned(),
        What::Resolved { by, lasted_ms, .. } => {
            let lasted = format_secs(*lasted_ms);
            match by {
                ResolvedBy::Recovery => format!("up again after {lasted}"),
                ResolvedBy::Person(who) => format!("closed by {who} after {lasted}"),
                ResolvedBy::Pause => format!("closed after {lasted}: the monitor rests"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::monitor::{Fault, FaultKind, Page, PageNo, Sound};

    #[test]
    fn entries_as_people_read_them() {
        let page = |round, step| {
            What::Paged(Page {
                no: PageNo {
                    run: 0,
                    round,
                    step,
                },
                how: PageHow::Critical,
                sound: Sound::default(),
            })
        };
        let resolved = |by, lasted_ms| What::Resolved {
            by,
            lasted_ms,
            is_told: true,
        };
        for (what, its_word, its_sentence, its_by) in [
            (
                What::Opened(Fault::new(FaultKind::Status, "status 503, expected 2xx")),
                "opened",
                "down: status 503, expected 2xx",
                None,
            ),
            (
                page(0, 0),
                "paged",
                "step 1 of the ladder: a critical alert",
                None,
            ),
            (
                page(1, 2),
                "paged",
                "step 3 of the ladder, round 2: a critical alert",
                None,
            ),
            (
                What::Acknowledged { by: "ann".into() },
                "acknowledged",
                "ann has it in hand",
                Some("ann"),
            ),
            (
                What::Unacknowledged { by: None },
                "unacknowledged",
                "acknowledged for too long and not resolved: the ladder begins anew",
                None,
            ),
            (
                What::Held(Hold::Dependency("router".into())),
                "held",
                "nobody is paged: it depends on router, which is not up",
                None,
            ),
            (
                resolved(ResolvedBy::Recovery, 61_999),
                "resolved",
                "up again after 1m1s",
                None,
            ),
            (
                resolved(ResolvedBy::Person("bob".into()), 500),
                "resolved",
                "closed by bob after 0s",
                Some("bob"),
            ),
        ] {
            assert_eq!(
                (word(&what), sentence(&what).as_str(), by(&what).as_deref()),
                (its_word, its_sentence, its_by)
            );
        }
    }
}
