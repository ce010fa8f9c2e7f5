//! Turns on call one after the other, and the gaps between them.

use super::rotation::RotationPlan;
use crate::UnixMs;
use jiff::Timestamp;

/// How far gaps are looked for: four weeks and a change of the clock.
const HORIZON_MS: i64 = 29 * 86_400_000;
/// Most gaps that are told.
pub(super) const MAX_GAPS: usize = 10;

/// A time at which nobody is on call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it begins.
    pub from: UnixMs,
    /// When it ends; `None`: not as far as is looked.
    pub until: Option<UnixMs>,
}

/// Somebody's turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shift {
    /// Who; `None`: nobody.
    pub user: Option<String>,
    /// When it begins.
    pub from: UnixMs,
    /// When it ends.
    pub until: UnixMs,
}

impl RotationPlan {
    /// Whose turn it is from `from` on, turn after turn, until `until`, at most `most` turns.
    #[must_use]
    pub fn shifts(&self, from: UnixMs, until: UnixMs, most: usize) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut now = from;
        // Each step goes to the next change; there are at most a few for each layer and day.
        for _ in 0..20_000 {
            let end = self.next_change(now).map_or(until, |next| next.min(until));
            let user = self.people(now).first().map(|user| (*user).to_owned());
            let is_full = shifts.len() == most;
            match shifts.last_mut() {
                Some(last) if last.user == user => last.until = end,
                _ if is_full => break,
                _ => shifts.push(Shift {
                    user,
                    from: now,
                    until: end,
                }),
            }
            if end >= until || end <= now {
                break;
            }
            now = end;
        }
        shifts
    }

    /// Times of the next four weeks at which nobody is on call.
    #[must_use]
    pub fn gaps(&self, now: UnixMs) -> Vec<Gap> {
        let end = now.saturating_add(HORIZON_MS);
        let shifts = self.shifts(now, end, usize::MAX);
        let nobody = shifts.into_iter().filter(|shift| shift.user.is_none());
        let gap = |shift: Shift| Gap {
            from: shift.from,
            until: (shift.until < end).then_some(shift.until),
        };
        nobody.map(gap).take(MAX_GAPS).collect()
    }

    /// A gap in words, by the clock of the place: `from 2026-03-28T20:00:00+01:00 to …`.
    #[must_use]
    pub fn shown(&self, gap: &Gap) -> String {
        let local = |at: UnixMs| {
            Timestamp::from_millisecond(at).map_or_else(
                |_| at.to_string(),
                |at| at.display_with_offset(self.zone.to_offset(at)).to_string(),
            )
        };
        match gap.until {
            Some(until) => format!("from {} to {}", local(gap.from), local(until)),
            None => format!("from {} on", local(gap.from)),
        }
    }
}
