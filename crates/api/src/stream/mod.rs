//! Requests of many rows: read while they arrive, carried out in groups, answered row by row.
//!
//! Reading and answering are apart, so that a client that sends everything before it reads anything
//! does not lock up: its results wait in memory up to a bound, and beyond that its rows wait too.
//! Groups are as large as what has arrived while the groups before were being committed, up to a
//! bound: a slow client gets its answers at once, a fast one gets large commits. No timer is needed.

pub(crate) mod csv;
pub(crate) mod frames;
pub(crate) mod lines;
mod results;

pub(crate) use results::Results;

use crate::auth::Caller;
use crate::idempotency::Held;
use crate::problem::{Problem, codes};
use crate::state::{Api, Limits};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use carillon_ports::store::StoreError;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use results::Sender;
use serde::Serialize;
use std::future::Future;

/// The content type of the answers.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Rows as they arrive.
pub(crate) trait Rows: Send + 'static {
    /// A row.
    type Row: Send;

    /// The next row of what has arrived, with its line's number.
    fn ready(&mut self) -> Option<(u64, Self::Row)>;

    /// Waits until more has arrived. `false`: that was all; a last row may be ready then. May be
    /// dropped while it waits.
    fn fill(&mut self) -> impl Future<Output = Result<bool, Problem>> + Send;

    /// The number of the line that is being read.
    fn line(&self) -> u64;
}

/// Answers with the results of `submit` for each group of rows, in order.
pub(crate) fn run<R, S, F>(
    api: &Api,
    caller: &Caller,
    rows: R,
    submit: S,
    held: Option<Held>,
) -> Result<Response, Problem>
where
    R: Rows,
    S: Fn(Vec<(u64, R::Row)>) -> F + Send + 'static,
    F: Future<Output = Results> + Send + 'static,
{
    let permit = permit(api)?;
    let (results, body) = results::channel(&api.limits, caller.request_id());
    let limits = api.limits.clone();
    tokio::spawn(async move {
        let _kept = (permit, held);
        drive(rows, submit, results, &limits).await;
    });
    Ok(respond(NDJSON, Body::from_stream(body)))
}

/// An answer that is made part by part.
pub(crate) trait Parts: Send + 'static {
    /// The next part; `None`: that was all.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, Problem>> + Send;
}

/// Answers with parts. The first is waited for here, so that what fails at once is a problem; later
/// failures cut the answer short, and the log says why.
pub(crate) async fn give<P: Parts>(
    api: &Api,
    caller: &Caller,
    content_type: &'static str,
    mut parts: P,
) -> Result<Response, Problem> {
    let permit = permit(api)?;
    let first = parts.next().await?;
    let (mut sender, body) = results::channel(&api.limits, caller.request_id());
    tokio::spawn(async move {
        let _kept = permit;
        let mut part = Ok(first);
        loop {
            match part {
                Ok(Some(bytes)) => {
                    if !sender.send(Results::of(bytes)).await {
                        return;
                    }
                }
                Ok(None) => return sender.finish().await,
                Err(problem) => return sender.cut(&problem),
            }
            part = parts.next().await;
        }
    });
    Ok(respond(content_type, Body::from_stream(body)))
}

/// A place among the streams that are carried out at once.
pub(crate) fn permit(api: &Api) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    std::sync::Arc::clone(&api.streams)
        .try_acquire_owned()
        .map_err(|_| {
            let detail = format!("{} streams are being carried out", api.limits.streams);
            Problem::new(&codes::SERVER_BUSY, detail).retry_after(1)
        })
}

fn respond(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// What became of a row that is not a row at all, because the body ended there.
#[derive(Serialize)]
struct Broken<'a> {
    line: u64,
    problem: crate::problem::ProblemDocument<'a>,
}

async fn drive<R, S, F>(mut rows: R, submit: S, mut results: Sender, limits: &Limits)
where
    R: Rows,
    S: Fn(Vec<(u64, R::Row)>) -> F,
    F: Future<Output = Results> + Send,
{
    let most = limits.group_lines.clamp(1, 1_000);
    let mut in_flight = FuturesOrdered::new();
    let mut group = Vec::new();
    let mut ended = false;
    let mut broken = None;
    loop {
        while group.len() < most
            && let Some(row) = rows.ready()
        {
            group.push(row);
        }
        let full = group.len() == most;
        let go = full || ended || in_flight.is_empty();
        if go && !group.is_empty() && in_flight.len() < limits.groups_in_flight.max(1) {
            in_flight.push_back(submit(std::mem::take(&mut group)));
            continue;
        }
        if ended && group.is_empty() && in_flight.is_empty() {
            break;
        }
        tokio::select! {
            Some(written) = in_flight.next(), if !in_flight.is_empty() => {
                if !results.send(written).await {
                    return;
                }
            }
            more = rows.fill(), if !ended && !full => match more {
                Ok(more) => ended = !more,
                Err(problem) => {
                    ended = true;
                    broken = Some(problem);
                }
            },
            () = results.abandoned() => return,
        }
    }
    if let Some(problem) = broken {
        let mut last = Results::default();
        last.push(&Broken {
            line: rows.line() + 1,
            problem: problem.document(None),
        });
        if !results.send(last).await {
            return;
        }
    }
    results.finish().await;
}

/// Carries out a group, again and again while the store is overloaded or locked.
pub(crate) async fn with_patience<T, F>(
    limits: &Limits,
    mut work: impl FnMut() -> F,
    is_overloaded: impl Fn(&T) -> bool,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = limits.store_pause;
    for _ in 1..limits.store_tries {
        match work().await {
            Err(StoreError::Overloaded | StoreError::Busy | StoreError::Away(_)) => {}
            Ok(value) if is_overloaded(&value) => {}
            done => return done,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    work().await
}
