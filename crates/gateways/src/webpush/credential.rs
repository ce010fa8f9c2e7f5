//! VAPID keys: checked when they are set, made, rotated, and held by the pools that use them.

use super::address::Hint;
use carillon_model::credential::{CredentialFacts, CredentialKind, CredentialSecret};
use carillon_model::environment::Environment;
use carillon_model::problem::FieldProblem;
use parking_lot::Mutex;
use std::collections::HashMap;
use webpush::{Contact, Invalid, Vapid, VapidKey, VapidKeyError, VapidPublicKey};

/// Most keys in one credential: rotated every few months, that is years of subscriptions.
pub const MAX_VAPID_KEYS: usize = 16;

// === Checking ===

/// See [`carillon_ports::gateway::Gateway::inspect`].
pub(super) fn inspect(secret: &CredentialSecret) -> Result<CredentialFacts, Vec<FieldProblem>> {
    let CredentialSecret::VapidKeys { pems, contact } = secret else {
        return Err(vec![FieldProblem::new(
            "",
            "credential.gateway",
            "browsers are reached with VAPID keys: give vapid_keys",
        )]);
    };
    let mut problems = Vec::new();
    if let Err(error) = Contact::new(contact) {
        problems.push(FieldProblem::new(
            "/vapid_keys/contact",
            "credential.vapid_keys",
            said(&error),
        ));
    }
    if !(1..=MAX_VAPID_KEYS).contains(&pems.len()) {
        let message = format!(
            "expected 1 to {MAX_VAPID_KEYS} private keys, the current one first, found {}",
            pems.len()
        );
        problems.push(FieldProblem::new(
            "/vapid_keys",
            "credential.vapid_keys",
            message,
        ));
    }
    let mut public_keys: Vec<VapidPublicKey> = Vec::with_capacity(pems.len());
    for (at, pem) in pems.iter().enumerate() {
        // The caller gives the current one; the others are kept from before.
        let pointer = match at {
            0 => "/vapid_keys/private_key_pem",
            _ => "/vapid_keys/keep_previous",
        };
        let mut wrong = |message: String| {
            problems.push(FieldProblem::new(pointer, "credential.vapid_keys", message));
        };
        match read_key(pem) {
            Err(error) => wrong(error.to_string()),
            Ok(key) if public_keys.contains(key.public_key()) => {
                wrong("the same key stands before: give each once".into());
            }
            Ok(key) => public_keys.push(*key.public_key()),
        }
    }
    match public_keys.first() {
        Some(current) if problems.is_empty() => Ok(CredentialFacts {
            kind: CredentialKind::VapidKeys,
            environments: vec![Environment::Production],
            topics: Vec::new(),
            team_id: None,
            key_id: None,
            not_after: None,
            project_id: None,
            contact: Some(contact.clone()),
            fingerprint: current.fingerprint(),
            public_keys: public_keys
                .iter()
                .map(VapidPublicKey::to_base64url)
                .collect(),
        }),
        _ => Err(problems),
    }
}

/// PEM, or the 43 characters of the npm tool.
fn read_key(text: &str) -> Result<VapidKey, VapidKeyError> {
    if text.contains("-----BEGIN") {
        VapidKey::from_pem(text.as_bytes())
    } else {
        VapidKey::from_base64(text)
    }
}

/// Rule and mend of a value's error, without the field's name: the pointer tells where.
fn said(error: &Invalid) -> String {
    format!(
        "found {}; {}; {}",
        error.found(),
        error.rule(),
        error.mend()
    )
}

// === Making ===

/// A credential with a fresh key. `random` fills memory with what nobody can guess.
///
/// # Errors
/// A sentence about the contact, or that `random` gives nothing usable.
pub fn generate_vapid(
    contact: &str,
    random: impl FnMut(&mut [u8]),
) -> Result<CredentialSecret, String> {
    Contact::new(contact).map_err(|error| error.to_string())?;
    Ok(CredentialSecret::VapidKeys {
        pems: vec![fresh(random)?],
        contact: contact.to_owned(),
    })
}

