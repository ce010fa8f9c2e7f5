//! The OpenAPI 3.1 document, made from the same declarations that register the routes.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, OpenApi, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Carillon",
        description = "Push notifications: one request becomes a push on a phone, and nothing is lost.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "notifications", description = "What is to be sent"),
        (name = "deliveries", description = "One notification to one device"),
        (name = "devices", description = "Installations of an app, with their push tokens"),
        (name = "users", description = "People, as devices name them"),
        (name = "live-activities", description = "Timelines that phones show on their lock screens"),
        (name = "channels", description = "Broadcast channels for Live Activities"),
        (name = "apps", description = "Customer applications"),
        (name = "credentials", description = "What lets an App speak to a gateway"),
        (name = "templates", description = "What notifications say, in each reader's language"),
        (name = "lists", description = "Uploaded devices, by name: whom to send to"),
        (name = "segments", description = "Conditions over devices, by name: whom to send to, and how many they are"),
        (name = "triggers", description = "What is sent when an event is reported"),
        (name = "schedules", description = "What is sent again and again, by the calendar"),
        (name = "callouts", description = "Where an App's own code is asked what a notification says"),
        (name = "campaigns", description = "One notification to a large audience, sent over time"),
        (name = "monitors", description = "Services that are watched, and how they did"),
        (name = "heartbeats", description = "Where jobs tell that they ran"),
        (name = "incidents", description = "That a monitor is down, from beginning to end"),
        (name = "ladders", description = "Who is paged how and when, until somebody answers"),
        (name = "rotations", description = "Who is on call when"),
        (name = "identity-keys", description = "What signed user ids are checked with"),
        (name = "stats", description = "Counters"),
        (name = "webhooks", description = "Where an App is told what happened"),
        (name = "receipts", description = "What apps say of the pushes that they got"),
        (name = "events", description = "What happened: in your product (`POST`), and in Carillon (`GET`)"),
        (name = "api-keys", description = "Who may call this API"),
        (name = "audit", description = "Administrative acts"),
        (name = "server", description = "The server itself"),
    ),
    components(schemas(crate::problem::ProblemDocument<'_>, crate::problem::GatewayWords)),
    modifiers(&Bearer),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "An API key: `crl_admin_…`, `crl_app_…`, or a publishable `crl_pub_…`",
                ))
                .build(),
        );
        let components = document
            .components
            .get_or_insert_with(|| ComponentsBuilder::new().build());
        components.add_security_scheme("api_key", scheme);
        document.security = Some(vec![SecurityRequirement::new(
            "api_key",
            Vec::<String>::new(),
        )]);
    }
}

/// What the routes add themselves to.
pub(crate) fn base() -> OpenApi {
    Document::openapi()
}

/// The document as it is served and committed: indented, with a last newline.
pub(crate) fn text() -> String {
    let text = crate::openapi().to_pretty_json().unwrap_or_default();
    format!("{text}\n")
}
