//! Google's token endpoint: an assertion in, an access token out.
//!
//! Source: "Using OAuth 2.0 for server to server applications" (the claims, the hour, the errors);
//! the order of the checks is ours.

use serde_json::json;

use super::Google;
use super::assertion::Assertion;
use super::bearer::Grant;
use super::call::{Call, form};
use super::reply::Reply;
use super::settings::FcmSettings;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Longest time between `iat` and `exp` in seconds.
const MAX_LIFETIME_SECS: i64 = 3600;
/// What the audience may be besides the address here: clients have Google's built in.
const AUDIENCES: [&str; 3] = [
    "https://oauth2.googleapis.com/token",
    "https://www.googleapis.com/oauth2/v4/token",
    "https://accounts.google.com/o/oauth2/token",
];
const TIME_ERROR: &str = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                          reasonable timeframe. Check your iat and exp values in the JWT claim.";

/// An error of RFC 6749, section 5.2.
#[derive(Debug)]
struct OauthError(u16, &'static str, String);

fn invalid_grant(text: impl Into<String>) -> OauthError {
    OauthError(400, "invalid_grant", text.into())
}

/// Answers `POST /token`; the flag says whether an access token was given.
pub(super) fn token(
    google: &mut Google,
    call: &Call<'_>,
    settings: &FcmSettings,
    now_ms: i64,
) -> (Reply, bool) {
    match exchange(google, call, settings, now_ms) {
        Ok((access_token, expires_in)) => {
            let body = json!({
                "access_token": access_token,
                "expires_in": expires_in,
                "token_type": "Bearer",
            });
            (Reply::json(200, &body), true)
        }
        Err(OauthError(status, error, description)) => {
            let body = json!({ "error": error, "error_description": description });
            (Reply::json(status, &body).coded(error), false)
        }
    }
}

fn exchange(
    google: &mut Google,
    call: &Call<'_>,
    settings: &FcmSettings,
    now_ms: i64,
) -> Result<(String, i64), OauthError> {
    if call.method != http::Method::POST {
        let text = format!("{} is not the method of this endpoint", call.method);
        return Err(OauthError(405, "invalid_request", text));
    }
    let body = String::from_utf8_lossy(call.body);
    let field = |name: &str| {
        form(&body)
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    };
    match field("grant_type").as_deref() {
        Some(GRANT_TYPE) => {}
        None | Some("") => {
            let text = "Missing required parameter: grant_type";
            return Err(OauthError(400, "invalid_request", text.into()));
        }
        Some(other) => {
            let text = format!("Invalid grant_type: {other}");
            return Err(OauthError(400, "unsupported_grant_type", text));
        }
    }
    let jwt = field("assertion")
        .filter(|jwt| !jwt.is_empty())
        .ok_or_else(|| {
            let text = "Missing required parameter: assertion";
            OauthError(400, "invalid_request", text.into())
        })?;
    let assertion =
        Assertion::parse(&jwt).map_err(|why| invalid_grant(format!("Invalid JWT: {why}.")))?;
    let own = [
        format!("{}/token", google.base_url),
        format!(
            "{}/token",
            google.base_url.replace("localhost", "127.0.0.1")
        ),
    ];
    let audience = assertion.audience.as_str();
    if !AUDIENCES.contains(&audience) && !own.iter().any(|one| one == audience) {
        return Err(invalid_grant(format!(
            "Invalid JWT: Failed audience check. The right audience is {}",
            own[0]
        )));
    }
    judge_times(&assertion, settings, now_ms.div_euclid(1000))?;
    let account = google
        .accounts
        .get(&assertion.issuer)
        .ok_or_else(|| invalid_grant("Invalid grant: account not found"))?;
    let is_signed = assertion
        .key_id
        .as_deref()
        .is_some_and(|key_id| account.verifies(key_id, assertion.signed, &assertion.signature));
    if !is_signed {
        return Err(invalid_grant("Invalid JWT Signature."));
    }
    if assertion
        .subject
        .as_ref()
        .is_some_and(|subject| *subject != assertion.issuer)
    {
        let text = "Client is unauthorized to retrieve access tokens using this method, or client \
                    not authorized for any of the scopes requested.";
        return Err(OauthError(401, "unauthorized_client", text.into()));
    }
    let is_scope = |one: &str| one.starts_with("https://www.googleapis.com/auth/");
    if assertion.scope.is_empty() || !assertion.scope.split(' ').all(is_scope) {
        let text = "Invalid OAuth scope or ID token audience provided.";
        return Err(OauthError(400, "invalid_scope", text.into()));
    }
    let expires_in = settings.access_token_secs;
    let access_token = google.grants.give(Grant::new(
        assertion.issuer,
        assertion.scope,
        now_ms + expires_in * 1000,
    ));
    Ok((access_token, expires_in))
}

/// The hour, and "a reasonable timeframe" by the simulator's clock.
fn judge_times(
    assertion: &Assertion<'_>,
    settings: &FcmSettings,
    now: i64,
) -> Result<(), OauthError> {
    let lifetime = assertion.expires_at.saturating_sub(assertion.issued_at);
    let is_short = (1..=MAX_LIFETIME_SECS).contains(&lifetime);
    let is_issued = assertion.issued_at <= now + settings.clock_skew_secs;
    let is_valid = assertion.expires_at > now;
    match is_short && is_issued && is_valid {
        true => Ok(()),
        false => Err(invalid_grant(TIME_ERROR)),
    }
}
