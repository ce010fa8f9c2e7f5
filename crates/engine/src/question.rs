//! Questions of call-outs: who may ask one, what is sent, and what a reply comes to. Who asks, when and how often, and what is done with the
//! answer is in `callout`.

use crate::engine::Engine;
use crate::hub::Hub;
use crate::later::shown;
use carillon_model::UnixMs;
use carillon_model::callout::{CalloutAnswer, CalloutSettings, ContentFrom};
use carillon_model::content::Content;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::AppNo;
use carillon_model::nearest::did_you_mean;
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::PushType;
use carillon_model::webhook::{FailedPhase, WebhookAnswer, WebhookResult};
use carillon_ports::callout::{CalloutCall, CalloutReply};
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// Longest that a `Retry-After` is waited for between two attempts.
pub(crate) const LONGEST_WAIT_MS: i64 = 10_000;

/// A question, as the App's code gets it. The same bytes at every attempt.
#[derive(Serialize)]
struct Question<'q> {
    r#type: &'static str,
    timestamp: String,
    app: &'q str,
    callout: &'q str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<&'q str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<&'q str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<&'q str>,
    data: Option<&'q RawValue>,
}

/// What an answer comes to.
#[derive(Debug)]
pub(crate) enum Judged {
    Says(Box<CalloutAnswer>),
    /// Nothing is to be sent.
    Nothing,
    Bad(Bad),
}

/// No good answer.
#[derive(Debug)]
pub(crate) struct Bad {
    pub(crate) problem: FieldProblem,
    /// When another attempt may be better, after so many milliseconds at least.
    pub(crate) again: Option<i64>,
}

/// What one question came to, asked by hand.
#[derive(Debug)]
pub struct CalloutTrial {
    /// The `webhook-id` that it had.
    pub id: String,
    /// What was answered, for people.
    pub answer: WebhookAnswer,
    /// Whether it could be sent, or said that nothing is to be sent.
    pub problem: Option<FieldProblem>,
    /// Whether it said that nothing is to be sent.
    pub says_nothing: bool,
}

/// For what a question is asked: public names and ids. A test is for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AskedFor<'a> {
    /// The schedule that is due, or that somebody ran.
    pub(crate) schedule: Option<&'a str>,
    /// The notification that waits for what it says.
    pub(crate) notification: Option<&'a str>,
    /// The campaign that it is.
    pub(crate) campaign: Option<&'a str>,
}

/// What goes into a question.
pub(crate) struct Asked<'a> {
    pub(crate) app: AppNo,
    pub(crate) callout: &'a str,
    pub(crate) settings: &'a CalloutSettings,
    pub(crate) subject: AskedFor<'a>,
    pub(crate) data: Option<&'a RawValue>,
    pub(crate) at: UnixMs,
}

impl Asked<'_> {
    pub(crate) fn call(&self, hub: &Hub, id: String) -> Result<CalloutCall, String> {
        let directory = hub.directory.load();
        let app = directory.app_by_no(self.app).ok_or("its App is gone")?;
        let secrets = &*hub.parts.secrets;
        let question = Question {
            r#type: "callout.asked",
            timestamp: shown(self.at),
            app: &app.id,
            callout: self.callout,
            schedule: self.subject.schedule,
            notification: self.subject.notification,
            campaign: self.subject.campaign,
            data: self.data,
        };
        Ok(CalloutCall {
            url: self.settings.url.clone(),
            id,
            body: serde_json::to_vec(&question).unwrap_or_default().into(),
            secrets: directory.callout_secrets(self.app, self.callout, secrets)?,
            timeout: Duration::from_millis(self.settings.timeout_ms.into()),
        })
    }
}

