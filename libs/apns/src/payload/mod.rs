//! Bodies of pushes: typed builders for every push type, raw JSON, and the rules both must keep.
//!
//! A [`Payload`] is a push type and the bytes of a JSON object that is fit for it. There are three ways to one:
//!
//! * a typed body, such as [`AlertPayload`] or [`LiveActivityStart`];
//! * [`Payload::raw`], which checks JSON that came from elsewhere;
//! * [`Payload::prechecked`], for servers that have run [`check`] before and do not want to pay for it again.
//!
//! Apple's keys stand under `aps`; your own stand **beside** it, at the top level.
//! Source: Apple, *Generating a remote notification*.

mod alert;
mod check;
mod flag;
mod json;
mod keys;
mod live_activity;
mod notification;
mod problem;
mod silent;
mod sound;
#[cfg(test)]
mod tests;
mod truncate;

use bytes::Bytes;
use serde::Serialize;

pub use self::alert::Alert;

pub(crate) use self::check::size_problem;
pub use self::check::{check, check_broadcast};
pub use self::live_activity::{
    LiveActivityAlert, LiveActivityEnd, LiveActivityEvent, LiveActivityPayload, LiveActivityStart,
    LiveActivityUpdate, Text,
};
pub use self::notification::{AlertPayload, Aps, InterruptionLevel};
pub use self::problem::{PayloadError, Problem};
pub use self::silent::{
    BackgroundPayload, ComplicationPayload, ControlsPayload, FileProviderPayload, LocationPayload,
    MdmPayload, PushToTalkPayload, VoipPayload, WidgetsPayload,
};
pub use self::sound::Sound;
use crate::push_type::PushType;

/// A push type, and a body that is fit for it. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    push_type: PushType,
    body: Bytes,
}

// === impl Payload ===

impl Payload {
    /// Takes JSON as it stands, after checking it with [`check`].
    ///
    /// ```
    /// use apns::{PushType, payload::Payload};
    /// let error = Payload::raw(PushType::Alert, r#"{"aps":{"alert":"down","badge":-1}}"#).unwrap_err();
    /// assert_eq!(&*error.problems()[0].pointer, "/aps/badge");
    /// ```
    ///
    /// # Errors
    /// With every rule of the push type that it breaks.
    pub fn raw(push_type: PushType, body: impl Into<Bytes>) -> Result<Self, PayloadError> {
        let body = body.into();
        let problems = check(push_type, &body);
        if problems.is_empty() {
            Ok(Self { push_type, body })
        } else {
            Err(PayloadError::new(push_type, problems))
        }
    }

    /// Takes JSON that was checked before. A request still refuses an empty or an oversized one.
    pub fn prechecked(push_type: PushType, body: impl Into<Bytes>) -> Self {
        Self {
            push_type,
            body: body.into(),
        }
    }

    /// Writes a typed body and checks it.
    fn of(push_type: PushType, body: &impl Serialize) -> Result<Self, PayloadError> {
        Self::raw(push_type, json(body))
    }

    /// The push type.
    pub fn push_type(&self) -> PushType {
        self.push_type
    }

    /// The JSON.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The JSON, without a copy.
    pub fn into_body(self) -> Bytes {
        self.body
    }
}

/// A typed body as JSON.
fn json(body: &impl Serialize) -> Vec<u8> {
    // Our own types have string keys and no fallible `Serialize`, so writing to memory cannot fail; an empty body, which the
    // check refuses, would be the answer if it did.
    serde_json::to_vec(body).unwrap_or_default()
}
