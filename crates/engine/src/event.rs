//! Events: what a back end says has happened becomes notifications by the App's triggers.
//!
//! Everything that an event causes is on disk when this returns: a notification, or its place in a
//! digest. What a trigger does is idempotent by itself (the event's key, the trigger, the recipient),
//! so that an event that was told half and then again is told once.

use crate::request::{Accepted, IdempotencyKey, Origin, Refusal, SendItem};
use crate::service::Shared;
use crate::trigger::Trigger;
use carillon_model::UnixMs;
use carillon_model::body::EventSource;
use carillon_model::expression::Vocabulary;
use carillon_model::facts::EventFacts;
use carillon_model::id::AppNo;
use carillon_model::notification::{NotificationRequest, TemplateUse};
use carillon_model::problem::FieldProblem;
use carillon_model::role::Role;
use carillon_model::target::Target;
use carillon_model::trigger::{EventAudience, is_event_name};
use carillon_ports::fault::{self, Bug};
use carillon_ports::gathering::{DigestAdd, DigestAdded, ThrottleClaim};
use carillon_ports::store::{Idempotency, StoreError};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The body of `POST /v1/apps/{app}/events`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRequest {
    /// What happened, e.g. `comment.created`.
    pub name: String,
    /// What it happened to, e.g. `post_7`.
    #[serde(default)]
    pub subject: Option<String>,
    /// The user who did it.
    #[serde(default)]
    pub actor: Option<String>,
    /// What triggers and templates may use: a JSON object.
    #[serde(default)]
    pub data: Option<Box<RawValue>>,
    /// Users whom it concerns.
    #[serde(default)]
    pub recipients: Vec<String>,
}

/// What an event caused.
#[derive(Clone, Debug)]
pub struct EventAnswer {
    /// One for each trigger that is for events of this name, by name.
    pub triggers: Vec<TriggerReport>,
}

/// What one trigger made of an event.
#[derive(Clone, Debug)]
pub struct TriggerReport {
    /// Its name.
    pub trigger: String,
    /// What it made.
    pub result: TriggerResult,
}

/// What a trigger made of an event.
#[derive(Clone, Debug)]
pub enum TriggerResult {
    /// Its condition does not hold.
    Skipped,
    /// It is for nobody: why.
    Nobody(String),
    /// Notifications, and how many recipients were told enough already.
    Sent {
        /// Those accepted.
        notifications: Vec<Accepted>,
        /// Recipients that a throttle kept back.
        throttled: u32,
    },
    /// It waits in digests.
    Gathered {
        /// Of how many recipients.
        recipients: u32,
        /// When the first of them is told.
        due_at: Option<UnixMs>,
    },
    /// It cannot be sent: the template or the trigger does not fit the event.
    Refused(Vec<FieldProblem>),
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventRefusal {
    /// It is wrong: which fields, and how.
    Invalid(Vec<FieldProblem>),
    /// Its idempotency key came before with another body.
    KeyReused,
    /// There is no such App (any more).
    AppGone,
    /// The store's queue is full.
    Overloaded {
        /// When to come back.
        retry_after_ms: u32,
    },
}

impl EventRequest {
    fn problems(&self) -> Vec<FieldProblem> {
        let mut problems = Vec::new();
        let mut add = |pointer: &str, code, message: String| {
            problems.push(FieldProblem::new(pointer, code, message));
        };
        if !is_event_name(&self.name) {
            add(
                "/name",
                "event.name",
                format!(
                    "expected a name such as comment.created of 1 to 100 characters of a-z A-Z 0-9 . _ -, found {:?}",
                    self.name
                ),
            );
        }
        for (pointer, text) in [("/subject", &self.subject), ("/actor", &self.actor)] {
            if let Some(text) = text
                .as_ref()
                .filter(|text| !(1..=128).contains(&text.len()))
            {
                add(
                    pointer,
                    "event.text",
                    format!("expected 1 to 128 bytes, found {}", text.len()),
                );
            }
        }
        if self.recipients.len() > carillon_model::target::MAX_TARGET_ENTRIES {
            add(
                "/recipients",
                "event.recipients",
                format!(
                    "expected at most 1,000 users, found {}: use a topic for more",
                    self.recipients.len()
                ),
            );
        }
        for (at, user) in self.recipients.iter().enumerate() {
            if !(1..=128).contains(&user.len()) {
                add(
                    &format!("/recipients/{at}"),
                    "event.text",
                    format!("expected 1 to 128 bytes, found {}", user.len()),
                );
            }
        }
        problems
    }
}

/// An event in parts that its triggers share.
pub(crate) struct Event<'e> {
    pub(crate) source: EventSource,
    pub(crate) raw: &'e RawValue,
    pub(crate) data: serde_json::Map<String, serde_json::Value>,
    pub(crate) recipients: &'e [String],
    pub(crate) idempotency: Option<&'e IdempotencyKey>,
}

