//! A push as the connection takes it: the message with what is this delivery's own put in.

use super::seams::{Piece, Seam, Wishes, find};
use crate::outcome;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::outcome::Outcome;
use carillon_model::push_token::live_parts;
use carillon_model::push_type::{OnUnknown, PushType};
use carillon_ports::gateway::{Message, Push};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The longest time that FCM takes, in seconds.
const LONGEST_SECS: i64 = 28 * 24 * 3_600;

/// Room for what is put in at one seam.
const PIECE_BYTES: usize = 64;

/// Dresses pushes, and remembers the seams of the message it saw last: pushes of one notification come together.
#[derive(Default)]
pub(super) struct Dresser {
    last: Option<(Arc<Message>, Vec<Seam>)>,
}

impl Dresser {
    /// The push as the connection takes it.
    pub(super) fn dress(
        &mut self,
        push: &Push,
        validate_only: bool,
        now: Instant,
        wall: UnixMs,
    ) -> Result<fcm::Push, Outcome> {
        let bad_token = |why: String| outcome::refused_here("bad_push_token", why);
        let text = std::str::from_utf8(&push.push_token.0)
            .map_err(|_| bad_token("the registration token is not UTF-8".into()))?;
        let (registration, live_token) = match live_parts(text) {
            Some((registration, live_token)) => (registration, Some(live_token)),
            None => (text, None),
        };
        let push_token =
            fcm::PushToken::new(registration).map_err(|error| bad_token(error.to_string()))?;
        let write_by = push.message.expires_at.map(|expires_at| {
            now + Duration::from_millis(u64::try_from(expires_at.saturating_sub(wall)).unwrap_or(0))
        });
        let json = self.json(push, live_token, wall);
        let message = fcm::Message::prechecked(json)
            .map_err(|error| outcome::refused_here("bad_payload", error.to_string()))?;
        Ok(fcm::Push {
            tag: push.tag,
            target: push_token.into(),
            message,
            validate_only,
            write_by,
        })
    }

