//! Texts of Live Activities in each reader's language: the templates that are named are looked up when they are named, so that
//! a mistake is found then, and again when something is pushed.

use super::{ActivityRefusal, OpenActivity};
use crate::hub::Hub;
use crate::request::Origin;
use crate::saying::{Filled, fill};
use carillon_model::body::TemplateSource;
use carillon_model::facts::DeviceFacts;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::live_activity::{
    ActivityAlert, ActivityPush, FcmPhones, Said, TemplatePlace, WordedPush,
};
use carillon_model::notification::TemplateUse;
use carillon_model::problem::FieldProblem;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Refuses what is wrong with the templates that are named, and with an alert.
pub(super) fn check(
    hub: &Hub,
    app: AppNo,
    places: &[TemplatePlace],
    data: &Map<String, Value>,
    alert: Option<&ActivityAlert>,
) -> Result<(), ActivityRefusal> {
    let mut problems = problems(hub, app, places, data);
    problems.extend(alert.and_then(|alert| alert.problem("/alert")));
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ActivityRefusal::Invalid(problems))
    }
}

/// What is wrong with the templates that are named: there is none of that name, its variables are not in `data`, or it does not
/// say what is needed. Where that depends on the device, it is found when it is told.
fn problems(
    hub: &Hub,
    app: AppNo,
    places: &[TemplatePlace],
    data: &Map<String, Value>,
) -> Vec<FieldProblem> {
    let mut problems: Vec<FieldProblem> = Vec::new();
    for place in places {
        let found = match filled(hub, app, &place.name, data) {
            Ok(found) => found,
            Err(refused) => {
                let refused = refused.into_iter().map(|problem| placed(problem, place));
                let new: Vec<_> = refused
                    .filter(|problem| {
                        !problems
                            .iter()
                            .any(|known| known.pointer == problem.pointer)
                    })
                    .collect();
                problems.extend(new);
                continue;
            }
        };
        let template = found.bound.template();
        let variant = template.variant_for(None);
        let said = match found.bound.render_variant(variant, &DeviceFacts::default()) {
            Ok(content) => Said::from(content),
            // What a device would have given is missing here.
            Err(_) if template.uses_device(variant) => continue,
            Err(error) => {
                let message = format!("the template {:?}: {error}", place.name);
                problems.push(FieldProblem::new(&*place.pointer, error.code, message));
                continue;
            }
        };
        let missing = match (&said.title, &said.body) {
            (_, None) => "body",
            (None, Some(_)) if place.is_alert => "title",
            _ => continue,
        };
        problems.push(FieldProblem::new(
            &*place.pointer,
            "live_activity.template",
            format!(
                "expected a template with a {missing}, found {:?}, which has none: give it one",
                place.name
            ),
        ));
    }
    problems
}

/// A problem with a template, in the words of a Live Activity.
fn placed(problem: FieldProblem, place: &TemplatePlace) -> FieldProblem {
    let pointer = match problem.pointer.strip_prefix("/template/variables") {
        Some(variable) => format!("/data{variable}"),
        None => place.pointer.clone(),
    };
    FieldProblem::new(pointer, problem.code, problem.message)
}

fn filled(
    hub: &Hub,
    app: AppNo,
    name: &str,
    data: &Map<String, Value>,
) -> Result<Filled, Vec<FieldProblem>> {
    let asked = TemplateUse {
        name: name.to_owned(),
        variables: to_raw_value(data).ok(),
    };
    fill(hub, app, &asked, &Origin::default())
}

/// A push with texts for each reader, to be written when it is sent. `readers`: who reads what goes to which push token's
/// device.
pub(super) fn worded(
    hub: &Hub,
    app: AppNo,
    open: &OpenActivity,
    push: &ActivityPush,
    readers: BTreeMap<i64, i64>,
    fcm: FcmPhones,
) -> Result<WordedPush, Vec<FieldProblem>> {
    let mut templates = BTreeMap::new();
    for name in push.templates() {
        let found = filled(hub, app, &name, &open.request.data)?;
        let source = TemplateSource {
            no: found.no.0,
            version: found.version,
            variables: found.variables,
            event: None,
            digest: None,
        };
        templates.insert(name, source);
    }
    Ok(WordedPush {
        id: open.id.clone(),
        attributes_type: open.plan.attributes_type.clone(),
        attributes: open.plan.attributes.clone(),
        relevance: open.plan.relevance,
        push: push.clone(),
        templates,
        readers,
        fcm,
    })
}

/// The same text for everybody, in the templates' default locales: a channel's subscribers are nobody in particular.
pub(super) fn for_everybody(
    hub: &Hub,
    app: AppNo,
    open: &OpenActivity,
    push: &ActivityPush,
) -> Result<ActivityPush, Vec<FieldProblem>> {
    let mut texts = BTreeMap::new();
    for name in push.templates() {
        let found = filled(hub, app, &name, &open.request.data)?;
        let variant = found.bound.template().variant_for(None);
        let said = found.bound.render_variant(variant, &DeviceFacts::default());
        let said = said.map_err(|error| {
            let message = format!("the template {name:?}: {error}");
            vec![FieldProblem::new("", error.code, message)]
        })?;
        texts.insert(name, Said::from(said));
    }
    let said = |name: &str| texts.get(name);
    push.filled(&said).map_err(unsaid)
}

/// How a push looks that passes every gateway's rules: what is said is judged for each reader.
pub(super) fn sample(push: &ActivityPush) -> Result<ActivityPush, Vec<FieldProblem>> {
    let some = Said {
        title: Some("…".to_owned()),
        body: Some("…".to_owned()),
        sound: None,
    };
    push.filled(&|_| Some(&some)).map_err(unsaid)
}

fn unsaid(why: String) -> Vec<FieldProblem> {
    vec![FieldProblem::new("", "live_activity.template", why)]
}

/// Who reads what goes to which push token's device.
pub(super) fn readers(
    phones: &[i64],
    address: impl Fn(&i64) -> Option<DeviceNo>,
) -> BTreeMap<i64, i64> {
    let pairs = phones
        .iter()
        .filter_map(|phone| Some((address(phone)?.0, *phone)));
    pairs.filter(|(device, phone)| device != phone).collect()
}
