//! `POST /v1/apps/{app}/credentials/{name}/probe`: does the gateway take this credential?
//!
//! One push goes to a random, well-formed push token in each environment. That it is not known is the
//! good answer: Apple (`BadDeviceToken`) checks key, team and topic before it looks for the device, and
//! Google, who is only asked to validate, checks account, rights and project. VAPID keys are not tried:
//! nobody judges them before a browser has subscribed with them.

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
/// Sends one push to a random push token in each environment; nobody gets it. VAPID keys are only
/// opened: browsers' push services judge them with a subscription and not before. Needs the scope
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
            Some(_) if credential.gateway == Gateway::WebPush => {
                results.push(untried(*environment));
                continue;
            }
            Some(spec) => {
                let push = push(&api, credential.gateway, topic.clone())?;
                Some(api.gateway(credential.gateway)?.probe(spec, push).await)
            }
            None => None,
        };
        results.push(judge(
            credential.gateway,
            *environment,
            topic.clone(),
            outcome,
        ));
    }
    answer::ok(&ProbeReport {
        ok: results.iter().all(|result| result.ok),
        results,
    })
}

/// A push that looks like any other, to a device that does not exist.
fn push(api: &Api, gateway: Gateway, topic: Option<String>) -> Result<Push, Problem> {
    let mut bytes = [0u8; 48];
    (api.random)(&mut bytes);
    let (address, id) = bytes.split_at(32);
    let adapter = api.gateway(gateway)?;
    let address = PushTokenBytes(Bytes::copy_from_slice(address)).to_hex();
    let address = match gateway {
        // As long, and put together, as those that Google gives.
        Gateway::Fcm => format!("{}:APA91b{address}{address}", &address[..22]),
        Gateway::Apns | Gateway::WebPush => address,
    };
    let invalid = |what: &str| Problem::internal(format!("a probe is not a valid push: {what}"));
    let push_token = adapter
        .read_push_token(&address)
        .map_err(|why| invalid(&why))?;
    let content = Content {
        body: Some("Carillon".into()),
        ..Content::default()
    };
    let options = RequestOptions {
        apns_topic: topic,
        ..RequestOptions::default()
    };
    let target = Target::PushTokens(vec![address]);
    let prepared = adapter
        .prepare(&target, &content, &options, api.now())
        .map_err(|problems| invalid(&format!("{problems:?}")))?;
    let id = id
        .try_into()
        .map_err(|_| invalid("an id has another length"))?;
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

/// What can be said of VAPID keys: they are here, and can be opened.
fn untried(environment: Environment) -> ProbeResult {
    ProbeResult {
        environment: environment.as_str(),
        topic: None,
        ok: true,
        meaning: "The VAPID keys are there and can be opened. Browsers' push services judge them with a subscription only, so the first push to a browser will tell.".to_owned(),
        mend: None,
        gateway: None,
    }
}

fn judge(
    gateway: Gateway,
    environment: Environment,
    topic: Option<String>,
    outcome: Option<Outcome>,
) -> ProbeResult {
    let (good, reference, vendor) = match gateway {
        Gateway::Fcm => (
            "Account, rights and project are right: the gateway looked for the random registration token and did not find it.",
            "Look the reason up in Google's \"FCM error codes\".",
            "Google",
        ),
        Gateway::Apns | Gateway::WebPush => (
            "Credential and topic are right: the gateway looked for the random push token and did not find it.",
            "Look the reason up in Apple's \"Handling notification responses from APNs\".",
            "Apple",
        ),
    };
    let words = outcome
        .as_ref()
        .and_then(|outcome| outcome.answer.as_deref())
        .map(|answer| GatewayWords {
            status: answer.status,
            reason: answer.reason.clone(),
        });
    let reason = words.as_ref().map_or("", |words| words.reason.as_str());
    let known = reasons::find(reason);
    let (ok, meaning, mend) = match outcome.map(|outcome| outcome.verdict) {
        None => (
            false,
            "The stored secret cannot be opened.".to_owned(),
            Some("Set the credential again, or start Carillon with the master key it was sealed with.".to_owned()),
        ),
        Some(Verdict::Rejected(TokenFate::WrongEnvironment | TokenFate::Retire { .. })) => (
            true,
            good.to_owned(),
            None,
        ),
        Some(Verdict::Accepted) => (true, "The gateway took the push.".to_owned(), None),
        Some(Verdict::Blocked(trouble)) => (false, format!("The gateway takes no push: {}.", trouble.reason), Some(trouble.mend)),
        Some(Verdict::Rejected(_)) => (
            false,
            known.map_or_else(|| format!("The gateway refused the push: {reason}."), |known| known.meaning.to_owned()),
            Some(known.map_or_else(
                || reference.to_owned(),
                |known| known.mend.to_owned(),
            )),
        ),
        Some(Verdict::Retry { .. } | Verdict::NotSent | Verdict::InDoubt | Verdict::Expired | Verdict::Withdrawn) => (
            false,
            "The gateway gave no clear answer.".to_owned(),
            Some(format!("Try again in a minute; if it stays, look at the network to {vendor}.")),
        ),
    };
    ProbeResult {
        environment: environment.as_str(),
        topic,
        ok,
        meaning,
        mend,
        gateway: words,
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
    fn google_is_judged_in_its_own_words() {
        let of = |outcome| judge(Gateway::Fcm, Environment::Production, None, outcome);
        let dead = Verdict::Rejected(TokenFate::Retire { since: None });
        let good = of(outcome(dead, 400, "INVALID_ARGUMENT"));
        assert!(good.ok && good.meaning.contains("project"), "{good:?}");
        let late = of(outcome(Verdict::InDoubt, 0, "timeout"));
        assert!(late.mend.unwrap().contains("Google"));
        let strange = Verdict::Rejected(TokenFate::Keep);
        let strange = of(outcome(strange, 400, "BRAND_NEW"));
        assert!(strange.mend.unwrap().contains("Google"));
    }

    #[test]
    fn vapid_keys_are_well_without_a_trial() {
        let result = untried(Environment::Production);
        assert!(result.ok && result.meaning.contains("first push"));
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
            let result = judge(Gateway::Apns, Environment::Sandbox, None, outcome);
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
