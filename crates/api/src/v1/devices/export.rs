//! `GET /v1/apps/{app}/devices/export`: every device, page by page, as an import reads it.

use super::cells::{write_list, write_row};
use super::push_tokens;
use crate::auth::Caller;
use crate::instant;
use crate::params::{Params, PathOf};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::stream::{NDJSON, Parts, give};
use axum::extract::State;
use axum::response::Response;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_type::TokenKind;
use carillon_ports::registry::{Device, DeviceFilter, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// Devices read at once.
const PAGE: u32 = 500;

/// How it is written.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// A device on each line, as JSON.
    #[default]
    Ndjson,
    /// A row for each push token, and for each device without one.
    Csv,
}

/// What is not in an export unless it is asked for.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Include {
    /// The addresses themselves.
    PushTokens,
}

/// How, and with what.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// `ndjson` (default) or `csv`.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "ndjson")]
    format: Format,
    /// `push_tokens`: with the addresses of devices, except retired ones. Needs the scope `admin`.
    #[param(value_type = Option<String>, example = "push_tokens")]
    include: Option<Include>,
}

/// A device as an import reads it.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedDevice)]
pub(crate) struct ExportedDevice<'a> {
    /// Its id.
    id: &'a str,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    /// BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
    /// IANA zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    /// Version of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    app_version: Option<&'a str>,
    /// What it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    /// Tags.
    tags: &'a [String],
    /// Topics that it is subscribed to.
    topics: &'a [String],
    /// What else is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    attributes: Option<&'a RawValue>,
    /// What its app has declared that it can do.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    capabilities: &'a [String],
    /// Its push tokens, if they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    push_tokens: Vec<ExportedPushToken>,
}

/// A push token as an import reads it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExportedPushToken {
    /// Its kind.
    kind: &'static str,
    /// The token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The browser's subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    subscription: Option<Value>,
    /// `production`, `sandbox` or `auto`.
    environment: &'static str,
    /// When the app last handed it over, or `unknown`.
    registered_at: String,
}

problems!(GUARDED, IN_APP, READS);

/// Export all devices.
///
/// What `POST …/devices/import` reads, oldest first: sent there again it gives the same devices. An
/// answer that is cut short ends in an error of the connection, never in a good end. Needs the scope
/// `devices` or `read`, and `admin` for push tokens.
#[utoipa::path(
    get, path = "/v1/apps/{app}/devices/export", operation_id = "device_export", tag = "devices",
    params(("app" = String, Path, description = "Id of the App"), ExportParams),
    responses(
        (status = 200, description = "The devices.",
            content((ExportedDevice = "application/x-ndjson"), (String = "text/csv"))),
        Problems
    ),
)]
pub(crate) async fn export(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read])?.no;
    let with_push_tokens = params.include == Some(Include::PushTokens);
    if with_push_tokens && !caller.is_admin() {
        return Err(Problem::new(
            &codes::AUTH_SCOPE,
            "push tokens are exported only for an API key with the scope admin",
        ));
    }
    let content_type = match params.format {
        Format::Ndjson => NDJSON,
        Format::Csv => "text/csv; charset=utf-8",
    };
    let walk = Walk {
        api: Api::clone(&api),
        app,
        after: None,
        is_over: false,
        format: params.format,
        with_push_tokens,
    };
    give(&api, &caller, content_type, walk).await
}

/// The export, as far as it has come.
struct Walk {
    api: Api,
    app: AppNo,
    after: Option<DeviceNo>,
    is_over: bool,
    format: Format,
    with_push_tokens: bool,
}

impl Parts for Walk {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if self.is_over {
            return Ok(None);
        }
        let filter = DeviceFilter {
            after: self.after,
            limit: PAGE,
            ..DeviceFilter::default()
        };
        let devices = self.api.registry().devices(self.app, filter).await?;
        let mut part = Vec::new();
        if self.format == Format::Csv && self.after.is_none() {
            self.csv_head(&mut part);
        }
        for device in &devices {
            match self.format {
                Format::Ndjson => self.ndjson(device, &mut part)?,
                Format::Csv => self.csv(device, &mut part)?,
            }
        }
        self.after = devices.last().map(|device| device.no);
        self.is_over = devices.len() < PAGE as usize;
        Ok(Some(part))
    }
}

