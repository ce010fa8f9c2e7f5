//! The OAuth access token that says which project is sending, and when to get the next one.
//!
//! One [`AccessTokens`] is made for each credential and shared by everything that uses it: whoever asks and however
//! often, one exchange at a time is under way. A token is replaced some minutes before it ends; while that is tried, and
//! if it fails, the old one is used as long as it lasts. It has no clock and no timer: callers say what time it is.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::HeaderValue;

/// A moment by both clocks: lifetimes are measured by the one that never jumps, assertions are dated by the other.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The wall clock.
    pub wall: SystemTime,
    /// The clock that only goes forward.
    pub monotonic: Instant,
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// What an exchange gave.
pub struct Grant {
    /// The access token: visible ASCII.
    pub secret: String,
    /// For how long it is good, from the moment the exchange began.
    pub lifetime: Duration,
}

/// A future that may go to another thread.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Grant, AccessTokenError>> + Send + 'a>>;

/// Gets access tokens from somewhere. [`OAuth`](crate::OAuth) is the usual one.
pub trait TokenSource: Send + Sync + 'static {
    /// One try, with a deadline of its own.
    fn fetch(&self, now: Moment) -> Fetching<'_>;
}

/// What keeps an access token from being had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessTokenErrorKind {
    /// This machine's clock is wrong. Will not mend itself.
    Clock,
    /// The key is deleted, or it and the account do not belong together. Will not mend itself.
    SigningKey,
    /// The account is deleted or disabled. Will not mend itself.
    Account,
    /// Another mistake in the configuration. Will not mend itself.
    Configuration,
    /// The token endpoint has trouble, or wants us to slow down.
    Busy,
    /// The token endpoint cannot be reached, or did not answer in time.
    Unreachable,
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenError {
    kind: AccessTokenErrorKind,
    detail: Arc<str>,
}

/// An access token. Clones share its bytes; `Debug` does not show them.
#[derive(Clone)]
pub struct AccessToken {
    authorization: HeaderValue,
    generation: u64,
    fetched_at: Instant,
    lifetime: Duration,
}

/// The access tokens of one credential: the current one, and the rules for replacing it.
///
/// A handle: clones share the same state.
///
/// ```
/// use std::time::Duration;
/// use fcm::{AccessTokens, Moment};
/// // For a test, or where something else gets the tokens.
/// let tokens = AccessTokens::fixed("ya29.example", Duration::from_secs(3600), Moment::now())?;
/// assert!(tokens.peek(Moment::now()).is_some());
/// assert!(!format!("{tokens:?}").contains("ya29"));
/// # Ok::<(), fcm::AccessTokenError>(())
/// ```
#[derive(Clone)]
pub struct AccessTokens {
    shared: Arc<Shared>,
}

struct Shared {
    source: Box<dyn TokenSource>,
    state: Mutex<State>,
    /// Held by whoever is at an exchange.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<AccessToken>,
    generation: u64,
    failure: Option<Failure>,
    refused_at: Option<Instant>,
}

struct Failure {
    error: AccessTokenError,
    in_a_row: u32,
    retry_at: Instant,
}

/// Gives nothing more than what was given to it.
struct Nothing;

impl AccessTokens {
    /// From so long before its end on a token is replaced (or from half of its life on, if that is later). Google's
    /// metadata server hands out the same token until 5 minutes before its end, so this must be less.
    pub const REFRESH_BEFORE: Duration = Duration::from_secs(4 * 60);

    /// A token is not used any more so long before its end: a request takes its time.
    pub const MARGIN: Duration = Duration::from_secs(10);

    /// The shortest pause after a failed exchange; doubles with each.
    pub const RETRY_MIN: Duration = Duration::from_secs(1);

    /// The longest pause after a failed exchange, and the pause after one that will not mend itself.
    pub const RETRY_MAX: Duration = Duration::from_secs(60);

    /// FCM's refusal of a token ends that token at most once in so long: if new ones are refused too, more of them will
    /// not help.
    pub const REFUSAL_INTERVAL: Duration = Duration::from_secs(60);

    /// Tokens from this source. The first is fetched when it is first asked for.
    pub fn new(source: impl TokenSource) -> Self {
        Self {
            shared: Arc::new(Shared {
                source: Box::new(source),
                state: Mutex::default(),
                flight: tokio::sync::Mutex::new(()),
            }),
        }
    }

