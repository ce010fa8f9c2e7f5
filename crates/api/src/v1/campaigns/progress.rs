//! `GET /v1/apps/{app}/campaigns/{campaign}/progress`: how far a campaign is, as server-sent events.
//!
//! A stream is read when its client can take more, so nothing is kept for one that does not read.

use super::view::is_over;
use super::{CampaignItem, Look, find};
use crate::auth::Caller;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::events::stream::server_sent;
use crate::v1::notifications::readable;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use carillon_model::id::{ApiKeyNo, AppNo, NotificationNo};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// How often a line is sent.
const EVERY: Duration = Duration::from_secs(1);

problems!(GUARDED, IN_APP, READS; CAMPAIGN_UNKNOWN);

/// Follow how far a campaign is.
///
/// Server-sent events, one a second: `event: progress`, and `data` the campaign as reading it gives, with
/// the rate of the last second. When it is over, a last `event: end` has its end. A client that lost its
/// connection just comes again. Needs the scope `read` or `send`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/campaigns/{campaign}/progress", operation_id = "campaign_progress", tag = "campaigns",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("campaign" = String, Path, description = "Id of the campaign, `cmp_…`, or its name"),
    ),
    responses((status = 200, description = "Lines, until it is over.", body = String, content_type = "text/event-stream"), Problems),
)]
pub(crate) async fn progress(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, id)): PathOf<(String, String)>,
) -> Result<Response, Problem> {
    let app = readable(&caller, &app)?;
    let row = find(&api, app, &id).await?;
    let permit = Arc::clone(&api.event_streams).try_acquire_owned();
    let permit = permit.map_err(|_| {
        let detail = format!("{} event streams are open", api.limits.event_streams);
        Problem::new(&codes::SERVER_BUSY, detail).retry_after(5)
    })?;
    let following = Following {
        _permit: permit,
        app: app.no,
        api_key: caller.api_key,
        no: row.notification.head.no,
        before: None,
        is_ended: false,
        api,
    };
    let lines = futures_util::stream::unfold(following, |mut following| async move {
        let line = following.line().await?;
        Some((Ok::<_, Infallible>(line), following))
    });
    Ok(server_sent(Body::from_stream(lines)))
}

/// A stream. Ends with the campaign, the client, the API key, the App, or the server.
struct Following {
    _permit: OwnedSemaphorePermit,
    api: Api,
    app: AppNo,
    api_key: ApiKeyNo,
    no: NotificationNo,
    before: Option<Look>,
    is_ended: bool,
}

impl Following {
    async fn line(&mut self) -> Option<Bytes> {
        if self.is_ended {
            return None;
        }
        if self.before.is_some() {
            tokio::time::sleep(EVERY).await;
        }
        let directory = self.api.engine.directory();
        let is_allowed = directory.app_by_no(self.app).is_some()
            && directory.has_api_key(self.api_key)
            && (self.api.readiness)().is_ok();
        if !is_allowed {
            return None;
        }
        let now = self.api.now();
        let row = match self.api.store().campaign(self.app, self.no).await {
            Ok(row) => row?,
            // The next look may be answered; a comment keeps the connection alive.
            Err(error) => {
                tracing::debug!(%error, "the progress of a campaign waits for the store");
                self.before.get_or_insert(Look { at: now, ended: 0 });
                return Some(Bytes::from_static(b": wait\n\n"));
            }
        };
        let item = CampaignItem::of(&row, now, self.before).ok()?;
        let data = serde_json::to_string(&item).ok()?;
        self.before = Some(Look::of(&row, now));
        self.is_ended = is_over(&row);
        let event = if self.is_ended { "end" } else { "progress" };
        Some(format!("event: {event}\ndata: {data}\n\n").into())
    }
}
