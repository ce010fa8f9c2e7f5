//! The JWT that says which team is pushing, and when to sign the next one.
//!
//! APNs refuses a provider token older than an hour (`403 ExpiredProviderToken`) and a new one less than 20 minutes
//! after the last (`429 TooManyProviderTokenUpdates`). So one [`ProviderTokens`] is made for each signing key and
//! shared by everything that uses the key: it signs at most once in 20 minutes, whoever asks and however often.
//! It has no clock and no timer: callers say what time it is.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::signing_key::SigningKey;

/// A signed provider token. Clones share its bytes; `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderToken {
    authorization: HeaderValue,
    issued_at_secs: u64,
    generation: u64,
}

/// The provider tokens of one signing key: the current one, and the rules for replacing it.
///
/// A handle: clones share the same state, and all of them together obey Apple's limits. Reading the current token
/// takes an uncontended read lock; signing happens about once in 45 minutes.
///
/// To let a restart go on with the same token (and so not sign twice in 20 minutes), store [`ProviderToken::jwt`]
/// whenever [`on_issue`](Self::on_issue) reports one, sealed as the secret it is, and give it to
/// [`seeded`](Self::seeded).
///
/// ```no_run
/// # use std::time::SystemTime;
/// use apns::{KeyId, ProviderTokens, SigningKey, TeamId};
/// let p8 = std::fs::read("AuthKey_ABC123DEFG.p8")?;
/// let key = SigningKey::from_p8(&p8, KeyId::new("ABC123DEFG")?, TeamId::new("DEF123GHIJ")?)?;
/// let tokens = ProviderTokens::new(key);
/// let now = tokens.current(SystemTime::now())?;
/// assert_eq!(tokens.clone().current(SystemTime::now())?, now); // shared, signed once
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ProviderTokens {
    shared: Arc<Shared>,
}

struct Shared {
    key: SigningKey,
    current: RwLock<Option<ProviderToken>>,
    on_issue: Option<OnIssue>,
}

type OnIssue = Box<dyn Fn(&ProviderToken) + Send + Sync>;

/// Why there is no provider token to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderTokenError {
    /// APNs says the newest token has expired, but it was signed less than 20 minutes ago and signing again would be
    /// answered with `429 TooManyProviderTokenUpdates`. The usual cause is a wrong clock.
    #[error(
        "APNs calls a provider token expired that was signed {} s ago; a new one may be signed in {} s; \
         check this machine's clock (NTP)", .age.as_secs(), .wait.as_secs()
    )]
    TooSoon {
        /// How old the refused token is.
        age: Duration,
        /// After which another one may be signed.
        wait: Duration,
    },
    /// The signing library failed, with a key it had taken before.
    #[error("the provider token could not be signed: {0}")]
    Signing(Box<str>),
    /// A stored token cannot be used with this key.
    #[error(
        "the stored provider token does not belong to this signing key: {0}; drop it, a new one will be signed"
    )]
    Foreign(&'static str),
}

impl ProviderToken {
    /// APNs refuses tokens older than this.
    pub const MAX_AGE: Duration = Duration::from_secs(60 * 60);

    /// The value for `authorization`: `bearer <jwt>`, marked sensitive.
    pub fn header_value(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// The JWT alone, to be stored. It is a secret: whoever has it can push for up to an hour.
    pub fn jwt(&self) -> &str {
        let text = self.authorization.to_str().unwrap_or_default();
        text.strip_prefix(BEARER).unwrap_or_default()
    }

    /// Its `iat`, in Unix seconds.
    pub const fn issued_at_secs(&self) -> u64 {
        self.issued_at_secs
    }

    /// Counts the tokens of one [`ProviderTokens`], from 1. Name it when reporting that a token has expired.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How old it is; zero if it is from the future.
    pub fn age(&self, now: SystemTime) -> Duration {
        Duration::from_secs(unix_secs(now).saturating_sub(self.issued_at_secs))
    }

    /// Whether APNs still takes it, by this clock.
    pub fn is_usable(&self, now: SystemTime) -> bool {
        self.age(now) < Self::MAX_AGE
    }
}

const BEARER: &str = "bearer ";

impl ProviderTokens {
    /// From this age on [`current`](Self::current) signs a new token.
    pub const REFRESH_AFTER: Duration = Duration::from_secs(45 * 60);

