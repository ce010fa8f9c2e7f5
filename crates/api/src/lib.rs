//! Carillon's REST API: `/v1`, its problems, and its OpenAPI document.
//!
//! It reads requests, asks whether the caller may, hands the work to the engine, and says in words
//! what came of it. It knows no SQL and no gateway: those are behind the engine's ports. Listening,
//! TLS and header time-outs are the server's.
//!
//! One folder for each noun under `v1`, one file for each thing that can be done with it: what it
//! takes, what it answers, every problem it can have, and the handler.

mod answer;
pub mod api_key;
mod auth;
mod body;
mod cors;
mod explain;
mod guard;
mod idempotency;
mod instant;
mod json;
mod key_rates;
mod openapi;
mod ops;
mod page;
mod params;
pub mod problem;
mod public;
mod state;
mod stream;
mod user_token;
mod v1;
mod words;

pub use state::{ApiState, Limits, MasterKeys, Metrics, Random, Readiness};

use axum::extract::Request;
use carillon_model::role::Role;
use problem::{Problem, codes};
use state::{Api, Shared};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The whole API, ready to be served. Of a process without the role `api` only what tells how it is.
pub fn router(state: ApiState) -> axum::Router {
    let api = Shared::new(state);
    let router = if api.engine.roles().has(Role::Api) {
        let (router, _) = all_routes().split_for_parts();
        router.fallback(unknown_route)
    } else {
        let (router, _) = own_routes().split_for_parts();
        router.fallback(not_here)
    };
    router
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(
            Api::clone(&api),
            guard::guard,
        ))
        .layer(axum::middleware::from_fn(cors::cors))
        .with_state(api)
}

/// The OpenAPI 3.1 document of [`router`].
#[must_use]
pub fn openapi() -> OpenApi {
    all_routes().split_for_parts().1
}

/// The OpenAPI document as it is served at `/v1/openapi.json` and committed in `docs/`.
#[must_use]
pub fn openapi_text() -> String {
    openapi::text()
}

fn all_routes() -> OpenApiRouter<Api> {
    use v1::*;
    own_routes()
        .routes(routes!(
            notifications::send::send,
            notifications::list::list
        ))
        .routes(routes!(
            notifications::get::get,
            notifications::change::change
        ))
        .routes(routes!(notifications::deliveries::deliveries))
        .routes(routes!(notifications::cancel::cancel))
        .routes(routes!(deliveries::get::get))
        .routes(routes!(devices::create::create, devices::list::list))
        .routes(routes!(devices::import::import))
        .routes(routes!(devices::export::export))
        .routes(routes!(devices::stats::stats))
        .routes(routes!(
            devices::put::put,
            devices::get::get,
            devices::delete::delete
        ))
        .routes(routes!(devices::deliveries::deliveries))
        .routes(routes!(devices::delete_push_token::delete_push_token))
        .routes(routes!(users::erase::erase))
        .routes(routes!(
            preferences::put::put,
            preferences::get::get,
            preferences::delete::delete
        ))
        .routes(routes!(badges::put::put, badges::get::get))
        .routes(routes!(channels::create::create, channels::list::list))
        .routes(routes!(channels::get::get, channels::delete::delete))
        .routes(routes!(apps::list::list))
        .routes(routes!(
            apps::put::put,
            apps::get::get,
            apps::delete::delete
        ))
        .routes(routes!(credentials::list::list))
        .routes(routes!(
            credentials::put::put,
            credentials::get::get,
            credentials::delete::delete
        ))
        .routes(routes!(credentials::probe::probe))
        .routes(routes!(templates::list::list))
        .routes(routes!(
            templates::put::put,
            templates::get::get,
            templates::delete::delete
        ))
        .routes(routes!(templates::preview::preview))
        .routes(routes!(templates::dry_run::dry_run))
        .routes(routes!(triggers::list::list))
        .routes(routes!(
            triggers::put::put,
            triggers::get::get,
            triggers::delete::delete
        ))
        .routes(routes!(triggers::test::test))
        .routes(routes!(callouts::list::list))
        .routes(routes!(
            callouts::put::put,
            callouts::get::get,
            callouts::delete::delete
        ))
        .routes(routes!(callouts::rotate_secret::rotate_secret))
        .routes(routes!(callouts::runs::runs))
        .routes(routes!(callouts::test::test))
        .routes(routes!(schedules::list::list))
        .routes(routes!(schedules::preview::preview))
        .routes(routes!(
            schedules::put::put,
            schedules::get::get,
            schedules::delete::delete
        ))
        .routes(routes!(schedules::switch::pause))
        .routes(routes!(schedules::switch::resume))
        .routes(routes!(schedules::run::run))
        .routes(routes!(schedules::runs::runs))
        .routes(routes!(campaigns::create::create, campaigns::list::list))
        .routes(routes!(campaigns::get::get))
        .routes(routes!(campaigns::switch::pause))
        .routes(routes!(campaigns::switch::resume))
        .routes(routes!(campaigns::cancel::cancel))
        .routes(routes!(campaigns::progress::progress))
        .routes(routes!(live_activity_sources::list::list))
        .routes(routes!(live_activity_sources::check::check))
        .routes(routes!(live_activity_sources::run::run))
        .routes(routes!(live_activities::list::list))
        .routes(routes!(
            live_activities::put::put,
            live_activities::get::get,
            live_activities::change::change
        ))
        .routes(routes!(live_activities::end::end))
        .routes(routes!(live_activities::phases::phases))
        .routes(routes!(live_activities::update_token::put))
        .routes(routes!(live_activities::gone::gone))
        .routes(routes!(
            live_activities::push_to_start::put,
            live_activities::push_to_start::delete
        ))
        .routes(routes!(segments::list::list))
        .routes(routes!(
            segments::put::put,
            segments::get::get,
            segments::delete::delete
        ))
        .routes(routes!(segments::try_out::try_out))
        .routes(routes!(segments::estimate::estimate))
        .routes(routes!(segments::count::count))
        .routes(routes!(lists::list::list))
        .routes(routes!(
            lists::put::put,
            lists::get::get,
            lists::delete::delete
        ))
        .merge(watching())
        .routes(routes!(identity_keys::list::list))
        .routes(routes!(
            identity_keys::put::put,
            identity_keys::get::get,
            identity_keys::delete::delete
        ))
        .routes(routes!(stats::get::get))
        .routes(routes!(receipts::create::create))
        .routes(routes!(events::stream::stream))
        .routes(routes!(webhooks::list::list))
        .routes(routes!(
            webhooks::put::put,
            webhooks::get::get,
            webhooks::delete::delete
        ))
        .routes(routes!(webhooks::rotate_secret::rotate_secret))
        .routes(routes!(webhooks::switch::enable))
        .routes(routes!(webhooks::switch::disable))
        .routes(routes!(webhooks::test::test))
        .routes(routes!(webhooks::replay::replay))
        .routes(routes!(webhooks::attempts::attempts))
        .routes(routes!(events::report::report, events::list::list))
        .routes(routes!(api_keys::create::create, api_keys::list::list))
        .routes(routes!(api_keys::delete::delete))
        .routes(routes!(audit::list::list))
        .routes(routes!(scheduler::resume::resume))
        .routes(routes!(server::backup::backup))
        .routes(routes!(server::rotate_master_key::rotate_master_key))
        .routes(routes!(ops::documents::openapi))
        .routes(routes!(ops::documents::errors))
}

