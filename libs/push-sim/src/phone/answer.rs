//! What an app and its owner do about a notification: requests that a phone makes by itself, written down
//! beforehand. Who makes them is in [`crate::people`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::interruption::Interruption;

/// Answers of one app that are remembered; the oldest go first.
pub(super) const MAX_REMEMBERED: usize = 32;
/// Most answers written down for one app.
const MAX_ANSWERS: usize = 16;

/// One thing that an app or its owner does when something interrupts.
///
/// In `url` and in the texts of `body`, `{/a/b}` stands for what the payload has at this JSON pointer.
///
/// ```
/// use push_sim::{Interruption, PhoneAnswer};
/// // Somebody whom only a ringing phone wakes, and who then takes it in hand by the link that he was sent.
/// let answer: PhoneAnswer = serde_json::from_str(r#"{
///     "to": "call", "after_ms": 2000, "times": 1,
///     "url": "http://127.0.0.1:8600{/incident/link}", "body": {"do": "acknowledge"}
/// }"#)?;
/// assert_eq!((answer.to, answer.method.as_str()), (Interruption::Call, "POST"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneAnswer {
    /// The quietest interruption that is answered; every louder one is answered too.
    #[serde(default = "any")]
    pub to: Interruption,
    /// How long it takes, in milliseconds of real time.
    #[serde(default)]
    pub after_ms: u64,
    /// How often it is done at most; default always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Method of the request.
    #[serde(default = "post")]
    pub method: String,
    /// Where it goes: `http://` and nothing else.
    pub url: String,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// JSON to send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

fn any() -> Interruption {
    Interruption::Passive
}

fn post() -> String {
    "POST".to_owned()
}

/// A request that a phone made, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerView {
    /// Sequence number of the push that was answered.
    pub record: u64,
    /// When the answer to the request was there, by the simulator's clock.
    pub at_ms: i64,
    /// Where it went.
    pub url: String,
    /// HTTP status, if there was one.
    pub status: Option<u16>,
    /// What went wrong, or the beginning of a refusal.
    pub error: Option<String>,
}

/// An answer that is due.
#[derive(Debug, Clone)]
pub(crate) struct DueAnswer {
    pub(crate) phone: u32,
    pub(crate) app: u16,
    pub(crate) record: u64,
    pub(crate) apns_id: Uuid,
    pub(crate) payload: Arc<[u8]>,
    answers: Arc<[PhoneAnswer]>,
    place: usize,
}

impl DueAnswer {
    pub(crate) fn answer(&self) -> &PhoneAnswer {
        &self.answers[self.place]
    }
}

/// What is written down for an app, and how often each was done.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers {
    written: Option<Arc<[PhoneAnswer]>>,
    done: Vec<u32>,
}

impl Answers {
    /// Reads what was asked for.
    pub(super) fn new(answers: &[PhoneAnswer]) -> Result<Answers, String> {
        if answers.len() > MAX_ANSWERS {
            let found = answers.len();
            return Err(format!(
                "answers: expected at most {MAX_ANSWERS}, found {found}"
            ));
        }
        for answer in answers {
            if !answer.url.starts_with("http://") {
                let url = &answer.url;
                return Err(format!("answers: url: expected http://, found {url:?}"));
            }
            if http::Method::from_bytes(answer.method.as_bytes()).is_err() {
                let method = &answer.method;
                return Err(format!("answers: method: {method:?} is none"));
            }
        }
        Ok(Answers {
            written: (!answers.is_empty()).then(|| Arc::from(answers)),
            done: vec![0; answers.len()],
        })
    }

    pub(super) fn written(&self) -> Vec<PhoneAnswer> {
        self.written.as_deref().unwrap_or_default().to_vec()
    }

    /// Those that are due now that `push` interrupted so far.
    pub(super) fn due(
        &mut self,
        (phone, app): (u32, u16),
        push: &super::Push,
        interruption: Interruption,
    ) -> Vec<DueAnswer> {
        let Some(answers) = &self.written else {
            return Vec::new();
        };
        let mut due = Vec::new();
        for (place, (answer, done)) in answers.iter().zip(&mut self.done).enumerate() {
            let is_over = answer.times.is_some_and(|times| *done >= times);
            if is_over || interruption < answer.to {
                continue;
            }
            *done += 1;
            due.push(DueAnswer {
                phone,
                app,
                record: push.record,
                apns_id: push.apns_id,
                payload: Arc::clone(&push.payload),
                answers: Arc::clone(answers),
                place,
            });
        }
        due
    }
}