impl<'e> Event<'e> {
    /// Checks an event. `empty` is an object without anything, for one without data.
    pub(crate) fn read(
        request: &'e EventRequest,
        empty: &'e RawValue,
        idempotency: Option<&'e IdempotencyKey>,
    ) -> Result<Self, Vec<FieldProblem>> {
        let problems = request.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let raw = request.data.as_deref().unwrap_or(empty);
        let data = serde_json::from_str(raw.get()).map_err(|error| {
            let message = format!("expected a JSON object ({error})");
            vec![FieldProblem::new("/data", "event.data", message)]
        })?;
        Ok(Self {
            source: EventSource {
                name: request.name.clone(),
                actor: request.actor.clone(),
                subject: request.subject.clone(),
            },
            raw,
            data,
            recipients: &request.recipients,
            idempotency,
        })
    }

    pub(crate) fn facts(&self) -> EventFacts<'_> {
        EventFacts {
            name: &self.source.name,
            subject: self.source.subject.as_deref(),
            actor: self.source.actor.as_deref(),
            data: &self.data,
        }
    }

    /// The key of what one trigger makes of it for one recipient.
    fn key(&self, trigger: &Trigger, user: &str) -> Option<IdempotencyKey> {
        let key = self.idempotency?;
        if fault::planted(Bug::GatherAgain) {
            return None;
        }
        // FNV-1a: the same in every version of ours.
        let hash = user.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Some(IdempotencyKey {
            scoped_key: format!("{}#{}/{hash:x}", key.scoped_key, trigger.no),
            body_hash: key.body_hash,
        })
    }
}