    /// Never is a token signed less than this after the one before: Apple's 20 minutes, and the minute by which `iat`
    /// may be rounded down.
    pub const MIN_INTERVAL: Duration = Duration::from_secs(21 * 60);

    /// `iat` is rounded down to this, so that it is never ahead of a slightly slow clock at Apple's, and processes that
    /// start together agree on it.
    pub const IAT_STEP: Duration = Duration::from_secs(60);

    /// For a key whose last token is unknown. The first call of [`current`](Self::current) signs one.
    pub fn new(key: SigningKey) -> Self {
        Self::build(key, None, None)
    }

    /// As [`new`](Self::new), and goes on with a stored token while it lasts.
    ///
    /// # Errors
    /// [`ProviderTokenError::Foreign`] if the JWT is not one of this key and team.
    pub fn seeded(key: SigningKey, jwt: &str) -> Result<Self, ProviderTokenError> {
        let seed = read_seed(&key, jwt)?;
        Ok(Self::build(key, Some(seed), None))
    }

    /// Calls `observer` with every token that is newly signed (not with a seeded one), on the thread that asked for it and
    /// before it gets it: keep it short, and store the token if a restart shall go on with it.
    ///
    /// # Panics
    /// If clones of this handle exist already.
    #[must_use]
    pub fn on_issue(self, observer: impl Fn(&ProviderToken) + Send + Sync + 'static) -> Self {
        let Some(shared) = Arc::into_inner(self.shared) else {
            panic!("ProviderTokens::on_issue must be called before the handle is cloned");
        };
        let current = shared
            .current
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Self::build(shared.key, current, Some(Box::new(observer)))
    }

    fn build(key: SigningKey, current: Option<ProviderToken>, on_issue: Option<OnIssue>) -> Self {
        Self {
            shared: Arc::new(Shared {
                key,
                current: RwLock::new(current),
                on_issue,
            }),
        }
    }

    /// How many handles there are, this one included: 1 means that nothing else uses the key any more.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    /// The signing key.
    pub fn signing_key(&self) -> &SigningKey {
        &self.shared.key
    }

