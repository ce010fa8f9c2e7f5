//! Many notifications in one request (NDJSON): each line is one, each gets its own result line.

use super::send::{late, refused};
use crate::api_key::sha256;
use crate::auth::Caller;
use crate::idempotency::Held;
use crate::json;
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;
use crate::stream::frames::Frames;
use crate::stream::lines::{Line, Lines};
use crate::stream::{Results, run, with_patience};
use axum::body::Body;
use axum::response::Response;
use carillon_engine::{Accepted, IdempotencyKey, Refusal, SendItem};
use carillon_model::app::App;
use carillon_model::id::AppNo;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What became of one line.
#[derive(Serialize, ToSchema)]
#[schema(as = NotificationLineResult)]
pub(crate) struct LineResult<'a> {
    /// The line's number, from 1.
    line: u64,
    /// Id of the notification, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// How many deliveries it has, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u64>,
    /// Whether it was accepted before, with the same Idempotency-Key and body.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    repeated: bool,
    /// `sent_now`: its `send_at` had passed, and `if_past` says to send it at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    late: Option<&'static str>,
    /// What is wrong with it, if it was not accepted.
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

/// Accepts one group and writes its result lines.
async fn submit(
    api: Api,
    app: AppNo,
    scoped: Option<Arc<str>>,
    group: Vec<(u64, Line)>,
) -> Results {
    let mut bad = Vec::new();
    // A store that is overloaded is asked again. The lines are parsed again for that, which is
    // cheaper than a copy of every group for the rare case.
    let answers = with_patience(
        &api.limits,
        || {
            bad.clear();
            let mut items = Vec::with_capacity(group.len());
            for (number, line) in &group {
                match read(*number, line, scoped.as_deref()) {
                    Ok(item) => items.push(item),
                    Err(problem) => bad.push((*number, problem)),
                }
            }
            api.engine.send(app, items)
        },
        // Never when one was accepted: it would be accepted twice.
        |answers| {
            let mut answers = answers.iter();
            answers.clone().all(Result::is_err)
                && answers.any(|answer| matches!(answer, Err(Refusal::Overloaded { .. })))
        },
    )
    .await;
    let mut answers = answers.map(Vec::into_iter);
    let mut bad = bad.into_iter().peekable();
    let mut results = Results::default();
    for (number, _) in group {
        let answer = match (bad.next_if(|(line, _)| *line == number), &mut answers) {
            (Some((_, problem)), _) => Err(problem),
            (None, Err(error)) => Err(Problem::from(error.clone())),
            (None, Ok(answers)) => match answers.next() {
                Some(answer) => answer.map_err(refused),
                None => Err(Problem::internal("the engine gave no answer")),
            },
        };
        write(&mut results, number, answer);
    }
    results
}

fn read(number: u64, line: &Line, scoped: Option<&str>) -> Result<SendItem, Problem> {
    let text = line.text()?;
    let request = json::read_line(text)?;
    let idempotency = scoped.map(|scoped| IdempotencyKey {
        scoped_key: format!("{scoped}:{number}"),
        body_hash: sha256(text),
    });
    Ok(SendItem {
        request,
        idempotency,
        origin: carillon_engine::Origin::default(),
    })
}

fn write(results: &mut Results, line: u64, answer: Result<Accepted, Problem>) {
    let nothing = LineResult {
        line,
        id: None,
        deliveries: None,
        repeated: false,
        late: None,
        problem: None,
    };
    match &answer {
        Ok(accepted) => results.push(&LineResult {
            id: Some(&accepted.id),
            deliveries: accepted.deliveries,
            repeated: accepted.repeated,
            late: late(accepted),
            ..nothing
        }),
        Err(problem) => {
            results.log(problem);
            results.push(&LineResult {
                problem: Some(problem.document(None)),
                ..nothing
            });
        }
    }
}
