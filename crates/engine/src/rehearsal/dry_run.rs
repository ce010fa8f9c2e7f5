//! Dry runs: a template rendered for a sample of real devices, as their batches would be.

use super::sample::{self, Sample};
use super::{
    DryRunFailure, DryRunFor, DryRunReport, DryRunSample, Filling, MAX_SAMPLE, Unreachable,
    own_pointers,
};
use crate::draft::{Draft, draft};
use crate::hub::Hub;
use crate::question;
use crate::request::SendItem;
use crate::saying::{Filled, fill};
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::delivery::Suppression;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::notification::{NotificationRequest, SendOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_model::template::RenderError;
use carillon_ports::store::{Person, Recipient, StoreError};

/// Ids that are kept of the devices that fail alike.
const EXAMPLES: usize = 5;
/// Ids that are told of those whom it would go to.
const FIRST: usize = 10;
/// Kinds of failure that are told apart. What differs more is told with the last.
const FAILURES: usize = 100;
/// Most samples that are shown.
const SAMPLES: usize = 20;
/// Devices that are rendered before others get their turn.
const SLICE: usize = 16;

pub(crate) async fn dry_run(
    hub: &Hub,
    app: AppNo,
    filling: &Filling,
    whom: &DryRunFor,
) -> Result<Result<DryRunReport, Vec<FieldProblem>>, StoreError> {
    let problems = shape_problems(whom);
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let report = rehearse(hub, app, item(filling, whom), whom.sample).await?;
    Ok(report.map_err(own_pointers))
}

/// Renders what would be sent for at most `most` of those whom it would go to. Pointers are into the
/// notification.
pub(crate) async fn rehearse(
    hub: &Hub,
    app: AppNo,
    item: SendItem,
    most: u32,
) -> Result<Result<DryRunReport, Vec<FieldProblem>>, StoreError> {
    let now = hub.parts.clock.now();
    if let Some(from) = &item.request.content_from {
        return Ok(Err(vec![question::unasked(hub, app, from)]));
    }
    let says = match Says::of(hub, app, &item) {
        Ok(says) => says,
        Err(problems) => return Ok(Err(problems)),
    };
    let draft = match draft(hub, app, 0, item, now) {
        Ok(draft) => draft,
        Err(problems) => return Ok(Err(problems)),
    };
    let sample = match sample::take(hub, app, &draft, most as usize).await? {
        Ok(sample) => sample,
        Err(problems) => return Ok(Err(problems)),
    };
    let devices = sample.recipients.iter().map(|to| to.device).collect();
    let people = hub.parts.store.people(devices).await?;
    let kept_back = kept_back(hub, &draft, &sample).await?;
    let report = render(hub, &says, &draft, &sample, &people, &kept_back).await;
    Ok(Ok(report))
}

/// The devices of a sample whose deliveries would end before anything is written, ascending, by the
/// rule that sending asks.
async fn kept_back(
    hub: &Hub,
    draft: &Draft,
    sample: &Sample,
) -> Result<Vec<(DeviceNo, Suppression)>, StoreError> {
    let mut kept_back = Vec::new();
    for kind in draft.reach.iter() {
        let of_kind = |to: &&Recipient| to.gateway == kind.gateway();
        let devices: Vec<_> = sample.recipients.iter().filter(of_kind).collect();
        let devices: Vec<_> = devices.into_iter().map(|to| to.device).collect();
        if devices.is_empty() {
            continue;
        }
        let (tokens, without) = hub.parts.store.read_push_tokens(kind, devices).await?;
        let retired = tokens.iter().filter(|token| token.retired_at.is_some());
        kept_back.extend(retired.map(|token| (token.device, Suppression::PushTokenRetired)));
        let without = without.into_iter();
        kept_back.extend(without.map(|device| (device, Suppression::NoPushToken)));
    }
    kept_back.sort_unstable_by_key(|(device, _)| *device);
    Ok(kept_back)
}

/// What is said.
enum Says {
    /// The same to everybody.
    Content(Content),
    Template(Filled),
}

impl Says {
    fn of(hub: &Hub, app: AppNo, item: &SendItem) -> Result<Self, Vec<FieldProblem>> {
        match (&item.request.template, &item.request.content) {
            (Some(template), _) => Ok(Self::Template(fill(hub, app, template, &item.origin)?)),
            (None, content) => Ok(Self::Content(content.clone().unwrap_or_default())),
        }
    }

    /// To one person: in which locale (empty where there are none), and what.
    fn to(&self, person: &Person) -> (&str, Result<Content, RenderError>) {
        match self {
            Self::Content(content) => ("", Ok(content.clone())),
            Self::Template(filled) => {
                let template = filled.bound.template();
                let variant = template.variant_for(person.locale.as_deref());
                let content = filled.bound.render_variant(variant, &person.facts());
                (template.locale_of(variant), content)
            }
        }
    }
}

fn shape_problems(whom: &DryRunFor) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if !(1..=MAX_SAMPLE).contains(&whom.sample) {
        problems.push(FieldProblem::new(
            "/sample",
            "template.sample",
            format!("expected 1 to {MAX_SAMPLE} devices, found {}", whom.sample),
        ));
    }
    if matches!(whom.target, Target::PushTokens(_) | Target::Channel(_)) {
        problems.push(FieldProblem::new(
            "/target",
            "template.dry_run_target",
            "expected devices, users, a topic, tags or all: of raw push tokens and channels nothing is known that a template could ask",
        ));
    }
    problems
}