    /// The newest token as it is, without signing: `None` if none was signed or seeded yet.
    pub fn peek(&self) -> Option<ProviderToken> {
        self.shared
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The token to use now. Signs one if there is none yet, or if the newest is 45 minutes old.
    ///
    /// # Errors
    /// [`ProviderTokenError::Signing`], which a key that was loaded without error does not cause.
    pub fn current(&self, now: SystemTime) -> Result<ProviderToken, ProviderTokenError> {
        if let Some(token) = self.peek().filter(|token| !is_due(token, now)) {
            return Ok(token);
        }
        self.sign_if(now, |newest| is_due(newest, now))
    }

    /// The token to use after APNs called the one of this `generation` expired.
    ///
    /// Many callers may report the same token: the first one signs, the others get what it signed. A report about an
    /// older generation just gets the newest token.
    ///
    /// # Errors
    /// [`ProviderTokenError::TooSoon`] if the token was signed so recently that another one would be refused.
    pub fn replace_expired(
        &self,
        generation: u64,
        now: SystemTime,
    ) -> Result<ProviderToken, ProviderTokenError> {
        if let Some(newest) = self.peek().filter(|newest| newest.generation == generation)
            && !may_sign_after(&newest, now)
        {
            let age = newest.age(now);
            return Err(ProviderTokenError::TooSoon {
                age,
                wait: Self::MIN_INTERVAL.saturating_sub(age),
            });
        }
        self.sign_if(now, |newest| {
            newest.generation == generation && may_sign_after(newest, now) || is_due(newest, now)
        })
    }

    /// Signs under the lock, if there is no token or `wanted` says so of the newest one; then tells the observer.
    fn sign_if(
        &self,
        now: SystemTime,
        wanted: impl Fn(&ProviderToken) -> bool,
    ) -> Result<ProviderToken, ProviderTokenError> {
        let signed = {
            let mut current = self
                .shared
                .current
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(newest) = current.as_ref().filter(|newest| !wanted(newest)) {
                return Ok(newest.clone());
            }
            let secs = unix_secs(now);
            let issued_at_secs = secs - secs % Self::IAT_STEP.as_secs();
            let jwt = self
                .shared
                .key
                .sign(issued_at_secs)
                .map_err(|error| ProviderTokenError::Signing(error.to_string().into()))?;
            let generation = current.as_ref().map_or(0, |newest| newest.generation) + 1;
            let token = ProviderToken::new(&jwt, issued_at_secs, generation)
                .ok_or_else(|| ProviderTokenError::Signing("it does not fit a header".into()))?;
            *current = Some(token.clone());
            token
        };
        if let Some(on_issue) = &self.shared.on_issue {
            on_issue(&signed);
        }
        Ok(signed)
    }
}

// === impl ProviderToken ===

impl ProviderToken {
    fn new(jwt: &str, issued_at_secs: u64, generation: u64) -> Option<Self> {
        let mut authorization = HeaderValue::from_str(&format!("{BEARER}{jwt}")).ok()?;
        authorization.set_sensitive(true);
        Some(Self {
            authorization,
            issued_at_secs,
            generation,
        })
    }
}

impl fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderToken")
            .field("issued_at_secs", &self.issued_at_secs)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProviderTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderTokens")
            .field("key", &self.shared.key)
            .field("current", &self.peek())
            .finish_non_exhaustive()
    }
}

/// Whether it is time for the next token: the old one is 45 minutes old, or so far in the future that its `iat` was
/// taken from a wrong clock, since set right.
fn is_due(token: &ProviderToken, now: SystemTime) -> bool {
    token.age(now) >= ProviderTokens::REFRESH_AFTER || is_from_the_future(token, now)
}

/// Whether Apple's 20 minutes have passed since the token was signed.
fn may_sign_after(token: &ProviderToken, now: SystemTime) -> bool {
    token.age(now) >= ProviderTokens::MIN_INTERVAL || is_from_the_future(token, now)
}

fn is_from_the_future(token: &ProviderToken, now: SystemTime) -> bool {
    let ahead_secs = token.issued_at_secs.saturating_sub(unix_secs(now));
    ahead_secs >= ProviderTokens::MIN_INTERVAL.as_secs()
}