impl Walk {
    /// Kind, address, environment, and since when.
    fn push_tokens(
        &self,
        device: &Device,
    ) -> Result<Vec<(TokenKind, String, &'static str, String)>, Problem> {
        if !self.with_push_tokens {
            return Ok(Vec::new());
        }
        let living = device.push_tokens.iter();
        living
            .filter(|found| found.retired_at.is_none())
            .map(|found| {
                let text = push_tokens::write(found.kind, self.api.engine.gateways(), &found.bytes);
                let text =
                    text.map_err(|why| Problem::internal(format!("{}: {why}", device.id)))?;
                let registered_at = instant::optional(found.registered_at);
                let registered_at = registered_at.unwrap_or_else(|| push_tokens::UNKNOWN.into());
                Ok((found.kind, text, found.environment.as_str(), registered_at))
            })
            .collect()
    }

    fn ndjson(&self, device: &Device, out: &mut Vec<u8>) -> Result<(), Problem> {
        let broken =
            |error: serde_json::Error| Problem::internal(format!("{}: {error}", device.id));
        let known = &device.registration;
        let push_tokens = self.push_tokens(device)?.into_iter();
        let push_tokens = push_tokens.map(|(kind, text, environment, registered_at)| {
            let (token, subscription) = match kind {
                TokenKind::WebPush => (None, Some(serde_json::from_str(&text).map_err(broken)?)),
                _ => (Some(text), None),
            };
            Ok(ExportedPushToken {
                kind: kind.as_str(),
                token,
                subscription,
                environment,
                registered_at,
            })
        });
        let row = ExportedDevice {
            id: &device.id,
            user_id: known.user_id.as_deref(),
            locale: known.locale.as_deref(),
            time_zone: known.time_zone.as_deref(),
            app_version: known.app_version.as_deref(),
            platform: known.platform.as_deref(),
            tags: &known.tags,
            topics: &known.topics,
            attributes: known
                .attributes
                .as_deref()
                .map(serde_json::from_str)
                .transpose()
                .map_err(broken)?,
            capabilities: &known.capabilities,
            push_tokens: push_tokens.collect::<Result<_, Problem>>()?,
        };
        serde_json::to_writer(&mut *out, &row).map_err(broken)?;
        out.push(b'\n');
        Ok(())
    }

    fn csv_head(&self, out: &mut Vec<u8>) {
        let own = [
            "id",
            "user_id",
            "locale",
            "time_zone",
            "app_version",
            "platform",
            "tags",
            "topics",
            "attributes",
            "capabilities",
        ];
        let of_push_tokens = ["kind", "push_token", "environment", "registered_at"];
        let more: &[&str] = match self.with_push_tokens {
            true => &of_push_tokens,
            false => &[],
        };
        write_row(out, own.iter().chain(more).copied());
    }

    fn csv(&self, device: &Device, out: &mut Vec<u8>) -> Result<(), Problem> {
        let known = &device.registration;
        let (tags, topics) = (write_list(&known.tags), write_list(&known.topics));
        let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        let own = [
            device.id.clone(),
            text(&known.user_id),
            text(&known.locale),
            text(&known.time_zone),
            text(&known.app_version),
            text(&known.platform),
            tags,
            topics,
            text(&known.attributes),
            write_list(&known.capabilities),
        ];
        let own = || own.iter().map(String::as_str);
        let push_tokens = self.push_tokens(device)?;
        for (kind, address, environment, registered_at) in &push_tokens {
            let push_token = [kind.as_str(), address, environment, registered_at];
            write_row(out, own().chain(push_token));
        }
        if push_tokens.is_empty() {
            let none: &[&str] = match self.with_push_tokens {
                true => &["", "", "", ""],
                false => &[],
            };
            write_row(out, own().chain(none.iter().copied()));
        }
        Ok(())
    }
}
