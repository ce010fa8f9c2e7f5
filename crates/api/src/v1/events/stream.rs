//! `GET /v1/apps/{app}/events/stream`: the event log as it grows, as server-sent events.
//!
//! Each stream reads the log by itself, woken by the engine's bell, from the last event that it sent; so
//! nothing is kept for it but a few pages on their way. A client that does not read for long is cut off,
//! and goes on where it was by `Last-Event-ID`.

use super::list::EventView;
use crate::auth::Caller;
use crate::params::{Params, PathOf};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use carillon_model::event::EventKind;
use carillon_model::id::{ApiKeyNo, AppNo};
use carillon_model::problem::FieldProblem;
use carillon_model::webhook::EventFilter;
use carillon_ports::registry::Scope;
use carillon_ports::store::{Event, StoreError};
use serde::Deserialize;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use utoipa::IntoParams;

/// Events of one page.
const PAGE: u32 = 50;
/// Pages that wait for a client.
const PAGES: usize = 2;
/// Least time between two readings of the log, so that many events are read together.
const PAUSE: Duration = Duration::from_millis(50);
/// How often a stream looks whether it is to end, and reads the log besides wake-ups.
const TICK: Duration = Duration::from_millis(500);
/// After so long without any event a comment keeps the connection alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A client that reads nothing for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a client waits before it comes again.
const HELLO: &str = "retry: 1000\n\n";

/// Where to begin, and what to leave out.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamParams {
    /// Events after this number. The header `Last-Event-ID` goes before it. Default: from now on.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Only these kinds, separated by commas: exact kinds, a noun with `.*`, or `*`.
    #[param(example = "delivery.*,device.retired")]
    kinds: Option<String>,
}

problems!(GUARDED, IN_APP, READS; REQUEST_HEADER);

/// Follow the events of an App as they happen.
///
/// Server-sent events: `id` is the event's number, `event` its kind, `data` the event as the list of events
/// has it. A comment comes every 15 seconds where nothing happens. A client that lost its connection goes
/// on with the header `Last-Event-ID`, which browsers send by themselves, or with `after`. One that does
/// not read for 30 seconds is cut off and can go on the same way. Needs the scope `read`.
#[utoipa::path(
    get, path = "/v1/apps/{app}/events/stream", operation_id = "event_stream", tag = "events",
    params(
        ("app" = String, Path, description = "Id of the App"), StreamParams,
        ("Last-Event-ID" = Option<i64>, Header, description = "Events after this number."),
    ),
    responses((status = 200, description = "Events, for as long as both sides are there.", body = String, content_type = "text/event-stream"), Problems),
)]
pub(crate) async fn stream(
    State(api): State<Api>,
    caller: Caller,
    PathOf(app): PathOf<String>,
    Params(params): Params<StreamParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let no = caller.app(&app, &[Scope::Read])?.no;
    let filter = filter(params.kinds.as_deref())?;
    let after = last_event(&headers)?.or(params.after);
    let permit = Arc::clone(&api.event_streams).try_acquire_owned();
    let permit = permit.map_err(|_| {
        let detail = format!("{} event streams are open", api.limits.event_streams);
        Problem::new(&codes::SERVER_BUSY, detail).retry_after(5)
    })?;
    // Before the place is read: what happens in between rings.
    let told = api.engine.events_written();
    let after = match after {
        Some(after) => after,
        None => api.engine.webhooks().newest_event(no).await?,
    };
    let (pages, waiting) = mpsc::channel(PAGES);
    let is_cut = Arc::new(AtomicBool::new(false));
    let following = Following {
        api,
        app: no,
        api_key: caller.api_key,
        filter,
        after,
        told,
        pages,
        is_cut: Arc::clone(&is_cut),
        _permit: permit,
    };
    tokio::spawn(following.run());
    Ok(server_sent(body(waiting, is_cut)))
}

