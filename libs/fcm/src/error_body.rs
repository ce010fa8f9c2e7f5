//! The JSON that Google puts in error bodies, read as leniently as it is written: parts may be missing, of another type,
//! in another order, or the whole may be an HTML page of a front end.
//!
//! It only reads. What the parts mean together is told in [`reason`](crate::reason).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::ttl::parse_duration;

/// `FcmError.errorCode`: FCM's own word for what went wrong. The list is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `UNSPECIFIED_ERROR`: nothing more is known.
    Unspecified,
    /// `INVALID_ARGUMENT`: the message, or the push token in it.
    InvalidArgument,
    /// `UNREGISTERED`: the app instance is gone.
    Unregistered,
    /// `SENDER_ID_MISMATCH`: the push token belongs to another project.
    SenderIdMismatch,
    /// `QUOTA_EXCEEDED`: too many messages, to a device, a topic or at all.
    QuotaExceeded,
    /// `UNAVAILABLE`: overloaded.
    Unavailable,
    /// `INTERNAL`: a fault at Google's.
    Internal,
    /// `THIRD_PARTY_AUTH_ERROR` (once `APNS_AUTH_ERROR`): APNs or a web push service refused the project's key.
    ThirdPartyAuthError,
    /// A code this version does not know.
    Unknown(Box<str>),
}

/// What a `google.rpc.Status` in an error body says.
///
/// The texts may repeat parts of the request, so `Debug` leaves them out.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// `status`, such as `NOT_FOUND`; empty if there is none.
    pub status: Box<str>,
    /// `message`: a sentence. It may repeat parts of the request.
    pub message: Box<str>,
    /// `FcmError.errorCode`.
    pub error_code: Option<ErrorCode>,
    /// `ApnsError`: what APNs answered to FCM.
    pub apns: Option<ApnsError>,
    /// `BadRequest.fieldViolations`.
    pub field_violations: Vec<FieldViolation>,
    /// `QuotaFailure.violations`: the subjects.
    pub quota_subjects: Vec<Box<str>>,
    /// `ErrorInfo`.
    pub info: Option<ErrorInfo>,
    /// `RetryInfo.retryDelay`.
    pub retry_delay: Option<Duration>,
}

/// `google.firebase.fcm.v1.ApnsError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnsError {
    /// APNs' HTTP status.
    pub status: u16,
    /// APNs' reason, such as `Unregistered`.
    pub reason: Box<str>,
}

/// One of `google.rpc.BadRequest`'s `fieldViolations`.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field, such as `message.data[0].value`.
    pub field: Box<str>,
    /// A sentence. It may repeat what stood in the field.
    pub description: Box<str>,
}

/// `google.rpc.ErrorInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorInfo {
    /// Such as `RATE_LIMIT_EXCEEDED`.
    pub reason: Box<str>,
    /// Such as `googleapis.com`.
    pub domain: Box<str>,
    /// Such as `quota_limit` → `SendsPerMinutePerProject`.
    pub metadata: BTreeMap<Box<str>, Box<str>>,
}

impl ErrorBody {
    /// Reads what can be read; what cannot is left empty.
    ///
    /// ```
    /// use fcm::{ErrorBody, ErrorCode};
    /// let body = ErrorBody::read(br#"{"error":{"code":404,"message":"gone","status":"NOT_FOUND","details":[
    ///     {"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}]}}"#);
    /// assert_eq!(&*body.status, "NOT_FOUND");
    /// assert_eq!(body.error_code, Some(ErrorCode::Unregistered));
    /// assert_eq!(ErrorBody::read(b"<html>502</html>"), ErrorBody::default());
    /// ```
    pub fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return Self::default();
        };
        // Some of Google's front ends wrap the answer in a list of one.
        let top = value.get(0).unwrap_or(&value);
        let error = &top["error"];
        let mut read = Self {
            status: text(&error["status"]),
            message: text(&error["message"]),
            ..Self::default()
        };
        for detail in list(&error["details"]) {
            let kind = detail["@type"].as_str().unwrap_or_default();
            read.detail(kind.rsplit(['/', '.']).next().unwrap_or_default(), detail);
        }
        read
    }

    fn detail(&mut self, kind: &str, detail: &Value) {
        match kind {
            "FcmError" => {
                self.error_code = detail["errorCode"].as_str().map(ErrorCode::from);
            }
            "ApnsError" => {
                self.apns = Some(ApnsError {
                    status: detail["statusCode"]
                        .as_u64()
                        .and_then(|status| u16::try_from(status).ok())
                        .unwrap_or_default(),
                    reason: text(&detail["reason"]),
                });
            }
            "BadRequest" => {
                let violations = list(&detail["fieldViolations"]).map(|violation| FieldViolation {
                    field: text(&violation["field"]),
                    description: text(&violation["description"]),
                });
                self.field_violations.extend(violations);
            }
            "QuotaFailure" => {
                let violations = list(&detail["violations"]);
                self.quota_subjects
                    .extend(violations.map(|violation| text(&violation["subject"])));
            }
            "ErrorInfo" => {
                let metadata = detail["metadata"].as_object();
                self.info = Some(ErrorInfo {
                    reason: text(&detail["reason"]),
                    domain: text(&detail["domain"]),
                    metadata: metadata
                        .into_iter()
                        .flatten()
                        .map(|(name, value)| (name.as_str().into(), text(value)))
                        .collect(),
                });
            }
            "RetryInfo" => {
                self.retry_delay = detail["retryDelay"].as_str().and_then(parse_duration);
            }
            _ => {}
        }
    }

    /// Whether the quota that ran out is the whole project's.
    pub fn is_project_quota(&self) -> bool {
        self.info.as_ref().is_some_and(|info| {
            &*info.reason == "RATE_LIMIT_EXCEEDED"
                && info
                    .metadata
                    .get("quota_limit")
                    .is_none_or(|limit| limit.ends_with("PerProject"))
        })
    }
}

