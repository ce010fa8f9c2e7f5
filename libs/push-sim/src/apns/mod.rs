//! Apple's side of the protocol: what a request says, whether it is good, and what is answered.
//!
//! Nothing here knows about sockets. A request comes in as headers and bytes, an [`Answer`] goes
//! out.

pub(crate) mod auth;
pub(crate) mod broadcast;
pub(crate) mod certificate;
pub(crate) mod provider_token;
pub(crate) mod push_type;
pub(crate) mod reason;
pub(crate) mod request;
pub(crate) mod rules;

use reason::Reason;

/// A refusal: Apple's reason and, with 410, since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: Reason,
    pub(crate) timestamp_ms: Option<i64>,
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Rejection {
        Rejection {
            reason,
            timestamp_ms: None,
        }
    }
}

/// What goes back to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) reason: Option<String>,
    pub(crate) timestamp_ms: Option<i64>,
    /// A body other than the usual `{"reason":…}`.
    pub(crate) body: Option<String>,
    pub(crate) channel_id: Option<String>,
    pub(crate) retry_after_secs: Option<u64>,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Answer {
        Answer {
            status,
            reason: None,
            timestamp_ms: None,
            body: None,
            channel_id: None,
            retry_after_secs: None,
        }
    }

    /// The body to send, if any.
    pub(crate) fn body_text(&self) -> Option<String> {
        if let Some(body) = &self.body {
            return Some(body.clone());
        }
        let reason = serde_json::Value::from(self.reason.as_deref()?);
        Some(match self.timestamp_ms {
            Some(at) => format!(r#"{{"reason":{reason},"timestamp":{at}}}"#),
            None => format!(r#"{{"reason":{reason}}}"#),
        })
    }
}

impl From<Rejection> for Answer {
    fn from(rejection: Rejection) -> Answer {
        Answer {
            reason: Some(rejection.reason.text().to_owned()),
            timestamp_ms: rejection.timestamp_ms,
            ..Answer::status(rejection.reason.status())
        }
    }
}
