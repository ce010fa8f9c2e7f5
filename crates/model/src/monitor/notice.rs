//! What people read of an incident: one notification for each, which every later one replaces.

use super::incident::{ResolvedBy, What};
use super::page::PageHow;
use super::result::Fault;
use crate::UnixMs;
use crate::content::Urgency;
use crate::duration::format_secs;

/// Under this key a push about an incident has it in its data, with the link that acts in its reader's name.
pub const INCIDENT_KEY: &str = "carillon_incident";
/// The path of a link to an incident, up to its token.
pub const INCIDENT_LINK_PATH: &str = "/i/";

/// A notification about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The first line.
    pub title: String,
    /// The text.
    pub body: String,
    /// How much it may interrupt.
    pub urgency: Urgency,
    /// Whether it rings: by a VoIP push, which shows nothing of this but on the call screen.
    pub is_ring: bool,
}

/// By what notifications of one incident replace each other: at most 64 bytes, as Apple wants it.
#[must_use]
pub fn collapse_id(monitor_no: i64, incident: u32) -> String {
    format!("inc-{monitor_no}-{incident}")
}

impl Notice {
    /// What is said of something that happened at `at` to an incident that was opened at `opened_at` for `fault`; `None`:
    /// nothing. `how` is the means that is left for the device, where it is a page.
    #[must_use]
    pub fn of(
        monitor: &str,
        fault: &Fault,
        opened_at: UnixMs,
        what: &What,
        how: PageHow,
        at: UnixMs,
    ) -> Option<Self> {
        let lasted = format_secs(at.saturating_sub(opened_at));
        let quiet = |title: String, body: String| {
            Some(Self {
                title,
                body,
                urgency: Urgency::Active,
                is_ring: false,
            })
        };
        match what {
            What::Paged(_) => Some(Self {
                title: format!("{monitor} is down"),
                body: match at.saturating_sub(opened_at) {
                    ..1_000 => fault.message.clone(),
                    _ => format!("{}, for {lasted}", fault.message),
                },
                urgency: match how {
                    PageHow::Alert => Urgency::TimeSensitive,
                    PageHow::Critical | PageHow::Ring => Urgency::Critical,
                },
                is_ring: how == PageHow::Ring,
            }),
            What::Acknowledged { by } => {
                quiet(format!("{monitor}: {by} is on it"), fault.message.clone())
            }
            What::Resolved {
                by,
                lasted_ms,
                is_told: true,
            } => {
                let lasted = format_secs(*lasted_ms);
                match by {
                    ResolvedBy::Recovery => quiet(
                        format!("{monitor} is up again"),
                        format!("after {lasted}: {}", fault.message),
                    ),
                    ResolvedBy::Person(who) => quiet(
                        format!("{monitor}: closed by {who}"),
                        format!("after {lasted}: {}", fault.message),
                    ),
                    ResolvedBy::Pause => quiet(
                        format!("{monitor} is not watched any more"),
                        format!("it was down for {lasted}: {}", fault.message),
                    ),
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::{Page, PageNo};
    use super::super::result::FaultKind;
    use super::*;

    #[test]
    fn what_people_read() {
        let fault = Fault::new(FaultKind::Status, "status 500, expected 2xx");
        let of = |what: &What, how, at| Notice::of("shop", &fault, 1_000, what, how, at);
        let page = What::Paged(Page {
            no: PageNo::default(),
            how: PageHow::Ring,
            sound: super::super::Sound::default(),
        });
        let first = of(&page, PageHow::Alert, 1_000).unwrap();
        assert_eq!(
            (first.title.as_str(), first.body.as_str()),
            ("shop is down", "status 500, expected 2xx")
        );
        assert_eq!(
            (first.urgency, first.is_ring),
            (Urgency::TimeSensitive, false)
        );
        let later = of(&page, PageHow::Critical, 301_234).unwrap();
        assert_eq!(later.body, "status 500, expected 2xx, for 5m");
        assert_eq!((later.urgency, later.is_ring), (Urgency::Critical, false));
        assert!(of(&page, PageHow::Ring, 0).unwrap().is_ring);
        let up = |is_told| What::Resolved {
            by: ResolvedBy::Recovery,
            lasted_ms: 61_001,
            is_told,
        };
        let told = of(&up(true), PageHow::Alert, 2_000).unwrap();
        assert_eq!(
            (told.title.as_str(), told.urgency),
            ("shop is up again", Urgency::Active)
        );
        assert_eq!(told.body, "after 1m1s: status 500, expected 2xx");
        assert_eq!(
            of(&up(false), PageHow::Alert, 2_000),
            None,
            "nobody was paged"
        );
        let taken = What::Acknowledged { by: "ann".into() };
        assert_eq!(
            of(&taken, PageHow::Alert, 2_000).unwrap().title,
            "shop: ann is on it"
        );
        assert_eq!(of(&What::GivenUp, PageHow::Alert, 2_000), None);
        assert!(collapse_id(i64::MAX, u32::MAX).len() <= 64);
    }
}
