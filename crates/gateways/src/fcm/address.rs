//! Reads a registration token, and says what else it is that somebody sent as one.

use carillon_model::push_token::{PushTokenBytes, live_address, live_parts};

/// Shortest text of hexadecimal digits that is taken for a device token of Apple's: they have 32 bytes.
const APPLE_DIGITS: usize = 64;

/// See [`carillon_ports::gateway::Gateway::read_push_token`].
pub(super) fn read(text: &str) -> Result<PushTokenBytes, String> {
    let text = text.trim();
    if let Some((registration, activity)) = live_parts(text) {
        let registration = read(registration)?;
        let registration = String::from_utf8_lossy(&registration.0);
        let address = live_address(&registration, activity);
        return Ok(PushTokenBytes(address.into_bytes().into()));
    }
    if fcm::legacy::is_server_key(text) {
        return Err(format!(
            "expected a device's registration token: {}",
            fcm::legacy::REPLACED_BY
        ));
    }
    if text.len() >= APPLE_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(
            "expected a registration token of FCM, found hexadecimal digits as Apple gives them: register it as the kind of push token that it is (alert for the usual one), or send the text that FirebaseMessaging gave to the app"
                .into(),
        );
    }
    if text.starts_with('{') {
        return Err(
            "expected a registration token of FCM, found a JSON object: if it is a browser's subscription, register it with kind webpush"
                .into(),
        );
    }
    fcm::PushToken::new(text)
        .map(|token| PushTokenBytes(bytes::Bytes::copy_from_slice(token.as_str().as_bytes())))
        .map_err(|error| {
            format!(
                "found {}; {}; {}",
                error.found(),
                error.rule(),
                error.mend()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_token_is_kept_as_it_stands() {
        let read = read(" dK3xYz:APA91bFake_-Address\n").unwrap();
        assert_eq!(&read.0[..], b"dK3xYz:APA91bFake_-Address");
    }

    #[test]
    fn the_address_of_a_live_activity_is_read_as_it_was_written() {
        let address = format!("dK3xYz:APA91b\n{}", "0badc0de".repeat(8));
        assert_eq!(&read(&address).unwrap().0[..], address.as_bytes());
        assert!(read(&format!("two words\n{}", "0badc0de".repeat(8))).is_err());
    }

    #[test]
    fn what_is_none_is_named() {
        let apple = "0badc0de".repeat(8);
        let server_key = format!("AAAAabcdefg:APA91b{}", "x".repeat(134));
        for (text, part) in [
            ("", "must not be empty"),
            ("two words", "one word"),
            (&apple, "Apple"),
            (&server_key, "service account key"),
            (r#"{"endpoint":"https://push.example/x"}"#, "webpush"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(part), "{said}");
            assert!(
                !said.contains("0badc0de") && !said.contains("APA91b"),
                "{said}"
            );
        }
    }
}
