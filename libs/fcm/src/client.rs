//! The face for everybody: one call, one push, from any thread and any runtime.
//!
//! A thread of its own runs a [`Connection`] and owns everything that touches the network. A call costs a message there
//! and one back; whoever pushes by the million, and has an I/O thread already, uses [`Connection`] and saves both.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use h2_pool::{NoObserver, Proxy};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::access_token::AccessTokens;
use crate::connection::{Connection, ConnectionConfig, Finished, Push};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};
use crate::oauth::OAuth;
use crate::own_thread;
use crate::project_id::ProjectId;
use crate::request::Request;
use crate::response::Response;
use crate::service_account::ServiceAccount;

/// How often a full or paused connection is asked whether it takes more.
const CAPACITY_POLL: Duration = Duration::from_millis(20);

type Answer = oneshot::Sender<Result<Response, Error>>;

enum Command {
    Send(Request, Answer),
    Close(Duration, oneshot::Sender<()>),
}

/// Sends to FCM. Clones share one thread and its connections; the last one dropped lets the answers still owed come in
/// and then ends them.
///
/// ```no_run
/// use fcm::message::{Content, Notification};
/// use fcm::{Client, PushToken, Request, Response, ServiceAccount};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let account = ServiceAccount::from_json(&std::fs::read_to_string("service-account.json")?)?;
/// let client = Client::service_account(account).build()?;
/// let message = Content::new().notification(Notification::new("db-3 down", "no heartbeat")).to_message()?;
/// let request = Request::new(PushToken::new("dK3xYz:APA91bFakeAddress")?, message)?;
/// match client.send(request).await {
///     Ok(Response::Accepted(_)) => println!("accepted"),
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
}

/// Settings of a [`Client`].
#[derive(Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct ClientBuilder {
    project_id: ProjectId,
    tokens: AccessTokens,
    endpoint: Endpoint,
    config: ConnectionConfig,
    max_waiting: usize,
}

impl Client {
    /// Begins a client that sends for this project, with access tokens from anywhere.
    pub fn builder(project_id: ProjectId, tokens: AccessTokens) -> ClientBuilder {
        ClientBuilder {
            project_id,
            tokens,
            endpoint: Endpoint::fcm(),
            config: ConnectionConfig::default(),
            max_waiting: 1_024,
        }
    }

    /// Begins a client that sends for the project of this service account, with access tokens from Google's own endpoint.
    pub fn service_account(account: ServiceAccount) -> ClientBuilder {
        let project_id = account.project_id().clone();
        Self::builder(project_id, AccessTokens::new(OAuth::new(account)))
    }

    /// Sends a message and waits for the answer. A rejection is an answer: `Ok`.
    ///
    /// Every wait inside has its deadline ([`ConnectionConfig`]), so this ends. Dropping the future does not take the
    /// message back.
    ///
    /// # Errors
    /// If there is no answer. See [`Error::maybe_sent`].
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let (answer, answered) = oneshot::channel();
        if self
            .commands
            .send(Command::Send(request, answer))
            .await
            .is_err()
        {
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
        if self
            .commands
            .send(Command::Close(within, done))
            .await
            .is_ok()
        {
            // An error means that another clone's close came first and the thread is gone.
            let _ = closed.await;
        }
    }
}

impl ClientBuilder {
    /// Any endpoint: a simulator, a proxy, another resolver. Replaces what was set before.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Goes to FCM through an HTTP proxy that allows `CONNECT`. The token endpoint has a way of its own
    /// ([`OAuth::endpoint`]).
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.endpoint = self.endpoint.proxy(proxy);
        self
    }

    /// Bounds and deadlines.
    pub fn config(mut self, config: ConnectionConfig) -> Self {
        self.config = config;
        self
    }

    /// How many calls of [`Client::send`] may wait for the client's thread to take them; the next ones wait in their
    /// callers. Default 1,024, at least 1.
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.max_waiting = max_waiting.max(1);
        self
    }

    /// Starts the client's thread. Nothing is connected, and no access token fetched, before the first message.
    ///
    /// # Errors
    /// If the endpoint is no host, a certificate cannot be used, or no thread can be started.
    pub fn build(self) -> Result<Client, Error> {
        // Found out here rather than on the thread, where nobody would hear it.
        self.endpoint.connector()?;
        self.endpoint.origin()?;
        let (commands, mut receiver) = mpsc::channel(self.max_waiting);
        let Self {
            project_id,
            tokens,
            endpoint,
            config,
            ..
        } = self;
        own_thread::start("fcm-client", move || async move {
            let observer = Rc::new(NoObserver);
            match Connection::open(&endpoint, &project_id, tokens, config, observer) {
                Ok(connection) => Desk::new(connection, receiver).serve().await,
                Err(error) => refuse(&mut receiver, &error).await,
            }
        })?;
        Ok(Client { commands })
    }
}