/// Services that are watched, and who is woken for them.
fn watching() -> OpenApiRouter<Api> {
    use v1::*;
    OpenApiRouter::new()
        .routes(routes!(monitors::list::list))
        .routes(routes!(monitors::test::test_definition))
        .routes(routes!(
            monitors::put::put,
            monitors::get::get,
            monitors::delete::delete
        ))
        .routes(routes!(monitors::test::test))
        .routes(routes!(monitors::rotate_secret::rotate_secret))
        .routes(routes!(monitors::status::status))
        .routes(routes!(incidents::list::list))
        .routes(routes!(incidents::get::get))
        .routes(routes!(incidents::moves::acknowledge))
        .routes(routes!(incidents::moves::unacknowledge))
        .routes(routes!(incidents::moves::snooze))
        .routes(routes!(incidents::moves::resolve))
        .routes(routes!(rotations::list::list))
        .routes(routes!(
            rotations::put::put,
            rotations::get::get,
            rotations::delete::delete
        ))
        .routes(routes!(ladders::list::list))
        .routes(routes!(
            ladders::put::put,
            ladders::get::get,
            ladders::delete::delete
        ))
        .routes(routes!(
            heartbeats::finish::finish,
            heartbeats::finish::finish_get
        ))
        .routes(routes!(
            heartbeats::start::start,
            heartbeats::start::start_get
        ))
        .routes(routes!(heartbeats::fail::fail, heartbeats::fail::fail_get))
        .routes(routes!(public::incident::show, public::incident::act))
        .routes(routes!(public::status::page))
}

/// What every process says of itself, whatever its roles.
fn own_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(v1::status::get::get))
        .routes(routes!(ops::health::healthz))
        .routes(routes!(ops::health::readyz))
        .routes(routes!(ops::metrics::metrics))
}

async fn unknown_route(request: Request) -> Problem {
    let detail = format!("there is nothing at {}", request.uri().path());
    Problem::new(&codes::ROUTE_UNKNOWN, detail)
}

async fn not_here(request: Request) -> Problem {
    let detail = format!(
        "this process has not the role api, so there is nothing at {}: ask one that has it",
        request.uri().path()
    );
    Problem::new(&codes::ROUTE_UNKNOWN, detail)
}

async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!(
        "{} does not take {}",
        request.uri().path(),
        request.method()
    );
    Problem::new(&codes::METHOD_NOT_ALLOWED, detail)
}
