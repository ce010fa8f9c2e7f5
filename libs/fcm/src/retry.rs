//! When to send again: Google's `Retry-After`, the least waits, and a growing pause where nothing is said. Values and
//! functions; the time and the chance are arguments, and nothing here waits.

use std::time::{Duration, SystemTime};

/// The longest wait that `Retry-After` is believed, and the longest pause between two tries.
pub const MAX_WAIT: Duration = Duration::from_secs(3600);

/// After so long a message is not tried again (or after its time to live, if that is shorter). Google asks senders to
/// give up after about an hour.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(3600);

/// Reads `Retry-After`: seconds, or a date in any of HTTP's three forms (RFC 9110, section 10.2.3), as a wait from `now`.
/// A date that has passed is no wait. `None` if it is neither.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use fcm::retry::read_retry_after;
/// let now = UNIX_EPOCH + Duration::from_secs(1_792_567_650);
/// assert_eq!(read_retry_after("7", now), Some(Duration::from_secs(7)));
/// let date = read_retry_after("Wed, 21 Oct 2026 07:28:00 GMT", now);
/// assert_eq!(date, Some(Duration::from_secs(30)));
/// assert_eq!(read_retry_after("soon", now), None);
/// ```
pub fn read_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a wait all the same; whoever uses it cuts it.
        return Some(Duration::from_secs(
            text.parse().unwrap_or(u64::from(u32::MAX)),
        ));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// The pause before the next try, after `failures` tries have failed (from 1): 10 s, doubling, and up to half as
/// much again as `chance` (0 to 1) decides; never above [`MAX_WAIT`].
///
/// ```
/// use std::time::Duration;
/// use fcm::retry::back_off;
/// assert_eq!(back_off(1, 0.0), Duration::from_secs(10));
/// assert_eq!(back_off(3, 0.0), Duration::from_secs(40));
/// assert_eq!(back_off(3, 1.0), Duration::from_secs(60));
/// assert_eq!(back_off(40, 1.0), fcm::retry::MAX_WAIT);
/// ```
pub fn back_off(failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let base = Duration::from_secs(10).saturating_mul(1 << doublings);
    let jitter = base.mul_f64(0.5 * chance.clamp(0.0, 1.0));
    base.saturating_add(jitter).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn retry_after_is_read_in_every_form() {
        // 2026-10-21 07:27:30 UTC
        let now = UNIX_EPOCH + Duration::from_secs(1_792_567_650);
        for (text, secs) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(4_294_967_295)),
            ("Wed, 21 Oct 2026 07:28:00 GMT", Some(30)),
            ("Wednesday, 21-Oct-26 07:28:00 GMT", Some(30)),
            ("Wed Oct 21 07:28:00 2026", Some(30)),
            ("Wed, 21 Oct 2026 07:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("tomorrow", None),
        ] {
            assert_eq!(
                read_retry_after(text, now),
                secs.map(Duration::from_secs),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn pauses_grow_and_stay_in_bounds(failures in 1_u32..100, chance in 0.0_f64..=1.0) {
            let pause = back_off(failures, chance);
            prop_assert!(pause >= Duration::from_secs(10) && pause <= MAX_WAIT);
            prop_assert!(back_off(failures + 1, chance) >= pause);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            let read = read_retry_after(&text, UNIX_EPOCH);
            prop_assert!(read.is_none() || !text.is_empty());
        }
    }
}
