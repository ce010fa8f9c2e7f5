//! The face for everybody: one call, one push, to any push service, from any thread and any runtime.
//!
//! A thread of its own owns everything that touches the network: a [`Connection`](crate::Connection) for each origin, never
//! more than [`ClientBuilder::max_origins`]. Encryption is done by the caller's thread, before.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use h2_pool::{NoObserver, Proxy, Resolve};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::connection::{ConnectionConfig, Finished, Outbox, Push};
use crate::error::{Error, ErrorKind};
use crate::guard::Guard;
use crate::origins::{Origins, OriginsConfig};
use crate::own_thread;
use crate::request::{Request, SealedPush};
use crate::response::Response;
use crate::route::Route;
use crate::vapid::Vapid;

/// How many calls are taken at once.
const BATCH: usize = 256;

/// How often idle connections are looked for, at most and at least.
const SWEEP: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

type Answer = oneshot::Sender<Result<Response, Error>>;

enum Command {
    Send(SealedPush, Option<Instant>, Answer),
    Close(Duration, oneshot::Sender<()>),
}

/// Pushes to browsers. Clones share one thread and its connections; the last one dropped lets the answers still owed come
/// in and then ends them.
///
/// ```no_run
/// use webpush::{Client, Request, Response, Subscription, SubscriptionFate, Ttl, Vapid, VapidKey};
/// # async fn example(pem: &[u8], json: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let vapid = Vapid::new(VapidKey::from_pem(pem)?, "mailto:push@example.com".parse()?);
/// let client = Client::builder(vapid).build()?;
/// let request = Request::builder(Subscription::from_json(json)?, Ttl::secs(3600)).message("hello").build()?;
/// match client.send(&request).await {
///     Ok(Response::Accepted(_)) => println!("accepted"),
///     Ok(Response::Rejected(rejected)) if rejected.fate() == SubscriptionFate::Prune => println!("delete it"),
///     Ok(Response::Rejected(rejected)) => println!("rejected: {rejected}"),
///     Err(error) if error.maybe_sent() => println!("unknown: {error}"),
///     Err(error) => println!("certainly not sent: {error}"),
/// }
/// client.close(std::time::Duration::from_secs(30)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    guard: Guard,
}

/// Settings of a [`Client`].
#[derive(Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct ClientBuilder {
    vapid: Vapid,
    route: Route,
    config: OriginsConfig,
    max_waiting: usize,
}

impl Client {
    /// Begins a client that pushes with these keys. Without more it pushes to the known services only.
    pub fn builder(vapid: Vapid) -> ClientBuilder {
        ClientBuilder {
            vapid,
            route: Route::default(),
            config: OriginsConfig::default(),
            max_waiting: 1_024,
        }
    }

    /// Encrypts a push with a fresh key, sends it and waits for the answer. A rejection is an answer: `Ok`.
    ///
    /// Every wait inside has its deadline ([`ConnectionConfig::pool`]), so this ends. Dropping the future does not
    /// take the push back.
    ///
    /// # Errors
    /// If there is no answer. See [`Error::maybe_sent`].
    pub async fn send(&self, request: &Request) -> Result<Response, Error> {
        // Asked before the 50 µs of cryptography.
        self.guard
            .check(request.subscription().endpoint().origin())?;
        self.send_sealed(request.seal_fresh()?, None).await
    }

    /// Sends what is encrypted already, and not after `write_by`: then it ends as
    /// [`Expired`](ErrorKind::Expired), not sent.
    ///
    /// # Errors
    /// If there is no answer. See [`Error::maybe_sent`].
    pub async fn send_sealed(
        &self,
        sealed: SealedPush,
        write_by: Option<Instant>,
    ) -> Result<Response, Error> {
        self.guard.check(sealed.endpoint().origin())?;
        let (answer, answered) = oneshot::channel();
        let command = Command::Send(sealed, write_by, answer);
        if self.commands.send(command).await.is_err() {
            return Err(Error::new(ErrorKind::Closed, ""));
        }
        answered.await.unwrap_or_else(|_| {
            Err(Error::new(
                ErrorKind::ConnectionLost,
                "the client's thread ended",
            ))
        })
    }

    /// Takes nothing more, for all clones; waits for the answers still owed, as long as `within`, and closes.
    pub async fn close(&self, within: Duration) {
        let (done, closed) = oneshot::channel();
        let command = Command::Close(within, done);
        if self.commands.send(command).await.is_ok() {
            // An error means that another clone's close came first and the thread is gone.
            let _ = closed.await;
        }
    }
}

impl ClientBuilder {
    /// Where pushes may go. Default: [`Guard::known_services`].
    pub fn guard(mut self, guard: Guard) -> Self {
        self.route = self.route.guarded_by(guard);
        self
    }

    /// Trusts the certificate authorities in this PEM text besides the public ones.
    pub fn extra_ca_pem(mut self, pem: &[u8]) -> Self {
        self.route = self.route.extra_ca_pem(pem);
        self
    }