/// The credential with a fresh key in front. The older ones are kept for the subscriptions that were made with them.
///
/// # Errors
/// A sentence: it holds no VAPID keys, or as many as it may.
pub fn rotate_vapid(
    secret: &CredentialSecret,
    random: impl FnMut(&mut [u8]),
) -> Result<CredentialSecret, String> {
    let CredentialSecret::VapidKeys { pems, contact } = secret else {
        return Err("the credential holds no VAPID keys: only these are rotated here".into());
    };
    if pems.len() >= MAX_VAPID_KEYS {
        return Err(format!(
            "the credential holds {} keys, which is the most: set it again without the oldest; the subscriptions made with \
             those end",
            pems.len()
        ));
    }
    let mut keys = vec![fresh(random)?];
    keys.extend(pems.iter().cloned());
    Ok(CredentialSecret::VapidKeys {
        pems: keys,
        contact: contact.clone(),
    })
}

/// One number of 2³² is no key, so a second try is already a sign of bad randomness.
const TRIES: usize = 4;

/// A fresh key as PEM.
pub(super) fn fresh(mut random: impl FnMut(&mut [u8])) -> Result<String, String> {
    let mut number = [0; 32];
    let made = (0..TRIES).find_map(|_| {
        random(&mut number);
        let key = VapidKey::from_private_bytes(&number).ok()?;
        key.to_pem().ok()
    });
    number.fill(0);
    made.ok_or_else(|| "no VAPID key could be made: the source of randomness fails".to_owned())
}

// === Use ===

/// The keys of one credential, and their tokens.
#[derive(Clone)]
pub(super) struct Keyring {
    pub(super) vapid: Vapid,
    /// Those that are not current.
    older: Vec<(Hint, VapidPublicKey)>,
}

impl Keyring {
    /// The key that a subscription was made with, unless it is the current one or unknown: then the current one is used.
    pub(super) fn made_with(&self, hint: Hint) -> Option<VapidPublicKey> {
        let named = self.older.iter().find(|(known, _)| *known == hint);
        named.map(|(_, key)| *key)
    }
}

/// The keys of every credential in use: a pool that is opened again goes on with the tokens that its predecessor signed,
/// because Apple does not like to see new ones within the hour.
#[derive(Default)]
pub(super) struct Keyrings {
    open: Mutex<HashMap<Name, Keyring>>,
}

/// Public keys in their order, and the contact: what a token depends on.
type Name = (Vec<VapidPublicKey>, String);