impl Shared {
    /// See [`crate::Engine::event`].
    pub(crate) async fn event(
        self: &Arc<Self>,
        app: AppNo,
        request: &EventRequest,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<EventAnswer, EventRefusal>, StoreError> {
        let directory = self.hub.directory.load_full();
        if directory.app_by_no(app).is_none() {
            return Ok(Err(EventRefusal::AppGone));
        }
        let empty = RawValue::from_string("{}".to_owned()).unwrap_or_default();
        let event = match Event::read(request, &empty, idempotency.as_ref()) {
            Ok(event) => event,
            Err(problems) => return Ok(Err(EventRefusal::Invalid(problems))),
        };
        let mut triggers = Vec::new();
        for trigger in directory.triggers_for(app, &request.name) {
            let result = match self.trigger(app, trigger, &event).await? {
                Ok(result) => result,
                Err(refusal) => return Ok(Err(refusal)),
            };
            triggers.push(TriggerReport {
                trigger: trigger.name.clone(),
                result,
            });
        }
        Ok(Ok(EventAnswer { triggers }))
    }

    async fn trigger(
        self: &Arc<Self>,
        app: AppNo,
        trigger: &Trigger,
        event: &Event<'_>,
    ) -> Result<Result<TriggerResult, EventRefusal>, StoreError> {
        let facts = event.facts();
        if !trigger.holds(&facts) {
            return Ok(Ok(TriggerResult::Skipped));
        }
        let definition = &trigger.definition;
        let audience = definition.audience_of(&facts, event.recipients);
        if let EventAudience::Nobody(why) = audience {
            return Ok(Ok(TriggerResult::Nobody(why)));
        }
        if definition.digest.is_some() {
            return self.gather(app, trigger, event, audience).await;
        }
        self.tell(app, trigger, event, audience).await
    }

    /// Notifications at once. Each recipient has his own where he is throttled.
    async fn tell(
        self: &Arc<Self>,
        app: AppNo,
        trigger: &Trigger,
        event: &Event<'_>,
        audience: EventAudience,
    ) -> Result<Result<TriggerResult, EventRefusal>, StoreError> {
        let item = |target: Target, user: &str| SendItem {
            request: trigger.request(target, event.source.actor.as_deref(), event.raw),
            idempotency: event.key(trigger, user),
            origin: Origin {
                event: Some(event.source.clone()),
                throttle: trigger.definition.throttle.map(|rule| ThrottleClaim {
                    trigger: trigger.no,
                    user: user.to_owned(),
                    rule,
                }),
                ..Origin::default()
            },
        };
        let items = match audience {
            EventAudience::Users(users) if trigger.definition.throttle.is_some() => users
                .into_iter()
                .map(|user| item(Target::Users(vec![user.clone()]), &user))
                .collect(),
            EventAudience::Users(users) => vec![item(Target::Users(users), "")],
            EventAudience::Crowd(target) => vec![item(target, "")],
            EventAudience::Nobody(_) => Vec::new(),
        };
        let (mut notifications, mut throttled, mut nobody) = (Vec::new(), 0, None);
        for answer in self.send(app, items).await? {
            match answer {
                Ok(accepted) => notifications.push(accepted),
                Err(Refusal::Throttled { .. }) => throttled += 1,
                Err(Refusal::Invalid(problems)) if is_nobody(&problems) => {
                    nobody = Some("none of these users has a device".to_owned());
                }
                Err(Refusal::Invalid(problems)) => {
                    return Ok(Ok(TriggerResult::Refused(problems)));
                }
                Err(Refusal::KeyReused) => return Ok(Err(EventRefusal::KeyReused)),
                // An event's notification is no campaign.
                Err(Refusal::AppGone | Refusal::Stale | Refusal::NameTaken { .. }) => {
                    return Ok(Err(EventRefusal::AppGone));
                }
                Err(Refusal::Overloaded { retry_after_ms }) => {
                    return Ok(Err(EventRefusal::Overloaded { retry_after_ms }));
                }
            }
        }
        Ok(Ok(match nobody {
            Some(why) if notifications.is_empty() && throttled == 0 => TriggerResult::Nobody(why),
            _ => TriggerResult::Sent {
                notifications,
                throttled,
            },
        }))
    }

    /// Into digests, one for each recipient.
    async fn gather(
        self: &Arc<Self>,
        app: AppNo,
        trigger: &Trigger,
        event: &Event<'_>,
        audience: EventAudience,
    ) -> Result<Result<TriggerResult, EventRefusal>, StoreError> {
        let Some(rule) = &trigger.definition.digest else {
            return Ok(Ok(TriggerResult::Skipped));
        };
        let users = match audience {
            EventAudience::Users(users) => users,
            _ => vec![String::new()],
        };
        let now = self.hub.parts.clock.now();
        let keep_until = now.saturating_add(self.hub.parts.config.idempotency_keep_ms);
        let group = trigger.definition.digest_key_of(&event.facts());
        let adds: Vec<DigestAdd> = users
            .into_iter()
            .map(|user| DigestAdd {
                app,
                trigger: trigger.no,
                idempotency: event.key(trigger, &user).map(|key| Idempotency {
                    scoped_key: key.scoped_key,
                    body_hash: key.body_hash,
                    keep_until,
                }),
                user,
                group: group.clone(),
                rule: rule.clone(),
                event: event.source.clone(),
                data: event.raw.to_owned(),
            })
            .collect();
        let recipients = adds.len() as u32;
        let added = match self.hub.parts.store.gather(adds, now).await {
            Ok(added) => added,
            Err(StoreError::Overloaded) => {
                let retry_after_ms = self.hub.parts.config.overload_retry_after_ms;
                return Ok(Err(EventRefusal::Overloaded { retry_after_ms }));
            }
            Err(error) => {
                self.hub.store_refused("gathering events", &error);
                return Err(error);
            }
        };
        if added.contains(&DigestAdded::KeyReused) {
            return Ok(Err(EventRefusal::KeyReused));
        }
        let due = added.iter().filter_map(|one| match one {
            DigestAdded::Gathered { due_at, .. } => Some(*due_at),
            DigestAdded::Repeated | DigestAdded::KeyReused => None,
        });
        let due_at = due.min();
        self.hub.bells.digests.notify_one();
        if due_at.is_some_and(|at| self.hub.is_soon(at)) {
            self.hub.wake_leader(Role::Scheduler);
        }
        Ok(Ok(TriggerResult::Gathered { recipients, due_at }))
    }
}

/// Whether all that is wrong is that nobody has a device.
pub(crate) fn is_nobody(problems: &[FieldProblem]) -> bool {
    !problems.is_empty()
        && problems
            .iter()
            .all(|problem| matches!(problem.code, "target.nobody" | "target.entries"))
}

/// The names that conditions may use.
pub(crate) const VOCABULARY: &Vocabulary = &Vocabulary::EVENT;

impl Trigger {
    /// The notification that tells an event, or a digest of several.
    pub(crate) fn request(
        &self,
        target: Target,
        actor: Option<&str>,
        variables: &RawValue,
    ) -> NotificationRequest {
        let definition = &self.definition;
        let is_crowd = target.is_fanned_out();
        let except = actor.filter(|_| is_crowd && !definition.include_actor);
        NotificationRequest {
            target,
            except_users: except.map(str::to_owned).into_iter().collect(),
            content: definition.content.clone(),
            template: definition.template.as_ref().map(|name| TemplateUse {
                name: name.clone(),
                variables: Some(variables.to_owned()),
            }),
            content_from: None,
            badge: definition.badge,
            options: definition.options.clone(),
            send_at: None,
            if_past: None,
            expires_at: None,
            expires_in: definition.expires_in.clone(),
        }
    }
}
