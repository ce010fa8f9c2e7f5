//! What a notification says, as intake writes it down: a payload for each gateway when it says the same
//! to everybody, else its source, checked as far as that goes without knowing the devices.

use crate::badge;
use crate::hub::Hub;
use crate::receipt;
use crate::request::Origin;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::body::{Body, LateBody, LateSource, TemplateSource};
use carillon_model::content::{Content, Urgency};
use carillon_model::definition::DefinitionKind;
use carillon_model::facts::{DeviceFacts, EventFacts};
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::lane::Gateway;
use carillon_model::nearest::did_you_mean;
use carillon_model::notification::{NotificationRequest, SendOptions, TemplateUse};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::PushType;
use carillon_model::target::Target;
use carillon_model::template::{BoundTemplate, CompiledTemplate, RenderError, SharedScope};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Most bytes of the variables of a template.
const MAX_VARIABLES_BYTES: usize = 65_536;

/// What is said, before any gateway's rules.
struct Saying<'r> {
    /// For everybody; of a template a sample, by which the gateways judge.
    content: Cow<'r, Content>,
    /// Set when it is rendered for each device.
    late: Option<LateSource>,
    /// Of a template.
    category: Option<String>,
}

/// What it says at each gateway that it may go through, and how it is sent. The problems of one gateway
/// are said for all: what cannot be sent everywhere is not accepted.
pub(crate) fn write(
    hub: &Hub,
    app: AppNo,
    request: &NotificationRequest,
    origin: &Origin,
    now: UnixMs,
) -> Result<Option<(SendOptions, Body)>, Vec<FieldProblem>> {
    let saying = saying(hub, app, request, origin)?;
    let mut options = Cow::Borrowed(&request.options);
    if options.category.is_none() && saying.category.is_some() {
        options.to_mut().category = saying.category;
    }
    if let Some(problem) = badge::problem(request, &saying.content) {
        return Err(vec![problem]);
    }
    let meant = gateways(hub, app, request, origin, &saying.content)?;
    let mut content = badge::sample(request, saying.content);
    let mut late = badge::late_source(request, saying.late);
    let directory = hub.directory.load();
    let settings = directory.app_by_no(app).map(|app| &app.settings);
    if receipt::is_wanted(request, settings) {
        if let Some(problem) = receipt::problem(request, &content) {
            return Err(vec![problem]);
        }
        content = receipt::sample(content);
        late = Some(receipt::late_source(request, late));
    }
    let mut payloads = Vec::new();
    let mut complete = None;
    for which in meant {
        let gateway = hub.parts.gateways.get(which).ok_or_else(|| {
            vec![FieldProblem::new(
                "/options/gateway",
                "options.gateway",
                format!(
                    "this server was started without the gateway {}",
                    which.as_str()
                ),
            )]
        })?;
        let prepared = gateway.prepare(&request.target, &content, &options, now);
        let prepared = prepared.map_err(|problems| {
            let is_template = request.template.is_some();
            let placed = problems
                .into_iter()
                .map(|problem| badge::placed(problem, request));
            placed
                .map(|problem| match &*problem.pointer {
                    "/badge" => problem,
                    _ if is_template => of_template(problem),
                    _ => problem,
                })
                .collect::<Vec<_>>()
        })?;
        complete.get_or_insert(prepared.options);
        payloads.push((which, prepared.payload));
    }
    let Some(complete) = complete else {
        return Ok(None);
    };
    let body = match late {
        None => Body::Ready(payloads),
        Some(source) => Body::Late(LateBody {
            gateways: payloads.into_iter().map(|(gateway, _)| gateway).collect(),
            source: Bytes::from(serde_json::to_vec(&source).unwrap_or_default()),
        }),
    };
    Ok(Some((complete, body)))
}

/// A gateway's problem with what a template made: the caller cannot mend it in his content.
fn of_template(problem: FieldProblem) -> FieldProblem {
    let message = format!("the template's {}: {}", problem.pointer, problem.message);
    FieldProblem::new("/template", problem.code, message)
}

