//! Webhook receivers inside this process: one answers nearly everything, one nothing, one says that it is gone. What
//! arrived is written down with whether its signature fits.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::books::webhooks::{HookCall, Temper};
use crate::books::{Micros, SECOND};
use crate::dice::Dice;
use crate::instant::{Ahead, now};

/// Of a thousand first attempts at the living one, those that fail.
const FAILING: u64 = 100;
/// How long a silent receiver says nothing: longer than the program waits.
const SILENCE: Duration = Duration::from_secs(3);
/// The longest that a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// Most bytes of a request.
const MAX_BYTES: usize = 64 * 1024;
/// How far a timestamp may be off, in seconds: what the standard recommends.
const TOLERANCE_SECS: i64 = 300;

/// The receivers. Cheap to share.
#[derive(Clone, Debug)]
pub(crate) struct Receivers {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dice: Mutex<Dice>,
    /// By place in the books and temper.
    secrets: Mutex<HashMap<(u32, Temper), String>>,
    calls: Mutex<Vec<HookCall>>,
    /// Ids that the living one was called with: they are taken at the second attempt, since the third one is minutes later.
    /// That the first one was taken says little: on a machine that stalls, the program no longer hears the answer.
    called: Mutex<HashSet<String>>,
    failures: Mutex<BTreeMap<&'static str, u64>>,
    /// How far business time is ahead: timestamps are in it.
    ahead: Arc<Ahead>,
}

/// A request, read.
struct Read {
    app: u32,
    temper: Temper,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// What a receiver does with a call.
enum Reply {
    Status(u16, &'static str),
    Reset,
    Silence,
}

impl Receivers {
    /// Listens, and answers until the program ends.
    pub(crate) async fn start(dice: Dice, ahead: Arc<Ahead>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot listen for webhooks")?;
        let address = listener.local_addr()?;
        let (secrets, calls, called, failures) = Default::default();
        let shared = Arc::new(Shared {
            dice: Mutex::new(dice),
            secrets,
            calls,
            called,
            failures,
            ahead,
        });
        let receivers = Self { address, shared };
        let answering = receivers.clone();
        tokio::spawn(async move {
            let mut ahead_when_sent = 0;
            loop {
                // A call of a process that was killed may wait here while the clocks are moved, so that when it is
                // accepted says nothing of when it was sent. But it came after the last look that found nobody.
                let ahead = answering.shared.ahead.get();
                let accepted = tokio::select! {
                    biased;
                    accepted = listener.accept() => accepted,
                    () = ready(()) => {
                        ahead_when_sent = ahead;
                        listener.accept().await
                    }
                };
                let Ok((stream, _)) = accepted else { return };
                let receivers = answering.clone();
                // A caller that goes away in the middle has told nothing.
                tokio::spawn(async move { drop(receivers.serve(stream, ahead_when_sent).await) });
            }
        });
        Ok(receivers)
    }

    /// Where the program finds one.
    pub(crate) fn url(&self, app: u32, temper: Temper) -> String {
        format!("http://{}/{app}/{}", self.address, temper.name())
    }

    pub(crate) fn know(&self, app: u32, temper: Temper, secret: String) {
        self.shared.secrets.lock().insert((app, temper), secret);
    }

    /// What arrived, and how often the receivers failed.
    pub(crate) fn book(&self) -> (Vec<HookCall>, BTreeMap<&'static str, u64>) {
        let calls = self.shared.calls.lock().clone();
        (calls, self.shared.failures.lock().clone())
    }