/// What would be sent.
fn item(filling: &Filling, whom: &DryRunFor) -> SendItem {
    SendItem {
        request: NotificationRequest {
            target: whom.target.clone(),
            except_users: whom.except_users.clone(),
            content: None,
            template: Some(filling.template.clone()),
            content_from: None,
            badge: None,
            options: filling.options.clone(),
            send_at: None,
            if_past: None,
            expires_at: None,
            expires_in: None,
        },
        idempotency: None,
        origin: filling.origin(),
    }
}

async fn render(
    hub: &Hub,
    says: &Says,
    draft: &Draft,
    sample: &Sample,
    people: &[Person],
    kept_back: &[(DeviceNo, Suppression)],
) -> DryRunReport {
    let mut report = DryRunReport {
        version: match says {
            Says::Content(_) => None,
            Says::Template(filled) => Some(filled.version),
        },
        devices: sample.of,
        first: people.iter().take(FIRST).map(|of| of.id.clone()).collect(),
        ..DryRunReport::default()
    };
    let now = hub.parts.clock.now();
    for (at, to) in sample.recipients.iter().enumerate() {
        if at % SLICE == SLICE - 1 {
            tokio::task::yield_now().await;
        }
        // A device that went meanwhile would get nothing.
        let person = people.binary_search_by_key(&to.device, |person| person.device);
        let Ok(person) = person.map(|at| &people[at]) else {
            continue;
        };
        report.sampled += 1;
        if let Ok(at) = kept_back.binary_search_by_key(&to.device, |(device, _)| *device) {
            count_unreachable(&mut report.unreachable, kept_back[at].1, &person.id);
            continue;
        }
        match one(hub, says, &draft.options, to.gateway, person, now) {
            Ok(sample) => {
                report.renderable += 1;
                let is_like = |known: &DryRunSample| {
                    (&known.variant, known.gateway) == (&sample.variant, sample.gateway)
                };
                if report.samples.len() < SAMPLES && !report.samples.iter().any(is_like) {
                    report.samples.push(sample);
                }
            }
            Err(failure) => count(&mut report.failures, *failure, &person.id),
        }
    }
    report
        .failures
        .sort_by_key(|failure| std::cmp::Reverse(failure.devices));
    report
}

fn count_unreachable(unreachable: &mut Vec<Unreachable>, rule: Suppression, device: &str) {
    let known = unreachable.iter().position(|known| known.rule == rule);
    let at = known.unwrap_or_else(|| {
        unreachable.push(Unreachable {
            rule,
            devices: 0,
            examples: Vec::new(),
        });
        unreachable.len() - 1
    });
    let known = &mut unreachable[at];
    known.devices += 1;
    if known.examples.len() < EXAMPLES {
        known.examples.push(device.to_owned());
    }
}

fn count(failures: &mut Vec<DryRunFailure>, failure: DryRunFailure, device: &str) {
    let is_alike = |known: &DryRunFailure| {
        (known.code, &known.variable, &known.pointer)
            == (failure.code, &failure.variable, &failure.pointer)
            && (&known.locale, known.gateway) == (&failure.locale, failure.gateway)
    };
    let known = failures.iter().position(is_alike);
    let at = known.unwrap_or_else(|| {
        if failures.len() < FAILURES {
            failures.push(failure);
        }
        failures.len() - 1
    });
    let known = &mut failures[at];
    known.devices += 1;
    if known.examples.len() < EXAMPLES {
        known.examples.push(device.to_owned());
    }
}

/// What one device would get. The order of steps is that of sending.
fn one(
    hub: &Hub,
    says: &Says,
    options: &SendOptions,
    which: Gateway,
    person: &Person,
    now: UnixMs,
) -> Result<DryRunSample, Box<DryRunFailure>> {
    let (locale, content) = says.to(person);
    let content = content.map_err(|error| {
        Box::new(DryRunFailure {
            code: error.code,
            variable: error.variable,
            locale: locale.to_owned(),
            pointer: error.pointer,
            gateway: None,
            message: error.message,
            devices: 0,
            examples: Vec::new(),
        })
    })?;
    let bytes = payload_bytes(hub, &content, options, which, now).map_err(|problem| {
        Box::new(DryRunFailure {
            code: problem.code,
            variable: None,
            locale: locale.to_owned(),
            pointer: problem.pointer,
            gateway: Some(which),
            message: problem.message,
            devices: 0,
            examples: Vec::new(),
        })
    })?;
    Ok(DryRunSample {
        device: person.id.clone(),
        locale: person.locale.clone(),
        variant: locale.to_owned(),
        gateway: which,
        content,
        bytes,
    })
}

fn payload_bytes(
    hub: &Hub,
    content: &Content,
    options: &SendOptions,
    which: Gateway,
    now: UnixMs,
) -> Result<usize, FieldProblem> {
    let wrong = |message: &str| FieldProblem::new("/options/gateway", "options.gateway", message);
    let gateway = hub.parts.gateways.get(which);
    let gateway = gateway.ok_or_else(|| wrong("this server was started without this gateway"))?;
    match gateway.render(content, options, now) {
        Ok(payload) => Ok(payload.len()),
        Err(problems) => Err(problems
            .into_iter()
            .next()
            .unwrap_or_else(|| wrong("the gateway's rules do not allow it"))),
    }
}
