//! A line of small bars: how fast a monitor answered in each of the last hours.

use serde_json::Value;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// It was down for a part of the hour.
const DOWN: char = 'x';
/// Nothing is known.
const NOTHING: char = '·';

/// A character for each hour of a status, the oldest first. The highest bar is the slowest hour, the lowest stands for a
/// part of it below an eighth: bars of different lines are not comparable, their numbers are.
pub(super) fn sparkline(hours: &[Value]) -> String {
    let p95 = |hour: &Value| hour["p95_ms"].as_u64();
    let slowest = hours.iter().filter_map(p95).max().unwrap_or(0).max(1);
    let fastest = hours.iter().filter_map(p95).min().unwrap_or(0);
    // Where all are alike, all are low: a line of full bars would look like trouble.
    let flat = slowest <= fastest;
    let bar = |ms: u64| match flat {
        true => BARS[0],
        false => BARS[(ms.saturating_mul(8) / slowest).min(7) as usize],
    };
    let shown = |hour: &Value| {
        if hour["down_ms"].as_u64().is_some_and(|ms| ms > 0) {
            return DOWN;
        }
        match (p95(hour), hour["uptime_percent"].is_null()) {
            (Some(ms), _) => bar(ms),
            // A heartbeat is up, and takes no time.
            (None, false) => BARS[0],
            (None, true) => NOTHING,
        }
    };
    hours.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hours_as_bars() {
        let hour = |p95: Option<u64>, down: u64, up: Option<f64>| json!({"p95_ms": p95, "down_ms": down, "uptime_percent": up});
        let up = |ms| hour(Some(ms), 0, Some(100.0));
        let hours = [
            hour(None, 0, None),
            up(10),
            up(50),
            up(80),
            hour(Some(30), 1, Some(99.9)),
            up(79),
            hour(None, 0, Some(100.0)),
        ];
        assert_eq!(sparkline(&hours), "·▂▆█x█▁");
        assert_eq!(sparkline(&[up(20), up(20)]), "▁▁");
        assert_eq!(sparkline(&[up(0), up(0)]), "▁▁");
        assert_eq!(sparkline(&[]), "");
    }
}