impl ErrorCode {
    /// FCM's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unspecified => "UNSPECIFIED_ERROR",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Unregistered => "UNREGISTERED",
            Self::SenderIdMismatch => "SENDER_ID_MISMATCH",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::ThirdPartyAuthError => "THIRD_PARTY_AUTH_ERROR",
            Self::Unknown(text) => text,
        }
    }
}

fn text(value: &Value) -> Box<str> {
    value.as_str().unwrap_or_default().into()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

// === impl ErrorCode ===

impl From<&str> for ErrorCode {
    fn from(text: &str) -> Self {
        match text {
            "UNSPECIFIED_ERROR" => Self::Unspecified,
            "INVALID_ARGUMENT" => Self::InvalidArgument,
            "UNREGISTERED" => Self::Unregistered,
            "SENDER_ID_MISMATCH" => Self::SenderIdMismatch,
            "QUOTA_EXCEEDED" => Self::QuotaExceeded,
            "UNAVAILABLE" => Self::Unavailable,
            "INTERNAL" => Self::Internal,
            "THIRD_PARTY_AUTH_ERROR" | "APNS_AUTH_ERROR" => Self::ThirdPartyAuthError,
            other => Self::Unknown(other.into()),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ErrorBody, FieldViolation ===

impl fmt::Debug for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorBody")
            .field("status", &self.status)
            .field("error_code", &self.error_code)
            .field("apns", &self.apns)
            .field("field_violations", &self.field_violations)
            .field("info", &self.info)
            .field("retry_delay", &self.retry_delay)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for FieldViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldViolation")
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_detail_is_read_in_any_order_and_in_a_list() {
        let body = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.Help","links":[]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12s"},
            {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"googleapis.com",
             "metadata":{"quota_limit":"SendsPerMinutePerProject","odd":7}},
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"project:1","description":"d"}]},
            {"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"message.token"},{}]},
            {"@type":"type.googleapis.com/google.firebase.fcm.v1.ApnsError","statusCode":410,"reason":"Unregistered"},
            {"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"QUOTA_EXCEEDED"},
            7, null]}}"#;
        for body in [body.to_owned(), format!("[{body}]")] {
            let read = ErrorBody::read(body.as_bytes());
            assert_eq!(&*read.status, "RESOURCE_EXHAUSTED");
            assert_eq!(read.error_code, Some(ErrorCode::QuotaExceeded));
            assert_eq!(read.retry_delay, Some(Duration::from_secs(12)));
            assert!(read.is_project_quota());
            assert_eq!(*read.quota_subjects, ["project:1".into()]);
            assert_eq!(&*read.field_violations[0].field, "message.token");
            assert_eq!(read.field_violations.len(), 2);
            let apns = read.apns.unwrap();
            assert_eq!((apns.status, &*apns.reason), (410, "Unregistered"));
        }
    }

    #[test]
    fn what_is_not_google_is_empty() {
        for body in [
            "",
            "{",
            "[]",
            "7",
            "null",
            r#"{"error":"Deprecated endpoint"}"#,
            "<html>",
            r#"{"error":{"status":7,"details":{"@type":1}}}"#,
        ] {
            assert_eq!(
                ErrorBody::read(body.as_bytes()),
                ErrorBody::default(),
                "{body}"
            );
        }
    }

    #[test]
    fn codes_are_spelt_as_they_came() {
        for code in [
            "UNSPECIFIED_ERROR",
            "INVALID_ARGUMENT",
            "UNREGISTERED",
            "SENDER_ID_MISMATCH",
            "QUOTA_EXCEEDED",
            "UNAVAILABLE",
            "INTERNAL",
            "THIRD_PARTY_AUTH_ERROR",
            "NEW_ONE",
        ] {
            assert_eq!(ErrorCode::from(code).as_str(), code);
        }
        assert_eq!(
            ErrorCode::from("APNS_AUTH_ERROR"),
            ErrorCode::ThirdPartyAuthError
        );
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            drop(ErrorBody::read(&body));
        }
    }
}
