//! Previews: content and payloads for locales, or for one device.

use super::{Filling, PreviewFor, PreviewOf, PreviewReport, own_pointers};
use crate::hub::Hub;
use crate::saying::{Filled, fill};
use carillon_model::content::Content;
use carillon_model::facts::DeviceFacts;
use carillon_model::id::AppNo;
use carillon_model::lane::Gateway;
use carillon_model::notification::RequestOptions;
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_ports::store::{Person, StoreError};

pub(crate) async fn preview(
    hub: &Hub,
    app: AppNo,
    filling: &Filling,
    whom: &PreviewFor,
) -> Result<Result<PreviewReport, Vec<FieldProblem>>, StoreError> {
    let filled = match fill(hub, app, &filling.template, &filling.origin()) {
        Ok(filled) => filled,
        Err(problems) => return Ok(Err(own_pointers(problems))),
    };
    let carrying = match carrying(&filling.options) {
        Ok(carrying) => carrying,
        Err(problem) => return Ok(Err(vec![problem])),
    };
    let person = match &whom.device {
        None => None,
        Some(id) => match person(hub, app, id).await? {
            Some(person) => Some(person),
            None => {
                return Ok(Err(vec![FieldProblem::new(
                    "/device",
                    "target.unknown_device",
                    "expected the id of a registered device of this App",
                )]));
            }
        },
    };
    let template = filled.bound.template();
    let wanted: Vec<Option<String>> = if !whom.locales.is_empty() {
        whom.locales.iter().cloned().map(Some).collect()
    } else if let Some(person) = &person {
        vec![person.locale.clone()]
    } else {
        template.locales().map(|own| Some(own.to_owned())).collect()
    };
    let device = person.as_ref().map(Person::facts).unwrap_or_default();
    let one = |requested: Option<String>| one(hub, &filled, filling, &carrying, device, requested);
    Ok(Ok(PreviewReport {
        version: filled.version,
        previews: wanted.into_iter().map(one).collect(),
    }))
}

async fn person(hub: &Hub, app: AppNo, id: &str) -> Result<Option<Person>, StoreError> {
    let device = hub.parts.registry.device(app, id.to_owned()).await?;
    let Some(device) = device else {
        return Ok(None);
    };
    Ok(hub.parts.store.people(vec![device.no]).await?.pop())
}

/// The gateways to show it at. An App's credentials are not asked: a template is often written first.
fn carrying(options: &RequestOptions) -> Result<Vec<Gateway>, FieldProblem> {
    let all = options.push_type.gateways();
    match options.gateway {
        None => Ok(all.to_vec()),
        Some(only) if all.contains(&only) => Ok(vec![only]),
        Some(only) => Err(FieldProblem::new(
            "/options/gateway",
            "options.gateway",
            format!(
                "{} carries no push of type {}: leave the gateway out, or take an alert",
                only.as_str(),
                options.push_type.as_str()
            ),
        )),
    }
}

fn one(
    hub: &Hub,
    filled: &Filled,
    filling: &Filling,
    carrying: &[Gateway],
    device: DeviceFacts<'_>,
    requested: Option<String>,
) -> PreviewOf {
    let template = filled.bound.template();
    let variant = template.variant_for(requested.as_deref());
    let facts = DeviceFacts {
        locale: requested.as_deref(),
        ..device
    };
    let content = filled.bound.render_variant(variant, &facts);
    let gateways = content.as_ref().map_or_else(
        |_| Vec::new(),
        |content| payloads(hub, content, carrying, &filling.options),
    );
    PreviewOf {
        variant: template.locale_of(variant).to_owned(),
        requested,
        content,
        gateways,
    }
}

/// What each gateway would be sent. Those for which the content is not written at all are left out.
fn payloads(
    hub: &Hub,
    content: &Content,
    carrying: &[Gateway],
    options: &RequestOptions,
) -> Vec<(Gateway, Result<bytes::Bytes, Vec<FieldProblem>>)> {
    let now = hub.parts.clock.now();
    // Any device will do: a payload does not say whom it is for.
    let target = Target::Devices(vec!["preview".to_owned()]);
    let raw = content.raw_gateways();
    let is_meant = |which: &&Gateway| raw.as_ref().is_none_or(|raw| raw.contains(which));
    let mut payloads = Vec::new();
    for which in carrying.iter().filter(is_meant) {
        if let Some(gateway) = hub.parts.gateways.get(*which) {
            let prepared = gateway.prepare(&target, content, options, now);
            payloads.push((*which, prepared.map(|prepared| prepared.payload)));
        }
    }
    payloads
}
