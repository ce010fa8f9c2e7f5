//! A browser's subscription as a push token: read from the JSON that the browser gave, kept as a compact record.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 8 | first bytes of the SHA-256 of the application server key; zeros: whichever is current |
//! | 1 | length of the auth secret |
//! | 16 to 64 | auth secret |
//! | 65 | the browser's public key |
//! | the rest | endpoint, UTF-8 |
//!
//! The same subscription always makes the same bytes: they are what it is known by. When the browser says that it ends
//! (`expirationTime`) is left out for that reason; a push service tells by 404 or 410.

use carillon_model::push_token::{MAX_ADDRESS_BYTES, PushTokenBytes};
use serde::Deserialize;
use webpush::{
    AuthSecret, Forbidden, Guard, Invalid, PushEndpoint, Subscription, UserAgentPublicKey,
    VapidPublicKey,
};

const VERSION: u8 = 1;
const HINT_BYTES: usize = 8;
const POINT_BYTES: usize = UserAgentPublicKey::BYTES;

/// Names the VAPID key that a subscription was made with.
pub(super) type Hint = [u8; HINT_BYTES];

/// The parts of a stored subscription, unread.
pub(super) struct Address<'a> {
    hint: Hint,
    auth: &'a [u8],
    public_key: &'a [u8],
    endpoint: &'a str,
}

/// Reads a subscription's JSON. The error is a sentence that names the field.
pub(super) fn read(text: &str, guard: &Guard) -> Result<PushTokenBytes, String> {
    let subscription =
        Subscription::from_json(text.as_bytes()).map_err(|error| error.to_string())?;
    let endpoint = subscription.endpoint();
    guard
        .check(endpoint.origin())
        .map_err(|forbidden| match forbidden {
            Forbidden::Host { host } => format!(
                "endpoint: found {host}, which is no known push service; if it is one, let it through \
                 (webpush.allowed_hosts, or webpush.services)"
            ),
            Forbidden::Address { .. } => {
                format!("endpoint: {forbidden}: in the setting webpush.trusted_origins")
            }
            other => format!("endpoint: {other}"),
        })?;
    let hint = application_server_key(text)?;
    let auth = subscription.auth().expose();
    let mut record = Vec::with_capacity(256);
    record.push(VERSION);
    record.extend_from_slice(&hint);
    // At most 64, which the library has checked.
    record.push(auth.len() as u8);
    record.extend_from_slice(auth);
    record.extend_from_slice(subscription.user_agent_public_key().as_bytes());
    record.extend_from_slice(endpoint.expose().as_bytes());
    if record.len() > MAX_ADDRESS_BYTES {
        let most = MAX_ADDRESS_BYTES + endpoint.expose().len() - record.len();
        return Err(format!(
            "endpoint: expected at most {most} bytes, found {}; store the subscription exactly as the browser gave it",
            endpoint.expose().len()
        ));
    }
    Ok(PushTokenBytes(record.into()))
}

