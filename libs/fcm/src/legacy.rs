//! The legacy API is gone (2024), and its server keys with it. This recognises one where a credential is expected, to
//! say what replaced it. It sends nothing.

/// What is said to somebody who configured a legacy server key.
pub const REPLACED_BY: &str = "this is a server key of the legacy FCM API, which Google switched off in 2024; create a service account key \
     (Firebase console, Project settings, Service accounts, Generate new private key) and give its JSON file instead";

/// Whether this text is a server key of the legacy FCM (or GCM) API: `AAAA…:APA91b…`, or `AIza…`. A leading `key=`,
/// as it stood in the header `Authorization`, is passed over, and the header's name too.
///
/// A registration token looks like the first form too, but has 22 characters before its colon, not 11. Lengths are not held to
/// beyond that: what was cut short in copying is still such a key.
///
/// ```
/// let server_key = format!("key=AAAAabcdefg:APA91b{}", "x".repeat(134));
/// assert!(fcm::legacy::is_server_key(&server_key));
/// assert!(!fcm::legacy::is_server_key("{\"type\":\"service_account\"}"));
/// ```
pub fn is_server_key(text: &str) -> bool {
    let text = text.trim().trim_matches('"');
    let text = text.strip_prefix("Authorization:").unwrap_or(text).trim();
    let text = text.strip_prefix("key=").unwrap_or(text).trim();
    let is_word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let is_new = text.split_once(':').is_some_and(|(head, tail)| {
        (4..22).contains(&head.len())
            && head.starts_with("AAAA")
            && tail.starts_with("APA91b")
            && is_word(head)
            && is_word(tail)
    });
    let is_old = text.len() == 39 && text.starts_with("AIza") && is_word(text);
    is_new || is_old
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_keys_are_told_from_registration_tokens() {
        let tail = format!("APA91b{}", "x".repeat(134));
        let new = format!("AAAAabc-_fg:{tail}");
        let old = format!("AIza{}", "y".repeat(35));
        for key in [
            &new,
            &old,
            &format!("key={new}"),
            &format!("Authorization: key={new}"),
            &format!(" \"{old}\"\n"),
            &"AAAAabc:APA91bxyz".to_owned(),
        ] {
            assert!(is_server_key(key), "{key}");
        }
        let registration = format!("cAAAabcdefghijklmnopqr:{tail}");
        for other in [
            &registration,
            "",
            "AAAA",
            "AIza",
            "ya29.abc",
            &format!("{new} x"),
        ] {
            assert!(!is_server_key(other), "{other}");
        }
        assert!(REPLACED_BY.contains("service account key"));
    }
}
