//! What arrived: one compact record for each complete request, with the answer it got.
//!
//! Bounded twice: by the number of records and by the bytes of payloads kept with them. The oldest
//! go first and are counted, so that a book-keeper can tell a complete record from a cut one.
//! Requests that never came in completely (refused streams, cut bodies) are only counted, in
//! [`crate::Counters`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::apns::request::{decode_hex, encode_hex};
use crate::fcm;
use crate::host::{Environment, Gateway, Host};
use crate::phone::Effect;

/// What became of the answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFate {
    /// Not yet answered.
    Pending,
    /// Handed to the connection.
    Answered,
    /// A script held it back.
    Withheld,
    /// The connection ended before it could be sent.
    Cut,
    /// The sender reset the stream before it was sent.
    Reset,
}

/// Push tokens are nearly always 32 bytes: those need no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TokenBytes {
    Usual([u8; 32]),
    Other(Box<[u8]>),
}

impl From<&[u8]> for TokenBytes {
    fn from(bytes: &[u8]) -> TokenBytes {
        match <[u8; 32]>::try_from(bytes) {
            Ok(usual) => TokenBytes::Usual(usual),
            Err(_) => TokenBytes::Other(bytes.into()),
        }
    }
}

impl TokenBytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            TokenBytes::Usual(bytes) => bytes,
            TokenBytes::Other(bytes) => bytes,
        }
    }
}

/// A request to be recorded.
#[derive(Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) at_ms: i64,
    pub(crate) wall_us: i64,
    pub(crate) environment: Environment,
    pub(crate) host: Host,
    pub(crate) connection: u32,
    pub(crate) stream: u32,
    /// Apple's decoded, Google's as text.
    pub(crate) push_token: &'a [u8],
    pub(crate) apns_id: Option<Uuid>,
    pub(crate) topic: &'a str,
    pub(crate) push_type: &'a str,
    pub(crate) priority: Option<u8>,
    pub(crate) expiration: Option<i64>,
    pub(crate) collapse_id: Option<&'a str>,
    pub(crate) payload: &'a Arc<[u8]>,
    pub(crate) project: &'a str,
    pub(crate) validate_only: bool,
}

#[derive(Debug)]
struct Record {
    at_ms: i64,
    wall_us: i64,
    apns_id: Option<Uuid>,
    push_token: TokenBytes,
    expiration: Option<i64>,
    collapse_id: Option<Box<str>>,
    payload: Option<Arc<[u8]>>,
    payload_hash: u64,
    payload_bytes: u32,
    connection: u32,
    stream: u32,
    fault: u32,
    topic: u16,
    push_type: u16,
    project: u16,
    reason: u16,
    status: u16,
    priority: u8,
    validate_only: bool,
    environment: Environment,
    host: Host,
    fate: AnswerFate,
    effect: Option<Effect>,
}

