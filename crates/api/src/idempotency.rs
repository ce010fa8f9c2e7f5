//! `Idempotency-Key`: the same key and body is the same request.
//!
//! For notifications the store keeps the key in the transaction that stores them, for 24 hours,
//! scoped to App and API key. Here is only what a request itself needs: reading the header, and
//! telling a second request with the same key that the first is still being carried out.

use crate::auth::Caller;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::http::HeaderMap;
use carillon_model::id::AppNo;
use std::collections::HashSet;

/// Longest key. With its scope and an NDJSON line's number it stays below the store's 300 bytes.
pub(crate) const MAX_LEN: usize = 200;
/// The header.
pub(crate) const HEADER: &str = "idempotency-key";

/// The header's value, if there is one: 1 to 200 visible ASCII characters.
pub(crate) fn read(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|text| !text.is_empty() && text.len() <= MAX_LEN && !text.contains(' '))
        .map(Some)
        .ok_or_else(|| {
            Problem::new(
                &codes::REQUEST_HEADER,
                format!("Idempotency-Key: expected 1 to {MAX_LEN} visible ASCII characters"),
            )
        })
}

/// Refuses the header where a repeated answer cannot be given.
pub(crate) fn refuse(headers: &HeaderMap, instead: &str) -> Result<(), Problem> {
    match headers.get(HEADER) {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            &codes::REQUEST_HEADER,
            format!("Idempotency-Key is not kept for this operation: {instead}"),
        )),
    }
}

/// Keys whose request is being carried out. Bounded by the requests at once.
#[derive(Default)]
pub(crate) struct InProgress(parking_lot::Mutex<HashSet<String>>);

/// A key, held while its request is carried out.
pub(crate) struct Held {
    api: Api,
    scoped: String,
}

impl Held {
    /// Takes the header's key for this caller and App, or says that somebody has it.
    pub(crate) fn take(
        api: &Api,
        caller: &Caller,
        app: AppNo,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Problem> {
        let Some(key) = read(headers)? else {
            return Ok(None);
        };
        let scoped = format!("{}/{}/{key}", app.0, caller.api_key.0);
        if !api.in_progress.0.lock().insert(scoped.clone()) {
            return Err(Problem::new(
                &codes::IDEMPOTENCY_IN_PROGRESS,
                "the first request with this key has no answer yet",
            )
            .retry_after(1));
        }
        Ok(Some(Self {
            api: Api::clone(api),
            scoped,
        }))
    }

    /// The key with its scope.
    pub(crate) fn scoped(&self) -> &str {
        &self.scoped
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.api.in_progress.0.lock().remove(&self.scoped);
    }
}
