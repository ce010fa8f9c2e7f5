//! What the headers of a push ask for, and whether they may (RFC 8030, sections 5.2 to 5.4; RFC
//! 8291, section 4; WNS's rule for TTL 0). Pure: no subscription is looked at here.

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::service::WebPushService;

/// The longest Topic (RFC 8030, section 5.4).
const MAX_TOPIC_BYTES: usize = 32;

/// How much a push matters to a device that saves its battery (RFC 8030, section 5.3).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either power or Wi-Fi.
    Low,
    /// On neither power nor Wi-Fi.
    #[default]
    Normal,
    /// With a low battery.
    High,
}

/// What a push asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) ttl_secs: u32,
    pub(crate) urgency: Urgency,
    pub(crate) topic: Option<String>,
}

/// Reads the headers of a push with a body of `body_bytes`.
pub(crate) fn read(
    headers: &HeaderMap,
    service: WebPushService,
    body_bytes: usize,
) -> Result<Wanted, Refusal> {
    if service == WebPushService::Wns && !headers.contains_key(http::header::CONTENT_LENGTH) {
        return Err(Refusal::LengthMissing);
    }
    let asked_secs = ttl(headers)?;
    let urgency = match one(headers, "urgency", Refusal::Urgency)? {
        None => Urgency::default(),
        Some("very-low") => Urgency::VeryLow,
        Some("low") => Urgency::Low,
        Some("normal") => Urgency::Normal,
        Some("high") => Urgency::High,
        Some(_) => return Err(Refusal::Urgency),
    };
    let topic = one(headers, "topic", Refusal::Topic)?;
    if topic.is_some_and(|topic| !is_topic(topic)) {
        return Err(Refusal::Topic);
    }
    let encoding = one(headers, "content-encoding", Refusal::Encoding)?;
    if body_bytes > 0 && encoding != Some("aes128gcm") {
        return Err(Refusal::Encoding);
    }
    if service == WebPushService::Wns {
        let policy = one(headers, "x-wns-cache-policy", Refusal::Repeated)?;
        let conflicts = match policy {
            Some("no-cache") => asked_secs > 0,
            // Absent counts as `cache`.
            _ => asked_secs == 0,
        };
        if conflicts {
            return Err(Refusal::CachePolicy);
        }
    }
    Ok(Wanted {
        ttl_secs: asked_secs,
        urgency,
        topic: topic.map(str::to_owned),
    })
}

/// Whole seconds; what does not fit 31 bits counts as 2^31 (RFC 8030, section 5.2).
fn ttl(headers: &HeaderMap) -> Result<u32, Refusal> {
    const LARGEST: u32 = 1 << 31;
    let text = one(headers, "ttl", Refusal::Repeated)?.ok_or(Refusal::TtlMissing)?;
    if let Some(rest) = text.strip_prefix('-') {
        return Err(match is_digits(rest) {
            true => Refusal::TtlNegative,
            false => Refusal::TtlForm,
        });
    }
    if !is_digits(text) {
        return Err(Refusal::TtlForm);
    }
    Ok(text
        .parse::<u32>()
        .map_or(LARGEST, |secs| secs.min(LARGEST)))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

fn is_topic(text: &str) -> bool {
    (1..=MAX_TOPIC_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
}

/// A header that may stand at most once; unreadable text is refused like a repetition.
fn one<'a>(
    headers: &'a HeaderMap,
    name: &str,
    refusal: Refusal,
) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| refusal),
        (Some(_), Some(_)) => Err(refusal),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn read_from(headers: &[(&str, &str)], service: WebPushService) -> Result<Wanted, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            map.append(name, HeaderValue::try_from(*value).unwrap());
        }
        read(&map, service, 100)
    }

    const GCM: (&str, &str) = ("content-encoding", "aes128gcm");

    #[test]
    fn every_header_is_read() {
        let wanted = read_from(
            &[
                GCM,
                ("ttl", "60"),
                ("urgency", "very-low"),
                ("topic", "A-z_09"),
            ],
            WebPushService::Mozilla,
        );
        let expected = Wanted {
            ttl_secs: 60,
            urgency: Urgency::VeryLow,
            topic: Some("A-z_09".into()),
        };
        assert_eq!(wanted, Ok(expected));
        let bare = read_from(&[GCM, ("ttl", "0")], WebPushService::Apple).unwrap();
        assert_eq!((bare.urgency, bare.topic), (Urgency::Normal, None));
    }

    #[test]
    fn ttl_is_whole_seconds_of_31_bits() {
        let ttl = |text| {
            read_from(&[GCM, ("ttl", text)], WebPushService::Fcm).map(|wanted| wanted.ttl_secs)
        };
        assert_eq!(ttl("0"), Ok(0));
        assert_eq!(ttl("2419200"), Ok(2_419_200));
        assert_eq!(ttl("2147483648"), Ok(1 << 31));
        assert_eq!(ttl("4294967295"), Ok(1 << 31));
        assert_eq!(ttl("99999999999999999999"), Ok(1 << 31));
        for text in ["", "abc", "1.5", "+5", "1 2", "-x"] {
            assert_eq!(ttl(text), Err(Refusal::TtlForm), "{text:?}");
        }
        assert_eq!(ttl("-1"), Err(Refusal::TtlNegative));
        let missing = read_from(&[GCM], WebPushService::Fcm);
        assert_eq!(missing, Err(Refusal::TtlMissing));
        let twice = read_from(&[GCM, ("ttl", "1"), ("ttl", "1")], WebPushService::Fcm);
        assert_eq!(twice, Err(Refusal::Repeated));
    }

    #[test]
    fn urgency_topic_and_encoding_have_one_form() {
        let with = |name, value| {
            read_from(&[GCM, ("ttl", "1"), (name, value)], WebPushService::Mozilla)
                .err()
                .unwrap()
        };
        for urgency in ["", "High", "urgent", "low, normal"] {
            assert_eq!(with("urgency", urgency), Refusal::Urgency, "{urgency:?}");
        }
        for topic in ["", "a b", "a=", "a/b", &"a".repeat(33)] {
            assert_eq!(with("topic", topic), Refusal::Topic, "{topic:?}");
        }
        for encoding in [&[][..], &[("content-encoding", "aesgcm")]] {
            let headers = [&[("ttl", "1")], encoding].concat();
            let found = read_from(&headers, WebPushService::Mozilla);
            assert_eq!(found, Err(Refusal::Encoding));
        }
        let mut bare = HeaderMap::new();
        bare.insert("ttl", HeaderValue::from_static("1"));
        assert!(read(&bare, WebPushService::Mozilla, 0).is_ok());
    }

    #[test]
    fn wns_wants_a_length_and_a_cache_policy_that_fits() {
        let length = ("content-length", "100");
        let wns = |headers: &[(&str, &str)]| read_from(headers, WebPushService::Wns).map(|_| ());
        assert_eq!(wns(&[GCM, ("ttl", "1")]), Err(Refusal::LengthMissing));
        let with = |ttl, policy: &str| {
            let mut headers = vec![GCM, length, ("ttl", ttl)];
            if !policy.is_empty() {
                headers.push(("x-wns-cache-policy", policy));
            }
            wns(&headers)
        };
        assert_eq!(with("0", "no-cache"), Ok(()));
        assert_eq!(with("5", "cache"), Ok(()));
        assert_eq!(with("5", ""), Ok(()));
        for (ttl, policy) in [("0", ""), ("0", "cache"), ("5", "no-cache")] {
            assert_eq!(with(ttl, policy), Err(Refusal::CachePolicy));
        }
    }
}