impl Keyrings {
    /// What a pool pushes with. The error is a sentence.
    pub(super) fn of(&self, secret: &CredentialSecret) -> Result<Keyring, String> {
        let CredentialSecret::VapidKeys { pems, contact } = secret else {
            return Err("the credential holds no VAPID keys: set it again".into());
        };
        let address = Contact::new(contact).map_err(|error| error.to_string())?;
        let keys: Vec<VapidKey> = pems
            .iter()
            .map(|pem| read_key(pem).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let public_keys: Vec<_> = keys.iter().map(|key| *key.public_key()).collect();
        let name = (public_keys, contact.clone());
        let mut open = self.open.lock();
        if let Some(keyring) = open.get(&name) {
            return Ok(keyring.clone());
        }
        let mut keys = keys.into_iter();
        let current = keys
            .next()
            .ok_or("the credential holds no VAPID key: set it again")?;
        let vapid = Vapid::new(current, address);
        keys.for_each(|key| vapid.keep(key));
        let older = vapid.public_keys().into_iter().skip(1);
        let keyring = Keyring {
            older: older.map(|key| (key.short_hash(), key)).collect(),
            vapid,
        };
        // Keys that nothing uses any more are wiped.
        open.retain(|_, keyring| keyring.vapid.handles() > 1);
        open.insert(name, keyring.clone());
        Ok(keyring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTACT: &str = "mailto:push@example.com";

    /// Not random at all, and never the same twice.
    fn counting() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |bytes| {
            next += 1;
            bytes.fill(next);
        }
    }

    fn pems(secret: &CredentialSecret) -> &[String] {
        match secret {
            CredentialSecret::VapidKeys { pems, .. } => pems,
            _ => panic!("no VAPID keys"),
        }
    }

    #[test]
    fn a_fresh_credential_has_its_facts() {
        let secret = generate_vapid(CONTACT, counting()).unwrap();
        let facts = inspect(&secret).unwrap();
        assert_eq!(facts.kind, CredentialKind::VapidKeys);
        assert_eq!(facts.environments, [Environment::Production]);
        assert_eq!(facts.contact.as_deref(), Some(CONTACT));
        let key = VapidKey::from_pem(pems(&secret)[0].as_bytes()).unwrap();
        assert_eq!(facts.public_keys, [key.public_key().to_base64url()]);
        assert_eq!(facts.fingerprint, key.public_key().fingerprint());
        let bare = CredentialSecret::VapidKeys {
            pems: vec![key.to_base64url().unwrap()],
            contact: CONTACT.into(),
        };
        assert_eq!(inspect(&bare).unwrap(), facts, "the npm tool's form");
        assert!(generate_vapid("mailto:me@localhost", counting()).is_err());
        assert!(generate_vapid(CONTACT, |bytes| bytes.fill(0)).is_err());
    }

    #[test]
    fn rotation_puts_a_new_key_in_front() {
        let mut random = counting();
        let mut secret = generate_vapid(CONTACT, &mut random).unwrap();
        let first = inspect(&secret).unwrap().public_keys;
        secret = rotate_vapid(&secret, &mut random).unwrap();
        let second = inspect(&secret).unwrap();
        assert_eq!(second.public_keys[1..], first[..]);
        assert_ne!(second.public_keys[0], first[0]);
        for _ in 2..MAX_VAPID_KEYS {
            secret = rotate_vapid(&secret, &mut random).unwrap();
        }
        assert!(inspect(&secret).is_ok());
        assert!(
            rotate_vapid(&secret, &mut random)
                .unwrap_err()
                .contains("the most")
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let good = pems(&generate_vapid(CONTACT, counting()).unwrap())[0].clone();
        let inspected = |pems: &[&str], contact: &str| {
            let secret = CredentialSecret::VapidKeys {
                pems: pems.iter().map(|pem| (*pem).to_owned()).collect(),
                contact: contact.to_owned(),
            };
            let problems = inspect(&secret).unwrap_err().into_iter();
            problems.map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(
            inspected(&[&good], "push@example.com"),
            ["/vapid_keys/contact"]
        );
        assert_eq!(
            inspected(&[&good], "mailto:<a@b.example>"),
            ["/vapid_keys/contact"]
        );
        assert_eq!(inspected(&[], CONTACT), ["/vapid_keys"]);
        assert_eq!(
            inspected(&["x", &good], CONTACT),
            ["/vapid_keys/private_key_pem"]
        );
        assert_eq!(
            inspected(&[&good, &good], CONTACT),
            ["/vapid_keys/keep_previous"]
        );
        assert_eq!(
            inspected(&[&good.replace("MI", "NI")], "x"),
            ["/vapid_keys/contact", "/vapid_keys/private_key_pem"]
        );
        let other = CredentialSecret::SigningKey { pem: good };
        assert_eq!(inspect(&other).unwrap_err()[0].code, "credential.gateway");
    }

    #[test]
    fn pools_of_one_credential_share_tokens_until_a_key_changes() {
        let keyrings = Keyrings::default();
        let mut random = counting();
        let secret = generate_vapid(CONTACT, &mut random).unwrap();
        let first = keyrings.of(&secret).unwrap();
        let again = keyrings.of(&secret).unwrap();
        let origin = webpush::Origin::new("push.example.net", 443).unwrap();
        let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let token = |keyring: &Keyring| keyring.vapid.token_for(&origin, None, at).unwrap();
        assert_eq!(token(&first), token(&again));
        let rotated = keyrings
            .of(&rotate_vapid(&secret, &mut random).unwrap())
            .unwrap();
        assert_ne!(token(&rotated), token(&first));
        let old = first.vapid.public_key();
        assert_eq!(rotated.made_with(old.short_hash()), Some(old));
        assert_eq!(
            rotated.made_with(rotated.vapid.public_key().short_hash()),
            None
        );
        assert_eq!(rotated.made_with(Hint::default()), None);
        assert_eq!(rotated.made_with([7; 8]), None, "unknown: the current one");
    }
}