/// Answers every call with the same error, until there can be no more.
async fn refuse(commands: &mut mpsc::Receiver<Command>, error: &Error) {
    while let Some(command) = commands.recv().await {
        match command {
            // A caller that has gone needs no answer.
            Command::Send(_, answer) => drop(answer.send(Err(error.clone()))),
            Command::Close(_, done) => drop(done.send(())),
        }
    }
}

/// The client's thread: takes commands, keeps who waits for what.
struct Desk {
    connection: Connection,
    commands: mpsc::Receiver<Command>,
    callers: Callers,
    batch: VecDeque<Push>,
}

/// Who waits for which tag.
#[derive(Default)]
struct Callers {
    places: Vec<Option<Answer>>,
    free: Vec<usize>,
}

impl Desk {
    fn new(connection: Connection, commands: mpsc::Receiver<Command>) -> Self {
        Self {
            connection,
            commands,
            callers: Callers::default(),
            batch: VecDeque::new(),
        }
    }

    async fn serve(mut self) {
        let mut finished = Vec::new();
        let mut taken = Vec::new();
        loop {
            let capacity = self.connection.free_capacity();
            if !self.batch.is_empty() && capacity > 0 {
                self.connection.submit(&mut self.batch);
                continue;
            }
            let capacity = if self.batch.is_empty() { capacity } else { 0 };
            tokio::select! {
                biased;
                () = self.connection.outcomes(&mut finished) => self.callers.answer(&mut finished),
                count = self.commands.recv_many(&mut taken, capacity), if capacity > 0 => {
                    if count == 0 {
                        // Every clone is gone; nobody can ask for more, but answers are still owed.
                        return self.close(Duration::MAX, finished).await;
                    }
                    for command in taken.drain(..) {
                        match command {
                            Command::Send(request, answer) => {
                                let tag = self.callers.seat(answer);
                                self.batch.push_back(Push::from_request(tag, &request));
                            }
                            Command::Close(within, done) => {
                                self.connection.submit(&mut self.batch);
                                self.close(within, finished).await;
                                let _ = done.send(());
                                return;
                            }
                        }
                    }
                    self.connection.submit(&mut self.batch);
                }
                () = tokio::time::sleep(CAPACITY_POLL), if capacity == 0 => {}
            }
        }
    }

    async fn close(&mut self, within: Duration, mut finished: Vec<Finished>) {
        // Every push has its own deadlines, so even without one of ours this ends.
        let far = Duration::from_secs(24 * 3600);
        let deadline = Instant::now() + within.min(far);
        self.commands.close();
        let mut closing = std::pin::pin!(self.connection.close(deadline));
        loop {
            tokio::select! {
                biased;
                () = self.connection.outcomes(&mut finished) => self.callers.answer(&mut finished),
                () = &mut closing => break,
            }
        }
        self.connection.drain(&mut finished);
        self.callers.answer(&mut finished);
        self.callers.refuse_all(&Error::new(ErrorKind::Closed, ""));
        refuse(&mut self.commands, &Error::new(ErrorKind::Closed, "")).await;
    }
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

    fn refuse_all(&mut self, error: &Error) {
        for caller in self.places.drain(..).flatten() {
            let _ = caller.send(Err(error.clone()));
        }
        self.free.clear();
    }
}