    /// The message with its seams filled.
    fn json(&mut self, push: &Push, live_token: Option<&str>, wall: UnixMs) -> Bytes {
        let message = &push.message;
        let is_known = self
            .last
            .as_ref()
            .is_some_and(|(last, _)| Arc::ptr_eq(last, message));
        if !is_known {
            self.last = Some((message.clone(), seams(message)));
        }
        let seams = self.last.as_ref().map_or(&[][..], |(_, seams)| seams);
        if seams.is_empty() {
            return message.payload.clone();
        }
        let payload = &message.payload;
        let mut out = Vec::with_capacity(payload.len() + PIECE_BYTES * seams.len());
        let mut from = 0;
        for seam in seams {
            out.extend_from_slice(&payload[from..seam.at]);
            from = seam.at;
            match (seam.piece, live_token) {
                // Hexadecimal digits need no escape.
                (Piece::LiveToken, Some(token)) => {
                    out.extend_from_slice(br#""live_activity_token":""#);
                    out.extend_from_slice(token.as_bytes());
                    out.push(b'"');
                }
                // An Android phone has none.
                (Piece::LiveToken, None) => continue,
                (piece, _) => put(&mut out, piece, push, wall),
            }
            if seam.has_comma {
                out.push(b',');
            }
        }
        out.extend_from_slice(&payload[from..]);
        out.into()
    }
}

fn seams(message: &Message) -> Vec<Seam> {
    let options = &message.options;
    let expires = options.store_offline && message.expires_at.is_some();
    let is_replaceable = options.push_type == PushType::Alert
        && options.on_unknown == OnUnknown::Resend
        && options.collapse_id.is_none();
    let wishes = Wishes {
        expires,
        is_replaceable,
        is_live: options.push_type == PushType::LiveActivity,
    };
    find(&message.payload, wishes)
}

fn put(out: &mut Vec<u8>, piece: Piece, push: &Push, wall: UnixMs) {
    let expires_at = push.message.expires_at.unwrap_or(wall);
    let left_secs = (expires_at.saturating_sub(wall) / 1_000).clamp(0, LONGEST_SECS);
    let own = push.gateway_id.simple();
    let written = match piece {
        Piece::Ttl => write!(out, r#""ttl":"{left_secs}s""#),
        Piece::Tag => write!(out, r#""tag":"{own}""#),
        Piece::WebTtl => write!(out, r#""TTL":"{left_secs}""#),
        Piece::Topic => write!(out, r#""Topic":"{own}""#),
        Piece::Expiration => {
            let until_secs = (expires_at / 1_000).max(1);
            write!(out, r#""apns-expiration":"{until_secs}""#)
        }
        Piece::CollapseId => write!(out, r#""apns-collapse-id":"{own}""#),
        // It is not the message's, but the push token's.
        Piece::LiveToken => Ok(()),
    };
    // Into memory: this cannot fail.
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::Class;
    use carillon_model::notification::{Priority, SendOptions};
    use carillon_model::push_token::PushTokenBytes;
    use carillon_model::push_type::TokenKind;

    const NOW: UnixMs = 1_700_000_000_000;

    fn message(change: impl FnOnce(&mut Message)) -> Arc<Message> {
        let options = SendOptions {
            push_type: PushType::Alert,
            token_kind: TokenKind::Alert,
            priority: Priority::High,
            store_offline: true,
            on_unknown: OnUnknown::Resend,
            class: Class::Normal,
            collapse_id: None,
            apns_topic: None,
            channel: None,
            category: None,
            is_critical: false,
        };
        let mut message = Message {
            options,
            payload: Bytes::from_static(
                br#"{"android":{"notification":{},"priority":"HIGH"},"webpush":{"headers":{"Urgency":"high"}},"apns":{"headers":{"apns-priority":"10"}},"notification":{"body":"b"}}"#,
            ),
            expires_at: None,
            cancelled: Arc::default(),
        };
        change(&mut message);
        Arc::new(message)
    }

    fn push(number: u128, message: &Arc<Message>) -> Push {
        Push {
            tag: 1,
            push_token: PushTokenBytes(Bytes::from_static(b"tok:A")),
            gateway_id: uuid::Uuid::from_u128(number),
            message: message.clone(),
        }
    }

    fn dressed(dresser: &mut Dresser, number: u128, message: &Arc<Message>) -> serde_json::Value {
        let push = dresser
            .dress(&push(number, message), false, Instant::now(), NOW)
            .unwrap();
        serde_json::from_slice(push.message.json()).unwrap()
    }

    #[test]
    fn a_resend_replaces_what_it_doubles() {
        let (mut dresser, message) = (Dresser::default(), message(|_| {}));
        for number in [7, 8] {
            let json = dressed(&mut dresser, number, &message);
            let own = format!("{number:032x}");
            for found in [
                &json["android"]["notification"]["tag"],
                &json["webpush"]["headers"]["Topic"],
                &json["apns"]["headers"]["apns-collapse-id"],
            ] {
                assert_eq!(found, &own);
            }
            assert_eq!(json["android"].get("ttl"), None);
        }
    }

    #[test]
    fn what_is_left_of_its_time_is_written_for_every_platform() {
        let message = message(|message| {
            message.expires_at = Some(NOW + 90_999);
            message.options.on_unknown = OnUnknown::Drop;
        });
        let json = dressed(&mut Dresser::default(), 7, &message);
        assert_eq!(json["android"]["ttl"], "90s");
        assert_eq!(json["webpush"]["headers"]["TTL"], "90");
        assert_eq!(json["apns"]["headers"]["apns-expiration"], "1700000090");
        assert_eq!(json["android"]["notification"].get("tag"), None);
    }

    #[test]
    fn without_anything_of_its_own_the_payload_is_not_copied() {
        let message = message(|message| message.options.collapse_id = Some("c".into()));
        let push = Dresser::default()
            .dress(&push(7, &message), true, Instant::now(), NOW)
            .unwrap();
        assert_eq!(push.message.json().as_ptr(), message.payload.as_ptr());
        assert!(push.validate_only);
    }

    #[test]
    fn a_live_activity_behind_fcm_is_found_by_the_second_part_of_its_address() {
        let message = message(|message| {
            message.options.push_type = PushType::LiveActivity;
            message.expires_at = Some(NOW + 90_000);
        });
        let mut dresser = Dresser::default();
        let mut to_iphone = push(7, &message);
        to_iphone.push_token = PushTokenBytes(Bytes::from_static(b"tok:A\n0badc0de"));
        let dressed = dresser.dress(&to_iphone, false, Instant::now(), NOW);
        let dressed = dressed.unwrap();
        let json: serde_json::Value = serde_json::from_slice(dressed.message.json()).unwrap();
        assert_eq!(json["apns"]["live_activity_token"], "0badc0de");
        assert_eq!(json["apns"]["headers"]["apns-expiration"], "1700000090");
        let registration = fcm::PushToken::new("tok:A").unwrap();
        assert_eq!(dressed.target, registration.into());
        // The next one goes to an Android phone, by the same message.
        let dressed = dresser.dress(&push(8, &message), false, Instant::now(), NOW);
        let json: serde_json::Value =
            serde_json::from_slice(dressed.unwrap().message.json()).unwrap();
        assert_eq!(json["apns"].get("live_activity_token"), None);
    }

    #[test]
    fn what_cannot_be_written_is_refused_here() {
        let not_json = message(|message| message.payload = Bytes::from_static(b"x"));
        let refused = Dresser::default()
            .dress(&push(7, &not_json), false, Instant::now(), NOW)
            .unwrap_err();
        assert_eq!(refused.answer.unwrap().reason, "bad_payload");
        let mut no_address = push(7, &message(|_| {}));
        no_address.push_token = PushTokenBytes(Bytes::from_static(&[0xff]));
        let refused = Dresser::default()
            .dress(&no_address, false, Instant::now(), NOW)
            .unwrap_err();
        assert_eq!(refused.answer.unwrap().reason, "bad_push_token");
    }
}
