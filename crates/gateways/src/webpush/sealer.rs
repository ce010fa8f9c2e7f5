//! Encrypts pushes on threads of its own: making a key pair and agreeing on a secret cost some 60 µs a message, and on an I/O
//! thread every connection would wait for that.
//!
//! How much waits here is bounded by the windows of the pools that hand it in. Batches of all pools take turns, and come back
//! in whatever order they are done.

use super::address::Address;
use super::outcome::bad_address;
use super::render::with_own_tag;
use crate::outcome::{refused_here, unsent};
use carillon_model::notification::{Priority, SendOptions};
use carillon_model::outcome::{Outcome, Verdict};
use carillon_model::push_type::OnUnknown;
use carillon_ports::gateway::{Message, Push};
use carillon_ports::upkeep::Upkeep;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use webpush::{PushTopic, Request, SealedPush, Ttl, Urgency, VapidPublicKey};

/// Most pushes in one batch: few enough that all threads share what one turn of a pool hands in, and enough that the I/O
/// thread, which is woken for each batch, has something to write.
const BATCH: usize = 32;

/// How often an idle thread does its upkeep.
const UPKEEP: Duration = Duration::from_secs(1);

/// The threads. They end when this is dropped, after what they have begun.
pub(super) struct Sealers(Arc<Queue>);

/// What waits for a thread.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    bell: Condvar,
}

#[derive(Default)]
struct QueueState {
    batches: VecDeque<Batch>,
    is_closed: bool,
}

/// One push to encrypt.
pub(super) struct Job {
    pub(super) push: Push,
    /// The VAPID key that the subscription was made with; `None`: the current one.
    pub(super) made_with: Option<VapidPublicKey>,
}

/// A push that went through here.
pub(super) struct Sealed {
    pub(super) tag: u64,
    /// Encrypted, with a life to be set when it is written; or what became of it instead.
    pub(super) result: Result<SealedPush, Outcome>,
}

/// Where a pool finds what is done.
#[derive(Default)]
pub(super) struct Tray {
    done: Mutex<Vec<Sealed>>,
    /// Rung when there is something to take.
    pub(super) bell: Notify,
}

impl Tray {
    /// Appends all there is to `done`.
    pub(super) fn take(&self, done: &mut Vec<Sealed>) {
        done.append(&mut self.done.lock());
    }
}

/// Some pushes of one pool. Whatever becomes of the thread that has it, each of them comes back.
struct Batch {
    jobs: Vec<Job>,
    done: Vec<Sealed>,
    tray: Arc<Tray>,
}

impl Sealers {
    /// Starts the threads, each of which also runs `upkeep`.
    pub(super) fn start(count: usize, upkeep: Upkeep) -> Result<Self, String> {
        let sealers = Self(Arc::default());
        for number in 0..count {
            let queue = sealers.0.clone();
            std::thread::Builder::new()
                .name(format!("webpush-seal-{number}"))
                .spawn(move || queue.serve(upkeep))
                .map_err(|error| format!("an encryption thread cannot start: {error}"))?;
        }
        Ok(sealers)
    }

    /// Hands pushes over; each comes back in `tray`.
    pub(super) fn hand_over(&self, jobs: Vec<Job>, tray: &Arc<Tray>) {
        let mut jobs = jobs.into_iter();
        loop {
            let jobs: Vec<Job> = jobs.by_ref().take(BATCH).collect();
            if jobs.is_empty() {
                return;
            }
            let done = Vec::with_capacity(jobs.len());
            let tray = tray.clone();
            self.0
                .state
                .lock()
                .batches
                .push_back(Batch { jobs, done, tray });
            self.0.bell.notify_one();
        }
    }
}

impl Drop for Sealers {
    fn drop(&mut self) {
        self.0.state.lock().is_closed = true;
        self.0.bell.notify_all();
    }
}

impl Queue {
    fn serve(&self, upkeep: Upkeep) {
        while let Some(batch) = self.next(upkeep) {
            // A panic costs a batch, whose pushes come back unsent, and not the thread.
            let ended = catch_unwind(AssertUnwindSafe(|| batch.seal()));
            if ended.is_err() {
                tracing::error!("encrypting a batch of pushes panicked");
            }
        }
    }

