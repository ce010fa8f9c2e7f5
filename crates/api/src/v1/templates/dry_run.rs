//! `POST /v1/apps/{app}/templates/{name}/dry-run`

use super::schema::{DigestSchema, EventSchema};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::TEMPLATES;
use crate::v1::notifications::schema::{ContentSchema, OptionsSchema, TargetSchema};
use axum::extract::State;
use axum::response::Response;
use carillon_engine::rehearsal::{
    DryRunFailure, DryRunFor, DryRunReport, DryRunSample, Filling, Unreachable,
};
use carillon_model::body::{DigestSource, EventSource};
use carillon_model::content::Content;
use carillon_model::notification::{RequestOptions, TemplateUse};
use carillon_model::target::Target;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// What to try, and for whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRunRequest {
    /// Values of the template's variables.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    variables: Option<Box<RawValue>>,
    /// The reported event that it is to tell of, for templates that ask.
    #[schema(value_type = Option<EventSchema>)]
    event: Option<EventSource>,
    /// The digest that it is to tell, for templates that ask.
    #[schema(value_type = Option<DigestSchema>)]
    digest: Option<DigestSource>,
    /// Whom it would go to: `devices`, `users`, `topic`, `tags`, `segment` or `all`. Default: all.
    #[schema(value_type = Option<TargetSchema>)]
    target: Option<Target>,
    /// Users whose devices are left out.
    #[serde(default)]
    except_users: Vec<String>,
    /// How many devices to try, spread over the target: 1 to 1,000.
    #[serde(default = "default_sample")]
    #[schema(minimum = 1, maximum = 1000, default = 200)]
    sample: u32,
    /// How it would be sent.
    #[serde(default)]
    #[schema(value_type = Option<OptionsSchema>)]
    options: RequestOptions,
}

fn default_sample() -> u32 {
    200
}

/// What a dry run found.
#[derive(Serialize, ToSchema)]
pub(crate) struct DryRun<'a> {
    /// The template.
    template: &'a str,
    /// The version that was rendered.
    version: u32,
    #[serde(flatten)]
    findings: Findings<'a>,
}

/// What was found out with real devices.
#[derive(Serialize, ToSchema)]
pub(crate) struct Findings<'a> {
    /// How many devices it would go to; null where they were not all counted.
    devices: Option<u64>,
    /// Ids of the first of them, at most 10.
    first: &'a [String],
    /// How many devices were tried.
    sampled: u32,
    /// For how many of them it can be rendered.
    renderable: u32,
    /// Those of them that nothing is sent to, whatever it says: by which rule.
    unreachable: Vec<UnreachableView<'a>>,
    /// Why it cannot for the others, alike ones together, the most frequent first.
    failures: Vec<FailureView<'a>>,
    /// What some of them would get: one of each variant and gateway, at most 20.
    samples: Vec<SampleView<'a>>,
}

impl<'a> From<&'a DryRunReport> for Findings<'a> {
    fn from(report: &'a DryRunReport) -> Self {
        Self {
            devices: report.devices,
            first: &report.first,
            sampled: report.sampled,
            renderable: report.renderable,
            unreachable: report
                .unreachable
                .iter()
                .map(UnreachableView::from)
                .collect(),
            failures: report.failures.iter().map(FailureView::from).collect(),
            samples: report.samples.iter().map(SampleView::from).collect(),
        }
    }
}

/// Devices that nothing is sent to.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunUnreachable)]
pub(crate) struct UnreachableView<'a> {
    /// What their deliveries would be suppressed by: `push_token_retired` or `no_push_token`.
    #[schema(example = "push_token_retired")]
    rule: &'static str,
    /// How many devices of the sample.
    devices: u32,
    /// Ids of some of them, at most 5.
    examples: &'a [String],
}

impl<'a> From<&'a Unreachable> for UnreachableView<'a> {
    fn from(unreachable: &'a Unreachable) -> Self {
        Self {
            rule: unreachable.rule.as_str(),
            devices: unreachable.devices,
            examples: &unreachable.examples,
        }
    }
}

/// Why it cannot be rendered for some devices.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunFailure)]
pub(crate) struct FailureView<'a> {
    /// Stable dotted code.
    #[schema(example = "template.undefined")]
    code: &'static str,
    /// The variable at fault, as far as it is known.
    #[schema(example = "device.attributes.plan")]
    variable: Option<&'a str>,
    /// The locale that it is written in.
    locale: &'a str,
    /// Where: in the template's definition, or for a gateway's rule in the content.
    pointer: &'a str,
    /// The gateway whose rule it is.
    gateway: Option<&'static str>,
    /// What was expected, what was found, what to do.
    message: &'a str,
    /// How many devices of the sample.
    devices: u32,
    /// Ids of some of them, at most 5.
    examples: &'a [String],
}

impl<'a> From<&'a DryRunFailure> for FailureView<'a> {
    fn from(failure: &'a DryRunFailure) -> Self {
        Self {
            code: failure.code,
            variable: failure.variable.as_deref(),
            locale: &failure.locale,
            pointer: &failure.pointer,
            gateway: failure.gateway.map(|gateway| gateway.as_str()),
            message: &failure.message,
            devices: failure.devices,
            examples: &failure.examples,
        }
    }
}

/// What one device would get.
#[derive(Serialize, ToSchema)]
#[schema(as = DryRunSample)]
pub(crate) struct SampleView<'a> {
    /// Its id.
    device: &'a str,
    /// Its locale.
    locale: Option<&'a str>,
    /// The locale that the template answers in.
    variant: &'a str,
    /// By which gateway it would go.
    gateway: &'static str,
    /// What it says.
    #[schema(value_type = ContentSchema)]
    content: &'a Content,
    /// Bytes of the payload.
    bytes: usize,
}

impl<'a> From<&'a DryRunSample> for SampleView<'a> {
    fn from(sample: &'a DryRunSample) -> Self {
        Self {
            device: &sample.device,
            locale: sample.locale.as_deref(),
            variant: &sample.variant,
            gateway: sample.gateway.as_str(),
            content: &sample.content,
            bytes: sample.bytes,
        }
    }
}

problems!(GUARDED, IN_APP, BODY, READS; TEMPLATE_UNKNOWN);

/// Find out for whom a template cannot be rendered.
///
/// Rendered for a sample of real devices, by the gateways' rules, before anything is sent. What is
/// wrong for everybody, such as a missing variable, is a problem of the request, as it would be of a
/// notification. Preferences are not asked. Needs the scope `read` or `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/templates/{name}/dry-run", operation_id = "template_dry_run", tag = "templates",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the template"),
    ),
    request_body = DryRunRequest,
    responses((status = 200, description = "What was found.", body = DryRun), Problems),
)]
pub(crate) async fn dry_run(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<DryRunRequest>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    TEMPLATES.find(&caller, app, &name)?;
    let filling = Filling {
        template: TemplateUse {
            name,
            variables: body.variables,
        },
        event: body.event,
        digest: body.digest,
        options: body.options,
    };
    let whom = DryRunFor {
        target: body.target.unwrap_or(Target::All(true)),
        except_users: body.except_users,
        sample: body.sample,
    };
    let report = api.engine.dry_run(app.no, &filling, &whom).await?;
    let report = report.map_err(Problem::invalid)?;
    answer::ok(&DryRun {
        template: &filling.template.name,
        version: report.version.unwrap_or_default(),
        findings: Findings::from(&report),
    })
}
