//! How many devices a segment has, from a sample: ranges of device numbers, one in each of many even
//! parts, of which every device is asked.
//!
//! Devices that were registered together are often alike, so the ranges and not the devices are what the
//! error is computed from (Cochran, Sampling Techniques, 3rd edition, section 9A.1: ratio to size).

use crate::id::DeviceNo;
use serde::Serialize;

/// What a sample is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// How many ranges.
    pub ranges: u32,
    /// About how many devices in all. An App that has no more is asked whole.
    pub devices: u32,
    /// Any 64 random bits.
    pub random: u64,
}

impl Sampling {
    /// The ranges, both ends included, ascending and apart, for devices from `first` to `last` of which
    /// there are `total`.
    pub fn places(
        self,
        first: DeviceNo,
        last: DeviceNo,
        total: u64,
    ) -> impl Iterator<Item = (DeviceNo, DeviceNo)> {
        let span = (i128::from(last.0) - i128::from(first.0) + 1).max(1);
        let ranges = i128::from(self.ranges.max(1)).min(span);
        // So wide that they meet about as many devices as are wanted, if those are spread evenly.
        let wanted = span * i128::from(self.devices);
        let width = (wanted / (ranges * i128::from(total.max(1)))).max(1);
        let mut random = self.random;
        (0..ranges).map(move |at| {
            let (begin, end) = (span * at / ranges, span * (at + 1) / ranges);
            let width = width.min(end - begin);
            let free = (end - begin - width + 1) as u64;
            let from = i128::from(first.0) + begin + i128::from(next(&mut random) % free);
            (DeviceNo(from as i64), DeviceNo((from + width - 1) as i64))
        })
    }
}

/// SplitMix64: enough to spread places.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What a sample found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentSample {
    /// How many devices the App has.
    pub total: u64,
    /// Of each range: how many devices were asked, and for how many it holds.
    pub ranges: Vec<(u32, u32)>,
    /// Whether every device was asked.
    pub is_whole: bool,
}

/// How many devices a segment has, as far as a sample tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The likeliest number of devices.
    pub estimate: u64,
    /// With 95 % confidence there are at least so many.
    pub low: u64,
    /// With 95 % confidence there are at most so many.
    pub high: u64,
    /// How many devices were asked.
    pub sampled: u64,
    /// How many devices the App has.
    pub total: u64,
}

/// Of a normal distribution, 95 % lie within so many standard deviations.
const Z: f64 = 1.96;

impl Estimate {
    /// What a sample tells.
    #[must_use]
    pub fn of(sample: &SegmentSample) -> Self {
        let total = sample.total;
        let asked = sample.ranges.iter().filter(|(asked, _)| *asked > 0);
        let count = asked.clone().count() as f64;
        let sampled: u64 = asked.clone().map(|(asked, _)| u64::from(*asked)).sum();
        let found: u64 = asked.clone().map(|(_, found)| u64::from(*found)).sum();
        if sample.is_whole || sampled >= total {
            return Self {
                estimate: found,
                low: found,
                high: found,
                sampled,
                total,
            };
        }
        // What was seen is so, whatever else is.
        let (least, most) = (found, total - (sampled - found));
        if sampled == 0 {
            return Self {
                estimate: 0,
                low: 0,
                high: total,
                sampled,
                total,
            };
        }
        let share = found as f64 / sampled as f64;
        let size = sampled as f64 / count;
        let squares: f64 = asked
            .map(|(asked, found)| (f64::from(*found) - share * f64::from(*asked)).powi(2))
            .sum();
        let spread = (squares / (count - 1.0).max(1.0) / count).sqrt() / size;
        let (low, high) = if count < 2.0 {
            (0.0, 1.0)
        } else {
            // Close to none and to all the spread says too little: there Wilson's interval does, as if each
            // range were one device.
            let (wilson_low, wilson_high) = wilson(share, count);
            let is_few = share * count < 5.0 || (1.0 - share) * count < 5.0;
            let (low, high) = (share - Z * spread, share + Z * spread);
            if is_few {
                (low.min(wilson_low), high.max(wilson_high))
            } else {
                (low, high)
            }
        };
        let of_total = |share: f64| (share.clamp(0.0, 1.0) * total as f64).round() as u64;
        let estimate = of_total(share).clamp(least, most);
        Self {
            estimate,
            low: of_total(low).clamp(least, estimate),
            high: of_total(high).clamp(estimate, most),
            sampled,
            total,
        }
    }
}

