//! `GET /v1/apps/{app}/rotations/{name}`

use super::{RotationView, SHOWN_MS};
use crate::answer;
use crate::auth::Caller;
use crate::instant;
use crate::params::{Params, PathOf};
use crate::problem::Problem;
use crate::problem::document::problems;
use crate::state::Api;
use crate::v1::definitions::ROTATIONS;
use axum::extract::State;
use axum::response::Response;
use carillon_model::UnixMs;
use carillon_ports::registry::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

/// Longest time of which shifts are shown.
const LONGEST_MS: i64 = 366 * 86_400_000;

/// Of which time shifts are shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct GetParams {
    /// Shifts from this instant on (RFC 3339); default: now.
    from: Option<String>,
    /// Until this instant; default: two weeks later. At most 366 days after `from`.
    until: Option<String>,
}

problems!(GUARDED, IN_APP; ROTATION_UNKNOWN);

/// Read a rotation.
///
/// With who is on call when. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/rotations/{name}", operation_id = "rotation_get", tag = "rotations",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the rotation"),
        GetParams
    ),
    responses((status = 200, description = "The rotation.", body = RotationView), Problems),
)]
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Params(params): Params<GetParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read])?;
    let now = api.now();
    let read = |name: &str, text: Option<&String>, default: UnixMs| {
        let read = text.map_or(Ok(default), |text| instant::parse(text));
        read.map_err(|message| Problem::parameter(name, "query.parameter", message))
    };
    let from = read("from", params.from.as_ref(), now)?;
    let until = read(
        "until",
        params.until.as_ref(),
        from.saturating_add(SHOWN_MS),
    )?;
    if until <= from || until.saturating_sub(from) > LONGEST_MS {
        let message = "expected an instant after `from`, and at most 366 days after it";
        return Err(Problem::parameter("until", "query.parameter", message));
    }
    let stored = ROTATIONS.find(&caller, app, &name)?;
    answer::ok(&RotationView::of(stored, now, Some((from, until)))?)
}
