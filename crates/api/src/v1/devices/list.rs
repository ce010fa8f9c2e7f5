//! `GET /v1/apps/{app}/devices`

use super::DeviceView;
use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page};
use crate::params::{Params, PathOf, limit};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::id::DeviceNo;
use carillon_ports::registry::{DeviceFilter, Scope};
use serde::Deserialize;
use utoipa::IntoParams;

const LIST: List = List("dev");

/// Which devices.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeviceParams {
    /// Only this user's.
    user_id: Option<String>,
    /// Only those that run on this.
    #[param(example = "ios")]
    platform: Option<String>,
    /// Only those with this tag.
    tag: Option<String>,
    /// Only those that are subscribed to this topic.
    topic: Option<String>,
    /// Only stale ones, or only those that are not: not seen for longer than the App's
    /// `stale_after_days`.
    stale: Option<bool>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most entries: 1 to 1,000, default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

problems!(GUARDED, IN_APP, PAGES, READS);

/// List devices, oldest first.
///
/// Needs the scope `devices` or `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/devices", operation_id = "device_list", tag = "devices",
    params(("app" = String, Path, description = "Id of the App"), DeviceParams),
    responses((status = 200, description = "A page of devices.", body = Page<DeviceView>), Problems),
)]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<DeviceParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read])?;
    let limit = limit(params.limit, MAX)?;
    let now = api.now();
    let stale_before = app.settings.stale_before(now);
    let filter = DeviceFilter {
        user_id: params.user_id,
        platform: params.platform,
        tag: params.tag,
        topic: params.topic,
        seen_before: (params.stale == Some(true)).then_some(stale_before),
        seen_since: (params.stale == Some(false)).then_some(stale_before),
        after: LIST.number(params.cursor.as_deref())?.map(DeviceNo),
        limit: limit + 1,
    };
    let devices = api.registry().devices(app.no, filter).await?;
    answer::ok(&LIST.page(
        devices,
        limit,
        |device| device.no.to_string(),
        |device| DeviceView::new(device, app, now),
    ))
}
