//! Call-outs: an App's own code is asked what a notification says, when its time has come.
//!
//! Here is what is defined of one, what it may answer, and what becomes of a run. Who asks, how often and
//! when is the engine's; HTTP, signatures and the guard are behind a port.

use crate::content::Content;
use crate::notification::NotificationRequest;
use crate::problem::FieldProblem;
use crate::webhook::WebhookUrl;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Where a notification gets what it says from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentFrom {
    /// The name of a call-out of the App.
    pub callout: String,
    /// What it is told besides: a JSON object of at most [`MAX_DATA_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// Most bytes of [`ContentFrom::data`].
pub const MAX_DATA_BYTES: usize = 16_384;

/// What is defined of a call-out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalloutSettings {
    /// Where the App's code is.
    pub url: WebhookUrl,
    /// Longest time for one attempt, in milliseconds.
    pub timeout_ms: u32,
    /// Attempts in all.
    pub attempts: u16,
    /// What becomes of the notification without an answer.
    #[serde(default)]
    pub fallback: Fallback,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// What becomes of a notification for which there is no good answer. In JSON `"fail"`, `"skip"`, `{"content": …}` or
/// `{"variables": …}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Its run fails, which is told.
    #[default]
    Fail,
    /// It is not sent, and nothing is told.
    Skip,
    /// It says this.
    Content(Box<Content>),
    /// Its template gets these variables.
    Variables(Box<RawValue>),
}

/// What a call-out may answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CalloutAnswer {
    /// What the notification says, where it has no template.
    pub content: Option<Content>,
    /// The variables of its template.
    pub variables: Option<Box<RawValue>>,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalloutResult {
    /// It is being asked, or will be again.
    Asking,
    /// What it answered was sent.
    Answered,
    /// There was no good answer, and the fallback was sent.
    Fallback,
    /// Nothing was to be sent: it said so, or the fallback is `skip`.
    Skipped,
    /// There was no good answer, and nothing was sent.
    Failed,
    /// Who asked was changed, paused or deleted meanwhile; nothing was sent.
    Overtaken,
}

impl CalloutResult {
    /// All, in the order of [`Self::code`].
    pub const ALL: [Self; 6] = [
        Self::Asking,
        Self::Answered,
        Self::Fallback,
        Self::Skipped,
        Self::Failed,
        Self::Overtaken,
    ];

    /// The number that stands for it in the store: from 0.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads [`Self::code`].
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The word used in JSON, logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asking => "asking",
            Self::Answered => "answered",
            Self::Fallback => "fallback",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Overtaken => "overtaken",
        }
    }
}

impl CalloutSettings {
    /// Shortest and longest time for one attempt, in milliseconds.
    pub const TIMEOUT_MS: std::ops::RangeInclusive<u32> = 100..=60_000;
    /// Fewest and most attempts.
    pub const ATTEMPTS: std::ops::RangeInclusive<u16> = 1..=5;
    /// Most characters of a description.
    const MAX_DESCRIPTION: usize = 200;

    /// Everything that is wrong with it, as far as that can be told without asking the guard.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldProblem> {
        let mut problems: Vec<_> = self.url.problem(true).into_iter().collect();
        let mut check = |holds: bool, pointer, code, message: String| {
            if !holds {
                problems.push(FieldProblem::new(pointer, code, message));
            }
        };
        check(
            Self::TIMEOUT_MS.contains(&self.timeout_ms),
            "/timeout",
            "callout.timeout",
            format!("expected 100ms to 1m, found {} ms", self.timeout_ms),
        );
        check(
            Self::ATTEMPTS.contains(&self.attempts),
            "/attempts",
            "callout.attempts",
            format!("expected 1 to 5, found {}", self.attempts),
        );
        check(
            self.description.chars().count() <= Self::MAX_DESCRIPTION,
            "/description",
            "callout.description",
            "expected at most 200 characters".to_owned(),
        );
        if let Fallback::Variables(variables) = &self.fallback {
            check(
                is_object(variables),
                "/fallback/variables",
                "callout.fallback",
                "expected a JSON object".to_owned(),
            );
        }
        problems
    }

    /// The pause before an attempt after `failed` of them (1 or more), in milliseconds: one second,
    /// doubled each time.
    #[must_use]
    pub fn pause_ms(failed: u16) -> u64 {
        1_000 << failed.saturating_sub(1).min(4)
    }

    /// The longest that all attempts take with the pauses between them, in milliseconds.
    #[must_use]
    pub fn longest_ms(&self) -> i64 {
        let attempts = self
            .attempts
            .clamp(*Self::ATTEMPTS.start(), *Self::ATTEMPTS.end());
        let pauses: u64 = (1..attempts).map(Self::pause_ms).sum();
        i64::from(self.timeout_ms) * i64::from(attempts) + pauses as i64
    }
}

