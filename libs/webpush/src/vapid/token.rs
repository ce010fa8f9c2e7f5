//! The JWT that a push carries, one for each origin, and when to sign the next one.
//!
//! A service refuses a token that ends more than 24 hours ahead, one made out to another origin, and one that has ended
//! (RFC 8292 section 2). Apple asks not to renew more often than once an hour. So a token is made for half a day and
//! renewed when half of that is over, whoever asks and however often.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use serde::Serialize;

use super::contact::Contact;
use super::key::{VapidKey, VapidKeyError, VapidPublicKey};
use crate::base64url;
use crate::origin::Origin;

/// A signed token with the key it was signed by, as it stands in `authorization`. Clones share its bytes; `Debug` does
/// not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct VapidToken {
    authorization: HeaderValue,
    expires_at_secs: u64,
}

/// The keys of one application server and their current tokens.
///
/// A handle: clones share the same state. Reading a current token takes a read lock; signing happens twice a day for each
/// origin.
///
/// ```
/// use std::time::SystemTime;
/// use webpush::{PushEndpoint, Vapid, VapidKey};
/// let vapid = Vapid::new(VapidKey::generate()?, "mailto:push@example.com".parse()?);
/// let endpoint = PushEndpoint::parse("https://push.example.net/push/x")?;
/// let token = vapid.token_for(endpoint.origin(), None, SystemTime::now())?;
/// assert!(token.header_value().to_str()?.starts_with("vapid t="));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Vapid {
    shared: Arc<Shared>,
}

struct Shared {
    contact: Contact,
    lifetime: Duration,
    max_origins: usize,
    state: RwLock<State>,
}

struct State {
    /// The current one first. Never empty.
    signing_keys: Vec<VapidKey>,
    tokens: HashMap<(VapidPublicKey, Origin), VapidToken>,
}

/// Why there is no token to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VapidError {
    /// A subscription names a key that is not held.
    #[error(
        "the subscription was made with the VAPID key {fingerprint}, which is not held; load that key beside the current one, \
         or drop the subscription: no other key may push to it"
    )]
    UnknownKey {
        /// The fingerprint of the key that was asked for.
        fingerprint: Box<str>,
    },
    /// The clock stands before 1970.
    #[error("this machine's clock stands before 1970; set it (NTP)")]
    Clock,
    /// The key would not sign.
    #[error(transparent)]
    Signing(#[from] VapidKeyError),
}

impl VapidToken {
    /// No token may end later than this from now (RFC 8292 section 2).
    pub const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

    /// The value for `authorization`: `vapid t=<jwt>, k=<public key>`, marked sensitive.
    pub fn header_value(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// Its `exp`, in Unix seconds.
    pub const fn expires_at_secs(&self) -> u64 {
        self.expires_at_secs
    }
}

impl Vapid {
    /// What a token lives unless told otherwise: half a day, which forgives a clock that is some hours wrong.
    pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);

    /// The shortest life of a token: it is renewed at half of it, and Apple wants an hour between two.
    pub const MIN_LIFETIME: Duration = Duration::from_secs(2 * 3600);

    /// Origins whose tokens are kept unless told otherwise. Beyond that the one that ends first makes room.
    pub const MAX_ORIGINS: usize = 1_000;

    /// With one key.
    pub fn new(signing_key: VapidKey, contact: Contact) -> Self {
        Self::build(
            vec![signing_key],
            contact,
            Self::LIFETIME,
            Self::MAX_ORIGINS,
        )
    }

