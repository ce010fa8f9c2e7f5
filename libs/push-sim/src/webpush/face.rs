//! How an answer looks: one decision in the words of each service.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde_json::json;
use uuid::Uuid;

use super::refusal::{Refusal, errno_of_status};
use super::service::WebPushService;
use crate::apns::Answer;

/// What an answer tells besides its status.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    pub(crate) service: WebPushService,
    /// Of this request: Apple's `apns-id`, WNS's message id, the end of Mozilla's message URL.
    pub(crate) message_id: Uuid,
    /// Where the message can be cancelled, and for how many seconds it is kept.
    pub(crate) accepted: Option<Accepted>,
    /// Why it was refused, if nobody scripted another answer.
    pub(crate) refusal: Option<Refusal>,
}

/// What is told about a message that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) location: String,
    pub(crate) ttl_secs: u32,
    /// The browser was offline and nothing is kept.
    pub(crate) is_dropped: bool,
}

impl Face {
    /// Head and body of the answer.
    pub(crate) fn response(&self, answer: &Answer) -> (Response<()>, Option<String>) {
        let mut response = Response::new(());
        *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
        let headers = response.headers_mut();
        if let Some(seconds) = answer.retry_after_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let is_success = (200..300).contains(&answer.status);
        if is_success && let Some(accepted) = &self.accepted {
            put(headers, LOCATION, &accepted.location);
            put(headers, TTL, &accepted.ttl_secs.to_string());
        }
        if self.service == WebPushService::Apple {
            let id = self.message_id.hyphenated().to_string().to_uppercase();
            put(headers, APNS_ID, &id);
        }
        if self.service == WebPushService::Wns {
            self.wns_headers(headers, answer, is_success);
        }
        if self.service == WebPushService::Mozilla && answer.status == 410 {
            put(headers, CACHE_CONTROL, "max-age=86400");
        }
        let body = match &answer.body {
            Some(body) => Some(body.clone()),
            None if is_success => None,
            None => self.error_body(answer),
        };
        if body.as_ref().is_some_and(|body| !body.is_empty()) {
            let kind = match self.service {
                WebPushService::Mozilla | WebPushService::Apple => "application/json",
                WebPushService::Fcm | WebPushService::Wns => "text/plain; charset=utf-8",
            };
            put(headers, CONTENT_TYPE, kind);
        }
        (response, body)
    }

    /// The refusal, unless a script answers with another status.
    fn told(&self, answer: &Answer) -> Option<Refusal> {
        let refusal = self.refusal?;
        (refusal.status(self.service) == answer.status
            && answer.reason.as_deref() == Some(refusal.reason()))
        .then_some(refusal)
    }

    fn error_body(&self, answer: &Answer) -> Option<String> {
        let refusal = self.told(answer);
        let status = http::StatusCode::from_u16(answer.status).unwrap_or_default();
        let name = status.canonical_reason().unwrap_or("Error");
        let sentence = refusal
            .map(Refusal::text)
            .or(answer.reason.as_deref())
            .unwrap_or(name);
        match self.service {
            WebPushService::Mozilla => {
                let errno = match refusal {
                    Some(refusal) => refusal.errno(),
                    None => errno_of_status(answer.status),
                };
                let mut body = json!({
                    "code": answer.status,
                    "error": name,
                    "message": sentence,
                    "more_info": "http://autopush.readthedocs.io/en/latest/http.html#error-codes",
                });
                if let Some(errno) = errno {
                    body["errno"] = errno.into();
                }
                Some(body.to_string())
            }
            WebPushService::Apple => answer
                .reason
                .as_deref()
                .map(|reason| json!({ "reason": reason }).to_string()),
            WebPushService::Fcm => Some(format!("{sentence}\n")),
            WebPushService::Wns => None,
        }
    }

    fn wns_headers(&self, headers: &mut HeaderMap, answer: &Answer, is_success: bool) {
        let is_dropped = self
            .accepted
            .as_ref()
            .is_some_and(|accepted| accepted.is_dropped);
        let (state, notification) = match answer.status {
            _ if is_success && is_dropped => ("received", "dropped"),
            _ if is_success => ("received", "received"),
            404 | 410 => ("dropped", "revoked"),
            406 | 429 => ("dropped", "channelThrottled"),
            _ => ("dropped", "dropped"),
        };
        put(headers, WNS_STATUS, state);
        put(headers, WNS_NOTIFICATION, notification);
        put(
            headers,
            WNS_MESSAGE,
            &self.message_id.simple().to_string().to_uppercase(),
        );
        let told = self.told(answer).map(Refusal::text);
        if let Some(text) = told.or(answer.reason.as_deref()).filter(|_| !is_success) {
            put(headers, WNS_ERROR, text);
        }
    }
}

const TTL: HeaderName = HeaderName::from_static("ttl");
const APNS_ID: HeaderName = HeaderName::from_static("apns-id");
const WNS_STATUS: HeaderName = HeaderName::from_static("x-wns-status");
const WNS_NOTIFICATION: HeaderName = HeaderName::from_static("x-wns-notificationstatus");
const WNS_ERROR: HeaderName = HeaderName::from_static("x-wns-error-description");
const WNS_MESSAGE: HeaderName = HeaderName::from_static("x-wns-msg-id");

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
