//! This computer's clock, as the books use it, and business time, which a run moves ahead of it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::books::Micros;

pub(crate) fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as Micros)
}

/// How far business time is ahead: for the program and the simulator alike. It only grows.
#[derive(Debug, Default)]
pub(crate) struct Ahead(AtomicI64);

impl Ahead {
    pub(crate) fn get(&self) -> Micros {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn grow(&self, by: Micros) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }
}

/// As the API wants it, to the millisecond.
pub(crate) fn rfc3339(at: Micros) -> Result<String> {
    let at = jiff::Timestamp::from_millisecond(at.div_euclid(1000))
        .context("an instant out of range")?;
    Ok(format!("{at:.3}"))
}