/// A record as JSON that [`read`] reads back to the same record. `None`: it is none.
pub(super) fn write(record: &[u8]) -> Option<String> {
    let address = Address::parse(record)?;
    let mut json = address.subscription().ok()?.to_json();
    if address.hint != Hint::default() {
        let hash = u64::from_be_bytes(address.hint);
        let end = json.rfind('}')?;
        json.insert_str(
            end,
            &format!(r#","application_server_key_hash":"{hash:016x}""#),
        );
    }
    Some(json)
}

/// The members that are ours, and not the browser's: which of several VAPID keys the page subscribed with,
/// as the page knows it, or as an export wrote it.
fn application_server_key(text: &str) -> Result<Hint, String> {
    #[derive(Deserialize)]
    struct Ours {
        #[serde(default)]
        application_server_key: Option<String>,
        #[serde(default)]
        application_server_key_hash: Option<String>,
    }
    let wrong = || {
        "application_server_key: expected the public VAPID key that the page subscribed with, as base64url (87 characters); \
         leave it out if there is only one"
            .to_owned()
    };
    let ours: Ours = serde_json::from_str(text).map_err(|_| wrong())?;
    if let Some(key) = ours.application_server_key {
        let key = VapidPublicKey::from_base64(&key).map_err(|_| wrong())?;
        return Ok(key.short_hash());
    }
    let Some(hash) = ours.application_server_key_hash else {
        return Ok(Hint::default());
    };
    let is_hash = hash.len() == 2 * HINT_BYTES && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let hash = u64::from_str_radix(&hash, 16).ok().filter(|_| is_hash);
    hash.map(u64::to_be_bytes).ok_or_else(|| {
        "application_server_key_hash: expected 16 hexadecimal digits as an export wrote them"
            .to_owned()
    })
}

impl<'a> Address<'a> {
    /// Takes a record apart; `None` if it is none.
    pub(super) fn parse(record: &'a [u8]) -> Option<Self> {
        let (&version, rest) = record.split_first()?;
        if version != VERSION {
            return None;
        }
        let (hint, rest) = rest.split_first_chunk()?;
        let (&auth_bytes, rest) = rest.split_first()?;
        let (auth, rest) = rest.split_at_checked(auth_bytes.into())?;
        let (public_key, endpoint) = rest.split_at_checked(POINT_BYTES)?;
        Some(Self {
            hint: *hint,
            auth,
            public_key,
            endpoint: std::str::from_utf8(endpoint).ok()?,
        })
    }

    /// Which VAPID key it was made with; zeros: whichever is current.
    pub(super) fn hint(&self) -> Hint {
        self.hint
    }

    /// Host and port as they stand in the endpoint: by what pushes are sorted without reading the whole of it.
    pub(super) fn authority(&self) -> &'a str {
        let rest = self.endpoint.strip_prefix("https://").unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Where it leads.
    pub(super) fn endpoint(&self) -> Result<PushEndpoint, Invalid> {
        PushEndpoint::parse(self.endpoint)
    }

    /// All of it.
    pub(super) fn subscription(&self) -> Result<Subscription, Invalid> {
        Ok(Subscription::new(
            self.endpoint()?,
            UserAgentPublicKey::new(self.public_key)?,
            AuthSecret::new(self.auth)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush::VapidKey;

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    const MOZILLA: &str = "https://updates.push.services.mozilla.com/wpush/v2/gAAAAABk-_9x";

    fn json(endpoint: &str, more: &str) -> String {
        format!(
            r#"{{"endpoint":"{endpoint}","keys":{{"p256dh":"{P256DH}","auth":"{AUTH}"}}{more}}}"#
        )
    }

    fn read_known(text: &str) -> Result<PushTokenBytes, String> {
        read(text, &Guard::known_services())
    }

    #[test]
    fn the_record_has_its_form_and_reads_back() {
        let record = read_known(&json(MOZILLA, "")).unwrap().0;
        assert_eq!(record[..10], [1, 0, 0, 0, 0, 0, 0, 0, 0, 16]);
        assert_eq!(record.len(), 1 + 8 + 1 + 16 + 65 + MOZILLA.len());
        let address = Address::parse(&record).unwrap();
        assert_eq!(address.hint(), Hint::default());
        assert_eq!(address.authority(), "updates.push.services.mozilla.com");
        let subscription = Subscription::from_json(json(MOZILLA, "").as_bytes()).unwrap();
        assert_eq!(address.subscription().unwrap(), subscription);
    }

    #[test]
    fn one_subscription_is_one_record_however_it_is_written() {
        let plain = read_known(&json(MOZILLA, "")).unwrap();
        let dated = json(MOZILLA, r#","expirationTime":1700000000000,"x":[1]"#);
        assert_eq!(read_known(&dated).unwrap(), plain);
        let standard = json(MOZILLA, "")
            .replace(P256DH, &(P256DH.replace('-', "+").replace('_', "/") + "="))
            .replace(AUTH, &(AUTH.replace('_', "/") + "=="));
        assert_eq!(read_known(&standard).unwrap(), plain);
        let spaced = json(MOZILLA, "")
            .replace(':', " :\n ")
            .replace(" :\n //", "://");
        assert_eq!(read_known(&spaced).unwrap(), plain);
    }

    #[test]
    fn the_key_it_was_made_with_is_remembered() {
        let key = *VapidKey::generate().unwrap().public_key();
        let with = |value: &str| json(MOZILLA, &format!(r#","application_server_key":{value}"#));
        let record = read_known(&with(&format!("\"{}\"", key.to_base64url()))).unwrap();
        assert_eq!(Address::parse(&record.0).unwrap().hint(), key.short_hash());
        assert_eq!(
            read_known(&with("null")).unwrap(),
            read_known(&json(MOZILLA, "")).unwrap()
        );
        for bad in ["5", "\"\"", "\"AAAA\""] {
            let error = read_known(&with(bad)).unwrap_err();
            assert!(
                error.starts_with("application_server_key: expected"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_written_reads_back_to_the_same_record() {
        let key = *VapidKey::generate().unwrap().public_key();
        let keyed = format!(r#","application_server_key":"{}""#, key.to_base64url());
        for more in ["", &keyed] {
            let record = read_known(&json(MOZILLA, more)).unwrap();
            let written = write(&record.0).unwrap();
            assert_eq!(read_known(&written).unwrap(), record, "{written}");
        }
        assert_eq!(write(b"nothing"), None);
        for bad in ["5", "\"\"", "\"+000000000000000\"", "\"0g00000000000000\""] {
            let text = json(MOZILLA, &format!(r#","application_server_key_hash":{bad}"#));
            assert!(read_known(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_leads_inside_is_refused_by_name() {
        for (endpoint, part) in [
            ("http://updates.push.services.mozilla.com/x", "http"),
            ("https://127.0.0.1/x", "loopback"),
            ("https://127.0.0.1/x", "setting webpush.trusted_origins"),
            ("https://169.254.169.254/latest", "link-local"),
            ("https://[::1]/x", "loopback"),
            ("https://10.0.0.7:8443/x", "private"),
            ("https://localhost/x", "no known push service"),
            ("https://push.stranger.example/x", "no known push service"),
            ("https://web.push.apple.com:8443/x", "8443"),
            ("https://web.push.apple.com@10.0.0.1/x", "user name"),
            ("https://2130706433/x", "2130706433"),
        ] {
            let error = read_known(&json(endpoint, "")).unwrap_err();
            assert!(error.starts_with("endpoint: "), "{endpoint}: {error}");
            assert!(error.contains(part), "{endpoint}: {error}");
        }
        let public = |endpoint: &str| read(&json(endpoint, ""), &Guard::public());
        assert!(public("https://push.stranger.example/x").is_ok());
        assert!(public("https://192.168.1.1/x").is_err());
        for text in ["", "{}", "[]", "c2lt", r#"{"endpoint":"https://x/"}"#] {
            assert!(read_known(text).unwrap_err().contains("toJSON"), "{text}");
        }
    }

    #[test]
    fn an_endpoint_too_long_to_be_kept_is_refused() {
        let endpoint = |bytes: usize| format!("{MOZILLA}{}", "x".repeat(bytes - MOZILLA.len()));
        let most = MAX_ADDRESS_BYTES - 91;
        assert_eq!(
            read_known(&json(&endpoint(most), "")).unwrap().0.len(),
            MAX_ADDRESS_BYTES
        );
        let error = read_known(&json(&endpoint(most + 1), "")).unwrap_err();
        assert!(error.contains(&most.to_string()), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn garbage_never_panics(record in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120), text in "\\PC{0,60}") {
            if let Some(address) = Address::parse(&record) {
                let _ = (address.hint(), address.authority(), address.subscription().is_ok());
            }
            let _ = read(&text, &Guard::public());
        }
    }
}