/// A received request as the admin API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Sequence number from 1, in order of arrival.
    pub seq: u64,
    /// Arrival by the simulator's clock, Unix milliseconds.
    pub at_ms: i64,
    /// Arrival by the computer's clock, Unix microseconds.
    pub wall_us: i64,
    /// Whose service.
    pub gateway: Gateway,
    /// Environment of the host; only Apple's hosts differ in it.
    pub environment: Environment,
    /// Kind of the host.
    pub host: Host,
    /// Number of the connection.
    pub connection: u32,
    /// HTTP/2 stream; over HTTP/1.1 0 at Google, and the number of the request on its connection at
    /// a browser's push service.
    pub stream: u32,
    /// Apple's push token in hexadecimal (empty for a broadcast or a malformed one), Google's
    /// registration token or installation id as it is, what a browser's endpoint ends with.
    pub push_token: String,
    /// `apns-id` as answered, lower case; of an accepted web push the id in its `Location`.
    pub apns_id: Option<Uuid>,
    /// `apns-topic`, or the bundle ID of a broadcast; at Google the topic or condition sent to; the
    /// name of a browser's push service.
    pub topic: String,
    /// `apns-push-type` as sent; the `Urgency` of a web push; at Google the kind of target (`token`,
    /// `fid`, `topic`, `condition`), or what was asked of the topics (`batch_add`, `batch_remove`,
    /// `info`).
    pub push_type: String,
    /// `apns-priority`, if it was a number.
    pub priority: Option<u8>,
    /// `apns-expiration`, or the `TTL` of a web push, if it was a number.
    pub expiration: Option<i64>,
    /// `apns-collapse-id`, or the `Topic` of a web push.
    pub collapse_id: Option<String>,
    /// Bytes of the body.
    pub payload_bytes: u32,
    /// First eight bytes of the body's SHA-256, hexadecimal.
    pub payload_hash: String,
    /// The body, while it is kept; of a web push what its browser reads in it, refused or not. Bodies with
    /// a secret in them never are.
    pub payload: Option<String>,
    /// Google's project id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// `name` that Google answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_name: Option<String>,
    /// HTTP status decided (0 before a decision).
    pub status: u16,
    /// Apple's reason, Google's error code (or status, where there is no code) decided.
    pub reason: Option<String>,
    /// What became of the answer.
    pub answer: AnswerFate,
    /// What became of the notification at the phone; `None`: it never reached one.
    pub effect: Option<Effect>,
    /// The scripted fault that decided the answer.
    pub fault: Option<u32>,
}

/// Which received requests to read, in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceivedFilter {
    /// Only records after this sequence number.
    pub after_seq: u64,
    /// At most so many (0: the default of 1,000; at most 10,000).
    pub limit: usize,
    /// Only this push token (Apple's in hexadecimal).
    pub push_token: Option<String>,
    /// Only this `apns-id`, in any case.
    pub apns_id: Option<Uuid>,
    /// Only this `apns-topic`.
    pub topic: Option<String>,
    /// Only this gateway.
    pub gateway: Option<Gateway>,
    /// Only this kind of host.
    pub host: Option<Host>,
    /// Only this project of Google's.
    pub project: Option<String>,
    /// Only this environment.
    pub environment: Option<Environment>,
    /// Only this status.
    pub status: Option<u16>,
    /// Only this fate of the answer.
    pub answer: Option<AnswerFate>,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedPage {
    /// The records.
    pub received: Vec<Received>,
    /// `after_seq` of the next page; `None`: this was the last.
    pub next_after_seq: Option<u64>,
    /// Requests recorded since the start or the last reset.
    pub total: u64,
    /// Records dropped for want of room; the oldest ones.
    pub dropped: u64,
}

const DEFAULT_PAGE: usize = 1_000;
const MAX_PAGE: usize = 10_000;

/// Texts that repeat, stored once.
#[derive(Debug, Default)]
struct Interner {
    texts: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u16>,
}

impl Interner {
    /// Number of a text; once 65,534 different ones are known the rest share one.
    fn number(&mut self, text: &str) -> u16 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        if self.texts.len() >= usize::from(u16::MAX) - 1 {
            return u16::MAX;
        }
        let number = self.texts.len() as u16;
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    fn text(&self, number: u16) -> &str {
        self.texts
            .get(usize::from(number))
            .map_or("(other)", |text| text)
    }
}

/// The records.
#[derive(Debug)]
pub(crate) struct Recorder {
    records: VecDeque<Record>,
    texts: Interner,
    first_seq: u64,
    dropped: u64,
    payload_memory: usize,
    /// Sequence number of the oldest record that may still have its payload.
    oldest_payload: u64,
    max_records: usize,
    max_payload_memory: usize,
    max_payload: usize,
}

/// The decision about one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decision<'a> {
    pub(crate) status: u16,
    pub(crate) reason: Option<&'a str>,
    pub(crate) apns_id: Option<Uuid>,
    pub(crate) effect: Option<Effect>,
    pub(crate) fault: Option<u32>,
}