/// An answer of server-sent events.
pub(crate) fn server_sent(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies in between must not gather what is to be seen at once.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn filter(kinds: Option<&str>) -> Result<EventFilter, Problem> {
    let Some(kinds) = kinds else {
        return Ok(EventFilter::default());
    };
    let filter = EventFilter(
        kinds
            .split(',')
            .map(|kind| kind.trim().to_owned())
            .collect(),
    );
    match filter.problems().into_iter().next() {
        None => Ok(filter),
        Some(FieldProblem { message, .. }) => {
            Err(Problem::parameter("kinds", "query.kinds", message))
        }
    }
}

fn last_event(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let number = value.to_str().ok().and_then(|text| text.parse().ok());
    number.filter(|no| *no >= 0).map(Some).ok_or_else(|| {
        Problem::new(
            &codes::REQUEST_HEADER,
            "Last-Event-ID: expected the number of an event",
        )
    })
}

/// What the client reads: pages as they come, and a last word when it was cut off.
fn body(waiting: mpsc::Receiver<Bytes>, is_cut: Arc<AtomicBool>) -> Body {
    let first = Some(Bytes::from_static(HELLO.as_bytes()));
    let pages = futures_util::stream::unfold(
        (waiting, is_cut, first),
        |(mut waiting, is_cut, first)| async move {
            let page = match first {
                Some(first) => first,
                None => match waiting.recv().await {
                    Some(page) => page,
                    None if is_cut.swap(false, Ordering::Relaxed) => Bytes::from_static(
                        b": cut off: nothing was read for 30 s; go on with Last-Event-ID\n\n",
                    ),
                    None => return None,
                },
            };
            Some((Ok::<_, Infallible>(page), (waiting, is_cut, None)))
        },
    );
    Body::from_stream(pages)
}

/// The task behind a stream. Ends with the client, the API key, the App, or the server.
struct Following {
    /// Goes first, so that who sees the end of a stream can open another.
    _permit: OwnedSemaphorePermit,
    api: Api,
    app: AppNo,
    api_key: ApiKeyNo,
    filter: EventFilter,
    after: i64,
    told: watch::Receiver<u64>,
    pages: mpsc::Sender<Bytes>,
    is_cut: Arc<AtomicBool>,
}

impl Following {
    async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said_at = Instant::now();
        loop {
            if self.is_over() {
                return;
            }
            match self.read().await {
                Ok((page, is_full)) => {
                    if !page.is_empty() {
                        said_at = Instant::now();
                        if !self.say(page).await {
                            return;
                        }
                    }
                    if is_full {
                        continue;
                    }
                }
                // Reading goes on when the store does; a client that waits long enough sees the silence.
                Err(error) => tracing::debug!(%error, "an event stream waits for the store"),
            }
            if said_at.elapsed() >= KEEP_ALIVE {
                said_at = Instant::now();
                if !self.say(": keep-alive\n\n".to_owned()).await {
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                // The engine is gone when it fails, which `is_over` sees by the readiness.
                _ = self.told.changed() => {}
                _ = tick.tick() => {}
                () = self.pages.closed() => return,
            }
        }
    }

    fn is_over(&self) -> bool {
        let directory = self.api.engine.directory();
        self.pages.is_closed()
            || (self.api.readiness)().is_err()
            || directory.app_by_no(self.app).is_none()
            || !directory.has_api_key(self.api_key)
    }

    /// The next page, and whether there is more.
    async fn read(&mut self) -> Result<(String, bool), StoreError> {
        let store = self.api.store();
        let events = store.events(self.app, self.after, PAGE).await?;
        let is_full = events.len() == PAGE as usize;
        let mut page = String::new();
        for event in events {
            self.after = event.no;
            // Kinds of an older version are told by their present word.
            let kind = EventKind::parse(&event.kind).map_or(&*event.kind, |kind| kind.as_str());
            if self.filter.matches(kind) {
                write(&mut page, event);
            }
        }
        Ok((page, is_full))
    }

    /// `false`: the client is gone, or does not read.
    async fn say(&self, text: String) -> bool {
        match self.pages.send_timeout(text.into(), PATIENCE).await {
            Ok(()) => true,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                self.is_cut.store(true, Ordering::Relaxed);
                false
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => false,
        }
    }
}

/// One event. JSON without line ends is one `data` line.
fn write(page: &mut String, event: Event) {
    let no = event.no;
    let view = EventView::from(event);
    let data = serde_json::to_string(&view).unwrap_or_default();
    // Writing to a string cannot fail. Data that came in with line ends has them again.
    let _ = write!(page, "id: {no}\nevent: {}\n", view.kind());
    for line in data.lines() {
        let _ = writeln!(page, "data: {line}");
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_as_a_browser_reads_it() {
        let mut page = String::new();
        let event = Event {
            no: 41,
            at: 0,
            kind: "push_token.retired".into(),
            subject: "x\ny".into(),
            data: "{\n\"a\":1}".into(),
        };
        write(&mut page, event);
        assert_eq!(
            page,
            "id: 41\nevent: device.retired\ndata: {\"no\":41,\"at\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"device.retired\",\"subject\":\"x\\ny\",\"data\":{\ndata: \"a\":1}}\n\n"
        );
    }

    #[test]
    fn filters_and_places() {
        assert!(filter(Some("delivery.*, device.retired")).is_ok());
        assert!(filter(Some("nonsense")).is_err());
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", HeaderValue::from_static(value));
            last_event(&headers)
        };
        assert_eq!(with("41").ok(), Some(Some(41)));
        assert!(with("-1").is_err() && with("x").is_err());
    }
}
