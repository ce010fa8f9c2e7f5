//! Where pushes wait while there is no access token, and who gets the next one in time.
//!
//! Writing a request cannot wait, so nothing goes to the pool before there is an access token to write. The attendant, one
//! task for each connection, fetches tokens (early, while the old one still serves), lets those in who wait, and sends them
//! back, unsent, when there is no token to be had. It takes back what FCM refused because of the token, once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Duration;

use h2_pool::Pool;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::access_token::{AccessTokens, Clock, Moment};
use crate::connection::{ConnectionConfig, Finished, SharedQuota};
use crate::error::{Error, ErrorKind};
use crate::outbox::Outbox;
use crate::quota::Quota;
use crate::rules::{Carried, Rules};

/// How often those who wait for a place in the pool are looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// The longest sleep of the attendant when nothing is due.
const NAP: Duration = Duration::from_secs(60);

pub(crate) struct WaitingRoom {
    pub(crate) tokens: AccessTokens,
    pub(crate) outbox: Outbox,
    pub(crate) quota: Option<SharedQuota>,
    clock: Clock,
    token_timeout: Duration,
    queue_timeout: Duration,
    waiting: RefCell<VecDeque<Carried>>,
    bell: Notify,
    emptied: Notify,
    is_shut: Cell<bool>,
}

impl WaitingRoom {
    pub(crate) fn new(tokens: AccessTokens, config: &ConnectionConfig) -> Self {
        Self {
            tokens,
            outbox: Outbox::default(),
            quota: config.quota.clone(),
            clock: config.clock.clone(),
            token_timeout: config.access_token_timeout,
            queue_timeout: config.pool.queue_timeout,
            waiting: RefCell::default(),
            bell: Notify::new(),
            emptied: Notify::new(),
            is_shut: Cell::new(false),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        (self.clock)()
    }

    /// Asks the quota something, now.
    pub(crate) fn with_quota<T>(
        &self,
        quota: &SharedQuota,
        ask: impl FnOnce(&mut Quota, std::time::Instant) -> T,
    ) -> T {
        let now = self.now().monotonic;
        ask(
            &mut quota.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        )
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Takes pushes and passes them on, if it can.
    pub(crate) fn enter(&self, pushes: impl Iterator<Item = Carried>, pool: &Pool<Rules>) {
        self.waiting.borrow_mut().extend(pushes);
        if self.tokens.peek(self.now()).is_some() {
            self.pass_on(pool);
        }
        if self.len() > 0 || self.tokens.is_due(self.now()) {
            self.bell.notify_one();
        }
    }

    /// Takes a push back that was not processed for want of a token that FCM takes. Says no when it is too late for that.
    pub(crate) fn enter_again(&self, carried: &Carried) -> bool {
        if self.is_shut.get() {
            return false;
        }
        let mut carried = carried.clone();
        carried.entered_at = Instant::now();
        self.waiting.borrow_mut().push_back(carried);
        self.bell.notify_one();
        true
    }

    pub(crate) fn take(&self, pick: impl FnMut(&Carried) -> bool) -> Vec<Carried> {
        let mut waiting = self.waiting.borrow_mut();
        let (taken, left): (Vec<_>, VecDeque<_>) = partition(waiting.drain(..), pick);
        *waiting = left;
        taken
    }

    /// Waits until nobody waits, or the deadline.
    pub(crate) async fn emptied(&self, deadline: Instant) {
        while self.len() > 0 {
            if timeout_at(deadline, self.emptied.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Lets nobody in any more; sends back who waits.
    pub(crate) fn shut(&self) {
        self.is_shut.set(true);
        self.send_back(|_| true, &Error::new(ErrorKind::Closed, ""));
    }

    fn pass_on(&self, pool: &Pool<Rules>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() {
            // The pool may call back into the room, so it is not held meanwhile.
            let mut leaving = std::mem::take(&mut *waiting);
            drop(waiting);
            pool.submit(&mut leaving);
            let mut waiting = self.waiting.borrow_mut();
            leaving.append(&mut waiting);
            *waiting = leaving;
            if waiting.is_empty() {
                self.emptied.notify_one();
            }
        }
    }

    fn send_back(&self, pick: impl FnMut(&Carried) -> bool, error: &Error) {
        for carried in self.take(pick) {
            self.outbox.push(Finished {
                tag: carried.push.tag,
                result: Err(error.clone()),
                connection: None,
                late: false,
            });
        }
        if self.len() == 0 {
            self.emptied.notify_one();
        }
        self.outbox.deliver();
    }

    /// Gets the next access token, and goes on letting in who waits while the old one serves.
    async fn fetch(&self, pool: &Pool<Rules>) {
        let mut fetching = pin!(timeout(self.token_timeout, self.tokens.get(self.now())));
        loop {
            tokio::select! {
                // A failure is kept by the tokens; who waits is told of it afterwards.
                _ = &mut fetching => return,
                () = sleep(GLANCE) => {
                    if self.tokens.peek(self.now()).is_some() {
                        self.pass_on(pool);
                    }
                }
            }
        }
    }

    /// One look around.
    async fn attend(&self, pool: &Pool<Rules>) {
        if self.tokens.peek(self.now()).is_some() {
            self.pass_on(pool);
        }
        let is_wanted = self.len() > 0 || self.tokens.peek(self.now()).is_some();
        if is_wanted && self.tokens.is_due(self.now()) {
            self.fetch(pool).await;
        }
        if self.tokens.peek(self.now()).is_some() {
            self.pass_on(pool);
        } else if self.len() > 0 {
            let detail = self.tokens.failure().map_or_else(
                || "it took too long to get one".to_owned(),
                |failure| failure.to_string(),
            );
            self.send_back(|_| true, &Error::new(ErrorKind::AccessToken, detail));
        }
        let late = Instant::now().checked_sub(self.queue_timeout);
        if let Some(late) = late {
            let error = Error::new(ErrorKind::QueueTimeout, "");
            self.send_back(|carried| carried.entered_at < late, &error);
        }
    }
}

/// The attendant's life.
pub(crate) async fn attend(pool: Rc<Pool<Rules>>, room: Rc<WaitingRoom>) {
    loop {
        tokio::select! {
            () = room.bell.notified() => {}
            () = sleep(room.nap()) => {}
        }
        room.attend(&pool).await;
    }
}

impl WaitingRoom {
    fn nap(&self) -> Duration {
        if self.len() > 0 {
            return GLANCE;
        }
        if self.tokens.peek(self.now()).is_none() {
            return NAP;
        }
        self.tokens.due_in(self.now()).clamp(GLANCE, NAP)
    }
}

fn partition(
    all: impl Iterator<Item = Carried>,
    mut pick: impl FnMut(&Carried) -> bool,
) -> (Vec<Carried>, VecDeque<Carried>) {
    let (mut taken, mut left) = (Vec::new(), VecDeque::new());
    for carried in all {
        if pick(&carried) {
            taken.push(carried);
        } else {
            left.push_back(carried);
        }
    }
    (taken, left)
}