impl Recorder {
    pub(crate) fn new(
        max_records: usize,
        max_payload_memory: usize,
        max_payload: usize,
    ) -> Recorder {
        let mut texts = Interner::default();
        texts.number("");
        Recorder {
            records: VecDeque::new(),
            texts,
            first_seq: 1,
            dropped: 0,
            payload_memory: 0,
            oldest_payload: 1,
            max_records: max_records.max(1),
            max_payload_memory,
            max_payload,
        }
    }

    fn next_seq(&self) -> u64 {
        self.first_seq + self.records.len() as u64
    }

    /// Records an arrival; the answer is pending.
    pub(crate) fn arrive(&mut self, arrival: &Arrival<'_>) -> u64 {
        if self.records.len() >= self.max_records {
            if let Some(oldest) = self.records.pop_front() {
                self.payload_memory -= oldest.payload.as_ref().map_or(0, |payload| payload.len());
            }
            self.first_seq += 1;
            self.dropped += 1;
        }
        let hash = digest(&SHA256, arrival.payload);
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        let kept: Arc<[u8]> = match arrival.payload.get(..self.max_payload) {
            Some(beginning) => beginning.into(),
            None => Arc::clone(arrival.payload),
        };
        let kept_bytes = kept.len();
        let seq = self.next_seq();
        let record = Record {
            at_ms: arrival.at_ms,
            wall_us: arrival.wall_us,
            apns_id: arrival.apns_id,
            push_token: arrival.push_token.into(),
            expiration: arrival.expiration,
            collapse_id: arrival.collapse_id.map(Box::from),
            payload: (!kept.is_empty()).then_some(kept),
            payload_hash: u64::from_be_bytes(first),
            payload_bytes: arrival.payload.len() as u32,
            connection: arrival.connection,
            stream: arrival.stream,
            fault: 0,
            topic: self.texts.number(arrival.topic),
            push_type: self.texts.number(arrival.push_type),
            project: self.texts.number(arrival.project),
            validate_only: arrival.validate_only,
            reason: 0,
            status: 0,
            priority: arrival.priority.unwrap_or(0),
            environment: arrival.environment,
            host: arrival.host,
            fate: AnswerFate::Pending,
            effect: None,
        };
        self.records.push_back(record);
        self.payload_memory += kept_bytes;
        self.forget_payloads();
        seq
    }

