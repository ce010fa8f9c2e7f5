//! `GET /v1/apps/{app}/devices/stats`

use crate::answer;
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_ports::registry::Scope;
use serde::Serialize;
use utoipa::ToSchema;

/// The devices of an App, counted.
#[derive(Serialize, ToSchema)]
#[schema(as = DeviceStats)]
pub(crate) struct StatsView {
    /// All.
    total: u64,
    /// Those that were not seen for longer than the App's `stale_after_days`.
    stale: u64,
    /// By what they run on, most first; at most 100.
    by_platform: Vec<OnPlatform>,
    /// By the gateways at which they have a push token that is not retired. A device may be reached by
    /// several, or by none.
    by_gateway: Vec<AtGateway>,
}

/// Devices that run on one thing.
#[derive(Serialize, ToSchema)]
pub(crate) struct OnPlatform {
    /// What they run on; null where nobody said it.
    #[schema(example = "ios")]
    platform: Option<String>,
    /// How many.
    devices: u64,
}

/// Devices that one gateway reaches.
#[derive(Serialize, ToSchema)]
pub(crate) struct AtGateway {
    /// The gateway.
    #[schema(example = "apns")]
    gateway: &'static str,
    /// How many.
    devices: u64,
}

problems!(GUARDED, IN_APP, READS);

/// Count the devices of an App.
///
/// Needs the scope `devices` or `read`. They are counted when you ask: with millions of them that takes
/// a second or more.
#[utoipa::path(
    get, path = "/v1/apps/{app}/devices/stats", operation_id = "device_stats", tag = "devices",
    params(("app" = String, Path, description = "Id of the App")),
    responses((status = 200, description = "Numbers of devices.", body = StatsView), Problems),
)]
pub(crate) async fn stats(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Devices, Scope::Read])?;
    let stale_before = app.settings.stale_before(api.now());
    let stats = api.registry().device_stats(app.no, stale_before).await?;
    let by_platform = stats.platforms.into_iter();
    let by_gateway = stats.gateways.into_iter();
    answer::ok(&StatsView {
        total: stats.total,
        stale: stats.stale,
        by_platform: by_platform
            .map(|(platform, devices)| OnPlatform { platform, devices })
            .collect(),
        by_gateway: by_gateway
            .map(|(gateway, devices)| AtGateway {
                gateway: gateway.as_str(),
                devices,
            })
            .collect(),
    })
}
