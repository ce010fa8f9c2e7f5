//! One request as it came in: its pseudo-headers, its APNs headers and its body, unjudged.

use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::host::{Environment, Host};

/// A request whose body has arrived completely.
#[derive(Debug)]
pub(crate) struct PushRequest<'a> {
    pub(crate) environment: Environment,
    pub(crate) host: Host,
    pub(crate) method: &'a Method,
    pub(crate) scheme: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Arc<[u8]>,
}

/// Which of Apple's pages a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Device,
    Broadcast,
    Management,
}

const DEVICE_PREFIX: &str = "/3/device/";
const BROADCAST_PREFIX: &str = "/4/broadcasts/apps/";
const MANAGEMENT_PREFIX: &str = "/1/apps/";

impl<'a> PushRequest<'a> {
    /// A header as text; a value that is not visible ASCII counts as an unreadable one (`"\0"`),
    /// which no rule accepts.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("\0"))
    }

    pub(crate) fn service(&self) -> Service {
        match self.host {
            Host::Management => Service::Management,
            Host::Broadcast => Service::Broadcast,
            Host::Device if self.path.starts_with("/4/") => Service::Broadcast,
            // Other gateways' requests are never read as Apple's.
            Host::Device | Host::Fcm | Host::Oauth | Host::Iid | Host::WebPush => Service::Device,
        }
    }

    /// The hexadecimal push token in the path, if the path is that of a device push.
    pub(crate) fn push_token_text(&self) -> Option<&'a str> {
        if self.path == "/3/device" {
            return Some("");
        }
        self.path.strip_prefix(DEVICE_PREFIX)
    }

    /// The bundle ID in the path of a broadcast.
    pub(crate) fn broadcast_bundle(&self) -> Option<&'a str> {
        self.path
            .strip_prefix(BROADCAST_PREFIX)
            .filter(|rest| is_segment(rest))
    }

    /// The bundle ID and the resource (`channels`, `all-channels`) of a management path.
    pub(crate) fn management_target(&self) -> Option<(&'a str, &'a str)> {
        let (bundle, resource) = self.path.strip_prefix(MANAGEMENT_PREFIX)?.split_once('/')?;
        (is_segment(bundle) && matches!(resource, "channels" | "all-channels"))
            .then_some((bundle, resource))
    }

    /// Whether the method is `name`; lax reading takes the lower case that node-apn sends.
    pub(crate) fn is_method(&self, name: &str, lax: bool) -> bool {
        self.method.as_str() == name || (lax && self.method.as_str().eq_ignore_ascii_case(name))
    }

    /// True if any header comes twice.
    pub(crate) fn has_duplicate_headers(&self) -> bool {
        self.headers.len() != self.headers.keys_len()
    }
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && !text.contains('/')
}

/// Decodes hexadecimal; `None` for an odd length or another character.
pub(crate) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            Some((high * 16 + low) as u8)
        })
        .collect()
}

/// Encodes lower-case hexadecimal.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A UUID in the form Apple asks for: 32 lower-case digits in groups of 8-4-4-4-12. Lax reading
/// takes upper case as well.
pub(crate) fn parse_uuid(text: &str, lax: bool) -> Option<uuid::Uuid> {
    let canonical = text.len() == 36
        && text.bytes().enumerate().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == b'-',
            _ => c.is_ascii_digit() || (b'a'..=b'f').contains(&c) || (lax && c.is_ascii_hexdigit()),
        });
    if canonical {
        uuid::Uuid::parse_str(text).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_both_ways() {
        assert_eq!(decode_hex("0badC0DE").unwrap(), [0x0b, 0xad, 0xc0, 0xde]);
        assert_eq!(encode_hex(&[0x0b, 0xad, 0xc0, 0xde]), "0badc0de");
        assert!(decode_hex("abc").is_none());
        assert!(decode_hex("zz").is_none());
        assert!(decode_hex("+1").is_none());
    }

    #[test]
    fn only_the_canonical_uuid_is_read() {
        assert!(parse_uuid("5f6d9c1e-0b1a-4c55-9f6a-2f9f3f1d7a10", false).is_some());
        assert!(parse_uuid("5F6D9C1E-0B1A-4C55-9F6A-2F9F3F1D7A10", false).is_none());
        assert!(parse_uuid("5F6D9C1E-0B1A-4C55-9F6A-2F9F3F1D7A10", true).is_some());
        assert!(parse_uuid("5f6d9c1e0b1a4c559f6a2f9f3f1d7a10", true).is_none());
        assert!(parse_uuid("42", true).is_none());
    }
}
