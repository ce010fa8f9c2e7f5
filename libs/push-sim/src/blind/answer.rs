//! The answers of the blind gateway, ready for the wire but for a stream and a number.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Whose success a blind gateway answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlindAnswer {
    /// Apple's: 200 with an `apns-id`.
    #[default]
    Apns,
    /// A browser's push service: 201 with a `Location`.
    WebPush,
    /// Google's to a send: 200 with `{"name": "projects/blind/messages/0:…"}` with a number of its own.
    Fcm,
    /// That of Google's token endpoint: an access token for an hour.
    AccessToken {
        /// Characters of the token. Google's for service accounts have about a thousand, and go with every request.
        length: u16,
    },
}

/// Frames of one answer.
#[derive(Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    /// Where the stream stands, once for each frame.
    streams: Vec<usize>,
    digits: Range<usize>,
}

const HEADERS: u8 = 1;
const DATA: u8 = 0;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Twelve hexadecimal digits that are another number each time.
const DIGITS: &[u8; 12] = b"000000000000";
/// `:status 200` is entry 8 of the static table; `apns-id` a literal without indexing (RFC 7541,
/// section 6.2.2).
const APNS: &[u8] = b"\x88\x00\x07apns-id\x24B11D0000-0000-4000-8000-000000000000";
/// `:status` 201, which the static table has by its name alone, and `location`, its entry 46.
const WEB_PUSH: &[u8] = b"\x08\x03201\x0f\x1f\x2fhttps://blind.push-sim.localhost/m/000000000000";
/// `:status 200`, and `content-type` (entry 31) as a literal without indexing.
const JSON: &[u8] = b"\x88\x0f\x10\x10application/json";
const MESSAGE: &[u8] = b"{\"name\":\"projects/blind/messages/0:000000000000\"}";
const FILL: &str = "c0ASRK0GbX7-pl4_";

/// A token of so many characters, at least what marks it as one and its digits.
fn grant(length: u16) -> String {
    let around = "ya29.c.-".len() + DIGITS.len();
    let fill: String = FILL
        .chars()
        .cycle()
        .take(usize::from(length).saturating_sub(around))
        .collect();
    format!(
        r#"{{"expires_in":3599,"token_type":"Bearer","access_token":"ya29.c.{fill}-000000000000"}}"#
    )
}

impl Template {
    pub(super) fn of(answer: BlindAnswer) -> Template {
        let mut template = Template {
            bytes: Vec::new(),
            streams: Vec::new(),
            digits: 0..0,
        };
        match answer {
            BlindAnswer::Apns => template.frame(HEADERS, END_STREAM | END_HEADERS, APNS),
            BlindAnswer::WebPush => template.frame(HEADERS, END_STREAM | END_HEADERS, WEB_PUSH),
            BlindAnswer::Fcm => template.json(MESSAGE),
            BlindAnswer::AccessToken { length } => {
                template.json(grant(length).as_bytes());
            }
        }
        // Every text has its digits near its end, and the last run of zeros is theirs.
        let at = template
            .bytes
            .windows(DIGITS.len())
            .rposition(|window| window == DIGITS)
            .unwrap_or_default();
        template.digits = at..at + DIGITS.len();
        template
    }

    fn json(&mut self, body: &[u8]) {
        self.frame(HEADERS, END_HEADERS, JSON);
        self.frame(DATA, END_STREAM, body);
    }

    fn frame(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let length = payload.len() as u32;
        self.bytes.extend_from_slice(&length.to_be_bytes()[1..]);
        self.bytes.extend_from_slice(&[kind, flags]);
        self.streams.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(payload);
    }

    /// Appends the answer to `stream`.
    pub(super) fn write(&self, out: &mut Vec<u8>, stream: u32, mut number: u64) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        let frames = &mut out[begin..];
        for &at in &self.streams {
            frames[at..at + 4].copy_from_slice(&stream.to_be_bytes());
        }
        for digit in frames[self.digits.clone()].iter_mut().rev() {
            *digit = b"0123456789ABCDEF"[(number & 15) as usize];
            number >>= 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_and_number_are_put_where_they_belong() {
        for (answer, frames) in [
            (BlindAnswer::Apns, 1),
            (BlindAnswer::WebPush, 1),
            (BlindAnswer::Fcm, 2),
            (BlindAnswer::AccessToken { length: 1_024 }, 2),
        ] {
            let template = Template::of(answer);
            assert_eq!(template.streams.len(), frames);
            let mut out = b"before".to_vec();
            template.write(&mut out, 0x0102_0304, 0xABC_DEF0_1234);
            let frames = &out[6..];
            assert_eq!(frames[5..9], [1, 2, 3, 4], "{answer:?}");
            let text = String::from_utf8_lossy(frames);
            assert!(text.contains("0ABCDEF01234"), "{text}");
        }
    }
}