/// Wilson's interval of a share that was seen in `count` tries.
fn wilson(share: f64, count: f64) -> (f64, f64) {
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count);
    let half = Z / (1.0 + z2 / count)
        * (share * (1.0 - share) / count + z2 / (4.0 * count * count)).sqrt();
    (middle - half, middle + half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Samples a made-up App, where `holds` says for which devices a condition holds.
    fn sample(total: i64, random: u64, holds: impl Fn(i64) -> bool) -> SegmentSample {
        let sampling = Sampling {
            ranges: 200,
            devices: 2_000,
            random,
        };
        let places = sampling.places(DeviceNo(1), DeviceNo(total), total as u64);
        let ranges = places.map(|(from, to)| {
            let found = (from.0..=to.0).filter(|no| holds(*no)).count();
            ((to.0 - from.0 + 1) as u32, found as u32)
        });
        SegmentSample {
            total: total as u64,
            ranges: ranges.collect(),
            is_whole: false,
        }
    }

    #[test]
    fn nineteen_of_twenty_estimates_are_right() {
        let mut state = 7;
        let total = 100_000;
        // Mixed well, a few, and whole stretches that are alike.
        let shapes: [&dyn Fn(i64) -> bool; 3] = [
            &|no| next(&mut (no as u64)) % 10 < 3,
            &|no| next(&mut (no as u64)) % 1_000 < 4,
            &|no| (no / 400) % 5 == 0,
        ];
        for (at, holds) in shapes.into_iter().enumerate() {
            let truth = (1..=total).filter(|no| holds(*no)).count() as u64;
            let mut right = 0;
            for _ in 0..200 {
                let estimate = Estimate::of(&sample(total, next(&mut state), holds));
                right += u32::from((estimate.low..=estimate.high).contains(&truth));
            }
            assert!(right >= 184, "shape {at}: {right} of 200");
        }
    }

    #[test]
    fn none_seen_is_not_none() {
        let estimate = Estimate::of(&sample(1_000_000, 1, |_| false));
        assert_eq!((estimate.estimate, estimate.low), (0, 0));
        assert!((10_000..30_000).contains(&estimate.high), "{estimate:?}");
        let estimate = Estimate::of(&sample(1_000_000, 1, |_| true));
        assert_eq!(estimate.estimate, 1_000_000);
        assert!(estimate.low < 990_000 && estimate.high == 1_000_000);
    }

    #[test]
    fn a_whole_count_has_no_error() {
        let whole = SegmentSample {
            total: 7,
            ranges: vec![(7, 3)],
            is_whole: true,
        };
        let estimate = Estimate::of(&whole);
        assert_eq!((estimate.low, estimate.estimate, estimate.high), (3, 3, 3));
        assert_eq!(Estimate::of(&SegmentSample::default()).high, 0);
    }

    proptest! {
        #[test]
        fn ranges_are_apart_and_inside(first in 0..i64::MAX / 2, span in 0i64..1 << 40, total in 1u64..1 << 20,
            ranges in 1u32..100, devices in 1u32..10_000, random: u64) {
            let (first, last) = (DeviceNo(first), DeviceNo(first + span));
            let sampling = Sampling { ranges, devices, random };
            let mut before = first.0 - 1;
            for (from, to) in sampling.places(first, last, total) {
                prop_assert!(before < from.0 && from <= to && to <= last);
                before = to.0;
            }
        }

        #[test]
        fn estimates_hold_together(ranges in proptest::collection::vec((0u32..50, 0u32..50), 0..40), more in 0u64..1_000_000) {
            let ranges: Vec<_> = ranges.into_iter().map(|(asked, found)| (asked, found.min(asked))).collect();
            let asked: u64 = ranges.iter().map(|(asked, _)| u64::from(*asked)).sum();
            let sample = SegmentSample { total: asked + more, ranges, is_whole: false };
            let estimate = Estimate::of(&sample);
            prop_assert!(estimate.low <= estimate.estimate && estimate.estimate <= estimate.high);
            prop_assert!(estimate.high <= estimate.total && estimate.sampled <= estimate.total);
        }
    }
}
