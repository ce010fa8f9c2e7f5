//! Rounds in which the contestants take turns, and the median of each figure.
//!
//! The order changes from round to round, so that nobody always runs on a machine that another has just heated.

use anyhow::Result;

use super::Measured;

/// Odd, so that a median is a value that was measured.
pub(crate) const DEFAULT: usize = 5;

/// Something that can be measured once more.
pub(crate) type Contestant<'a> = Box<dyn FnMut() -> Result<Measured> + 'a>;

/// Measures everybody `count` times in turn; returns the medians in the order of `contestants`.
pub(crate) fn interleave(
    mut contestants: Vec<Contestant<'_>>,
    count: usize,
) -> Result<Vec<Measured>> {
    let mut results = vec![Vec::new(); contestants.len()];
    for round in 0..count {
        for turn in 0..contestants.len() {
            let index = (turn + round) % contestants.len();
            results[index].push(contestants[index]()?);
        }
    }
    Ok(results.iter().map(|runs| median_run(runs)).collect())
}

/// Each figure's own median.
fn median_run(runs: &[Measured]) -> Measured {
    let of =
        |figure: fn(&Measured) -> f64| median(runs.iter().map(figure).collect()).unwrap_or(0.0);
    let maybe =
        |figure: fn(&Measured) -> Option<f64>| median(runs.iter().filter_map(figure).collect());
    let bytes = |figure: fn(&Measured) -> Option<u64>| {
        let mut all: Vec<u64> = runs.iter().filter_map(figure).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    };
    Measured {
        n: runs.first().map_or(0, |run| run.n),
        cpu_secs: of(|run| run.cpu_secs),
        rate_per_sec: of(|run| run.rate_per_sec),
        p50_ms: maybe(|run| run.p50_ms),
        p99_ms: maybe(|run| run.p99_ms),
        peak_rss_bytes: bytes(|run| run.peak_rss_bytes),
        rest_rss_bytes: bytes(|run| run.rest_rss_bytes),
        ready_ms: maybe(|run| run.ready_ms),
        each_us: maybe(|run| run.each_us),
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((values[values.len() / 2 - 1] + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 9.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 9.0, 2.0]), Some(3.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn contestants_take_turns_and_the_order_changes() {
        let order = RefCell::new(String::new());
        let one = |name: char, cpu: f64| -> Contestant<'_> {
            let order = &order;
            let mut calls = 0.0;
            Box::new(move || {
                order.borrow_mut().push(name);
                calls += 1.0;
                Ok(Measured {
                    n: 10,
                    cpu_secs: cpu * calls,
                    ..Measured::default()
                })
            })
        };
        let medians = interleave(vec![one('a', 1.0), one('b', 10.0)], 3).unwrap();
        assert_eq!(*order.borrow(), "abbaab");
        assert_eq!((medians[0].cpu_secs, medians[1].cpu_secs), (2.0, 20.0));
    }

    #[test]
    fn a_contestant_that_fails_ends_the_case() {
        let broken: Contestant<'_> = Box::new(|| anyhow::bail!("no"));
        assert!(interleave(vec![broken], 5).is_err());
    }
}
