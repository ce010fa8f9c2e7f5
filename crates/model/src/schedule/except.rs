//! Calendar exceptions: dates on which a schedule does not fire, alone or as ranges.

use jiff::civil::Date;

/// Most entries.
pub const MAX_EXCEPT: usize = 400;

/// Dates that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExceptDates {
    /// First and last, ascending by the first.
    ranges: Vec<(Date, Date)>,
}

impl ExceptDates {
    /// Reads `2026-12-25` and `2026-12-24/2026-12-26`, the last included.
    ///
    /// # Errors
    /// For each entry that cannot be read: its place, and a sentence.
    pub fn parse(entries: &[String]) -> Result<Self, Vec<(usize, String)>> {
        let (mut ranges, mut wrong) = (Vec::with_capacity(entries.len()), Vec::new());
        for (at, entry) in entries.iter().enumerate() {
            match range(entry) {
                Ok(range) => ranges.push(range),
                Err(why) => wrong.push((at, why)),
            }
        }
        ranges.sort_unstable();
        // What a range holds besides is not told apart, so that one look is enough.
        let mut merged: Vec<(Date, Date)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, until)) if first <= *until => *until = last.max(*until),
                _ => merged.push((first, last)),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self { ranges: merged }),
            false => Err(wrong),
        }
    }

    /// Whether no date is left out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether a date is left out.
    #[must_use]
    pub fn contains(&self, date: Date) -> bool {
        let begun = self.ranges.partition_point(|(first, _)| *first <= date);
        let latest = begun.checked_sub(1).and_then(|at| self.ranges.get(at));
        latest.is_some_and(|(_, last)| date <= *last)
    }
}

fn range(entry: &str) -> Result<(Date, Date), String> {
    let date = |text: &str| {
        // A date and nothing else: jiff would also take a date-time.
        let is_plain = text.len() == 10;
        is_plain.then(|| text.parse::<Date>().ok()).flatten().ok_or_else(|| {
            format!("expected a date such as 2026-12-25, or a range such as 2026-12-24/2026-12-26, found {entry:?}")
        })
    };
    let (first, last) = entry.split_once('/').unwrap_or((entry, entry));
    let (first, last) = (date(first)?, date(last)?);
    if last < first {
        return Err(format!(
            "expected a range whose last date is not before its first, found {entry:?}"
        ));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[&str]) -> Result<ExceptDates, Vec<(usize, String)>> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        ExceptDates::parse(&entries)
    }

    #[test]
    fn dates_and_ranges() {
        let except = read(&[
            "2026-12-31",
            "2026-12-24/2026-12-26",
            "2026-12-25",
            "2026-12-26/2026-12-28",
        ])
        .unwrap();
        for (day, is_in) in [
            (23, false),
            (24, true),
            (25, true),
            (28, true),
            (29, false),
            (31, true),
        ] {
            let date = Date::new(2026, 12, day).unwrap();
            assert_eq!(except.contains(date), is_in, "{date}");
        }
        assert!(!ExceptDates::default().contains(Date::new(2026, 1, 1).unwrap()));
    }

    #[test]
    fn mistakes_name_their_entry() {
        let wrong = read(&[
            "2026-12-25",
            "25.12.2026",
            "2026-02-30",
            "2026-12-26/2026-12-24",
            "2026-12-25T00:00",
        ])
        .unwrap_err();
        let places: Vec<usize> = wrong.iter().map(|(at, _)| *at).collect();
        assert_eq!(places, [1, 2, 3, 4]);
        assert!(wrong[0].1.contains("found \"25.12.2026\""), "{wrong:?}");
        assert!(wrong[2].1.contains("not before its first"), "{wrong:?}");
    }
}
