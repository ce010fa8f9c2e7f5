//! Many events in one request (NDJSON): each line is one, each gets its own result line.
//!
//! Lines of a group are carried out side by side, so that their commits are shared. An event without a
//! key is not tried again when the store is overloaded: one of its triggers may have sent already.

use super::outcome::{OutcomeView, TriggerOutcome, refused};
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::idempotency::Held;
use crate::json;
use crate::problem::{Problem, ProblemDocument, codes};
use crate::state::Api;
use crate::stream::frames::Frames;
use crate::stream::lines::{Line, Lines};
use crate::stream::{Results, run, with_patience};
use axum::body::Body;
use axum::response::Response;
use carillon_engine::IdempotencyKey;
use carillon_engine::event::{EventAnswer, EventRefusal, EventRequest};
use carillon_model::app::App;
use carillon_model::id::AppNo;
use carillon_model::trigger::MAX_EVENT_BYTES;
use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Events of one group that are carried out at once.
const SIDE_BY_SIDE: usize = 64;

/// What came of one line.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventLineResult<'a> {
    /// The line's number, from 1.
    line: u64,
    /// What each trigger made of it, if it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    triggers: Option<Vec<TriggerOutcome<'a>>>,
    /// What is wrong with it, if it was not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument<'a>>,
}

/// Answers with a stream of results.
pub(crate) fn stream(
    api: &Api,
    caller: &Caller,
    app: &App,
    held: Option<Held>,
    body: Body,
) -> Result<Response, Problem> {
    let scoped: Option<Arc<str>> = held.as_ref().map(|held| Arc::from(held.scoped()));
    let lines = Lines::new(Frames::new(body, &api.limits), api.limits.line_bytes);
    let (no, shared) = (app.no, Api::clone(api));
    let submit = move |group| submit(Api::clone(&shared), no, scoped.clone(), group);
    run(api, caller, lines, submit, held)
}

/// Carries out one group and writes its result lines.
async fn submit(
    api: Api,
    app: AppNo,
    scoped: Option<Arc<str>>,
    group: Vec<(u64, Line)>,
) -> Results {
    let mut results = Results::default();
    let answers = group.into_iter().map(|(number, line)| {
        let (api, scoped) = (Api::clone(&api), scoped.clone());
        async move {
            (
                number,
                take(&api, app, scoped.as_deref(), number, &line).await,
            )
        }
    });
    let mut answers = stream::iter(answers).buffered(SIDE_BY_SIDE);
    while let Some((number, answer)) = answers.next().await {
        write(&mut results, number, &answer);
    }
    results
}

async fn take(
    api: &Api,
    app: AppNo,
    scoped: Option<&str>,
    number: u64,
    line: &Line,
) -> Result<EventAnswer, Problem> {
    let text = line.text()?;
    if text.len() > MAX_EVENT_BYTES {
        let found = text.len();
        let detail = format!(
            "expected at most {MAX_EVENT_BYTES} bytes, found {found}: an event carries what is said, so name the rest by an id"
        );
        return Err(Problem::new(&codes::REQUEST_TOO_LARGE, detail));
    }
    let event: EventRequest = json::read_line(text)?;
    let idempotency = scoped.map(|scoped| IdempotencyKey {
        scoped_key: format!("{scoped}:{number}"),
        body_hash: sha256(text),
    });
    let Some(key) = idempotency else {
        return api.engine.event(app, &event, None).await?.map_err(refused);
    };
    let answer = with_patience(
        &api.limits,
        || api.engine.event(app, &event, Some(key.clone())),
        |answer| matches!(answer, Err(EventRefusal::Overloaded { .. })),
    )
    .await;
    answer?.map_err(refused)
}

fn write(results: &mut Results, line: u64, answer: &Result<EventAnswer, Problem>) {
    let nothing = EventLineResult {
        line,
        triggers: None,
        problem: None,
    };
    match answer {
        Ok(answer) => results.push(&EventLineResult {
            triggers: Some(OutcomeView::from(answer).triggers),
            ..nothing
        }),
        Err(problem) => {
            results.log(problem);
            results.push(&EventLineResult {
                problem: Some(problem.document(None)),
                ..nothing
            });
        }
    }
}