    /// Another life for tokens, kept within [`MIN_LIFETIME`](Self::MIN_LIFETIME) and, with five minutes to spare,
    /// [`VapidToken::MAX_LIFETIME`]. A handle of its own: clones made before are not changed.
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        let most = VapidToken::MAX_LIFETIME - Duration::from_secs(300);
        let lifetime = lifetime.clamp(Self::MIN_LIFETIME, most);
        let keys = self.signing_keys();
        Self::build(
            keys,
            self.shared.contact.clone(),
            lifetime,
            self.shared.max_origins,
        )
    }

    /// Another number of origins whose tokens are kept, at least 1. A handle of its own: clones made before are not
    /// changed.
    #[must_use]
    pub fn with_max_origins(self, max_origins: usize) -> Self {
        let keys = self.signing_keys();
        Self::build(
            keys,
            self.shared.contact.clone(),
            self.shared.lifetime,
            max_origins.max(1),
        )
    }

    fn build(
        signing_keys: Vec<VapidKey>,
        contact: Contact,
        lifetime: Duration,
        max_origins: usize,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                contact,
                lifetime,
                max_origins,
                state: RwLock::new(State {
                    signing_keys,
                    tokens: HashMap::new(),
                }),
            }),
        }
    }

    /// How many clones there are, this one included: for whoever keeps one for others and wants to know whether they are
    /// gone.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    fn signing_keys(&self) -> Vec<VapidKey> {
        self.read(|state| state.signing_keys.clone())
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(
            &self
                .shared
                .state
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn write<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self
            .shared
            .state
            .write()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// Whom services may write to.
    pub fn contact(&self) -> &Contact {
        &self.shared.contact
    }

    /// The public half of the current key: what browsers subscribe with from now on.
    pub fn public_key(&self) -> VapidPublicKey {
        self.read(|state| *state.signing_keys[0].public_key())
    }

    /// The public halves of all keys held, the current one first.
    pub fn public_keys(&self) -> Vec<VapidPublicKey> {
        self.read(|state| {
            let keys = state.signing_keys.iter();
            keys.map(|key| *key.public_key()).collect()
        })
    }

    /// Makes this the current key and keeps the others for the subscriptions made with them. For all clones.
    pub fn rotate(&self, signing_key: VapidKey) {
        self.write(|state| {
            state
                .signing_keys
                .retain(|held| held.public_key() != signing_key.public_key());
            state.signing_keys.insert(0, signing_key);
        });
    }

    /// Holds an older key besides, for the subscriptions made with it. For all clones.
    pub fn keep(&self, signing_key: VapidKey) {
        self.write(|state| {
            let is_held = state
                .signing_keys
                .iter()
                .any(|held| held.public_key() == signing_key.public_key());
            if !is_held {
                state.signing_keys.push(signing_key);
            }
        });
    }

    /// Drops an older key with its tokens and says whether it was there. The current key is never dropped.
    pub fn forget(&self, public_key: &VapidPublicKey) -> bool {
        self.write(|state| {
            let at = state
                .signing_keys
                .iter()
                .skip(1)
                .position(|held| held.public_key() == public_key);
            let Some(at) = at else { return false };
            state.signing_keys.remove(at + 1);
            state
                .tokens
                .retain(|(signed_by, _), _| signed_by != public_key);
            true
        })
    }

    /// The token to use now for this origin: of the key that the subscription was made with, or of the current one.
    ///
    /// # Errors
    /// [`VapidError::UnknownKey`] if that key is not held. [`VapidError::Signing`] does not happen with a key that was
    /// loaded.
    pub fn token_for(
        &self,
        origin: &Origin,
        made_with: Option<&VapidPublicKey>,
        now: SystemTime,
    ) -> Result<VapidToken, VapidError> {
        let now_secs = now
            .duration_since(UNIX_EPOCH)
            .map_err(|_| VapidError::Clock)?
            .as_secs();
        let signed_by = made_with.copied().unwrap_or_else(|| self.public_key());
        let wanted = (signed_by, origin.clone());
        let is_fresh = |token: &&VapidToken| !self.is_due(token, now_secs);
        if let Some(token) = self.read(|state| state.tokens.get(&wanted).filter(is_fresh).cloned())
        {
            return Ok(token);
        }
        self.write(|state| {
            // Another caller may have signed while this one waited.
            if let Some(token) = state.tokens.get(&wanted).filter(is_fresh) {
                return Ok(token.clone());
            }
            let key = state
                .signing_keys
                .iter()
                .find(|held| *held.public_key() == signed_by);
            let key = key.ok_or_else(|| VapidError::UnknownKey {
                fingerprint: signed_by.fingerprint().into(),
            })?;
            let expires_at_secs = now_secs + self.shared.lifetime.as_secs();
            let token = sign(key, origin, &self.shared.contact, expires_at_secs)?;
            if state.tokens.len() >= self.shared.max_origins && !state.tokens.contains_key(&wanted)
            {
                let first = state
                    .tokens
                    .iter()
                    .min_by_key(|(_, token)| token.expires_at_secs);
                if let Some(first) = first.map(|(first, _)| first.clone()) {
                    state.tokens.remove(&first);
                }
            }
            state.tokens.insert(wanted, token.clone());
            Ok(token)
        })
    }

    /// Whether half of a token's life is over, or it ends so late that its time was taken from a wrong clock, since set
    /// right.
    fn is_due(&self, token: &VapidToken, now_secs: u64) -> bool {
        let lifetime = self.shared.lifetime.as_secs();
        let left = token.expires_at_secs.saturating_sub(now_secs);
        left <= lifetime / 2 || left > VapidToken::MAX_LIFETIME.as_secs()
    }
}

