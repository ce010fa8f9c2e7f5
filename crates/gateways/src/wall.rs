//! Wall-clock time, in the model's form and in the standard library's.

use carillon_model::UnixMs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The instant of a Unix time in milliseconds; before 1970 counts as 1970.
pub(crate) fn system_time(at: UnixMs) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or(0))
}

/// An instant as Unix time in milliseconds.
pub(crate) fn unix_ms(at: SystemTime) -> UnixMs {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs::try_from(since.as_millis()).unwrap_or(UnixMs::MAX)
}
