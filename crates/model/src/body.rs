//! What a notification says, in the form that is stored with it.
//!
//! Most notifications say the same to everybody: they are rendered at intake, once for each gateway,
//! and stored as payloads. Those that say something else to each device (a template in the reader's
//! language, a counted badge, a receipt) are stored as their source and rendered when their batch is
//! sent. A payload for Apple alone is stored as it is, byte for byte.

use crate::codec::{Reader, Unreadable, put_bytes, put_uint};
use crate::content::Content;
use crate::digest::DigestFacts;
use crate::lane::Gateway;
use crate::live_activity::WordedPush;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a notification says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Payloads as they go to the wire, at most one for each gateway.
    Ready(Vec<(Gateway, Bytes)>),
    /// To be rendered for each device.
    Late(LateBody),
}

/// What is rendered when a batch is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateBody {
    /// The gateways that it was checked for: a device elsewhere is not part of the audience.
    pub gateways: Vec<Gateway>,
    /// [`LateSource`] as JSON: opened once for each notification in memory, not once for each device.
    pub source: Bytes,
}

/// Where the content of a late body comes from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LateSource {
    /// Content as the caller wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// A template instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateSource>,
    /// What becomes of the recipient's badge counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<BadgeChange>,
    /// Each push carries a receipt token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub receipt: bool,
    /// Or a push of a Live Activity whose texts are each reader's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<WordedPush>,
}

/// A template at the version that it had when the notification was accepted, and what fills it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateSource {
    /// Its number.
    pub no: i64,
    /// Its version then.
    pub version: u32,
    /// What the caller gave: a JSON object.
    pub variables: Box<serde_json::value::RawValue>,
    /// Who or what made the event, if an event did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventSource>,
    /// The digest that it tells, if it tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestSource>,
}

/// What a template may say of the events that were gathered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestSource {
    /// How many.
    pub count: u64,
    /// The data of the latest of them, oldest first.
    pub items: Vec<serde_json::Value>,
}

impl DigestSource {
    /// As a template sees it.
    #[must_use]
    pub fn facts(&self) -> DigestFacts {
        DigestFacts {
            count: self.count,
            items: self.items.clone(),
        }
    }
}

/// What a template may say of the event behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSource {
    /// Its name, e.g. `comment.created`.
    pub name: String,
    /// The user who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// A change of a recipient's badge counter, made once for each delivery, however often it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BadgeChange {
    /// So many more.
    Increment(u32),
    /// This number from now on; 0 clears it.
    Set(u32),
}

/// The highest number that a counter reaches: FCM's `notification_count` is a signed 32-bit integer.
pub const MAX_BADGE: u32 = i32::MAX as u32;

impl BadgeChange {
    /// What a counter says after it.
    #[must_use]
    pub fn apply(self, before: u32) -> u32 {
        match self {
            Self::Increment(more) => before.saturating_add(more).min(MAX_BADGE),
            Self::Set(badge) => badge.min(MAX_BADGE),
        }
    }
}

const READY: u8 = 1;
const LATE: u8 = 2;

impl Body {
    /// One payload for Apple.
    #[must_use]
    pub fn apns(payload: Bytes) -> Self {
        Self::Ready(vec![(Gateway::Apns, payload)])
    }

    /// The gateways that can be sent to.
    pub fn gateways(&self) -> impl Iterator<Item = Gateway> {
        let (ready, late): (&[_], &[_]) = match self {
            Self::Ready(payloads) => (payloads, &[]),
            Self::Late(late) => (&[], &late.gateways),
        };
        let of_ready = ready.iter().map(|(gateway, _)| *gateway);
        of_ready.chain(late.iter().copied())
    }

    /// The stored form. A sole payload of Apple's is not copied.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Ready(payloads) => {
                if let [(Gateway::Apns, payload)] = &payloads[..]
                    && payload.first().is_none_or(|first| *first > LATE)
                {
                    return payload.clone();
                }
                out.push(READY);
                for (gateway, payload) in payloads {
                    out.push(gateway.code());
                    put_bytes(&mut out, payload);
                }
            }
            Self::Late(late) => {
                out.push(LATE);
                put_uint(&mut out, late.gateways.len() as u64);
                out.extend(late.gateways.iter().map(|gateway| gateway.code()));
                put_bytes(&mut out, &late.source);
            }
        }
        out.into()
    }

    /// Reads the stored form; payloads are slices of it.
    pub fn decode(stored: &Bytes) -> Result<Self, Unreadable> {
        let gateway = |reader: &mut Reader<'_>| {
            let code = reader.byte()?;
            Gateway::from_code(code).ok_or_else(|| reader.error("unknown gateway"))
        };
        match stored.first() {
            Some(&READY) => {
                let mut reader = Reader::new("body", READY, stored)?;
                let mut payloads = Vec::new();
                while !reader.is_empty() {
                    let gateway = gateway(&mut reader)?;
                    payloads.push((gateway, stored.slice_ref(reader.bytes()?)));
                }
                Ok(Self::Ready(payloads))
            }
            Some(&LATE) => {
                let mut reader = Reader::new("body", LATE, stored)?;
                let count = reader.uint()?.min(Gateway::ALL.len() as u64);
                let mut gateways = Vec::new();
                for _ in 0..count {
                    gateways.push(gateway(&mut reader)?);
                }
                let source = stored.slice_ref(reader.bytes()?);
                Ok(Self::Late(LateBody { gateways, source }))
            }
            Some(_) | None => Ok(Self::apns(stored.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden() {
        let apns = Body::apns(Bytes::from_static(b"{}"));
        assert_eq!(&apns.encode()[..], b"{}", "as it is");
        let fcm = Body::Ready(vec![(Gateway::Fcm, Bytes::from_static(b"{}"))]);
        assert_eq!(&fcm.encode()[..], [1, 2, 2, b'{', b'}']);
        let late = Body::Late(LateBody {
            gateways: vec![Gateway::Apns, Gateway::WebPush],
            source: Bytes::from_static(b"s"),
        });
        assert_eq!(&late.encode()[..], [2, 2, 1, 3, 1, b's']);
        for body in [
            apns,
            fcm,
            late,
            Body::Ready(Vec::new()),
            Body::apns(Bytes::new()),
        ] {
            assert_eq!(Body::decode(&body.encode()), Ok(body));
        }
    }

    #[test]
    fn counters_stop_at_their_highest() {
        assert_eq!(BadgeChange::Increment(2).apply(3), 5);
        assert_eq!(BadgeChange::Set(0).apply(3), 0);
        assert_eq!(BadgeChange::Increment(u32::MAX).apply(3), MAX_BADGE);
        assert_eq!(BadgeChange::Set(u32::MAX).apply(3), MAX_BADGE);
    }

    #[test]
    fn sources_read_back() {
        let json =
            r#"{"template":{"no":1,"version":2,"variables":{"a":1}},"badge":{"increment":1}}"#;
        let source: LateSource = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), json);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Body::decode(&bytes.into());
        }

        #[test]
        fn any_payload_of_apples_reads_back(bytes in proptest::collection::vec(any::<u8>(), 1..40)) {
            let body = Body::apns(bytes.into());
            prop_assert_eq!(Body::decode(&body.encode()), Ok(body));
        }
    }
}