    /// Answers a call that was sent when business time was at least so far ahead.
    async fn serve(&self, mut stream: TcpStream, ahead_when_sent: Micros) -> Result<()> {
        let read = timeout(ARRIVAL, read(&mut stream)).await??;
        let reply = self.judge(&read);
        let id = read.headers.get("webhook-id").cloned().unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(&read.body).unwrap_or_default();
        let call = HookCall {
            app: read.app,
            temper: read.temper,
            no: body["no"].as_i64().unwrap_or(-1),
            is_signed: self.is_signed(&read, &id, ahead_when_sent),
            is_taken: matches!(reply, Reply::Status(200..300, _)),
            id,
        };
        self.shared.calls.lock().push(call);
        match reply {
            Reply::Status(status, more) => {
                let head = format!(
                    "HTTP/1.1 {status} Whatever\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
                stream.shutdown().await?;
            }
            Reply::Reset => stream.set_zero_linger()?,
            Reply::Silence => sleep(SILENCE).await,
        }
        Ok(())
    }

    /// What to do with a call. Whoever fails counts it.
    fn judge(&self, read: &Read) -> Reply {
        let mut dice = self.shared.dice.lock();
        let (reply, what) = match read.temper {
            Temper::Gone => (Reply::Status(410, ""), "410"),
            Temper::Dead if dice.permille(300) => (Reply::Silence, "no answer"),
            Temper::Dead => (Reply::Status(500, ""), "500"),
            Temper::Living => {
                let id = read.headers.get("webhook-id").cloned().unwrap_or_default();
                let is_first = self.shared.called.lock().insert(id);
                if !is_first || !dice.permille(FAILING) {
                    return Reply::Status(204, "");
                }
                match dice.index(8) {
                    0 => (Reply::Silence, "no answer"),
                    1 | 2 => (Reply::Reset, "connection reset"),
                    3 => (Reply::Status(503, "retry-after: 1\r\n"), "503"),
                    4 => (Reply::Status(429, "retry-after: 1\r\n"), "429"),
                    _ => (Reply::Status(500, ""), "500"),
                }
            }
        };
        *self.shared.failures.lock().entry(what).or_default() += 1;
        reply
    }

    /// By the standard: HMAC-SHA-256 over id, timestamp and body, and a timestamp of these minutes, in business
    /// time as it was at any moment between sending and now.
    fn is_signed(&self, read: &Read, id: &str, ahead_when_sent: Micros) -> bool {
        let header = |name: &str| read.headers.get(name).map_or("", String::as_str);
        let secret = self
            .shared
            .secrets
            .lock()
            .get(&(read.app, read.temper))
            .cloned();
        let key = secret.and_then(|secret| STANDARD.decode(secret.strip_prefix("whsec_")?).ok());
        let Some(key) = key else { return false };
        let timestamp = header("webhook-timestamp");
        let now = now();
        let business = |ahead: Micros| (now + ahead).div_euclid(SECOND);
        let earliest = business(ahead_when_sent) - TOLERANCE_SECS;
        let latest = business(self.shared.ahead.get()) + TOLERANCE_SECS;
        let is_of_now = timestamp
            .parse::<i64>()
            .is_ok_and(|at| (earliest..=latest).contains(&at));
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(&read.body);
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key);
        let fits = |signature: &str| {
            let signature = signature.strip_prefix("v1,");
            let signature = signature.and_then(|text| STANDARD.decode(text).ok());
            signature
                .is_some_and(|signature| aws_lc_rs::hmac::verify(&key, &signed, &signature).is_ok())
        };
        is_of_now && header("webhook-signature").split(' ').any(fits)
    }
}

/// Reads one request of HTTP/1.1 with a length.
async fn read(stream: &mut TcpStream) -> Result<Read> {
    let mut bytes = Vec::new();
    let (head, from) = loop {
        anyhow::ensure!(bytes.len() < MAX_BYTES, "a request that is too long");
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "half a request");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 4);
        }
    };
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1));
    let path = path.context("no request line")?;
    let (app, temper) = path
        .trim_start_matches('/')
        .split_once('/')
        .context("a path")?;
    let temper = Temper::ALL.into_iter().find(|one| one.name() == temper);
    let headers: HashMap<String, String> = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    let length = headers.get("content-length").context("no length")?;
    let length: usize = length.parse()?;
    anyhow::ensure!(length <= MAX_BYTES, "a body that is too long");
    while bytes.len() < from + length {
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "half a body");
    }
    Ok(Read {
        app: app.parse()?,
        temper: temper.context("an unknown receiver")?,
        headers,
        body: bytes[from..from + length].to_vec(),
    })
}
