//! `POST /v1/apps/{app}/credentials/{name}/probe`: does the gateway take this credential?
//!
//! One push goes to a random, well-formed push token in each environment. `BadDeviceToken` is the
//! good answer: Apple checks key, team and topic before it looks for the device.

use super::find;
use crate::answer;
use crate::auth::Caller;
use crate::explain::reasons;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{GatewayWords, Problem};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use carillon_model::content::Content;
use carillon_model::environment::Environment;
use carillon_model::lane::Gateway;
use carillon_model::notification::RequestOptions;
use carillon_model::outcome::{Outcome, TokenFate, Verdict};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::target::Target;
use carillon_ports::gateway::{Message, Push};
use carillon_ports::registry::Scope;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the probes found.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProbeReport {
    /// Whether the gateway takes the credential in all its environments.
    ok: bool,
    /// One for each environment of the credential.
    results: Vec<ProbeResult>,
}

/// What the gateway said in one environment.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProbeResult {
    /// The environment.
    environment: &'static str,
    /// The topic that was tried.
    topic: Option<String>,
    /// Whether credential and topic are right here.
    ok: bool,
    /// What it means, in a sentence.
    meaning: String,
    /// What to do, when it is not right.
    mend: Option<String>,
    /// The gateway's own words.
    gateway: Option<GatewayWords>,
}

problems!(GUARDED, IN_APP; CREDENTIAL_UNKNOWN, SERVER_ERROR, SERVER_LATE);

/// Try a credential at the gateway.
///
/// Sends one push to a random push token in each environment; nobody gets it. Needs the scope
/// `admin`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/credentials/{name}/probe", operation_id = "credential_probe", tag = "credentials",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the credential"),
    ),
    responses((status = 200, description = "What the gateway said, also when it is bad.", body = ProbeReport), Problems),
)]
pub(crate) async fn probe(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Admin])?;
    let credential = find(&caller, app, &name)?;
    let topic = credential.facts.topics.first().cloned();
    let mut results = Vec::new();
    for environment in &credential.facts.environments {
        let outcome = match api.engine.pool_spec(app.no, &name, *environment) {
            Some(spec) => {
                let push = push(&api, topic.clone())?;
                Some(api.gateway(credential.gateway)?.probe(spec, push).await)
            }
            None => None,
        };
        results.push(judge(*environment, topic.clone(), outcome));
    }
    answer::ok(&ProbeReport {
        ok: results.iter().all(|result| result.ok),
        results,
    })
}

/// A push that looks like any other, to a device that does not exist.
fn push(api: &Api, topic: Option<String>) -> Result<Push, Problem> {
    let mut bytes = [0u8; 48];
    (api.random)(&mut bytes);
    let push_token = PushTokenBytes(Bytes::copy_from_slice(&bytes[..32]));
    let mut id = [0u8; 16];
    id.copy_from_slice(&bytes[32..]);
    let content = Content {
        body: Some("Carillon".into()),
        ..Content::default()
    };
    let options = RequestOptions {
        apns_topic: topic,
        ..RequestOptions::default()
    };
    let target = Target::PushTokens(vec![push_token.to_hex()]);
    let prepared = api
        .gateway(Gateway::Apns)?
        .prepare(&target, &content, &options, api.now())
        .map_err(|problems| {
            Problem::internal(format!("a probe is not a valid push: {problems:?}"))
        })?;
    Ok(Push {
        tag: 0,
        push_token,
        gateway_id: uuid::Builder::from_random_bytes(id).into_uuid(),
        message: Arc::new(Message {
            options: prepared.options,
            payload: prepared.payload,
            expires_at: None,
            cancelled: Arc::default(),
        }),
    })
}

