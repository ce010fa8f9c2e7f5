//! Answers that a script asks for by name: every shape of Google's error table.

use super::error::{GoogleError, status_name};
use super::reply::Reply;
use super::send::refusal;
use super::settings::FcmSettings;
use crate::apns::Answer;

/// What Google's front ends say when nobody behind them does.
const HTML: &str = "<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>\n\
                    <p>The server encountered a temporary error and could not complete your \
                    request.</p>\n</html>\n";

/// The shape called `name`; `None`: Google has no such code.
fn shape(name: &str, project: &str) -> Option<GoogleError> {
    let argument = |text: &str| GoogleError::coded(400, "INVALID_ARGUMENT", text);
    Some(match name {
        "UNREGISTERED" => GoogleError::unregistered(),
        "SENDER_ID_MISMATCH" => GoogleError::sender_id_mismatch(),
        "INVALID_ARGUMENT" => argument("Request contains an invalid argument."),
        "INVALID_REGISTRATION" => GoogleError::bad_registration(),
        "INVALID_TOKEN_FIELD" => {
            GoogleError::invalid("message.token", "Invalid registration token")
        }
        "INVALID_DATA_FIELD" => GoogleError::malformed(vec![(
            "message.data[0].value".into(),
            "Invalid value at 'message.data[0].value' (TYPE_STRING), 17".into(),
        )]),
        "APNS_UNREGISTERED" => {
            argument("APNs device token is disabled.").with_apns(410, "Unregistered")
        }
        "APNS_BAD_DEVICE_TOKEN" => {
            argument("Invalid APNs device token.").with_apns(400, "BadDeviceToken")
        }
        "APNS_PAYLOAD_TOO_LARGE" => {
            argument("The payload for APNs is too large.").with_apns(413, "PayloadTooLarge")
        }
        "MESSAGE_TOO_BIG" => GoogleError::too_big(),
        "QUOTA_EXCEEDED" => GoogleError::device_quota(),
        "RATE_LIMIT_EXCEEDED" => GoogleError::project_quota(project),
        "THIRD_PARTY_AUTH_ERROR" => GoogleError::third_party("InvalidProviderToken"),
        "BAD_ENVIRONMENT_KEY" => GoogleError::third_party("BadEnvironmentKeyInToken"),
        "UNAUTHENTICATED" => GoogleError::unauthenticated("ACCESS_TOKEN_EXPIRED"),
        "PERMISSION_DENIED" => GoogleError::plain(403, "The caller does not have permission"),
        "NOT_FOUND" => GoogleError::nothing_here(),
        "UNAVAILABLE" => {
            GoogleError::coded(503, "UNAVAILABLE", "The service is currently unavailable.")
        }
        "INTERNAL" => GoogleError::coded(500, "INTERNAL", "Internal error encountered."),
        "UNSPECIFIED_ERROR" => {
            GoogleError::coded(500, "UNSPECIFIED_ERROR", "Unknown error encountered.")
        }
        _ => return None,
    })
}

/// The scripted answer `asked` as Google would word it.
pub(super) fn reply(asked: &Answer, project: &str, settings: &FcmSettings) -> Reply {
    let status = asked.status;
    let reason = asked.reason.as_deref();
    let reply = match (&asked.body, reason) {
        (Some(body), _) => Reply::text(status, body).coded(reason.unwrap_or("scripted")),
        (None, Some("HTML")) => Reply::text(status, HTML).coded("HTML"),
        (None, Some(name)) => match shape(name, project) {
            Some(mut error) => {
                error.status = status;
                refusal(&error, settings)
            }
            None => GoogleError::plain(status, name).reply().coded(name),
        },
        (None, None) => {
            let error = GoogleError::plain(status, status_name(status));
            refusal(&error, settings)
        }
    };
    match asked.retry_after_secs {
        Some(seconds) => reply.retry_after(Some(seconds)),
        None => reply,
    }
}