/// What a reply comes to.
pub(crate) fn judge(reply: &CalloutReply, now: UnixMs) -> Judged {
    let answer = &reply.answer;
    let bad = |code, message: String, again| {
        Judged::Bad(Bad {
            problem: FieldProblem::new("", code, message),
            again,
        })
    };
    let (status, retry_after) = match &answer.result {
        WebhookResult::Failed { phase, message } => {
            let again = (*phase != FailedPhase::Refused).then_some(0);
            return bad("callout.unreachable", message.clone(), again);
        }
        WebhookResult::Answered {
            status,
            retry_after,
            ..
        } => (*status, *retry_after),
    };
    if status == 204 {
        return Judged::Nothing;
    }
    if !answer.is_success() {
        let wait = retry_after.map_or(0, |after| after.wait_ms(now));
        let again = matches!(status, 408 | 429 | 500..) && wait <= LONGEST_WAIT_MS;
        return bad("callout.status", answer.sentence(), again.then_some(wait));
    }
    let Some(body) = &reply.body else {
        let message = "expected an answer of at most 64 KiB, found more, or one that broke off";
        return bad("callout.answer", message.to_owned(), None);
    };
    match read(body) {
        Ok(says) => Judged::Says(Box::new(says)),
        Err(problem) => Judged::Bad(Bad {
            problem,
            again: None,
        }),
    }
}

/// Reads an answer; the problem's pointer is into it.
fn read(body: &[u8]) -> Result<CalloutAnswer, FieldProblem> {
    // What was derived would take a list of the fields' values for the object.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(FieldProblem::new(
            "",
            "callout.answer",
            "expected one JSON object",
        ));
    }
    let reader = &mut serde_json::Deserializer::from_slice(body);
    let read: Result<CalloutAnswer, _> = serde_path_to_error::deserialize(&mut *reader);
    let read = read.map_err(|error| {
        let path: String = error
            .path()
            .iter()
            .map(|segment| match segment {
                serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
                serde_path_to_error::Segment::Map { key } => {
                    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
                }
                serde_path_to_error::Segment::Enum { variant } => format!("/{variant}"),
                serde_path_to_error::Segment::Unknown => String::new(),
            })
            .collect();
        FieldProblem::new(path, "callout.answer", error.into_inner().to_string())
    })?;
    reader
        .end()
        .map_err(|error| FieldProblem::new("", "callout.answer", error.to_string()))?;
    Ok(read)
}

// === what is checked before anything is asked ===

/// Why a dry run of a notification that asks a call-out tells nothing: nobody is asked.
pub(crate) fn unasked(hub: &Hub, app: AppNo, from: &ContentFrom) -> FieldProblem {
    match find(hub, app, from) {
        Err(problem) => problem,
        Ok(_) => FieldProblem::new(
            "/content_from",
            "callout.place",
            "expected content in a dry run, which asks nobody: test the call-out by itself, and say here what it answers",
        ),
    }
}

/// What is wrong with a notification's call-out, before anything is asked.
pub(crate) fn problem(
    hub: &Hub,
    app: AppNo,
    request: &NotificationRequest,
    from: &ContentFrom,
) -> Result<(), FieldProblem> {
    if request.content.is_some() {
        return Err(FieldProblem::new(
            "/content",
            "content.one_of",
            "expected at most one of content and content_from: the call-out says what the notification says",
        ));
    }
    if let Some(problem) = from.problem() {
        return Err(problem);
    }
    find(hub, app, from).map(|_| ())
}

/// What a notification says in the meantime that asks, so that the rest of it can be judged and stored. It is
/// never sent.
pub(crate) fn stand_in(push_type: PushType) -> Content {
    match push_type {
        PushType::Background => Content::default(),
        _ => Content {
            body: Some("?".to_owned()),
            ..Content::default()
        },
    }
}

/// The call-out that is to be asked.
pub(crate) fn find(
    hub: &Hub,
    app: AppNo,
    from: &ContentFrom,
) -> Result<(Definition, CalloutSettings), FieldProblem> {
    let wrong = |code, message| Err(FieldProblem::new("/content_from/callout", code, message));
    let directory = hub.directory.load();
    let Some(found) = directory.definition(app, DefinitionKind::Callout, &from.callout) else {
        let known = directory.definitions(app, DefinitionKind::Callout);
        let hint = did_you_mean(&from.callout, known.map(|(known, _)| &*known.name));
        let message = format!(
            "expected the name of a call-out of this App, found {:?}{hint}",
            from.callout
        );
        return wrong("callout.unknown", message);
    };
    match serde_json::from_str(&found.body) {
        Ok(settings) => Ok((found.clone(), settings)),
        // It was checked when it was stored: only a newer server can have written it.
        Err(error) => wrong("callout.unreadable", error.to_string()),
    }
}

// === a test ===

