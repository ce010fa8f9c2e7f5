//! A push as the connection takes it: its headers' template, expiration, collapse id.

use super::outcome::Asked;
use super::words;
use crate::outcome;
use apns::Template;
use carillon_model::UnixMs;
use carillon_model::notification::SendOptions;
use carillon_model::outcome::Outcome;
use carillon_model::push_type::{OnUnknown, PushType};
use carillon_ports::gateway::{Message, PoolSpec, Push};
use std::time::Duration;
use tokio::time::Instant;

/// Templates kept. One App needs a handful.
const MAX_TEMPLATES: usize = 64;

/// Dresses pushes, and keeps the templates they share.
#[derive(Default)]
pub(super) struct Dresser {
    templates: Vec<(Kind, Result<Template, String>)>,
}

/// What pushes with one template share.
struct Kind {
    push_type: PushType,
    priority: apns::Priority,
    apns_topic: Option<String>,
}

impl Dresser {
    /// The push as the connection takes it.
    pub(super) fn dress(
        &mut self,
        spec: &PoolSpec,
        push: &Push,
        now: Instant,
        wall: UnixMs,
    ) -> Result<apns::Push, Outcome> {
        let message = &push.message;
        let template = self.template(spec, &message.options)?;
        let push_token = apns::PushToken::from_bytes(push.push_token.0.clone())
            .map_err(|error| outcome::refused_here("bad_push_token", error.to_string()))?;
        let write_by = message.expires_at.map(|expires_at| {
            now + Duration::from_millis(u64::try_from(expires_at.saturating_sub(wall)).unwrap_or(0))
        });
        Ok(apns::Push {
            tag: push.tag,
            template,
            push_token,
            apns_id: push.gateway_id,
            expiration: expiration(message),
            collapse_id: collapse_id(push)?,
            payload: message.payload.clone(),
            write_by,
        })
    }

    fn template(&mut self, spec: &PoolSpec, options: &SendOptions) -> Result<Template, Outcome> {
        let priority = words::priority(options.priority);
        let known = self.templates.iter().find(|(kind, _)| {
            kind.push_type == options.push_type
                && kind.priority == priority
                && kind.apns_topic == options.apns_topic
        });
        let template = match known {
            Some((_, template)) => template.clone(),
            None => {
                let template = make_template(spec, options, priority);
                if self.templates.len() >= MAX_TEMPLATES {
                    self.templates.clear();
                }
                let kind = Kind {
                    push_type: options.push_type,
                    priority,
                    apns_topic: options.apns_topic.clone(),
                };
                self.templates.push((kind, template.clone()));
                template
            }
        };
        template.map_err(|why| outcome::refused_here("bad_topic", why))
    }
}

/// What of a push matters for judging its answer.
pub(super) fn asked(spec: &PoolSpec, options: &SendOptions) -> Asked {
    let has_own_topic = options
        .apns_topic
        .as_ref()
        .is_some_and(|topic| !spec.facts.topics.contains(topic));
    Asked {
        has_own_topic,
        is_broadcast: options.channel.is_some(),
    }
}

fn make_template(
    spec: &PoolSpec,
    options: &SendOptions,
    priority: apns::Priority,
) -> Result<Template, String> {
    let push_type = words::push_type(options.push_type);
    let base = options
        .apns_topic
        .as_ref()
        .or(spec.facts.topics.first())
        .ok_or(
            "the credential names no topic and the notification neither: set options.apns_topic",
        )?;
    let topic = words::topic(base, push_type).map_err(|error| error.to_string())?;
    Ok(Template::new(&topic, push_type, priority))
}

/// Until when APNs may keep it: what is left of its time, rounded down.
pub(super) fn expiration(message: &Message) -> Option<apns::Expiration> {
    match (message.options.store_offline, message.expires_at) {
        (false, _) => Some(apns::Expiration::once()),
        (true, None) => None,
        (true, Some(expires_at)) => {
            let secs = u64::try_from(expires_at / 1_000).unwrap_or(0);
            Some(apns::Expiration::at(secs.max(1)))
        }
    }
}

/// The caller's, or for an alert that may be sent twice one of its own, so that the second replaces the first.
fn collapse_id(push: &Push) -> Result<Option<apns::CollapseId>, Outcome> {
    let options = &push.message.options;
    let text: Box<str> = match &options.collapse_id {
        Some(id) => id.as_str().into(),
        None if options.push_type == PushType::Alert && options.on_unknown == OnUnknown::Resend => {
            push.gateway_id.simple().to_string().into()
        }
        None => return Ok(None),
    };
    apns::CollapseId::new(text)
        .map(Some)
        .map_err(|error| outcome::refused_here("bad_collapse_id", error.to_string()))
}
