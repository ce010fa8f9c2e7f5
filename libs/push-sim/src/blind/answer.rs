//! What a blind gateway answers, as bytes that are copied and patched: nothing is encoded while
//! requests come in.

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
}

/// HEADERS with END_STREAM and END_HEADERS; `:status 200` is entry 8 of the static table,
/// `apns-id` a literal without indexing (RFC 7541, section 6.2.2).
const APNS: &[u8] =
    b"\x00\x00\x2f\x01\x05\x00\x00\x00\x00\x88\x00\x07apns-id\x24B11D0000-0000-4000-8000-000000000000";
/// The same with `:status` 201, which the static table has by its name alone, and `location`, its
/// entry 46.
const WEB_PUSH: &[u8] =
    b"\x00\x00\x37\x01\x05\x00\x00\x00\x00\x08\x03201\x0f\x1f\x2fhttps://blind.push-sim.localhost/m/000000000000";
/// Frame header and stream of a frame.
const HEADER: usize = 9;
const STREAM: Range<usize> = 5..9;
/// Digits of the number at the end of an answer.
const DIGITS: usize = 12;

impl BlindAnswer {
    fn frame(self) -> &'static [u8] {
        match self {
            BlindAnswer::Apns => APNS,
            BlindAnswer::WebPush => WEB_PUSH,
        }
    }

    /// Appends the answer with this number to the stream.
    pub(super) fn write(self, out: &mut Vec<u8>, stream: u32, mut number: u64) {
        let start = out.len();
        out.extend_from_slice(self.frame());
        let frame = &mut out[start..];
        frame[STREAM].copy_from_slice(&stream.to_be_bytes());
        for digit in frame.iter_mut().rev().take(DIGITS) {
            *digit = b"0123456789ABCDEF"[(number & 15) as usize];
            number >>= 4;
        }
    }
}

const _: () = assert!(APNS.len() == HEADER + 0x2f && WEB_PUSH.len() == HEADER + 0x37);
