//! Google's errors: the canonical status, a sentence, and the details that tell what it was.
//!
//! Sources: "FCM error codes"; the `google.rpc` detail types; fixtures of public clients for the
//! sentences.

use http::header::WWW_AUTHENTICATE;
use serde_json::{Value, json};

use super::reply::Reply;

/// An error of one of Google's APIs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoogleError {
    pub(super) status: u16,
    pub(super) message: String,
    /// `errorCode` of the FcmError.
    pub(super) code: Option<&'static str>,
    details: Box<Details>,
}

/// What tells more about an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Details {
    /// BadRequest: field and description.
    violations: Vec<(String, String)>,
    /// ApnsError: status and Apple's reason.
    apns: Option<(u16, &'static str)>,
    /// QuotaFailure: subject and description.
    quota: Option<(String, &'static str)>,
    /// ErrorInfo: reason and metadata.
    info: Option<(&'static str, Vec<(&'static str, String)>)>,
}

/// The name of the canonical status that Google gives with an HTTP status.
pub(super) fn status_name(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ALREADY_EXISTS",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "UNKNOWN",
    }
}

impl GoogleError {
    /// Without details.
    pub(super) fn plain(status: u16, message: impl Into<String>) -> GoogleError {
        GoogleError {
            status,
            message: message.into(),
            code: None,
            details: Box::default(),
        }
    }

    /// With an FcmError.
    pub(super) fn coded(
        status: u16,
        code: &'static str,
        message: impl Into<String>,
    ) -> GoogleError {
        GoogleError {
            code: Some(code),
            ..GoogleError::plain(status, message)
        }
    }

    /// The JSON does not fit the schema: 400 with BadRequest, without an FcmError.
    pub(super) fn malformed(violations: Vec<(String, String)>) -> GoogleError {
        let message = violations
            .iter()
            .map(|(_, description)| description.as_str())
            .collect::<Vec<_>>()
            .join("\n");
        let mut error = GoogleError::plain(400, message);
        error.details.violations = violations;
        error
    }

    /// A field breaks a rule of FCM.
    pub(super) fn invalid(field: &str, description: impl Into<String>) -> GoogleError {
        let description = description.into();
        let mut error = GoogleError::coded(400, "INVALID_ARGUMENT", description.as_str());
        error.details.violations = vec![(field.to_owned(), description)];
        error
    }

    /// The bearer is missing or bad.
    pub(super) fn unauthenticated(reason: &'static str) -> GoogleError {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access \
                       token, login cookie or other valid authentication credential.";
        GoogleError::plain(401, message).because(reason, &[])
    }

    /// The bearer is good, but may not do this.
    pub(super) fn forbidden(message: impl Into<String>, reason: &'static str) -> GoogleError {
        GoogleError::plain(403, message).because(reason, &[])
    }

    /// Adds an ErrorInfo.
    pub(super) fn because(
        mut self,
        reason: &'static str,
        metadata: &[(&'static str, String)],
    ) -> GoogleError {
        self.details.info = Some((reason, metadata.to_vec()));
        self
    }

    /// Adds an ApnsError.
    pub(super) fn with_apns(mut self, status: u16, reason: &'static str) -> GoogleError {
        self.details.apns = Some((status, reason));
        self
    }

    /// No such project, or no such path.
    pub(super) fn nothing_here() -> GoogleError {
        GoogleError::plain(404, "Requested entity was not found.")
    }

    pub(super) fn unregistered() -> GoogleError {
        GoogleError::coded(404, "UNREGISTERED", "Requested entity was not found.")
    }

    pub(super) fn sender_id_mismatch() -> GoogleError {
        GoogleError::coded(403, "SENDER_ID_MISMATCH", "SenderId mismatch")
    }

    pub(super) fn bad_registration() -> GoogleError {
        let message = "The registration token is not a valid FCM registration token";
        GoogleError::coded(400, "INVALID_ARGUMENT", message)
    }

    pub(super) fn too_big() -> GoogleError {
        GoogleError::coded(400, "INVALID_ARGUMENT", "Android message is too big")
    }

    /// Apple refuses the project's credential.
    pub(super) fn third_party(reason: &'static str) -> GoogleError {
        let message = "Auth error from APNS or Web Push Service";
        GoogleError::coded(401, "THIRD_PARTY_AUTH_ERROR", message).with_apns(403, reason)
    }

    /// Too many to one device.
    pub(super) fn device_quota() -> GoogleError {
        let message = "Message rate exceeded for the device.";
        let mut error = GoogleError::coded(429, "QUOTA_EXCEEDED", message);
        error.details.quota = Some((
            "device".into(),
            "Device message rate exceeded for this registration.",
        ));
        error
    }

    /// Too many from one project.
    pub(super) fn project_quota(project: &str) -> GoogleError {
        let message = "Quota exceeded for quota metric 'Send requests' and limit 'Send requests \
                       per minute per project' of service 'fcm.googleapis.com'.";
        GoogleError::plain(429, message).because(
            "RATE_LIMIT_EXCEEDED",
            &[
                ("quota_limit", "SendsPerMinutePerProject".into()),
                ("quota_metric", "fcm.googleapis.com/send_requests".into()),
                ("quota_unit", "1/min/{project}".into()),
                ("service", "fcm.googleapis.com".into()),
                ("consumer", format!("projects/{project}")),
            ],
        )
    }

    fn details(&self) -> Vec<Value> {
        let mut details = Vec::new();
        if let Some(code) = self.code {
            details.push(json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
                "errorCode": code,
            }));
        }
        if let Some((status, reason)) = self.details.apns {
            details.push(json!({
                "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
                "statusCode": status,
                "reason": reason,
            }));
        }
        if !self.details.violations.is_empty() {
            let violations: Vec<_> = self
                .details
                .violations
                .iter()
                .map(|(field, description)| json!({ "field": field, "description": description }))
                .collect();
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": violations,
            }));
        }
        if let Some((subject, description)) = &self.details.quota {
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{ "subject": subject, "description": description }],
            }));
        }
        if let Some((reason, metadata)) = &self.details.info {
            let metadata: serde_json::Map<String, Value> = metadata
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
                .collect();
            details.push(json!({
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": reason,
                "domain": "googleapis.com",
                "metadata": metadata,
            }));
        }
        details
    }

    /// As it goes over the wire.
    pub(super) fn reply(&self) -> Reply {
        let name = status_name(self.status);
        let mut error = json!({
            "code": self.status,
            "message": self.message,
            "status": name,
        });
        let details = self.details();
        if !details.is_empty() {
            error["details"] = details.into();
        }
        let code = self
            .code
            .or(self.details.info.as_ref().map(|(reason, _)| *reason))
            .unwrap_or(name);
        let reply = Reply::json(self.status, &json!({ "error": error })).coded(code);
        match self.status == 401 && self.code.is_none() {
            true => reply.header(
                WWW_AUTHENTICATE,
                "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"",
            ),
            false => reply,
        }
    }
}
