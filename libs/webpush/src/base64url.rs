//! Base64 as subscriptions and VAPID keys come: the URL-safe alphabet without padding is written, the standard alphabet
//! and padding are read too, because some libraries and databases store them so.
//!
//! It does not skip white space or line ends: those mean that the text was cut or pasted wrongly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The URL-safe alphabet, without padding (RFC 4648 section 5).
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Either alphabet, with or without padding; `None` if it is neither.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    if text.len() - bare.len() > 2 {
        return None;
    }
    let url_safe: Vec<u8> = bare
        .bytes()
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => other,
        })
        .collect();
    URL_SAFE_NO_PAD.decode(url_safe).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_and_padding_are_read() {
        let bytes = [0xfb, 0xff, 0xbf, 0x01];
        assert_eq!(encode(&bytes), "-_-_AQ");
        for text in ["-_-_AQ", "-_-_AQ==", "+/+/AQ", "+/+/AQ==", "-/+_AQ"] {
            assert_eq!(decode(text).as_deref(), Some(&bytes[..]), "{text}");
        }
        for text in ["-_-_A", "-_-_AQ===", "-_-_ AQ", "-_=-_AQ", "-_-_AR", "ä"] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
    }
}
