//! Versions of apps, compared the way people number them.
//!
//! `2.10` is after `2.9`; `2.1` equals `2.1.0`; `2.1-beta` is before `2.1` (semver.org, section 11);
//! a leading `v` and what follows a `+` do not count.

use std::cmp::Ordering;

/// A version that could be read.
#[derive(Clone, Debug)]
pub(super) struct Version<'a> {
    /// Up to the last number that is not 0.
    numbers: Vec<u64>,
    prerelease: Option<&'a str>,
}

impl<'a> Version<'a> {
    /// `None` when `text` is no version, e.g. `beta` or an empty text.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, prerelease) = match text.split_once('-') {
            Some((numbers, prerelease)) => (numbers, Some(prerelease)),
            None => (text, None),
        };
        if numbers.len() > 64 || prerelease.is_some_and(str::is_empty) {
            return None;
        }
        let number = |part: &str| {
            let is_plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            is_plain.then(|| part.parse().ok()).flatten()
        };
        let mut numbers: Vec<u64> = numbers.split('.').map(number).collect::<Option<_>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Some(Self {
            numbers,
            prerelease,
        })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.cmp(&other.numbers);
        numbers.then_with(|| match (self.prerelease, other.prerelease) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => prereleases(a, b),
        })
    }
}

fn prereleases(a: &str, b: &str) -> Ordering {
    let mut others = b.split('.');
    for part in a.split('.') {
        let Some(other) = others.next() else {
            return Ordering::Greater;
        };
        let order = match (part.parse::<u64>(), other.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => part.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    match others.next() {
        Some(_) => Ordering::Less,
        None => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests {
    use super::Version;
    use std::cmp::Ordering;

    #[test]
    fn ascending() {
        let ascending = [
            "0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0",
            "v1.0.1",
            "1.9",
            "1.10",
            "2024.1.1",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                let order = Version::parse(a)
                    .unwrap()
                    .compare(&Version::parse(b).unwrap());
                assert_eq!(order, i.cmp(&j), "{a} and {b}");
            }
        }
    }

    #[test]
    fn equal_and_unreadable() {
        for (a, b) in [
            ("2.1", "2.1.0"),
            ("v2", "2.0.0+7"),
            ("0", "0.0"),
            (" 1 ", "1"),
        ] {
            let order = Version::parse(a)
                .unwrap()
                .compare(&Version::parse(b).unwrap());
            assert_eq!(order, Ordering::Equal, "{a} and {b}");
        }
        for text in [
            "",
            "v",
            "beta",
            "1..2",
            "1.x",
            "-1",
            "1-",
            "1.2.",
            "99999999999999999999",
        ] {
            assert!(Version::parse(text).is_none(), "{text}");
        }
    }
}
