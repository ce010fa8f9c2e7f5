//! Trials of triggers: what one would make of an event, and what is wrong with one beside its own
//! rules. Nothing is sent, gathered or counted.

use super::dry_run::rehearse;
use super::{MAX_SAMPLE, TrialReport};
use crate::draft::draft;
use crate::event::{Event, EventRequest};
use crate::hub::Hub;
use crate::request::{Origin, SendItem};
use crate::segment::freeze;
use crate::trigger::Trigger;
use carillon_model::content::Content;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::AppNo;
use carillon_model::nearest::did_you_mean;
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::PushType;
use carillon_model::target::Target;
use carillon_model::trigger::{EventAudience, TriggerAudience, TriggerDefinition};
use carillon_ports::store::StoreError;
use serde_json::value::RawValue;

/// What a stored trigger would make of an event. Pointers of problems are into the event.
pub(crate) async fn trial(
    hub: &Hub,
    app: AppNo,
    stored: &Definition,
    request: &EventRequest,
) -> Result<Result<TrialReport, Vec<FieldProblem>>, StoreError> {
    let empty = RawValue::from_string("{}".to_owned()).unwrap_or_default();
    let event = match Event::read(request, &empty, None) {
        Ok(event) => event,
        Err(problems) => return Ok(Err(problems)),
    };
    let trigger = Trigger::read(stored)
        .ok_or_else(|| StoreError::Corrupt(format!("definition {} is no trigger", stored.no)))?;
    let definition = &trigger.definition;
    let facts = event.facts();
    let mut report = TrialReport {
        is_enabled: definition.enabled,
        is_for: definition.is_for(&request.name),
        holds: trigger.holds(&facts),
        audience: None,
        run: None,
    };
    if !report.is_for || !report.holds {
        return Ok(Ok(report));
    }
    let audience = definition.audience_of(&facts, event.recipients);
    let target = match &audience {
        EventAudience::Users(users) => Some(Target::Users(users.clone())),
        EventAudience::Crowd(target) => Some(target.clone()),
        EventAudience::Nobody(_) => None,
    };
    report.audience = Some(audience);
    if let Some(target) = target {
        let item = SendItem {
            request: trigger.request(target, event.source.actor.as_deref(), event.raw),
            idempotency: None,
            origin: Origin {
                event: Some(event.source.clone()),
                ..Origin::default()
            },
        };
        let run = rehearse(hub, app, item, MAX_SAMPLE).await?;
        report.run = Some(run.map_err(of_event));
    }
    Ok(Ok(report))
}

/// A notification's pointers, as those of an event and its trigger.
fn of_event(problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    let own = |mut problem: FieldProblem| {
        for (of_notification, own) in [
            ("/template/variables", "/event/data"),
            ("/template/name", "/template"),
            ("/target", "/audience"),
        ] {
            if let Some(rest) = problem.pointer.strip_prefix(of_notification) {
                problem.pointer = format!("{own}{rest}");
                break;
            }
        }
        problem
    };
    problems.into_iter().map(own).collect()
}

/// What is wrong with a trigger that is to be stored. What a template says is known only with an event.
pub(crate) fn problems(hub: &Hub, app: AppNo, definition: &TriggerDefinition) -> Vec<FieldProblem> {
    let mut problems = definition.problems();
    if let Some(name) = &definition.template {
        let directory = hub.directory.load();
        let kind = DefinitionKind::Template;
        if directory.definition(app, kind, name).is_none() {
            let known = directory.definitions(app, kind);
            let hint = did_you_mean(name, known.map(|(known, _)| &*known.name));
            problems.push(FieldProblem::new(
                "/template",
                "template.unknown",
                format!("expected the name of a template of this App, found {name:?}{hint}"),
            ));
        }
    }
    if let TriggerAudience::Segment(name) = &definition.audience
        && problems.is_empty()
        && let Err(problem) = freeze(hub, app, name)
    {
        problems.push(FieldProblem {
            pointer: "/audience/segment".to_owned(),
            ..problem
        });
    }
    if problems.is_empty() {
        problems.extend(unsendable(hub, app, definition));
    }
    problems
}

/// What no notification of it could be accepted with.
fn unsendable(hub: &Hub, app: AppNo, definition: &TriggerDefinition) -> Vec<FieldProblem> {
    let stand_in = match definition.options.push_type {
        PushType::Background => Content::default(),
        _ => Content {
            body: Some("…".to_owned()),
            ..Content::default()
        },
    };
    let has_content = definition.content.is_some();
    let item = SendItem {
        request: NotificationRequest {
            target: Target::Users(vec!["trial".to_owned()]),
            except_users: Vec::new(),
            content: Some(definition.content.clone().unwrap_or(stand_in)),
            template: None,
            content_from: None,
            badge: definition.badge,
            options: definition.options.clone(),
            send_at: None,
            if_past: None,
            expires_at: None,
            expires_in: definition.expires_in.clone(),
        },
        idempotency: None,
        origin: Origin::default(),
    };
    let found = draft(hub, app, 0, item, hub.parts.clock.now());
    let is_of_trigger =
        |problem: &FieldProblem| has_content || !problem.pointer.starts_with("/content");
    let found = found.err().unwrap_or_default();
    found.into_iter().filter(is_of_trigger).collect()
}