fn judge(environment: Environment, topic: Option<String>, outcome: Option<Outcome>) -> ProbeResult {
    let gateway = outcome
        .as_ref()
        .and_then(|outcome| outcome.answer.as_deref())
        .map(|answer| GatewayWords {
            status: answer.status,
            reason: answer.reason.clone(),
        });
    let reason = gateway.as_ref().map_or("", |words| words.reason.as_str());
    let known = reasons::find(reason);
    let (ok, meaning, mend) = match outcome.map(|outcome| outcome.verdict) {
        None => (
            false,
            "The stored secret cannot be opened.".to_owned(),
            Some("Set the credential again, or start Carillon with the master key it was sealed with.".to_owned()),
        ),
        Some(Verdict::Rejected(TokenFate::WrongEnvironment | TokenFate::Retire { .. })) => (
            true,
            "Credential and topic are right: the gateway looked for the random push token and did not find it.".to_owned(),
            None,
        ),
        Some(Verdict::Accepted) => (true, "The gateway took the push.".to_owned(), None),
        Some(Verdict::Blocked(trouble)) => (false, format!("The gateway takes no push: {}.", trouble.reason), Some(trouble.mend)),
        Some(Verdict::Rejected(_)) => (
            false,
            known.map_or_else(|| format!("The gateway refused the push: {reason}."), |known| known.meaning.to_owned()),
            Some(known.map_or_else(
                || "Look the reason up in Apple's \"Handling notification responses from APNs\".".to_owned(),
                |known| known.mend.to_owned(),
            )),
        ),
        Some(Verdict::Retry { .. } | Verdict::NotSent | Verdict::InDoubt | Verdict::Expired | Verdict::Withdrawn) => (
            false,
            "The gateway gave no clear answer.".to_owned(),
            Some("Try again in a minute; if it stays, look at the network to Apple.".to_owned()),
        ),
    };
    ProbeResult {
        environment: environment.as_str(),
        topic,
        ok,
        meaning,
        mend,
        gateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::outcome::{Answer, Trouble, TroubleScope};

    fn outcome(verdict: Verdict, status: u16, reason: &str) -> Option<Outcome> {
        let answer = Answer {
            status,
            reason: reason.into(),
            ..Answer::default()
        };
        Some(Outcome {
            verdict,
            answer: Some(Box::new(answer)),
            connection: 0,
            elapsed_us: 0,
        })
    }

    #[test]
    fn bad_device_token_is_the_good_answer() {
        let trouble = Trouble {
            scope: TroubleScope::Credential,
            reason: "InvalidProviderToken".into(),
            mend: "Set the key again.".into(),
            retry_after_ms: None,
        };
        let rows = [
            (
                outcome(
                    Verdict::Rejected(TokenFate::WrongEnvironment),
                    400,
                    "BadDeviceToken",
                ),
                true,
                None,
            ),
            (
                outcome(
                    Verdict::Rejected(TokenFate::Retire { since: None }),
                    410,
                    "Unregistered",
                ),
                true,
                None,
            ),
            (outcome(Verdict::Accepted, 200, ""), true, None),
            (
                outcome(Verdict::Rejected(TokenFate::Keep), 400, "TopicDisallowed"),
                false,
                Some("owns the bundle id"),
            ),
            (
                outcome(Verdict::Rejected(TokenFate::Keep), 400, "Brandnew"),
                false,
                Some("Look the reason up"),
            ),
            (
                outcome(
                    Verdict::Rejected(TokenFate::WrongTopic),
                    400,
                    "DeviceTokenNotForTopic",
                ),
                false,
                Some("bundle id"),
            ),
            (
                outcome(Verdict::Blocked(trouble), 403, "InvalidProviderToken"),
                false,
                Some("Set the key again."),
            ),
            (
                outcome(Verdict::InDoubt, 0, "timeout"),
                false,
                Some("Try again"),
            ),
            (None, false, Some("Set the credential again")),
        ];
        for (outcome, ok, mend) in rows {
            let result = judge(Environment::Sandbox, None, outcome);
            assert_eq!(result.ok, ok, "{result:?}");
            match mend {
                None => assert_eq!(result.mend, None),
                Some(words) => assert!(
                    result.mend.as_deref().unwrap_or_default().contains(words),
                    "{result:?}"
                ),
            }
        }
    }
}
