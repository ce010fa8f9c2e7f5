//! `PATCH /v1/apps/{app}/notifications/{id}`

use super::schema::ChangeSchema;
use super::{NotificationItem, find};
use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::ChangeRefusal;
use carillon_model::notification::NotificationChange;
use carillon_ports::registry::Scope;

problems!(GUARDED, IN_APP, BODY, WRITES; NOTIFICATION_UNKNOWN, NOTIFICATION_NOT_WAITING);

/// Change a notification that waits for its time.
///
/// Until the moment of sending. Each field that is there replaces the former one as a whole; the rest stays.
/// It is checked and written anew, with templates as they are now: when the change is refused, everything
/// stays as it was. 409 when it does not wait any more. May be repeated. Needs the scope `send`.
#[utoipa::path(
    patch, path = "/v1/apps/{app}/notifications/{id}", operation_id = "notification_change", tag = "notifications",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("id" = String, Path, description = "Id of the notification: `ntf_…`"),
    ),
    request_body = ChangeSchema,
    responses((status = 200, description = "Changed, and on disk.", body = NotificationItem), Problems),
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
    Json(change): Json<NotificationChange>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Send])?;
    let no = find(&api, app, &id).await?.head.no;
    let changed = api.engine.change(app.no, no, &change).await?;
    changed.map_err(|refusal| match refusal {
        ChangeRefusal::Invalid(problems) => Problem::invalid(problems),
        ChangeRefusal::NotWaiting => Problem::new(
            &codes::NOTIFICATION_NOT_WAITING,
            format!("the notification {id:?} does not wait for its time: it was sent or cancelled, or was never to be sent later"),
        ),
        ChangeRefusal::Contended => Problem::new(
            &codes::SERVER_BUSY,
            "others keep changing this notification at the same time",
        )
        .retry_after(1),
    })?;
    answer::ok(&NotificationItem::from(&find(&api, app, &id).await?))
}