    /// Waits for a batch; `None`: there will be no more.
    fn next(&self, upkeep: Upkeep) -> Option<Batch> {
        let mut state = self.state.lock();
        loop {
            if let Some(batch) = state.batches.pop_front() {
                return Some(batch);
            }
            if state.is_closed {
                return None;
            }
            if self.bell.wait_for(&mut state, UPKEEP).timed_out() {
                upkeep.once();
            }
        }
    }
}

impl Batch {
    fn seal(mut self) {
        while let Some(job) = self.jobs.last() {
            let result = seal(job);
            let tag = job.push.tag;
            self.done.push(Sealed { tag, result });
            self.jobs.pop();
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let lost = self.jobs.drain(..).map(|job| Sealed {
            tag: job.push.tag,
            result: Err(unsent(Verdict::NotSent)),
        });
        self.done.extend(lost);
        self.tray.done.lock().append(&mut self.done);
        self.tray.bell.notify_one();
    }
}

fn seal(job: &Job) -> Result<SealedPush, Outcome> {
    let Push {
        push_token,
        message,
        ..
    } = &job.push;
    let address = Address::parse(&push_token.0)
        .ok_or_else(|| bad_address("it is no stored subscription".into()))?;
    let subscription = address
        .subscription()
        .map_err(|error| bad_address(error.to_string()))?;
    let mut request = Request::builder(subscription, Ttl::NOW_OR_NEVER)
        .message(with_own_tag(&message.payload, job.push.gateway_id))
        .urgency(urgency(&message.options));
    if let Some(topic) = topic(&job.push, message) {
        request = request.topic(topic);
    }
    if let Some(key) = job.made_with {
        request = request.made_with(key);
    }
    request
        .build()
        .map_err(|error| refused_here("message_too_large", error.to_string()))?
        .seal_fresh()
        .map_err(|error| refused_here("not_encrypted", error.to_string()))
}

fn urgency(options: &SendOptions) -> Urgency {
    match options.priority {
        _ if options.is_critical => Urgency::High,
        Priority::High => Urgency::High,
        Priority::Normal => Urgency::Normal,
        Priority::Low => Urgency::Low,
    }
}

/// The caller's collapse id, hashed: nobody on the way can read it. Without one, of a push that may be sent twice, a topic of
/// its own, so that the second replaces a first that is not delivered yet.
fn topic(push: &Push, message: &Message) -> Option<PushTopic> {
    match &message.options.collapse_id {
        Some(id) => Some(PushTopic::hashed(id)),
        None if message.options.on_unknown == OnUnknown::Resend => {
            Some(PushTopic::hashed(push.gateway_id.as_bytes()))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use carillon_model::lane::Class;
    use carillon_model::outcome::TokenFate;
    use carillon_model::push_token::PushTokenBytes;
    use carillon_model::push_type::{PushType, TokenKind};
    use std::collections::HashSet;
    use webpush::{AuthSecret, Guard, PushEndpoint, ReceiverKey, Subscription};

    const ENDPOINT: &str = "https://fcm.googleapis.com/fcm/send/x";

    struct Browser {
        key: ReceiverKey,
        auth: AuthSecret,
        push_token: PushTokenBytes,
    }

    fn browser() -> Browser {
        let key = ReceiverKey::generate().unwrap();
        let auth = AuthSecret::new(&[7; 16]).unwrap();
        let endpoint = PushEndpoint::parse(ENDPOINT).unwrap();
        let json = Subscription::new(endpoint, *key.public_key(), auth.clone()).to_json();
        let push_token = super::super::address::read(&json, &Guard::known_services()).unwrap();
        Browser {
            key,
            auth,
            push_token,
        }
    }

    fn message(payload: Vec<u8>, collapse_id: Option<&str>, on_unknown: OnUnknown) -> Message {
        Message {
            options: SendOptions {
                push_type: PushType::Alert,
                token_kind: TokenKind::Alert,
                priority: Priority::Normal,
                store_offline: true,
                on_unknown,
                class: Class::Normal,
                collapse_id: collapse_id.map(str::to_owned),
                apns_topic: None,
                channel: None,
                category: None,
                is_critical: false,
            },
            payload: payload.into(),
            expires_at: None,
            cancelled: Arc::default(),
        }
    }

    fn job(tag: u64, push_token: &PushTokenBytes, message: &Arc<Message>) -> Job {
        let push = Push {
            tag,
            push_token: push_token.clone(),
            gateway_id: uuid::Uuid::from_u128(tag.into()),
            message: message.clone(),
        };
        Job {
            push,
            made_with: None,
        }
    }

    #[tokio::test]
    async fn every_push_comes_back_once_and_opens() {
        let sealers = Sealers::start(3, Upkeep::NONE).unwrap();
        let tray = Arc::new(Tray::default());
        let browser = browser();
        let message = Arc::new(message(b"hello".to_vec(), None, OnUnknown::Resend));
        let jobs = (0..100).map(|tag| job(tag, &browser.push_token, &message));
        sealers.hand_over(jobs.collect(), &tray);
        let mut done = Vec::new();
        while done.len() < 100 {
            tray.bell.notified().await;
            tray.take(&mut done);
        }
        let mut bodies = HashSet::new();
        let mut topics = HashSet::new();
        let mut tags = HashSet::new();
        for Sealed { tag, result } in done {
            let sealed = result.unwrap();
            let body = sealed.body().unwrap();
            let open = webpush::content::open(body, &browser.key, &browser.auth);
            assert_eq!(open.unwrap(), b"hello");
            bodies.insert(body.clone());
            topics.insert(sealed.headers()["topic"].clone());
            tags.insert(tag);
        }
        assert_eq!((bodies.len(), topics.len(), tags.len()), (100, 100, 100));
    }

    #[test]
    fn headers_go_by_the_options() {
        let browser = browser();
        let headers = |message: Message| {
            let sealed = seal(&job(1, &browser.push_token, &Arc::new(message)));
            sealed.unwrap().headers()
        };
        let plain = headers(message(vec![b'x'], None, OnUnknown::Drop));
        assert!(!plain.contains_key("topic"));
        assert_eq!(plain["urgency"], "normal");
        let collapsed = headers(message(vec![b'x'], Some("c"), OnUnknown::Drop));
        assert_eq!(collapsed["topic"], PushTopic::hashed("c").as_str());
        let mut critical = message(vec![b'x'], None, OnUnknown::Resend);
        critical.options.priority = Priority::Low;
        assert_eq!(headers(critical.clone())["urgency"], "low");
        critical.options.is_critical = true;
        let critical = headers(critical);
        assert_eq!(critical["urgency"], "high");
        let own = PushTopic::hashed(uuid::Uuid::from_u128(1).as_bytes());
        assert_eq!(critical["topic"], own.as_str(), "the same at every attempt");
    }

    #[test]
    fn what_cannot_be_encrypted_is_refused_here() {
        let browser = browser();
        let refused = |push_token: &PushTokenBytes, payload: Vec<u8>| {
            let message = Arc::new(message(payload, None, OnUnknown::Drop));
            let outcome = seal(&job(1, push_token, &message)).unwrap_err();
            assert_eq!(outcome.verdict, Verdict::Rejected(TokenFate::Keep));
            outcome.answer.unwrap().reason
        };
        assert_eq!(
            refused(&browser.push_token, vec![b'x'; 3994]),
            "message_too_large"
        );
        let other = PushTokenBytes(Bytes::from_static(b"0badc0de"));
        assert_eq!(refused(&other, vec![b'x']), "bad_push_token");
        let mut off_curve = browser.push_token.0.to_vec();
        off_curve[90] ^= 1;
        assert_eq!(
            refused(&PushTokenBytes(off_curve.into()), vec![b'x']),
            "bad_push_token"
        );
    }

    #[test]
    fn a_batch_that_is_dropped_gives_its_pushes_back() {
        let tray = Arc::new(Tray::default());
        let browser = browser();
        let message = Arc::new(message(vec![b'x'], None, OnUnknown::Drop));
        drop(Batch {
            jobs: vec![
                job(1, &browser.push_token, &message),
                job(2, &browser.push_token, &message),
            ],
            done: Vec::new(),
            tray: tray.clone(),
        });
        let mut done = Vec::new();
        tray.take(&mut done);
        let mut tags: Vec<u64> = done.iter().map(|sealed| sealed.tag).collect();
        tags.sort_unstable();
        assert_eq!(tags, [1, 2]);
        for sealed in done {
            assert_eq!(sealed.result.unwrap_err(), unsent(Verdict::NotSent));
        }
    }
}
