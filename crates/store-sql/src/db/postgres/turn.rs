//! One turn of the network: what is sent together, and how long it is waited for.

use super::trouble::{failed, sorted};
use super::values::Bound;
use crate::db::Result;
use crate::db::driver::Trouble;
use futures_util::future::{FutureExt as _, LocalBoxFuture, MaybeDone};
use rusqlite::types::Value;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio_postgres::{Client, Statement};

/// What the client says.
pub(super) type Answer<T> = std::result::Result<T, tokio_postgres::Error>;

/// A statement that is on its way.
pub(super) type Sent<'c> = Pin<Box<MaybeDone<LocalBoxFuture<'c, Answer<()>>>>>;

pub(super) fn run_one<'c>(
    client: &'c Client,
    statement: &'c Statement,
    row: &'c [Value],
) -> LocalBoxFuture<'c, Answer<()>> {
    async move {
        client.execute_raw(statement, row.iter().map(Bound)).await?;
        Ok(())
    }
    .boxed_local()
}

pub(super) fn run_many<'c>(
    client: &'c Client,
    statement: &'c Statement,
    rows: &'c [Vec<Value>],
) -> LocalBoxFuture<'c, Answer<()>> {
    async move {
        let width = statement.params().len();
        let column = |at: usize| rows.iter().map(|row| Bound(&row[at])).collect::<Vec<_>>();
        let columns: Vec<_> = (0..width).map(column).collect();
        client.execute_raw(statement, &columns).await?;
        Ok(())
    }
    .boxed_local()
}

/// Looks at a future once, whether it is done or not.
pub(super) async fn look<F: Future>(mut future: Pin<&mut MaybeDone<F>>) {
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

/// What became of a future that was looked at before.
pub(super) async fn answered<T, F: Future<Output = Answer<T>>>(
    patience: Duration,
    mut future: Pin<&mut MaybeDone<F>>,
) -> Result<T> {
    within(patience, async {
        future.as_mut().await;
        match future.as_mut().take_output() {
            Some(answer) => answer,
            None => unreachable!("its answer is taken once"),
        }
    })
    .await
}

pub(super) async fn within<T>(
    patience: Duration,
    what: impl Future<Output = Answer<T>>,
) -> Result<T> {
    match tokio::time::timeout(patience, what).await {
        Ok(answer) => answer.map_err(|error| sorted(&error)),
        Err(_) => {
            let text = format!("no answer came within {} ms", patience.as_millis());
            Err(failed(Trouble::Lost, text))
        }
    }
}