impl ContentFrom {
    /// What is wrong with what is told besides; the pointer is into a notification.
    #[must_use]
    pub fn problem(&self) -> Option<FieldProblem> {
        let data = self.data.as_ref()?;
        let found = if data.get().len() > MAX_DATA_BYTES {
            format!("{} bytes", data.get().len())
        } else if is_object(data) {
            return None;
        } else {
            "something else".to_owned()
        };
        Some(FieldProblem::new(
            "/content_from/data",
            "callout.data",
            format!("expected a JSON object of at most {MAX_DATA_BYTES} bytes, found {found}"),
        ))
    }
}

fn is_object(json: &RawValue) -> bool {
    json.get().trim_start().starts_with('{')
}

impl NotificationRequest {
    /// Says what an answer says, and asks nobody any more. A notification with a template takes variables,
    /// another one content; an answer with the other, or with nothing, is a problem whose pointer is into
    /// the answer.
    ///
    /// # Errors
    /// See above.
    pub fn say(&mut self, answer: CalloutAnswer) -> Result<(), FieldProblem> {
        let wrong = |pointer: &str, message: &str| {
            Err(FieldProblem::new(pointer, "callout.answer", message))
        };
        match (&mut self.template, answer.content, answer.variables) {
            (Some(template), None, Some(variables)) => template.variables = Some(variables),
            (None, Some(content), None) => self.content = Some(content),
            (Some(_), Some(_), _) => {
                return wrong(
                    "/content",
                    "expected variables alone: the notification has a template",
                );
            }
            (Some(_), None, None) => {
                return wrong(
                    "/variables",
                    "expected the variables of the notification's template, found none",
                );
            }
            (None, _, Some(_)) => {
                return wrong(
                    "/variables",
                    "expected content alone: the notification has no template",
                );
            }
            (None, None, None) => {
                return wrong(
                    "/content",
                    "expected what the notification says, found nothing; to send nothing, answer 204",
                );
            }
        }
        self.content_from = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(with_template: bool) -> NotificationRequest {
        let mut request = json!({
            "target": {"all": true}, "content_from": {"callout": "news", "data": {"n": 1}}
        });
        if with_template {
            request["template"] = json!({"name": "digest"});
        }
        serde_json::from_value(request).unwrap()
    }

    fn answer(json: serde_json::Value) -> CalloutAnswer {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn codes_read_back() {
        for result in CalloutResult::ALL {
            assert_eq!(CalloutResult::from_code(result.code()), Some(result));
        }
        assert_eq!(CalloutResult::from_code(6), None);
    }

    #[test]
    fn answers_say_what_the_notification_lacks_and_nothing_else() {
        let content = json!({"content": {"body": "Hi"}});
        let variables = json!({"variables": {"n": 2}});
        let both = json!({"content": {"body": "Hi"}, "variables": {}});
        for (with_template, said, pointer) in [
            (false, &content, None),
            (true, &variables, None),
            (false, &variables, Some("/variables")),
            (true, &content, Some("/content")),
            (false, &both, Some("/variables")),
            (true, &both, Some("/content")),
            (false, &json!({}), Some("/content")),
            (true, &json!({}), Some("/variables")),
        ] {
            let mut request = request(with_template);
            let result = request.say(answer(said.clone()));
            let found = result.err().map(|problem| problem.pointer);
            assert_eq!(found.as_deref(), pointer, "{with_template} {said}");
            assert_eq!(request.content_from.is_some(), pointer.is_some());
        }
    }

    #[test]
    fn settings_are_bounded_and_read_back() {
        let good =
            json!({"url": "https://news.example.com/ask", "timeout_ms": 1_000, "attempts": 3});
        let settings: CalloutSettings = serde_json::from_value(good.clone()).unwrap();
        assert_eq!(settings.problems(), []);
        assert_eq!(settings.longest_ms(), 3_000 + 1_000 + 2_000);
        let stored = serde_json::to_value(&settings).unwrap();
        assert_eq!(stored["fallback"], "fail");
        for (field, value, pointer) in [
            ("url", json!("ftp://x"), "/url"),
            ("timeout_ms", json!(99), "/timeout"),
            ("timeout_ms", json!(60_001), "/timeout"),
            ("attempts", json!(0), "/attempts"),
            ("attempts", json!(6), "/attempts"),
            ("description", json!("x".repeat(201)), "/description"),
            ("fallback", json!({"variables": [1]}), "/fallback/variables"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let settings: CalloutSettings = serde_json::from_value(bad).unwrap();
            let problems = settings.problems();
            assert_eq!(problems.len(), 1, "{field}");
            assert_eq!(problems[0].pointer, pointer);
        }
    }

    #[test]
    fn data_is_an_object_of_a_bounded_size() {
        let mut from = request(false).content_from.unwrap();
        assert_eq!(from.problem(), None);
        for bad in [
            "[1]".to_owned(),
            format!("{{\"x\":\"{}\"}}", "y".repeat(MAX_DATA_BYTES)),
        ] {
            from.data = Some(RawValue::from_string(bad).unwrap());
            assert_eq!(from.problem().unwrap().pointer, "/content_from/data");
        }
    }
}