    fn forget_payloads(&mut self) {
        self.oldest_payload = self.oldest_payload.max(self.first_seq);
        while self.payload_memory > self.max_payload_memory && self.oldest_payload < self.next_seq()
        {
            let at = (self.oldest_payload - self.first_seq) as usize;
            if let Some(payload) = self.records[at].payload.take() {
                self.payload_memory -= payload.len();
            }
            self.oldest_payload += 1;
        }
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Record> {
        self.records
            .get_mut(seq.checked_sub(self.first_seq)? as usize)
    }

    /// Notes what was decided about a request.
    pub(crate) fn decide(&mut self, seq: u64, decision: &Decision<'_>) {
        let reason = self.texts.number(decision.reason.unwrap_or_default());
        let Some(record) = self.get_mut(seq) else {
            return;
        };
        record.status = decision.status;
        record.reason = reason;
        record.effect = decision.effect;
        record.fault = decision.fault.unwrap_or(0);
        record.apns_id = decision.apns_id.or(record.apns_id);
    }

    /// Keeps what the addressee read in the body instead of the body: of an encrypted one nobody
    /// else could make anything. Size and hash stay those of the body.
    pub(crate) fn reveal(&mut self, seq: u64, data: &[u8]) {
        let kept: Arc<[u8]> = data.get(..self.max_payload).unwrap_or(data).into();
        let Some(record) = self.get_mut(seq) else {
            return;
        };
        // A body that had to make room already stays away.
        let Some(body) = record.payload.take() else {
            return;
        };
        let (before, after) = (body.len(), kept.len());
        record.payload = (after > 0).then_some(kept);
        self.payload_memory = self.payload_memory + after - before;
    }

    /// Notes that another answer than the one decided went out.
    pub(crate) fn correct(&mut self, seq: u64, status: u16, reason: Option<&str>) {
        let reason = self.texts.number(reason.unwrap_or_default());
        if let Some(record) = self.get_mut(seq) {
            record.status = status;
            record.reason = reason;
        }
    }

    /// Notes what became of the answer.
    pub(crate) fn settle(&mut self, seq: u64, fate: AnswerFate) {
        if let Some(record) = self.get_mut(seq) {
            record.fate = fate;
        }
    }

    /// Forgets everything; numbers go on.
    pub(crate) fn clear(&mut self) {
        self.first_seq = self.next_seq();
        self.oldest_payload = self.first_seq;
        self.records = VecDeque::new();
        self.payload_memory = 0;
        self.dropped = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Reads records.
    pub(crate) fn page(&self, filter: &ReceivedFilter) -> ReceivedPage {
        let limit = match filter.limit {
            0 => DEFAULT_PAGE,
            limit => limit.min(MAX_PAGE),
        };
        let token = filter
            .push_token
            .as_deref()
            .map(|text| (decode_hex(text).unwrap_or_default(), text.as_bytes()));
        let topic = filter
            .topic
            .as_deref()
            .map(|topic| self.texts.numbers.get(topic).copied());
        let project = filter
            .project
            .as_deref()
            .map(|project| self.texts.numbers.get(project).copied());
        let skip = (filter.after_seq + 1).saturating_sub(self.first_seq) as usize;
        let mut received = Vec::new();
        let mut next_after_seq = None;
        for (at, record) in self.records.iter().enumerate().skip(skip) {
            let matches = token.as_ref().is_none_or(|(hex, text)| {
                record.push_token.as_slice()
                    == match record.host.gateway() {
                        Gateway::Apns | Gateway::WebPush => hex.as_slice(),
                        Gateway::Fcm => text,
                    }
            }) && filter
                .gateway
                .is_none_or(|only| record.host.gateway() == only)
                && filter.host.is_none_or(|only| record.host == only)
                && project.is_none_or(|project| project == Some(record.project))
                && filter.apns_id.is_none_or(|id| record.apns_id == Some(id))
                && topic.is_none_or(|topic| topic == Some(record.topic))
                && filter
                    .environment
                    .is_none_or(|only| record.environment == only)
                && filter.status.is_none_or(|only| record.status == only)
                && filter.answer.is_none_or(|only| record.fate == only);
            if !matches {
                continue;
            }
            if received.len() == limit {
                next_after_seq = received.last().map(|last: &Received| last.seq);
                break;
            }
            received.push(self.show(self.first_seq + at as u64, record));
        }
        ReceivedPage {
            received,
            next_after_seq,
            total: self.dropped + self.records.len() as u64,
            dropped: self.dropped,
        }
    }

    fn message_name(&self, seq: u64, record: &Record) -> Option<String> {
        let project = self.texts.text(record.project);
        let is_named = record.host == Host::Fcm && record.status == 200;
        is_named.then(|| fcm::message_name(project, record.at_ms, seq, record.validate_only))
    }

    fn show(&self, seq: u64, record: &Record) -> Received {
        Received {
            seq,
            at_ms: record.at_ms,
            wall_us: record.wall_us,
            gateway: record.host.gateway(),
            environment: record.environment,
            host: record.host,
            connection: record.connection,
            stream: record.stream,
            push_token: match record.host.gateway() {
                Gateway::Apns | Gateway::WebPush => encode_hex(record.push_token.as_slice()),
                Gateway::Fcm => String::from_utf8_lossy(record.push_token.as_slice()).into_owned(),
            },
            apns_id: record.apns_id,
            topic: self.texts.text(record.topic).to_owned(),
            push_type: self.texts.text(record.push_type).to_owned(),
            priority: (record.priority > 0).then_some(record.priority),
            expiration: record.expiration,
            collapse_id: record.collapse_id.as_deref().map(str::to_owned),
            payload_bytes: record.payload_bytes,
            payload_hash: format!("{:016x}", record.payload_hash),
            payload: record
                .payload
                .as_deref()
                .map(|p| String::from_utf8_lossy(p).into_owned()),
            project: (record.project > 0).then(|| self.texts.text(record.project).to_owned()),
            message_name: self.message_name(seq, record),
            status: record.status,
            reason: (record.reason > 0).then(|| self.texts.text(record.reason).to_owned()),
            answer: record.fate,
            effect: record.effect,
            fault: (record.fault > 0).then_some(record.fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(payload: &Arc<[u8]>) -> Arrival<'_> {
        Arrival {
            at_ms: 1,
            wall_us: 2,
            environment: Environment::Sandbox,
            host: Host::Device,
            connection: 3,
            stream: 5,
            push_token: &[7; 32],
            apns_id: Some(Uuid::from_u128(9)),
            topic: "net.example.pager",
            push_type: "alert",
            priority: Some(10),
            expiration: None,
            collapse_id: None,
            payload,
            project: "",
            validate_only: false,
        }
    }

    #[test]
    fn the_oldest_record_makes_room_and_is_counted() {
        let mut recorder = Recorder::new(2, 1000, 1000);
        for _ in 0..3 {
            recorder.arrive(&arrival(&Arc::from(*b"{}")));
        }
        recorder.decide(
            3,
            &Decision {
                status: 400,
                reason: Some("BadTopic"),
                ..Default::default()
            },
        );
        recorder.settle(3, AnswerFate::Answered);
        recorder.settle(1, AnswerFate::Answered);
        let page = recorder.page(&ReceivedFilter::default());
        assert_eq!((page.total, page.dropped), (3, 1));
        assert_eq!(
            page.received.iter().map(|r| r.seq).collect::<Vec<_>>(),
            [2, 3]
        );
        assert_eq!(page.received[1].reason.as_deref(), Some("BadTopic"));
        assert_eq!(page.received[0].answer, AnswerFate::Pending);
    }

    #[test]
    fn payload_memory_is_bounded_oldest_first() {
        let mut recorder = Recorder::new(100, 10, 6);
        for _ in 0..3 {
            recorder.arrive(&arrival(&Arc::from(*b"12345678")));
        }
        let page = recorder.page(&ReceivedFilter::default());
        let kept: Vec<_> = page.received.iter().map(|r| r.payload.as_deref()).collect();
        assert_eq!(kept, [None, None, Some("123456")]);
        assert!(page.received.iter().all(|r| r.payload_bytes == 8));
    }

    #[test]
    fn pages_follow_each_other_through_a_filter() {
        let mut recorder = Recorder::new(100, 0, 0);
        for n in 0..10 {
            let payload: Arc<[u8]> = Arc::from(*b"{}");
            let mut arrival = arrival(&payload);
            if n % 2 == 0 {
                arrival.topic = "net.example.other";
            }
            recorder.arrive(&arrival);
        }
        let mut filter = ReceivedFilter {
            limit: 2,
            topic: Some("net.example.other".into()),
            ..ReceivedFilter::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = recorder.page(&filter);
            seen.extend(page.received.iter().map(|r| r.seq));
            let Some(after) = page.next_after_seq else {
                break;
            };
            filter.after_seq = after;
        }
        assert_eq!(seen, [1, 3, 5, 7, 9]);
        filter = ReceivedFilter {
            topic: Some("unknown".into()),
            ..ReceivedFilter::default()
        };
        assert!(recorder.page(&filter).received.is_empty());
    }

    #[test]
    fn a_record_stays_compact() {
        assert!(size_of::<Record>() <= 192, "{} bytes", size_of::<Record>());
    }
}