    /// One token that something else has got, and no others.
    ///
    /// # Errors
    /// If it does not fit a header.
    pub fn fixed(
        secret: impl Into<String>,
        lifetime: Duration,
        now: Moment,
    ) -> Result<Self, AccessTokenError> {
        let tokens = Self::new(Nothing);
        let grant = Grant {
            secret: secret.into(),
            lifetime,
        };
        tokens.take(grant, now)?;
        Ok(tokens)
    }

    /// The newest token, if it can still be used.
    pub fn peek(&self, now: Moment) -> Option<AccessToken> {
        let state = self.state();
        state.current.clone().filter(|newest| newest.is_usable(now))
    }

    /// Whether it is time for an exchange: there is no token, or the newest is near its end, and the last failure is long
    /// enough ago.
    pub fn is_due(&self, now: Moment) -> bool {
        let state = self.state();
        let is_resting = state
            .failure
            .as_ref()
            .is_some_and(|failure| failure.retry_at > now.monotonic);
        !is_resting
            && state
                .current
                .as_ref()
                .is_none_or(|newest| newest.is_stale(now))
    }

    /// When to ask [`is_due`](Self::is_due) again, as a wait from now.
    pub fn due_in(&self, now: Moment) -> Duration {
        let state = self.state();
        let due = state
            .current
            .as_ref()
            .map_or(Duration::ZERO, |newest| newest.stale_in(now));
        let rest = state.failure.as_ref().map_or(Duration::ZERO, |failure| {
            failure.retry_at.saturating_duration_since(now.monotonic)
        });
        due.max(rest)
    }

    /// The token to use now. Fetches one if there is none that can be used; if the newest is near its end, one caller
    /// fetches the next and the others go on with the old one.
    ///
    /// Dropping the future leaves the exchange to the next caller.
    ///
    /// # Errors
    /// If there is no usable token and none to be had. After a failure the same error comes back at once until it is time
    /// to try again.
    pub async fn get(&self, now: Moment) -> Result<AccessToken, AccessTokenError> {
        let usable = self.peek(now);
        if let Some(token) = usable.clone().filter(|_| !self.is_due(now)) {
            return Ok(token);
        }
        let flight = match usable.clone() {
            Some(token) => match self.shared.flight.try_lock() {
                Ok(flight) => flight,
                Err(_) => return Ok(token),
            },
            None => self.shared.flight.lock().await,
        };
        // Somebody else may have been at it.
        if !self.is_due(now) {
            drop(flight);
            return self.peek(now).ok_or_else(|| self.last_error());
        }
        let fetched = match self.shared.source.fetch(now).await {
            Ok(grant) => self.take(grant, now),
            Err(error) => Err(error),
        };
        match (fetched, usable) {
            (Ok(token), _) => Ok(token),
            (Err(error), usable) => {
                self.note_failure(error.clone(), now);
                usable.ok_or(error)
            }
        }
    }

    /// FCM does not take the token of this generation (`401`). Says whether trying with another one makes sense: there is
    /// a newer one, or this one is dropped now and [`get`](Self::get) will fetch the next.
    pub fn refused(&self, generation: u64, now: Moment) -> bool {
        let mut state = self.state();
        if state.generation > generation || state.current.is_none() {
            // There is a newer one, or many complained about this one and it is dropped already.
            return true;
        }
        let is_recent = state
            .refused_at
            .is_some_and(|at| now.monotonic.saturating_duration_since(at) < Self::REFUSAL_INTERVAL);
        if is_recent {
            return false;
        }
        state.refused_at = Some(now.monotonic);
        state.current = None;
        true
    }

    /// Why the last exchange failed, if it did.
    pub fn failure(&self) -> Option<AccessTokenError> {
        let state = self.state();
        state.failure.as_ref().map(|failure| failure.error.clone())
    }

    fn last_error(&self) -> AccessTokenError {
        self.failure().unwrap_or_else(|| {
            AccessTokenError::new(
                AccessTokenErrorKind::Busy,
                "the newest access token is about to end",
            )
        })
    }