fn saying<'r>(
    hub: &Hub,
    app: AppNo,
    request: &'r NotificationRequest,
    origin: &Origin,
) -> Result<Saying<'r>, Vec<FieldProblem>> {
    match (&request.content, &request.template) {
        (Some(content), None) => Ok(Saying {
            content: Cow::Borrowed(content),
            late: origin.words.clone().map(|words| LateSource {
                words: Some(words),
                ..LateSource::default()
            }),
            category: None,
        }),
        (None, Some(template)) => of_a_template(hub, app, template, request, origin),
        (content, _) => {
            let found = if content.is_some() { "both" } else { "neither" };
            Err(vec![FieldProblem::new(
                "/content",
                "content.one_of",
                format!("expected exactly one of content and template, found {found}"),
            )])
        }
    }
}

/// The template by its name, with the values of its variables checked. What it says is rendered once as a
/// sample: where that does not depend on the device, a mistake is found here and not when it is sent.
fn of_a_template<'r>(
    hub: &Hub,
    app: AppNo,
    asked: &TemplateUse,
    request: &NotificationRequest,
    origin: &Origin,
) -> Result<Saying<'r>, Vec<FieldProblem>> {
    let Filled {
        no,
        version,
        variables,
        bound,
    } = fill(hub, app, asked, origin)?;
    let compiled = bound.template();
    let sample = sample(compiled, &bound, request.options.push_type)?;
    Ok(Saying {
        content: Cow::Owned(sample),
        late: Some(LateSource {
            template: Some(TemplateSource {
                no: no.0,
                version,
                variables,
                event: origin.event.clone(),
                digest: origin.digest.clone(),
            }),
            ..LateSource::default()
        }),
        category: compiled.category().map(str::to_owned),
    })
}

/// A template whose variables have their values.
pub(crate) struct Filled {
    pub(crate) no: DefinitionNo,
    pub(crate) version: u32,
    pub(crate) variables: Box<RawValue>,
    pub(crate) bound: BoundTemplate,
}

