//! Looking names up: at the operating system or elsewhere, with the guard between the answer and the connection.
//!
//! What a lookup gives is connected to as it is, so there is no second one that could say something else. Hosts that are
//! addresses never come here: the client has judged them before.
//!
//! The operating system is asked by a call that blocks, and that nothing ends before its time: with a resolver that does
//! not answer, 10 to 40 s. Whoever asked has given up long before. So only so many calls run at once, each in its turn
//! until it is back, or they would take every thread that the process has for such calls, its store's included.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use egress_guard::{Guard, Host};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Most names that the operating system is asked for at once, by webhooks and by checks each: an eighth of the threads
/// that the runtime has for calls that block.
const MOST_AT_ONCE: usize = 64;
/// How long a name waits for its turn where the caller says no deadline: less than a connection may take.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// So much before the caller's deadline a name waits no longer for its turn, so that the caller is told why.
const TIME_TO_TELL: Duration = Duration::from_millis(20);

/// The addresses of a name, once they are there. Their ports mean nothing.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks names up elsewhere than at the operating system. The guard judges its answers all the same.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses of `host`. Called for each connection; what it returns is not kept.
    fn lookup(&self, host: &str) -> Found;

    /// The same for a caller who gives up at `deadline`. Whoever makes names wait for their turn says before it that there
    /// was none; others leave the deadline to the caller.
    fn lookup_until(&self, host: &str, _deadline: Instant) -> Found {
        self.lookup(host)
    }
}

/// A name's turn did not come in time: nothing is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("so many names are being looked up that this one had to wait too long")]
struct NoTurn;

/// Whether an error is that a name's turn did not come in time, which says nothing about the name.
pub(crate) fn is_no_turn(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<NoTurn>())
}

/// The resolver that reqwest is given.
pub(crate) struct GuardedLookup {
    guard: Guard,
    inner: Arc<dyn Lookup>,
}

/// A call that looks a name up, and blocks.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The operating system's resolver.
pub(crate) struct SystemLookup {
    ask: Arc<Ask>,
    turns: Arc<Semaphore>,
}

impl GuardedLookup {
    pub(crate) fn new(guard: Guard, inner: Arc<dyn Lookup>) -> Self {
        Self { guard, inner }
    }
}

impl SystemLookup {
    fn new(
        most_at_once: usize,
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            ask: Arc::new(ask),
            turns: Arc::new(Semaphore::new(most_at_once)),
        }
    }

    /// The addresses of `host`, or at `latest` that its turn has not come.
    fn in_turn(&self, host: &str, latest: Instant) -> Found {
        let (ask, turns, host) = (self.ask.clone(), self.turns.clone(), host.to_owned());
        Box::pin(async move {
            let turn = timeout_at(latest, turns.acquire_owned()).await;
            let turn = turn.map_err(|_| io::Error::other(NoTurn))?;
            let turn = turn.map_err(io::Error::other)?;
            let asking = tokio::task::spawn_blocking(move || {
                let found = ask(&host);
                // Only now, also where nobody has waited for it.
                drop(turn);
                found
            });
            asking.await.map_err(io::Error::other)?
        })
    }
}

// === impl Default, Lookup, Resolve ===

impl Default for SystemLookup {
    fn default() -> Self {
        Self::new(MOST_AT_ONCE, |host| {
            Ok((host, 0).to_socket_addrs()?.collect())
        })
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, host: &str) -> Found {
        self.in_turn(host, Instant::now() + LONGEST_WAIT)
    }

    fn lookup_until(&self, host: &str, deadline: Instant) -> Found {
        let latest = deadline.checked_sub(TIME_TO_TELL).unwrap_or(deadline);
        self.in_turn(host, latest)
    }
}

impl Resolve for GuardedLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let found = self.inner.lookup(name.as_str());
        Box::pin(async move {
            let host = Host::parse(name.as_str())?;
            let found = found.await?;
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address").into());
            }
            // The port is not told here, so exceptions for one port alone do not count.
            let addresses = guard
                .admit(&host, None, found)?
                .into_iter()
                .map(without_port);
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// reqwest then takes the port of the URL, or that of its scheme.
fn without_port(mut address: SocketAddr) -> SocketAddr {
    address.set_port(0);
    address
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Condvar, Mutex};

    use carillon_model::monitor::{FaultKind, MonitorDefinition, Verdict};
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::{ProbeConfig, Prober};

    /// Longer than any of this takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A resolver that answers only when it is told to.
    #[derive(Default)]
    struct Dead {
        is_back: Mutex<bool>,
        comes_back: Condvar,
        asked: AtomicUsize,
    }

    impl Dead {
        fn ask(&self) -> io::Result<Vec<SocketAddr>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let is_back = self.is_back.lock().unwrap();
            let waited = self
                .comes_back
                .wait_timeout_while(is_back, PATIENCE, |is_back| !*is_back);
            assert!(*waited.unwrap().0, "the test hangs");
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], 0))])
        }

        fn come_back(&self) {
            *self.is_back.lock().unwrap() = true;
            self.comes_back.notify_all();
        }
    }

    fn lookup(most_at_once: usize, dead: &Arc<Dead>) -> SystemLookup {
        let dead = dead.clone();
        SystemLookup::new(most_at_once, move |_| dead.ask())
    }

    /// Asks, and gives up at once.
    async fn give_up(mut found: Found) {
        tokio::select! {
            biased;
            found = &mut found => panic!("{found:?}"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn calls_that_nobody_waits_for_keep_their_turn_until_they_are_back() {
        let dead = Arc::new(Dead::default());
        let system = lookup(2, &dead);
        for host in ["a.example", "b.example"] {
            give_up(system.lookup(host)).await;
        }
        for _ in 0..100 {
            let crowded = system.lookup_until("c.example", Instant::now());
            let crowded = timeout(PATIENCE, crowded).await.unwrap().unwrap_err();
            assert!(is_no_turn(&crowded));
            assert_eq!(
                crowded.to_string(),
                "so many names are being looked up that this one had to wait too long"
            );
        }
        dead.come_back();
        let found = system.lookup_until("d.example", Instant::now() + PATIENCE);
        assert_eq!(found.await.unwrap().len(), 1);
        let all = timeout(PATIENCE, system.turns.acquire_many(2)).await;
        drop(all.unwrap().unwrap());
        assert_eq!(dead.asked.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_check_whose_name_has_no_turn_is_neither_up_nor_down() {
        let dead = Arc::new(Dead::default());
        let config = ProbeConfig {
            lookup: Arc::new(lookup(0, &dead)),
            ..ProbeConfig::default()
        };
        let prober = Prober::new(config).unwrap();
        let check = json!({"tcp": {"host": "db.example.com", "port": 5432}});
        let definition = json!({"check": check, "timeout": "100ms"});
        let definition: MonitorDefinition = serde_json::from_value(definition).unwrap();
        let plan = definition.plan().unwrap();
        let result = timeout(PATIENCE, prober.probe(&plan, 0, 7)).await;
        let result = result.unwrap();
        let fault = result.fault.unwrap();
        assert_eq!(
            (result.verdict, fault.kind),
            (Verdict::Unknown, FaultKind::Resolve),
            "{}",
            fault.message
        );
        assert_eq!(
            fault.message,
            "the name db.example.com was not looked up: so many names are being looked up that this one had to wait too long"
        );
    }
}
