//! The parts of a body as they arrive: bounded in all, and in the pauses between.

use crate::body::{cut, late};
use crate::problem::{Problem, codes};
use crate::state::Limits;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::time::Duration;

/// A body that is read in parts.
pub(crate) struct Frames {
    body: Body,
    most: u64,
    read: u64,
    pause: Duration,
}

impl Frames {
    /// Reads `body` within these limits.
    pub(crate) fn new(body: Body, limits: &Limits) -> Self {
        Self {
            body,
            most: limits.stream_bytes,
            read: 0,
            pause: limits.body_timeout,
        }
    }

    /// The next part, not empty; `None` at the end. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = tokio::time::timeout(self.pause, self.body.frame())
                .await
                .map_err(|_| late(self.pause))?;
            let Some(frame) = frame else { return Ok(None) };
            let Ok(data) = frame.map_err(|error| cut(&error))?.into_data() else {
                continue;
            };
            self.read += data.len() as u64;
            if self.read > self.most {
                return Err(Problem::new(
                    &codes::REQUEST_TOO_LARGE,
                    format!(
                        "expected at most {} bytes in one request: send the lines from here on in another",
                        self.most
                    ),
                ));
            }
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }
}