/// The template by its name, as it is now, with the values of its variables checked. Pointers are into
/// a notification.
pub(crate) fn fill(
    hub: &Hub,
    app: AppNo,
    asked: &TemplateUse,
    origin: &Origin,
) -> Result<Filled, Vec<FieldProblem>> {
    let refuse =
        |pointer: &str, code, message: String| vec![FieldProblem::new(pointer, code, message)];
    let directory = hub.directory.load();
    let found = directory.definition(app, DefinitionKind::Template, &asked.name);
    let found = found.ok_or_else(|| {
        let known = directory.definitions(app, DefinitionKind::Template);
        let hint = did_you_mean(&asked.name, known.map(|(known, _)| &*known.name));
        let message = format!(
            "expected the name of a template of this App, found {:?}{hint}",
            asked.name
        );
        refuse("/template/name", "template.unknown", message)
    })?;
    let compiled = match directory
        .template(found.no)
        .map(|template| &template.compiled)
    {
        Some(Ok(compiled)) => compiled.clone(),
        Some(Err(why)) => return Err(refuse("/template/name", "template.unreadable", why.clone())),
        None => {
            return Err(refuse(
                "/template/name",
                "template.unreadable",
                String::new(),
            ));
        }
    };
    let variables = match &asked.variables {
        Some(variables) => variables.clone(),
        None => empty(),
    };
    if variables.get().len() > MAX_VARIABLES_BYTES {
        let message = format!(
            "expected at most {MAX_VARIABLES_BYTES} bytes, found {}",
            variables.get().len()
        );
        return Err(refuse("/template/variables", "template.variables", message));
    }
    let values: serde_json::Map<_, _> = serde_json::from_str(variables.get()).map_err(|error| {
        let message = format!("expected a JSON object ({error})");
        refuse("/template/variables", "template.variables", message)
    })?;
    let digest = origin.digest.as_ref().map(|digest| digest.facts());
    let app_name = directory.app_by_no(app).map_or("", |app| &app.name);
    let scope = SharedScope {
        variables: &values,
        app_name,
        event: origin.event.as_ref().map(|event| EventFacts {
            name: &event.name,
            subject: event.subject.as_deref(),
            actor: event.actor.as_deref(),
            data: &values,
        }),
        digest: digest.as_ref(),
    };
    let bound = compiled.bind(&scope).map_err(|_| {
        compiled
            .refusals(&scope)
            .iter()
            .map(unrendered)
            .collect::<Vec<_>>()
    })?;
    Ok(Filled {
        no: found.no,
        version: found.version,
        variables,
        bound,
    })
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

/// What the default variant says to nobody in particular.
fn sample(
    compiled: &CompiledTemplate,
    bound: &BoundTemplate,
    push_type: PushType,
) -> Result<Content, Vec<FieldProblem>> {
    let variant = compiled.variant_for(None);
    match bound.render_variant(variant, &DeviceFacts::default()) {
        Ok(content) => Ok(content),
        Err(error) if !compiled.uses_device(variant) => Err(vec![unrendered(&error)]),
        // What a device would have given is missing here: nothing is known of it yet.
        Err(_) if push_type == PushType::Background => Ok(Content::default()),
        Err(_) => Ok(Content {
            body: Some(String::from("…")),
            urgency: Some(Urgency::Active),
            ..Content::default()
        }),
    }
}

fn unrendered(error: &RenderError) -> FieldProblem {
    let pointer = match &error.variable {
        Some(variable) => format!("/template/variables/{variable}"),
        None => "/template".to_owned(),
    };
    // A refused variable is in no text of the template: its place is the pointer.
    let message = match error.locale.as_str() {
        "" => error.message.clone(),
        _ => error.to_string(),
    };
    FieldProblem::new(pointer, error.code, message)
}

/// The gateways that a notification may go through: those that carry its push type, that the caller
/// did not rule out, that its content is written for, and that the App has a credential for. An App
/// without any credential is taken to be about to set one for Apple.
fn gateways(
    hub: &Hub,
    app: AppNo,
    request: &NotificationRequest,
    origin: &Origin,
    content: &Content,
) -> Result<Vec<Gateway>, Vec<FieldProblem>> {
    let options = &request.options;
    let refuse = |message: String| {
        vec![FieldProblem::new(
            "/options/gateway",
            "options.gateway",
            message,
        )]
    };
    let carrying = match origin.activity {
        // The timeline of a Live Activity is told to Android phones as well.
        Some(_) if content.fcm.is_some() => &[Gateway::Apns, Gateway::Fcm],
        _ => options.push_type.gateways(),
    };
    if let Some(only) = options.gateway {
        if !carrying.contains(&only) {
            return Err(refuse(format!(
                "{} carries no push of type {}: leave the gateway out, or send an alert",
                only.as_str(),
                options.push_type.as_str()
            )));
        }
        return Ok(vec![only]);
    }
    if carrying.len() == 1 || matches!(request.target, Target::Channel(_) | Target::PushTokens(_)) {
        return Ok(vec![Gateway::Apns]);
    }
    let directory = hub.directory.load();
    let credentials = directory.credentials(app);
    let raw = content.raw_gateways();
    let is_meant = |gateway: &Gateway| {
        raw.as_ref().is_none_or(|raw| raw.contains(gateway))
            && credentials.iter().any(|of| of.gateway == *gateway)
            && hub.parts.gateways.get(*gateway).is_some()
    };
    let meant: Vec<_> = carrying.iter().copied().filter(is_meant).collect();
    match (meant.is_empty(), raw) {
        (false, _) => Ok(meant),
        (true, Some(raw)) => Ok(raw),
        (true, None) => Ok(vec![Gateway::Apns]),
    }
}
