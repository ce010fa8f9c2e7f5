//! Several events told as one: "3 new comments" instead of three pushes.
//!
//! The first event opens a digest, which closes a window later; what comes in between joins it. When
//! it closes, one notification is made from what it gathered. Whoever keeps it says for whom it is
//! (user and trigger) and when the time has come.

use crate::codec::{Reader, Unreadable, put_bytes, put_uint};
use crate::{UnixMs, duration};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Most events of which a digest keeps the data; of more it keeps the count.
pub const MAX_ITEMS: u16 = 50;
/// Longest window.
pub const MAX_WINDOW_MS: i64 = 7 * 86_400_000;
/// Most bytes of data that a digest keeps: as much as one event may carry.
pub const MAX_BYTES: usize = 65_536;

/// How a trigger gathers: `{"window": "10m", "max_items": 20}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct DigestRule {
    /// From the first event to the notification, in milliseconds.
    pub window_ms: i64,
    /// Of how many events, the latest, the data is kept: 1 to [`MAX_ITEMS`].
    pub max_items: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    window: String,
    #[serde(default = "default_items")]
    max_items: u16,
}

fn default_items() -> u16 {
    20
}

impl TryFrom<Written> for DigestRule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let window_ms =
            duration::parse_ms(&written.window).map_err(|why| format!("window: {why}"))?;
        if !(1_000..=MAX_WINDOW_MS).contains(&window_ms) {
            return Err(format!(
                "window: expected 1s to 7d, found {:?}",
                written.window
            ));
        }
        if !(1..=MAX_ITEMS).contains(&written.max_items) {
            return Err(format!(
                "max_items: expected 1 to {MAX_ITEMS}, found {}",
                written.max_items
            ));
        }
        Ok(Self {
            window_ms,
            max_items: written.max_items,
        })
    }
}

impl From<DigestRule> for Written {
    fn from(rule: DigestRule) -> Self {
        Self {
            window: duration::format_ms(rule.window_ms),
            max_items: rule.max_items,
        }
    }
}

/// An open digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestState {
    closes_at: UnixMs,
    count: u64,
    /// The data of the latest events, oldest first: texts of JSON objects.
    items: Vec<String>,
}

const VERSION: u8 = 1;

impl DigestState {
    /// Opened by an event with this data (the text of a JSON object) that happened at `now`.
    #[must_use]
    pub fn open(rule: &DigestRule, now: UnixMs, data: &RawValue) -> Self {
        let mut state = Self {
            closes_at: now.saturating_add(rule.window_ms),
            count: 0,
            items: Vec::new(),
        };
        state.add(rule, data);
        state
    }

    /// One more event joins. The time of closing stays.
    pub fn add(&mut self, rule: &DigestRule, data: &RawValue) {
        self.count = self.count.saturating_add(1);
        self.items.push(data.get().to_owned());
        let too_many = self.items.len().saturating_sub(usize::from(rule.max_items));
        self.items.drain(..too_many);
        let mut bytes: usize = self.items.iter().map(String::len).sum();
        while bytes > MAX_BYTES && self.items.len() > 1 {
            bytes -= self.items.remove(0).len();
        }
    }

    /// When its notification is due.
    #[must_use]
    pub fn closes_at(&self) -> UnixMs {
        self.closes_at
    }

    /// How many events it gathered.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What templates see of it.
    #[must_use]
    pub fn facts(&self) -> DigestFacts {
        let read = |item: &String| serde_json::from_str(item).unwrap_or(Value::Null);
        DigestFacts {
            count: self.count,
            items: self.items.iter().map(read).collect(),
        }
    }

    /// The stored form.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_uint(&mut out, self.closes_at.max(0) as u64);
        put_uint(&mut out, self.count);
        for item in &self.items {
            put_bytes(&mut out, item.as_bytes());
        }
        out
    }

    /// Reads the stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("digest", VERSION, bytes)?;
        let closes_at = i64::try_from(reader.uint()?);
        let closes_at = closes_at.map_err(|_| reader.error("time over 63 bits"))?;
        let count = reader.uint()?;
        let mut items = Vec::new();
        while !reader.is_empty() {
            if items.len() >= usize::from(MAX_ITEMS) {
                return Err(reader.error("too many items"));
            }
            items.push(reader.text()?.to_owned());
        }
        Ok(Self {
            closes_at,
            count,
            items,
        })
    }
}

/// A closed digest, as templates see it: `digest.count`, `digest.items`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DigestFacts {
    /// How many events.
    pub count: u64,
    /// The data of the latest of them, oldest first.
    pub items: Vec<Value>,
}

impl DigestFacts {
    /// The data of the latest event: what the template's variables are taken from.
    #[must_use]
    pub fn latest(&self) -> Option<&Map<String, Value>> {
        self.items.last()?.as_object()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn rule(max_items: u16) -> DigestRule {
        DigestRule {
            window_ms: 600_000,
            max_items,
        }
    }

    #[test]
    fn rules_are_read_strictly() {
        let read: DigestRule = serde_json::from_str(r#"{"window":"10m"}"#).unwrap();
        assert_eq!(read, rule(20));
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            r#"{"window":"10m","max_items":20}"#
        );
        for (bad, part) in [
            (r#"{"window":"10"}"#, "window: expected a duration"),
            (r#"{"window":"0s"}"#, "1s to 7d"),
            (r#"{"window":"8d"}"#, "1s to 7d"),
            (r#"{"window":"1h","max_items":0}"#, "1 to 50"),
            (r#"{"window":"1h","max":3}"#, "unknown field"),
            (r#"{}"#, "missing field `window`"),
        ] {
            let error = serde_json::from_str::<DigestRule>(bad).unwrap_err();
            assert!(error.to_string().contains(part), "{bad}: {error}");
        }
    }

    #[test]
    fn gathers_and_keeps_the_latest() {
        let mut state = DigestState::open(&rule(2), 1_000, &raw(r#"{"n":1}"#));
        for n in 2..=5 {
            state.add(&rule(2), &raw(&format!(r#"{{"n":{n}}}"#)));
        }
        assert_eq!(state.closes_at(), 601_000);
        let facts = state.facts();
        assert_eq!((facts.count, facts.items.len()), (5, 2));
        assert_eq!(facts.items[0]["n"], 4);
        assert_eq!(facts.latest().unwrap()["n"], 5);
    }

    #[test]
    fn golden() {
        let state = DigestState::open(&rule(2), 1_000, &raw("{}"));
        assert_eq!(state.encode(), [1, 0xa8, 0xd7, 0x24, 1, 2, b'{', b'}']);
    }

    proptest! {
        #[test]
        fn reads_back_and_stays_small(sizes in proptest::collection::vec(0usize..30_000, 1..30), max in 1u16..=50) {
            let data = |size: &usize| raw(&format!("{{\"x\":\"{}\"}}", "y".repeat(*size)));
            let mut state = DigestState::open(&rule(max), 5, &data(&sizes[0]));
            for size in &sizes[1..] {
                state.add(&rule(max), &data(size));
            }
            prop_assert_eq!(state.count(), sizes.len() as u64);
            prop_assert!(state.encode().len() <= MAX_BYTES + 400);
            prop_assert_eq!(DigestState::decode(&state.encode()), Ok(state));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = DigestState::decode(&bytes);
        }
    }
}