impl Engine {
    /// Asks a call-out once, as if for a schedule; nothing is sent or written down. Whether what it answers
    /// could be sent is judged as far as that goes without a notification.
    pub async fn test_callout(
        &self,
        definition: &Definition,
        settings: &CalloutSettings,
        data: Option<Box<RawValue>>,
    ) -> CalloutTrial {
        let hub = &self.shared().hub;
        let now = hub.parts.clock.now();
        let id = format!("ask_test_{:016x}", hub.parts.clock.random());
        let asked = Asked {
            app: definition.app,
            callout: &definition.name,
            settings,
            subject: AskedFor::default(),
            data: data.as_deref(),
            at: now,
        };
        let reply = match asked.call(hub, id.clone()) {
            Ok(call) => hub.parts.webhooks.sender.ask(call, now).await,
            Err(why) => CalloutReply {
                answer: WebhookAnswer::failed(FailedPhase::Refused, why),
                body: None,
            },
        };
        let judged = judge(&reply, now);
        CalloutTrial {
            id,
            says_nothing: matches!(judged, Judged::Nothing),
            problem: match judged {
                Judged::Bad(bad) => Some(bad.problem),
                Judged::Says(says) => unsaid(&says),
                Judged::Nothing => None,
            },
            answer: reply.answer,
        }
    }
}

/// An answer that says neither content nor variables, or both, goes with no notification.
fn unsaid(says: &CalloutAnswer) -> Option<FieldProblem> {
    let message = match (&says.content, &says.variables) {
        (Some(_), None) | (None, Some(_)) => return None,
        (None, None) => {
            "expected content, or the variables of a template, found neither; to send nothing, answer 204"
        }
        (Some(_), Some(_)) => "expected content or variables, found both",
    };
    Some(FieldProblem::new("/content", "callout.answer", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use carillon_model::webhook::RetryAfter;

    fn reply(status: u16, body: Option<&str>) -> CalloutReply {
        CalloutReply {
            answer: WebhookAnswer::answered(status),
            body: body.map(|text| Bytes::copy_from_slice(text.as_bytes())),
        }
    }

    fn told(reply: &CalloutReply) -> (String, &'static str, Option<i64>) {
        match judge(reply, 0) {
            Judged::Says(_) => ("says".into(), "", None),
            Judged::Nothing => ("nothing".into(), "", None),
            Judged::Bad(bad) => (bad.problem.pointer, bad.problem.code, bad.again),
        }
    }

    #[test]
    fn answers_are_judged() {
        let says = |word: &str| (word.to_owned(), "", None);
        let wrong = |pointer: &str| (pointer.to_owned(), "callout.answer", None);
        let status = |again| (String::new(), "callout.status", again);
        for (status_code, body, expected) in [
            (200, Some(r#"{"content":{"body":"Hi"}}"#), says("says")),
            (201, Some(r#"{"variables":{"n":1}}"#), says("says")),
            (204, Some(""), says("nothing")),
            (200, Some(""), wrong("")),
            (200, Some("{} {}"), wrong("")),
            (200, Some("[]"), wrong("")),
            (200, None, wrong("")),
            (
                200,
                Some(r#"{"content":{"body":7}}"#),
                wrong("/content/body"),
            ),
            (200, Some(r#"{"titel":"x"}"#), wrong("/titel")),
            (301, Some(""), status(None)),
            (404, Some(""), status(None)),
            (429, Some(""), status(Some(0))),
            (500, Some(""), status(Some(0))),
        ] {
            assert_eq!(
                told(&reply(status_code, body)),
                expected,
                "{status_code} {body:?}"
            );
        }
    }

    #[test]
    fn who_wants_to_be_asked_much_later_is_not_asked_again() {
        for (secs, again) in [(3, Some(3_000)), (11, None)] {
            let mut reply = reply(503, Some(""));
            if let WebhookResult::Answered { retry_after, .. } = &mut reply.answer.result {
                *retry_after = Some(RetryAfter::Secs(secs));
            }
            assert_eq!(told(&reply).2, again);
        }
        let refused = CalloutReply {
            answer: WebhookAnswer::failed(FailedPhase::Refused, "10.0.0.1 is private"),
            body: None,
        };
        assert_eq!(told(&refused).2, None);
        let silent = CalloutReply {
            answer: WebhookAnswer::failed(FailedPhase::Timeout, "no answer"),
            body: None,
        };
        assert_eq!(told(&silent).2, Some(0));
    }
}