/// `{"typ":"JWT","alg":"ES256"}`, as in the RFC's example.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9";

/// The part of the token that is signed: header and claims.
fn unsigned(origin: &Origin, contact: &Contact, expires_at_secs: u64) -> String {
    #[derive(Serialize)]
    struct Claims<'a> {
        aud: String,
        exp: u64,
        sub: &'a str,
    }
    let claims = Claims {
        aud: origin.to_string(),
        exp: expires_at_secs,
        sub: contact.as_str(),
    };
    let claims = serde_json::to_vec(&claims).unwrap_or_default();
    format!("{HEADER}.{}", base64url::encode(&claims))
}

fn sign(
    key: &VapidKey,
    origin: &Origin,
    contact: &Contact,
    expires_at_secs: u64,
) -> Result<VapidToken, VapidKeyError> {
    let unsigned = unsigned(origin, contact, expires_at_secs);
    let signature = base64url::encode(&key.sign(unsigned.as_bytes())?);
    let public = key.public_key().to_base64url();
    let text = format!("vapid t={unsigned}.{signature}, k={public}");
    let mut authorization =
        HeaderValue::from_str(&text).map_err(|_| VapidKeyError::Crypto("written into a header"))?;
    authorization.set_sensitive(true);
    Ok(VapidToken {
        authorization,
        expires_at_secs,
    })
}

// === impl Debug ===