fn unix_secs(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Reads `kid`, `iss` and `iat` back out of a stored JWT. Its signature is not checked: it came out of our own sealed store,
/// and APNs checks it anyway.
fn read_seed(key: &SigningKey, jwt: &str) -> Result<ProviderToken, ProviderTokenError> {
    #[derive(serde::Deserialize)]
    struct Claims {
        iss: Box<str>,
        iat: u64,
    }
    let read = jsonwebtoken::dangerous::insecure_decode::<Claims>(jwt)
        .map_err(|_| ProviderTokenError::Foreign("it is not a JWT with iss and iat"))?;
    if read.header.kid.as_deref() != Some(key.key_id().as_str()) {
        return Err(ProviderTokenError::Foreign("its kid is another key id"));
    }
    if *read.claims.iss != *key.team_id().as_str() {
        return Err(ProviderTokenError::Foreign("its iss is another team id"));
    }
    ProviderToken::new(jwt, read.claims.iat, 1)
        .ok_or(ProviderTokenError::Foreign("it does not fit a header"))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use proptest::prelude::*;

    use super::*;
    use crate::signing_key::tests::v1_key;
    use crate::{KeyId, SigningKey, TeamId};

    const START: u64 = 1_700_000_000;

    fn at(secs_after_start: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(START + secs_after_start)
    }

    fn counted() -> (ProviderTokens, Arc<AtomicUsize>) {
        let signed = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&signed);
        let tokens = ProviderTokens::new(v1_key()).on_issue(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        (tokens, signed)
    }

    #[test]
    fn v1_header_claims_and_signature() {
        let jwt = v1_key().sign(START).unwrap();
        let parts: Vec<&str> = jwt.split('.').collect();
        assert_eq!(parts[0], "eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ");
        assert_eq!(
            parts[1],
            "eyJpc3MiOiJERUYxMjNHSElKIiwiaWF0IjoxNzAwMDAwMDAwfQ"
        );
        assert_eq!(parts[2].len(), 86);
        verify(&jwt).unwrap();
        // The deterministic signature of the vector is taken too, by the same verifier.
        let given = "9eqgVsaVpJcjng-z9xvwbFH5RQ4bIRjaUdI0UT5WUNjDlcVbRVsgHTYZ2TWGP-HMFIbg6jaaLZG9RVlfBpOdlg";
        verify(&format!("{}.{}.{given}", parts[0], parts[1])).unwrap();
        let flipped = given.replacen('9', "8", 1);
        verify(&format!("{}.{}.{flipped}", parts[0], parts[1])).unwrap_err();
    }

    fn verify(jwt: &str) -> Result<(), jsonwebtoken::errors::Error> {
        let public = DecodingKey::from_ec_components(
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        )?;
        let mut rules = Validation::new(Algorithm::ES256);
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        jsonwebtoken::decode::<serde_json::Value>(jwt, &public, &rules).map(drop)
    }

    #[test]
    fn the_header_is_lower_case_bearer_and_hidden() {
        let token = ProviderTokens::new(v1_key()).current(at(0)).unwrap();
        let value = token.header_value();
        assert!(value.is_sensitive());
        assert_eq!(value.to_str().unwrap(), format!("bearer {}", token.jwt()));
        assert!(!format!("{token:?}").contains("eyJ"));
        verify(token.jwt()).unwrap();
    }

    #[test]
    fn one_token_serves_for_45_minutes() {
        let (tokens, signed) = counted();
        let first = tokens.current(at(0)).unwrap();
        assert_eq!(first.issued_at_secs() % 60, 0);
        assert!(first.issued_at_secs() <= START && START - first.issued_at_secs() < 60);
        let due = first.issued_at_secs() + 45 * 60 - START;
        assert_eq!(tokens.current(at(due - 1)).unwrap(), first);
        assert_eq!(signed.load(Ordering::SeqCst), 1);
        let second = tokens.current(at(due)).unwrap();
        assert_eq!(signed.load(Ordering::SeqCst), 2);
        assert_eq!(second.generation(), first.generation() + 1);
        assert!(
            first.is_usable(at(due)),
            "the old one is good for another quarter of an hour"
        );
        assert!(!first.is_usable(at(3600)));
    }

    #[test]
    fn a_late_first_use_does_not_count_from_construction() {
        let (tokens, signed) = counted();
        assert_eq!(tokens.peek(), None);
        tokens.current(at(100_000)).unwrap();
        assert_eq!(tokens.handles(), 1);
        assert_eq!(tokens.clone().handles(), 2);
        tokens.current(at(100_000 + 1000)).unwrap();
        assert_eq!(signed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_expired_token_is_replaced_once_for_many_callers() {
        let (tokens, signed) = counted();
        let old = tokens.current(at(0)).unwrap();
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let fresh = tokens
                        .replace_expired(old.generation(), at(22 * 60))
                        .unwrap();
                    assert_eq!(fresh.generation(), old.generation() + 1);
                });
            }
        });
        assert_eq!(signed.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn nothing_is_signed_within_20_minutes_whatever_apns_says() {
        let (tokens, signed) = counted();
        let old = tokens.current(at(0)).unwrap();
        let error = tokens
            .replace_expired(old.generation(), at(60))
            .unwrap_err();
        let ProviderTokenError::TooSoon { age, wait } = &error else {
            panic!("{error}")
        };
        assert_eq!(*age + *wait, ProviderTokens::MIN_INTERVAL);
        assert!(error.to_string().contains("clock"), "{error}");
        assert_eq!(signed.load(Ordering::SeqCst), 1);
        // A report about a token long replaced is no reason either.
        assert_eq!(
            tokens
                .replace_expired(old.generation() - 1, at(60))
                .unwrap(),
            old
        );
        assert_eq!(signed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_clock_set_back_far_ends_a_token_from_the_future() {
        let (tokens, signed) = counted();
        tokens.current(at(86_400)).unwrap();
        let set_right = tokens.current(at(0)).unwrap();
        assert!(set_right.issued_at_secs() <= START);
        assert_eq!(signed.load(Ordering::SeqCst), 2);
        // A clock that is set back a little changes nothing.
        tokens.current(at(0) - Duration::from_secs(600)).unwrap();
        assert_eq!(signed.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_restart_goes_on_with_the_stored_token() {
        let before = ProviderTokens::new(v1_key()).current(at(0)).unwrap();
        let signed = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&signed);
        let tokens = ProviderTokens::seeded(v1_key(), before.jwt())
            .unwrap()
            .on_issue(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        let after = tokens.current(at(600)).unwrap();
        assert_eq!(after.header_value(), before.header_value());
        assert_eq!(after.issued_at_secs(), before.issued_at_secs());
        assert_eq!(signed.load(Ordering::SeqCst), 0);
        tokens.current(at(46 * 60)).unwrap();
        assert_eq!(signed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_stored_token_of_another_key_is_refused() {
        let jwt = ProviderTokens::new(v1_key())
            .current(at(0))
            .unwrap()
            .jwt()
            .to_owned();
        let p8 = crate::signing_key::tests::v1_p8();
        let other = |key_id: &str, team_id: &str| {
            let (key_id, team_id) = (KeyId::new(key_id).unwrap(), TeamId::new(team_id).unwrap());
            SigningKey::from_p8(p8.as_bytes(), key_id, team_id).unwrap()
        };
        let error = ProviderTokens::seeded(other("XXXXXXXXXX", "DEF123GHIJ"), &jwt).unwrap_err();
        assert!(error.to_string().contains("kid"), "{error}");
        let error = ProviderTokens::seeded(other("ABC123DEFG", "XXXXXXXXXX"), &jwt).unwrap_err();
        assert!(error.to_string().contains("iss"), "{error}");
        ProviderTokens::seeded(v1_key(), "nonsense").unwrap_err();
    }

    proptest! {
        /// Whoever asks whatever in whatever order: two tokens are never signed within 20 minutes, and the one handed out by
        /// `current` is never near its end.
        #[test]
        fn apples_limits_hold_for_any_history(steps in proptest::collection::vec((0u64..2000, any::<bool>()), 1..60)) {
            let issued = Arc::new(std::sync::Mutex::new(Vec::new()));
            let log = Arc::clone(&issued);
            let tokens = ProviderTokens::new(v1_key())
                .on_issue(move |token| log.lock().unwrap().push(token.issued_at_secs()));
            let mut now = 0;
            for (step, expired) in steps {
                now += step;
                let token = tokens.current(at(now)).unwrap();
                prop_assert!(token.age(at(now)) < ProviderTokens::REFRESH_AFTER);
                if expired {
                    drop(tokens.replace_expired(token.generation(), at(now)));
                }
            }
            let issued = issued.lock().unwrap();
            prop_assert!(issued.windows(2).all(|pair| pair[1] - pair[0] >= 20 * 60));
        }
    }
}