    /// Goes through an HTTP proxy that allows `CONNECT`. See [`Route::proxy`] for what that means for the guard.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.route = self.route.proxy(proxy);
        self
    }

    /// Looks names up elsewhere than at the operating system. The guard judges its answers all the same.
    pub fn resolver(mut self, resolver: std::sync::Arc<dyn Resolve>) -> Self {
        self.route = self.route.resolver(resolver);
        self
    }

    /// Bounds and deadlines of each origin's connections.
    pub fn config(mut self, config: ConnectionConfig) -> Self {
        self.config.connection = config;
        self
    }

    /// How many calls may wait for the client's thread to take them; the next ones wait in their callers. Default 1,024,
    /// at least 1.
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.max_waiting = max_waiting.max(1);
        self
    }

    /// Most origins with a connection at a time, known services and others counted apart. Beyond it the idle one that was used longest ago makes room; with none
    /// idle a push ends as [`Busy`](ErrorKind::Busy). Default 64, at least 1.
    pub fn max_origins(mut self, max_origins: usize) -> Self {
        self.config.max_origins = max_origins.max(1);
        self
    }

    /// How long the connection to an origin is kept without a push. Default 10 min; looked at four times in it, and every 5 s at the
    /// latest.
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.config.idle_timeout = idle_timeout;
        self
    }

    /// Starts the client's thread. Nothing is connected before the first push.
    ///
    /// # Errors
    /// If the route cannot be used ([`Route::check`]), or no thread can be started.
    pub fn build(self) -> Result<Client, Error> {
        // Found out here rather than on the thread, where nobody would hear it.
        self.route.check()?;
        let (commands, receiver) = mpsc::channel(self.max_waiting);
        let guard = self.route.guard().clone();
        own_thread::start("webpush-client", move || async move {
            let sweep = (self.config.idle_timeout / 4).clamp(SWEEP.0, SWEEP.1);
            let origins =
                Origins::new(self.route, self.vapid, self.config, |_| Rc::new(NoObserver));
            let outbox = origins.outbox();
            let desk = Desk {
                sweep,
                origins,
                outbox,
                commands: receiver,
                callers: Callers::default(),
            };
            desk.serve().await;
        })?;
        Ok(Client { commands, guard })
    }
}

/// The client's thread: takes commands, keeps who waits for what.
struct Desk {
    sweep: Duration,
    origins: Origins,
    outbox: Rc<Outbox>,
    commands: mpsc::Receiver<Command>,
    callers: Callers,
}

/// Who waits for which tag.
#[derive(Default)]
struct Callers {
    places: Vec<Option<Answer>>,
    free: Vec<usize>,
}

impl Desk {
    async fn serve(mut self) {
        let mut finished = Vec::new();
        let mut taken = Vec::new();
        let mut sweep = interval(self.sweep);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.outbox.take(&mut finished) => self.callers.answer(&mut finished),
                count = self.commands.recv_many(&mut taken, BATCH) => {
                    if count == 0 {
                        // Every clone is gone; nobody can ask for more, but answers are still owed.
                        return self.close(Duration::MAX, finished).await;
                    }
                    let mut closing = None;
                    for command in taken.drain(..) {
                        match (command, &closing) {
                            (Command::Send(sealed, write_by, answer), None) => self.take(sealed, write_by, answer),
                            (Command::Send(_, _, answer), Some(_)) => refuse(answer),
                            (Command::Close(within, done), None) => closing = Some((within, done)),
                            (Command::Close(_, done), Some(_)) => drop(done),
                        }
                    }
                    if let Some((within, done)) = closing {
                        self.close(within, finished).await;
                        // Whoever closed may have gone.
                        let _ = done.send(());
                        return;
                    }
                }
                now = sweep.tick() => self.origins.dismiss_idle(now),
            }
        }
    }

    fn take(&mut self, sealed: SealedPush, write_by: Option<Instant>, answer: Answer) {
        match self.origins.with_room(sealed.endpoint().origin()) {
            Ok(connection) => {
                let tag = self.callers.seat(answer);
                let push = Push {
                    tag,
                    sealed,
                    write_by,
                };
                connection.submit(&mut VecDeque::from([push]));
            }
            // A caller that has gone needs no answer.
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    async fn close(mut self, within: Duration, mut finished: Vec<Finished>) {
        // Every push has its own deadlines, so even without one of ours this ends.
        let far = Duration::from_secs(24 * 3600);
        self.commands.close();
        let mut closing = self.origins.close(Instant::now() + within.min(far));
        loop {
            tokio::select! {
                biased;
                () = self.outbox.take(&mut finished) => self.callers.answer(&mut finished),
                closed = closing.join_next() => if closed.is_none() { break },
            }
        }
        self.outbox.drain(&mut finished);
        self.callers.answer(&mut finished);
        self.callers.refuse_all();
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Send(_, _, answer) => refuse(answer),
                Command::Close(_, done) => drop(done.send(())),
            }
        }
    }
}

/// A caller that has gone needs no answer.
fn refuse(answer: Answer) {
    drop(answer.send(Err(Error::new(ErrorKind::Closed, ""))));
}

impl Callers {
    fn seat(&mut self, answer: Answer) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(answer);
        place as u64
    }

    fn answer(&mut self, finished: &mut Vec<Finished>) {
        for outcome in finished.drain(..) {
            // A late answer's caller has been told of the doubt, and its place may be another's by now.
            if outcome.late {
                continue;
            }
            let place = outcome.tag as usize;
            if let Some(answer) = self.places.get_mut(place).and_then(Option::take) {
                self.free.push(place);
                // A caller that has gone needs no answer.
                let _ = answer.send(outcome.result);
            }
        }
    }

    fn refuse_all(&mut self) {
        self.places.drain(..).flatten().for_each(refuse);
        self.free.clear();
    }
}
