//! This computer's clock, as the books use it.

use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::books::Micros;

pub(crate) fn now() -> Micros {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as Micros)
}

/// As the API wants it, to the millisecond.
pub(crate) fn rfc3339(at: Micros) -> Result<String> {
    let at = jiff::Timestamp::from_millisecond(at.div_euclid(1000))
        .context("an instant out of range")?;
    Ok(format!("{at:.3}"))
}
