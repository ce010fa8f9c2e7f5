//! Broadcast channels (Live Activities, iOS 18): kept by Apple, managed through the App's credential.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;

use crate::auth::Caller;
use crate::problem::{Problem, codes};
use crate::state::Api;
use carillon_model::app::App;
use carillon_model::environment::Environment;
use carillon_model::lane::Gateway;
use carillon_model::problem::FieldProblem;
use carillon_ports::gateway::{ChannelAnswer, ChannelCall, ChannelError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A broadcast channel.
#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
pub(crate) struct ChannelView {
    /// Its id, as Apple issued it.
    id: String,
    /// Its environment.
    environment: &'static str,
    /// Its topic: a bundle id.
    topic: String,
    /// Whether Apple keeps the newest message for phones that are offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
}

/// Where a channel is.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PlaceParams {
    /// `production` or `sandbox`.
    #[param(value_type = String, example = "production")]
    pub(crate) environment: Environment,
    /// Bundle id; default: the credential's first topic.
    pub(crate) topic: Option<String>,
    /// Name of the credential; default: the first one for this environment.
    pub(crate) credential: Option<String>,
}

/// A credential and topic to manage channels with.
pub(crate) struct Place {
    app: carillon_model::id::AppNo,
    credential: String,
    environment: Environment,
    topic: String,
}

impl Place {
    /// Finds credential and topic.
    pub(crate) fn find(caller: &Caller, app: &App, asked: PlaceParams) -> Result<Self, Problem> {
        let PlaceParams {
            environment,
            topic,
            credential,
        } = asked;
        let missing = || {
            let named = credential
                .as_deref()
                .map_or(String::new(), |name| format!(" named {name:?}"));
            Problem::new(
                &codes::CREDENTIAL_MISSING,
                format!(
                    "the App {:?} has no credential{named} for {}",
                    app.id,
                    environment.as_str()
                ),
            )
        };
        let found = caller
            .directory
            .credentials(app.no)
            .iter()
            .filter(|known| credential.as_ref().is_none_or(|name| *name == known.name))
            .find(|known| known.facts.environments.contains(&environment))
            .ok_or_else(missing)?;
        let topics = &found.facts.topics;
        let topic = match topic {
            Some(topic) if topics.contains(&topic) => topic,
            None if !topics.is_empty() => topics[0].clone(),
            other => {
                return Err(Problem::invalid(vec![FieldProblem::new(
                    "topic",
                    "channel.topic",
                    format!(
                        "expected one of {topics:?}, found {}",
                        other.unwrap_or_default()
                    ),
                )]));
            }
        };
        Ok(Self {
            app: app.no,
            credential: found.name.clone(),
            environment,
            topic,
        })
    }

    /// Makes the call.
    pub(crate) async fn call(
        &self,
        api: &Api,
        call: ChannelCall,
    ) -> Result<ChannelAnswer, Problem> {
        let spec = api
            .engine
            .pool_spec(self.app, &self.credential, self.environment);
        let spec = spec.ok_or_else(|| {
            Problem::new(
                &codes::CREDENTIAL_MISSING,
                format!(
                    "the secret of the credential {:?} cannot be opened: set it again",
                    self.credential
                ),
            )
        })?;
        let answer = api
            .gateway(Gateway::Apns)?
            .channels(spec, &self.topic, call)
            .await;
        answer.map_err(|error| refused(&error))
    }

    /// A channel of this place.
    pub(crate) fn channel(&self, id: String, store: Option<bool>) -> ChannelView {
        ChannelView {
            id,
            environment: self.environment.as_str(),
            topic: self.topic.clone(),
            store,
        }
    }
}

fn refused(error: &ChannelError) -> Problem {
    let unknown = error.status == 404 || error.reason == "ChannelNotRegistered";
    let code = if unknown {
        &codes::CHANNEL_UNKNOWN
    } else {
        &codes::GATEWAY_REFUSED
    };
    Problem::new(code, error.to_string()).gateway(error.status, error.reason.clone())
}

/// The gateway answered another call than was made: a bug of ours.
pub(crate) fn mixed_up(answer: &ChannelAnswer) -> Problem {
    Problem::internal(format!(
        "the gateway's adapter answered another call: {answer:?}"
    ))
}
