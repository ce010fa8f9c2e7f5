//! `POST /v1/apps/{app}/templates/{name}/preview`

use super::schema::{DigestSchema, EventSchema, RenderFailure};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{FieldProblemSchema, Problem};
use crate::state::Api;
use crate::v1::definitions::TEMPLATES;
use crate::v1::notifications::schema::{ContentSchema, OptionsSchema};
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use carillon_engine::rehearsal::{Filling, PreviewFor, PreviewOf};
use carillon_model::body::{DigestSource, EventSource};
use carillon_model::content::Content;
use carillon_model::lane::Gateway;
use carillon_model::notification::{RequestOptions, TemplateUse};
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Most locales of one preview.
const MAX_LOCALES: usize = 100;

/// What to preview.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewRequest {
    /// Values of the template's variables.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    variables: Option<Box<RawValue>>,
    /// The reported event that it is to tell of, for templates that ask.
    #[schema(value_type = Option<EventSchema>)]
    event: Option<EventSource>,
    /// The digest that it is to tell, for templates that ask.
    #[schema(value_type = Option<DigestSchema>)]
    digest: Option<DigestSource>,
    /// Locales, at most 100. Default: the device's, or without a device each one that it is written in.
    #[serde(default)]
    #[schema(example = json!(["ko-KR", "en"]))]
    locales: Vec<String>,
    /// Id of a registered device, for whose person it is rendered.
    device: Option<String>,
    /// How it would be sent.
    #[serde(default)]
    #[schema(value_type = Option<OptionsSchema>)]
    options: RequestOptions,
}

/// A preview.
#[derive(Serialize, ToSchema)]
pub(crate) struct Preview<'a> {
    /// The template.
    template: &'a str,
    /// The version that was rendered.
    version: u32,
    /// One for each locale.
    previews: Vec<LocalePreview<'a>>,
}

/// What somebody would get.
#[derive(Serialize, ToSchema)]
pub(crate) struct LocalePreview<'a> {
    /// The locale that was asked for; null for a device without one.
    requested: Option<&'a str>,
    /// The locale that the template answers in.
    variant: &'a str,
    /// What it says; null where it cannot be rendered.
    #[schema(value_type = Option<ContentSchema>)]
    content: Option<&'a Content>,
    /// Why it cannot be rendered.
    failure: Option<RenderFailure<'a>>,
    /// What each gateway would be sent.
    gateways: Vec<GatewayPreview<'a>>,
}

/// What a gateway would be sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct GatewayPreview<'a> {
    /// The gateway.
    #[schema(example = "apns")]
    gateway: &'static str,
    /// The payload; null where the gateway's rules do not allow it.
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
    /// Its bytes.
    bytes: Option<usize>,
    /// What the gateway's rules do not allow; pointers are into a notification.
    #[schema(value_type = Vec<FieldProblemSchema>)]
    problems: &'a [FieldProblem],
}

impl<'a> From<&'a PreviewOf> for LocalePreview<'a> {
    fn from(preview: &'a PreviewOf) -> Self {
        Self {
            requested: preview.requested.as_deref(),
            variant: &preview.variant,
            content: preview.content.as_ref().ok(),
            failure: preview.content.as_ref().err().map(RenderFailure::from),
            gateways: preview.gateways.iter().map(of_gateway).collect(),
        }
    }
}

fn of_gateway((which, result): &(Gateway, Result<Bytes, Vec<FieldProblem>>)) -> GatewayPreview<'_> {
    let gateway = which.as_str();
    match result {
        Ok(payload) => GatewayPreview {
            gateway,
            payload: serde_json::from_slice(payload).ok(),
            bytes: Some(payload.len()),
            problems: &[],
        },
        Err(problems) => GatewayPreview {
            gateway,
            payload: None,
            bytes: None,
            problems,
        },
    }
}

problems!(GUARDED, IN_APP, BODY, READS; TEMPLATE_UNKNOWN);

/// Show what a template says.
///
/// Rendered for locales or for one device: the content, and the payload that each gateway would be
/// sent. Nothing is sent. A variable that is missing or of another type than declared is a problem of
/// the request; what cannot be rendered for one locale is said there. Needs the scope `read` or `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/templates/{name}/preview", operation_id = "template_preview", tag = "templates",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the template"),
    ),
    request_body = PreviewRequest,
    responses((status = 200, description = "What it says.", body = Preview), Problems),
)]
pub(crate) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Json(body): Json<PreviewRequest>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    TEMPLATES.find(&caller, app, &name)?;
    if body.locales.len() > MAX_LOCALES {
        return Err(Problem::invalid(vec![FieldProblem::new(
            "/locales",
            "template.locales",
            format!(
                "expected at most {MAX_LOCALES} locales, found {}",
                body.locales.len()
            ),
        )]));
    }
    let filling = Filling {
        template: TemplateUse {
            name,
            variables: body.variables,
        },
        event: body.event,
        digest: body.digest,
        options: body.options,
    };
    let whom = PreviewFor {
        device: body.device,
        locales: body.locales,
    };
    let report = api.engine.preview(app.no, &filling, &whom).await?;
    let report = report.map_err(Problem::invalid)?;
    answer::ok(&Preview {
        template: &filling.template.name,
        version: report.version,
        previews: report.previews.iter().map(LocalePreview::from).collect(),
    })
}
