//! A device's address at a gateway. A secret of sorts: it is never shown whole in logs.

use crate::UnixMs;
use crate::environment::TokenEnvironment;
use crate::id::DeviceNo;
use crate::push_type::TokenKind;
use std::fmt;

/// The bytes of a push token. `Debug` and [`Self::fingerprint`] show only a few of them.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PushTokenBytes(pub bytes::Bytes);

/// Longest push token of Apple's that is accepted, in bytes. They have 32 today, and are said to grow.
pub const MAX_PUSH_TOKEN_BYTES: usize = 200;
/// Longest address of any gateway, in bytes: registration tokens and subscriptions are opaque text of no
/// promised length.
pub const MAX_ADDRESS_BYTES: usize = 4_096;

/// What stands between the two parts of a [`live_address`]: no token has it.
const BETWEEN: char = '\n';

/// Where a Live Activity is that is reached through FCM: the registration token of the app, by which Google finds the phone, and
/// the token that ActivityKit gave it, in hexadecimal. The two are one address, which lives and dies as a whole.
#[must_use]
pub fn live_address(registration_token: &str, activity_token: &str) -> String {
    format!(
        "{}{BETWEEN}{}",
        registration_token.trim(),
        activity_token.trim()
    )
}

/// The parts of a [`live_address`]; `None`: it is none.
#[must_use]
pub fn live_parts(address: &str) -> Option<(&str, &str)> {
    let (registration_token, activity_token) = address.split_once(BETWEEN)?;
    let mut digits = activity_token.bytes();
    let is_hex = !activity_token.is_empty() && digits.all(|byte| byte.is_ascii_hexdigit());
    is_hex.then_some((registration_token, activity_token))
}

impl PushTokenBytes {
    /// Reads an APNs token: hex of any length up to [`MAX_PUSH_TOKEN_BYTES`], in either case; `<`,
    /// `>` and spaces (an old iOS description) are skipped. The error is a sentence.
    pub fn from_hex(text: &str) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        let mut high = None;
        for (at, c) in text.char_indices() {
            if matches!(c, '<' | '>' | ' ') {
                continue;
            }
            let digit = c.to_digit(16).ok_or_else(|| {
                format!("expected hexadecimal digits, found {c:?} at character {at}: send the token as Apple gave it to the app, hex-encoded")
            })? as u8;
            match high.take() {
                None => high = Some(digit),
                Some(high) => bytes.push(high << 4 | digit),
            }
        }
        if high.is_some() {
            return Err(
                "expected an even number of hexadecimal digits: the token was cut short".into(),
            );
        }
        if bytes.is_empty() || bytes.len() > MAX_PUSH_TOKEN_BYTES {
            return Err(format!(
                "expected 1 to {MAX_PUSH_TOKEN_BYTES} bytes as hex, found {}",
                bytes.len()
            ));
        }
        Ok(Self(bytes.into()))
    }

    /// Lower-case hex, as sent to Apple.
    #[must_use]
    pub fn to_hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut out = String::with_capacity(self.0.len() * 2);
        for byte in &self.0 {
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
        out
    }

    /// A few digits that tell tokens apart in a log without giving them away.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        if self.0.len() > MAX_PUSH_TOKEN_BYTES / 2 {
            // Text of other gateways, whose ends are often alike: FNV-1a of the whole.
            let hash = self.0.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
            });
            return format!("#{:08x}", hash >> 32);
        }
        let hex = self.to_hex();
        if hex.len() <= 16 {
            "…".to_owned()
        } else {
            format!("{}…{}", &hex[..4], &hex[hex.len() - 4..])
        }
    }
}

impl fmt::Debug for PushTokenBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushToken({})", self.fingerprint())
    }
}

/// A registered push token, as read when a batch is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushToken {
    /// Whose.
    pub device: DeviceNo,
    /// Of what kind.
    pub kind: TokenKind,
    /// The address.
    pub bytes: PushTokenBytes,
    /// What is known of its environment.
    pub environment: TokenEnvironment,
    /// Rises by one with every registration; a late answer about an older one changes nothing.
    pub generation: u32,
    /// When the app last handed it over. Moves on every check-in: the rule for 410 compares it. `None`: nobody
    /// knows, as after an import.
    pub registered_at: Option<UnixMs>,
    /// When it was retired, if it was.
    pub retired_at: Option<UnixMs>,
}

impl PushToken {
    /// Whether an answer that says "dead since `since`", about registration `generation`, retires
    /// this token: never a newer registration, never one that the app is known to have renewed after `since`.
    ///
    /// Rule: Apple, "Handling notification responses from APNs", `410` and `timestamp`.
    #[must_use]
    pub fn dies_by(&self, generation: u32, since: Option<UnixMs>) -> bool {
        self.retired_at.is_none()
            && self.generation == generation
            && match (self.registered_at, since) {
                (Some(registered_at), Some(since)) => registered_at <= since,
                (None, _) | (_, None) => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(generation: u32, registered_at: Option<UnixMs>) -> PushToken {
        PushToken {
            device: DeviceNo(1),
            kind: TokenKind::Alert,
            bytes: PushTokenBytes::from_hex("00aa").unwrap(),
            environment: TokenEnvironment::Auto,
            generation,
            registered_at,
            retired_at: None,
        }
    }

    #[test]
    fn dead_tokens_by_the_timestamp_rule() {
        let since = Some(1_700_000_000_000);
        for (registered_at, dies) in [
            (Some(1_699_999_999_999), true),
            (Some(1_700_000_000_000), true),
            (Some(1_700_000_000_001), false),
            (None, true),
        ] {
            assert_eq!(
                token(3, registered_at).dies_by(3, since),
                dies,
                "{registered_at:?}"
            );
        }
        assert!(
            !token(4, Some(0)).dies_by(3, since),
            "replaced by a newer registration"
        );
        assert!(
            token(3, Some(i64::MAX)).dies_by(3, None),
            "no timestamp, same generation"
        );
        assert!(!token(4, None).dies_by(3, None));
    }

    #[test]
    fn the_address_of_a_live_activity_behind_fcm_has_two_parts() {
        let activity = "0badc0de".repeat(8);
        let address = live_address(" dK3:APA91b ", &activity);
        assert_eq!(live_parts(&address), Some(("dK3:APA91b", &*activity)));
        for none in ["dK3:APA91b", "dK3:APA91b\n", "dK3:APA91b\nnot hexadecimal"] {
            assert_eq!(live_parts(none), None, "{none:?}");
        }
    }

    #[test]
    fn hex_is_read_leniently_and_shown_shortly() {
        let hex = "0badc0de".repeat(8);
        let token = PushTokenBytes::from_hex(&format!("<{}>", hex.to_uppercase())).unwrap();
        assert_eq!(token.to_hex(), hex);
        assert_eq!(format!("{token:?}"), "PushToken(0bad…c0de)");
        for bad in ["", "zz", "abc", "../../x", &"aa".repeat(201)] {
            assert!(PushTokenBytes::from_hex(bad).is_err(), "{bad}");
        }
    }
}