    fn take(&self, grant: Grant, now: Moment) -> Result<AccessToken, AccessTokenError> {
        let unfit = || {
            AccessTokenError::new(
                AccessTokenErrorKind::Busy,
                "the access token does not fit a header",
            )
        };
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {}", grant.secret)).map_err(|_| unfit())?;
        if grant.secret.is_empty() {
            return Err(unfit());
        }
        authorization.set_sensitive(true);
        let mut state = self.state();
        state.generation += 1;
        let token = AccessToken {
            authorization,
            generation: state.generation,
            fetched_at: now.monotonic,
            lifetime: grant.lifetime,
        };
        state.current = Some(token.clone());
        state.failure = None;
        Ok(token)
    }

    fn note_failure(&self, error: AccessTokenError, now: Moment) {
        let mut state = self.state();
        let in_a_row = state.failure.as_ref().map_or(0, |failure| failure.in_a_row) + 1;
        let pause = if error.is_permanent() {
            Self::RETRY_MAX
        } else {
            let doubled = Self::RETRY_MIN.saturating_mul(1 << (in_a_row - 1).min(16));
            doubled.min(Self::RETRY_MAX)
        };
        state.failure = Some(Failure {
            error,
            in_a_row,
            retry_at: now.monotonic + pause,
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessToken {
    /// The value for `authorization`: `Bearer …`, marked sensitive.
    pub fn header_value(&self) -> HeaderValue {
        self.authorization.clone()
    }

    /// Counts the tokens of one [`AccessTokens`], from 1. Name it when reporting that one was refused.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// For how much longer Google takes it.
    pub fn expires_in(&self, now: Moment) -> Duration {
        let age = now.monotonic.saturating_duration_since(self.fetched_at);
        self.lifetime.saturating_sub(age)
    }

    /// Whether it may still be used.
    pub fn is_usable(&self, now: Moment) -> bool {
        self.expires_in(now) > AccessTokens::MARGIN
    }

    fn is_stale(&self, now: Moment) -> bool {
        self.stale_in(now).is_zero()
    }

    fn stale_in(&self, now: Moment) -> Duration {
        let before = AccessTokens::REFRESH_BEFORE.min(self.lifetime / 2);
        self.expires_in(now).saturating_sub(before)
    }
}

impl Moment {
    /// Now, by this machine's clocks.
    pub fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }
}

impl AccessTokenErrorKind {
    /// A short stable name, fit for a metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::SigningKey => "signing_key",
            Self::Account => "account",
            Self::Configuration => "configuration",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
        }
    }

    const fn mend(self) -> &'static str {
        match self {
            Self::Clock => "set this machine's clock (NTP)",
            Self::SigningKey => "make a new key in the Firebase console and give its JSON file",
            Self::Account => "enable the service account, or give the JSON file of another",
            Self::Configuration => "check the service account's JSON file and its rights",
            Self::Busy | Self::Unreachable => "it is tried again by itself",
        }
    }
}

impl AccessTokenError {
    /// An error of this kind, with what is known besides; no secrets.
    pub fn new(kind: AccessTokenErrorKind, detail: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            detail: detail.into(),
        }
    }

    /// The class.
    pub const fn kind(&self) -> AccessTokenErrorKind {
        self.kind
    }

    /// Whether somebody has to mend something first.
    pub const fn is_permanent(&self) -> bool {
        match self.kind {
            AccessTokenErrorKind::Clock
            | AccessTokenErrorKind::SigningKey
            | AccessTokenErrorKind::Account
            | AccessTokenErrorKind::Configuration => true,
            AccessTokenErrorKind::Busy | AccessTokenErrorKind::Unreachable => false,
        }
    }

    /// What is known besides the kind, in words for a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

// === impl Display, Debug ===

impl fmt::Display for AccessTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no access token: {}; {}", self.detail, self.kind.mend())
    }
}

impl std::error::Error for AccessTokenError {}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("generation", &self.generation)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("AccessTokens")
            .field("current", &state.current)
            .finish_non_exhaustive()
    }
}

// === impl TokenSource ===