impl fmt::Debug for VapidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidToken")
            .field("expires_at_secs", &self.expires_at_secs)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vapid")
            .field("contact", &self.shared.contact)
            .field("public_keys", &self.public_keys())
            .field("lifetime", &self.shared.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use proptest::prelude::*;

    use super::*;

    const START: u64 = 1_453_480_568;
    const HOUR: u64 = 3600;

    fn at(secs_after_start: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(START + secs_after_start)
    }

    fn contact() -> Contact {
        Contact::new("mailto:push@example.com").unwrap()
    }

    fn vapid() -> Vapid {
        Vapid::new(VapidKey::generate().unwrap(), contact())
    }

    fn origin(host: &str) -> Origin {
        Origin::new(host, 443).unwrap()
    }

    /// The token and the public key of a header value.
    fn parts(token: &VapidToken) -> (String, VapidPublicKey) {
        let value = token.header_value();
        let text = value.to_str().unwrap();
        let (jwt, public) = text
            .strip_prefix("vapid t=")
            .unwrap()
            .split_once(", k=")
            .unwrap();
        (jwt.to_owned(), VapidPublicKey::from_base64(public).unwrap())
    }

    fn verify(jwt: &str, public: &VapidPublicKey) -> bool {
        let (unsigned, signature) = jwt.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public.as_bytes())
            .verify(unsigned.as_bytes(), &base64url::decode(signature).unwrap())
            .is_ok()
    }

    #[test]
    fn the_example_of_rfc_8292() {
        let jwt = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA";
        let public = VapidPublicKey::from_base64(
            "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs",
        )
        .unwrap();
        assert!(verify(jwt, &public));
        assert!(!verify(&jwt.replacen("i3CY", "i3CZ", 1), &public));
        // Ours says the same, byte for byte, before the signature, which is random.
        let ours = unsigned(&origin("push.example.net"), &contact(), 1_453_523_768);
        assert_eq!(
            Some(ours.as_str()),
            jwt.rsplit_once('.').map(|(unsigned, _)| unsigned)
        );
        assert_eq!(1_453_523_768, START + Vapid::LIFETIME.as_secs());
    }

    #[test]
    fn ours_is_verified_by_two_independent_hands() {
        let vapid = vapid();
        let token = vapid
            .token_for(&origin("push.example.net"), None, at(0))
            .unwrap();
        let (jwt, public) = parts(&token);
        assert_eq!(public, vapid.public_key());
        assert!(verify(&jwt, &public));
        let (x, y) = public.as_bytes()[1..].split_at(32);
        let key =
            DecodingKey::from_ec_components(&base64url::encode(x), &base64url::encode(y)).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&["https://push.example.net"]);
        rules.validate_exp = false;
        let read = jsonwebtoken::decode::<serde_json::Value>(&jwt, &key, &rules).unwrap();
        assert_eq!(read.claims["exp"], START + 12 * HOUR);
        assert_eq!(read.claims["sub"], "mailto:push@example.com");
        assert_eq!(read.claims.as_object().unwrap().len(), 3);
        assert!(token.header_value().is_sensitive());
        let text = format!("{vapid:?}{token:?}");
        assert!(!text.contains("eyJ"), "{text}");
    }

    #[test]
    fn one_token_for_each_origin_until_half_its_life_is_over() {
        let vapid = vapid();
        let (a, b) = (origin("a.example"), origin("b.example"));
        let first = vapid.token_for(&a, None, at(0)).unwrap();
        assert_eq!(
            vapid.clone().token_for(&a, None, at(6 * HOUR - 1)).unwrap(),
            first
        );
        assert_ne!(vapid.token_for(&b, None, at(0)).unwrap(), first);
        let second = vapid.token_for(&a, None, at(6 * HOUR)).unwrap();
        assert_eq!(second.expires_at_secs(), START + 18 * HOUR);
        // A clock that was a day ahead and was set right does not leave a token that services refuse.
        let ahead = vapid.token_for(&b, None, at(48 * HOUR)).unwrap();
        assert_ne!(vapid.token_for(&b, None, at(HOUR)).unwrap(), ahead);
        assert_eq!(
            vapid.token_for(&a, None, UNIX_EPOCH - Duration::from_secs(1)),
            Err(VapidError::Clock)
        );
    }

    #[test]
    fn a_life_is_kept_within_what_services_take() {
        for (asked, given) in [
            (0, 2 * HOUR),
            (5 * HOUR, 5 * HOUR),
            (48 * HOUR, 24 * HOUR - 300),
        ] {
            let vapid = vapid().with_lifetime(Duration::from_secs(asked));
            let token = vapid.token_for(&origin("a.example"), None, at(0)).unwrap();
            assert_eq!(token.expires_at_secs() - START, given);
        }
    }

    #[test]
    fn the_tokens_kept_are_bounded() {
        let vapid = vapid().with_max_origins(2);
        let name = |number: u64| origin(&format!("h{number}.example"));
        let tokens: Vec<_> = (0..3)
            .map(|n| vapid.token_for(&name(n), None, at(n)).unwrap())
            .collect();
        assert_eq!(vapid.read(|state| state.tokens.len()), 2);
        assert_eq!(vapid.token_for(&name(2), None, at(3)).unwrap(), tokens[2]);
        assert_eq!(vapid.token_for(&name(1), None, at(3)).unwrap(), tokens[1]);
        assert_ne!(
            vapid.token_for(&name(0), None, at(3)).unwrap(),
            tokens[0],
            "made room"
        );
    }

    #[test]
    fn rotation_keeps_the_old_key_for_its_subscriptions() {
        let vapid = vapid();
        let old = vapid.public_key();
        let new = VapidKey::generate().unwrap();
        let clone = vapid.clone();
        vapid.rotate(new.clone());
        assert_eq!(clone.public_keys(), [*new.public_key(), old]);
        let a = origin("a.example");
        let signed_by = |made_with| parts(&clone.token_for(&a, made_with, at(0)).unwrap()).1;
        assert_eq!(signed_by(None), *new.public_key());
        assert_eq!(signed_by(Some(&old)), old);
        assert!(!vapid.forget(new.public_key()), "the current key stays");
        assert!(vapid.forget(&old) && !vapid.forget(&old));
        let error = clone.token_for(&a, Some(&old), at(0)).unwrap_err();
        assert!(error.to_string().contains(&old.fingerprint()), "{error}");
        // Back to a key that is held already: it moves to the front, once.
        let third = VapidKey::generate().unwrap();
        vapid.keep(third.clone());
        vapid.keep(third.clone());
        vapid.rotate(third.clone());
        assert_eq!(
            vapid.public_keys(),
            [*third.public_key(), *new.public_key()]
        );
    }

    #[test]
    fn callers_at_the_same_moment_get_the_same_token() {
        let vapid = vapid();
        let barrier = Arc::new(Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (vapid, barrier) = (vapid.clone(), barrier.clone());
                std::thread::spawn(move || {
                    barrier.wait();
                    vapid.token_for(&origin("a.example"), None, at(0)).unwrap()
                })
            })
            .collect();
        let tokens: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn no_token_handed_out_is_over_or_too_long(
            lifetime in 0_u64..200_000,
            moments in proptest::collection::vec(0_u64..1_000_000, 1..30),
        ) {
            let vapid = vapid().with_lifetime(Duration::from_secs(lifetime));
            for moment in moments {
                let token = vapid.token_for(&origin("a.example"), None, at(moment)).unwrap();
                let left = token.expires_at_secs() - (START + moment);
                prop_assert!((HOUR..=24 * HOUR).contains(&left), "{}", left);
            }
        }
    }
}