impl TokenSource for Nothing {
    fn fetch(&self, _now: Moment) -> Fetching<'_> {
        Box::pin(async {
            Err(AccessTokenError::new(
                AccessTokenErrorKind::Configuration,
                "the one access token that was given is used up",
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Gives `t1`, `t2`, … when its gate lets it; fails while told to.
    struct Script {
        gate: Arc<Semaphore>,
        asked: Arc<AtomicU32>,
        failing: Arc<Mutex<Option<AccessTokenErrorKind>>>,
        lifetime: Duration,
    }

    impl TokenSource for Script {
        fn fetch(&self, _now: Moment) -> Fetching<'_> {
            Box::pin(async {
                let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
                self.gate.acquire().await.unwrap().forget();
                match *self.failing.lock().unwrap() {
                    Some(kind) => Err(AccessTokenError::new(kind, "as told")),
                    None => Ok(Grant {
                        secret: format!("t{number}"),
                        lifetime: self.lifetime,
                    }),
                }
            })
        }
    }

    struct Rig {
        tokens: AccessTokens,
        gate: Arc<Semaphore>,
        asked: Arc<AtomicU32>,
        failing: Arc<Mutex<Option<AccessTokenErrorKind>>>,
        start: Moment,
    }

    impl Rig {
        fn new(permits: usize) -> Self {
            let gate = Arc::new(Semaphore::new(permits));
            let asked = Arc::new(AtomicU32::new(0));
            let failing = Arc::new(Mutex::new(None));
            let tokens = AccessTokens::new(Script {
                gate: gate.clone(),
                asked: asked.clone(),
                failing: failing.clone(),
                lifetime: Duration::from_secs(3600),
            });
            let start = Moment::now();
            Self {
                tokens,
                gate,
                asked,
                failing,
                start,
            }
        }

        fn at(&self, secs: u64) -> Moment {
            let span = Duration::from_secs(secs);
            Moment {
                wall: self.start.wall + span,
                monotonic: self.start.monotonic + span,
            }
        }

        async fn get(&self, secs: u64) -> Result<String, AccessTokenErrorKind> {
            let token = self.tokens.get(self.at(secs)).await;
            let token = token.map_err(|error| error.kind())?;
            let value = token.header_value();
            Ok(value
                .to_str()
                .unwrap()
                .strip_prefix("Bearer ")
                .unwrap()
                .to_owned())
        }

        fn fail(&self, kind: impl Into<Option<AccessTokenErrorKind>>) {
            *self.failing.lock().unwrap() = kind.into();
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn a_hundred_callers_share_one_exchange() {
        let rig = Rig::new(0);
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (tokens, now) = (rig.tokens.clone(), rig.start);
            callers.spawn(async move { tokens.get(now).await.unwrap().generation() });
        }
        while rig.asked() == 0 {
            tokio::task::yield_now().await;
        }
        rig.gate.add_permits(100);
        while let Some(generation) = callers.join_next().await {
            assert_eq!(generation.unwrap(), 1);
        }
        assert_eq!(rig.asked(), 1);
    }

    #[tokio::test]
    async fn a_failed_exchange_fails_all_who_wait_for_it_once() {
        let rig = Rig::new(0);
        rig.fail(AccessTokenErrorKind::Busy);
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (tokens, now) = (rig.tokens.clone(), rig.start);
            callers.spawn(async move { tokens.get(now).await.unwrap_err().kind() });
        }
        while rig.asked() == 0 {
            tokio::task::yield_now().await;
        }
        rig.gate.add_permits(100);
        while let Some(kind) = callers.join_next().await {
            assert_eq!(kind.unwrap(), AccessTokenErrorKind::Busy);
        }
        assert_eq!(rig.asked(), 1);
    }

    #[tokio::test]
    async fn it_is_replaced_four_minutes_before_its_end() {
        let rig = Rig::new(100);
        assert_eq!(rig.get(0).await.unwrap(), "t1");
        assert_eq!(
            rig.tokens.due_in(rig.at(0)),
            Duration::from_secs(3600 - 240)
        );
        assert_eq!(rig.get(3600 - 241).await.unwrap(), "t1");
        assert_eq!(rig.get(3600 - 240).await.unwrap(), "t2");
        assert_eq!(rig.get(3600).await.unwrap(), "t2");
        assert_eq!(rig.asked(), 2);
    }

    #[tokio::test]
    async fn while_the_next_is_fetched_the_old_one_serves() {
        let rig = Rig::new(1);
        assert_eq!(rig.get(0).await.unwrap(), "t1");
        let (tokens, late) = (rig.tokens.clone(), rig.at(3500));
        let fetching = tokio::spawn(async move { tokens.get(late).await.unwrap().generation() });
        while rig.asked() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.get(3500).await.unwrap(), "t1");
        rig.gate.add_permits(1);
        assert_eq!(fetching.await.unwrap(), 2);
        assert_eq!(rig.get(3500).await.unwrap(), "t2");
    }

    #[tokio::test]
    async fn a_failed_exchange_leaves_the_old_one_as_long_as_it_lasts() {
        let rig = Rig::new(100);
        rig.get(0).await.unwrap();
        rig.fail(AccessTokenErrorKind::Unreachable);
        assert_eq!(rig.get(3400).await.unwrap(), "t1");
        assert_eq!(rig.asked(), 2);
        // Not again before a second has passed, and then not before two.
        assert_eq!(rig.get(3400).await.unwrap(), "t1");
        assert_eq!(rig.asked(), 2);
        assert_eq!(rig.get(3401).await.unwrap(), "t1");
        assert_eq!(rig.get(3402).await.unwrap(), "t1");
        assert_eq!(rig.asked(), 3);
        assert_eq!(rig.tokens.due_in(rig.at(3402)), Duration::from_secs(1));
        assert_eq!(rig.get(3589).await.unwrap(), "t1");
        // Ten seconds before its end it is not used any more.
        assert_eq!(rig.get(3590).await, Err(AccessTokenErrorKind::Unreachable));
        rig.fail(None);
        assert_eq!(rig.get(3660).await.unwrap(), "t5");
        assert_eq!(rig.tokens.failure(), None);
    }

    #[tokio::test]
    async fn what_will_not_mend_itself_is_tried_once_a_minute() {
        let rig = Rig::new(100);
        rig.fail(AccessTokenErrorKind::SigningKey);
        for secs in [0, 1, 30, 59] {
            assert_eq!(rig.get(secs).await, Err(AccessTokenErrorKind::SigningKey));
        }
        assert_eq!(rig.asked(), 1);
        rig.fail(None);
        assert_eq!(rig.get(60).await.unwrap(), "t2");
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_once_in_a_minute() {
        let rig = Rig::new(100);
        rig.get(0).await.unwrap();
        assert!(rig.tokens.refused(1, rig.at(10)));
        assert!(
            rig.tokens.refused(1, rig.at(10)),
            "the second of many complaints"
        );
        assert!(rig.tokens.peek(rig.at(10)).is_none());
        assert_eq!(rig.get(10).await.unwrap(), "t2");
        // A late complaint about the first one.
        assert!(rig.tokens.refused(1, rig.at(11)));
        assert_eq!(rig.get(11).await.unwrap(), "t2");
        // The second is refused as well: more of them will not help.
        assert!(!rig.tokens.refused(2, rig.at(12)));
        assert_eq!(rig.get(12).await.unwrap(), "t2");
        assert!(rig.tokens.refused(2, rig.at(70)));
        assert_eq!(rig.get(70).await.unwrap(), "t3");
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_leaves_the_exchange_to_the_next() {
        let rig = Rig::new(0);
        let (tokens, now) = (rig.tokens.clone(), rig.start);
        let gone = tokio::spawn(async move { tokens.get(now).await.is_ok() });
        while rig.asked() == 0 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        rig.gate.add_permits(1);
        assert_eq!(rig.get(0).await.unwrap(), "t2");
    }

    #[tokio::test]
    async fn a_short_life_is_used_for_its_first_half() {
        let rig = Rig::new(100);
        let grant = Grant {
            secret: "short".to_owned(),
            lifetime: Duration::from_secs(100),
        };
        rig.tokens.take(grant, rig.start).unwrap();
        assert_eq!(rig.tokens.due_in(rig.start), Duration::from_secs(50));
        assert!(rig.tokens.is_due(rig.at(50)) && !rig.tokens.is_due(rig.at(49)));
    }

    #[tokio::test]
    async fn a_fixed_token_has_no_successor() {
        let rig = Rig::new(0);
        let hour = Duration::from_secs(3600);
        let tokens = AccessTokens::fixed("ya29.x", hour, rig.start).unwrap();
        assert!(tokens.get(rig.at(3500)).await.is_ok());
        let error = tokens.get(rig.at(3700)).await.unwrap_err();
        assert!(
            error.is_permanent() && error.to_string().contains("used up"),
            "{error}"
        );
        assert!(AccessTokens::fixed("a\nb", hour, rig.start).is_err());
        assert!(AccessTokens::fixed("", hour, rig.start).is_err());
        assert!(!format!("{tokens:?}").contains("ya29"));
    }
}
