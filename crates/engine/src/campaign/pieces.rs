//! How a frozen audience is cut into pieces, and how devices are taken from them again.

use carillon_model::batch::{BatchDevices, MAX_BATCH};
use carillon_model::id::DeviceNo;
use carillon_ports::campaign::{Chunk, TakenChunk};

/// Pieces of at most `most` devices, one after the other.
pub(super) fn in_order(numbers: &[DeviceNo], most: usize) -> Vec<Vec<DeviceNo>> {
    let pieces = numbers.chunks(most.clamp(1, MAX_BATCH));
    pieces.map(<[DeviceNo]>::to_vec).collect()
}

/// Pieces of at most `most` devices, each from all over the list.
pub(super) fn spread(numbers: &[DeviceNo], most: usize) -> Vec<Vec<DeviceNo>> {
    let pieces = numbers.len().div_ceil(most.clamp(1, MAX_BATCH));
    (0..pieces)
        .map(|first| {
            numbers
                .iter()
                .copied()
                .skip(first)
                .step_by(pieces)
                .collect()
        })
        .collect()
}

/// A number in an order that looks like chance; no two have the same.
pub(super) fn scattered(count: u32) -> u32 {
    // Odd multipliers and shifts can be undone, so that it is a bijection.
    let mut n = count.wrapping_mul(0x9e37_79b1);
    n ^= n >> 15;
    n = n.wrapping_mul(0x85eb_ca6b);
    n ^ (n >> 13)
}

/// At most so many devices, piece after piece. What is taken ascends.
pub(super) fn take_in_order(chunks: Vec<Chunk>, most: usize) -> (Vec<DeviceNo>, Vec<TakenChunk>) {
    let (mut numbers, mut taken) = (Vec::new(), Vec::new());
    for chunk in chunks {
        let room = most - numbers.len();
        if room == 0 {
            break;
        }
        let all = chunk.devices.as_slice();
        let (mine, left) = all.split_at(room.min(all.len()));
        numbers.extend_from_slice(mine);
        taken.push(TakenChunk {
            wave_at: chunk.wave_at,
            no: chunk.no,
            left: (!left.is_empty()).then(|| BatchDevices::new(left.to_vec())),
        });
    }
    numbers.sort_unstable();
    (numbers, taken)
}

/// At most so many devices, about as many from each piece and from all over it. What is taken ascends. Which ones these are
/// depends on `from`: who takes a few at a time takes others of them each time.
pub(super) fn take_spread(
    chunks: Vec<Chunk>,
    most: usize,
    from: usize,
) -> (Vec<DeviceNo>, Vec<TakenChunk>) {
    let total: usize = chunks
        .iter()
        .map(|chunk| chunk.devices.as_slice().len())
        .sum();
    let most = most.min(total);
    let (mut numbers, mut taken) = (Vec::new(), Vec::new());
    // As if so many had been looked at before.
    let mut looked = from % total.max(1);
    for chunk in chunks {
        let (mut mine, mut left) = (Vec::new(), Vec::new());
        for device in chunk.devices.as_slice() {
            let before = looked * most / total;
            looked += 1;
            // The share of all that were looked at, to the device.
            if looked * most / total > before {
                mine.push(*device);
            } else {
                left.push(*device);
            }
        }
        if !mine.is_empty() {
            taken.push(TakenChunk {
                wave_at: chunk.wave_at,
                no: chunk.no,
                left: (!left.is_empty()).then(|| BatchDevices::new(left)),
            });
        }
        numbers.extend(mine);
    }
    numbers.sort_unstable();
    (numbers, taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn chunks(sizes: &[u16]) -> Vec<Chunk> {
        let mut next = 0;
        (0..)
            .zip(sizes)
            .map(|(no, size)| {
                let devices = (0..i64::from(*size))
                    .map(|at| DeviceNo(next + at + 1))
                    .collect();
                next += i64::from(*size);
                Chunk {
                    wave_at: 0,
                    no,
                    devices: BatchDevices::new(devices),
                }
            })
            .collect()
    }

    proptest! {
        /// Whoever is taken is not left, and nobody is lost.
        #[test]
        fn nobody_is_lost_or_doubled(
            sizes in proptest::collection::vec(1u16..300, 0..20), most in 0usize..1_000, from in 0usize..=u32::MAX as usize,
        ) {
            let pieces = chunks(&sizes);
            let all: BTreeSet<DeviceNo> = pieces.iter().flat_map(|chunk| chunk.devices.as_slice().to_vec()).collect();
            for (numbers, taken) in [take_in_order(pieces.clone(), most), take_spread(pieces.clone(), most, from)] {
                prop_assert_eq!(numbers.len(), most.min(all.len()));
                prop_assert!(numbers.is_sorted_by(|a, b| a < b));
                let mut seen: BTreeSet<DeviceNo> = numbers.iter().copied().collect();
                for chunk in &pieces {
                    let left = match taken.iter().find(|taken| taken.no == chunk.no) {
                        Some(taken) => taken.left.clone().map_or(Vec::new(), |left| left.as_slice().to_vec()),
                        None => chunk.devices.as_slice().to_vec(),
                    };
                    for device in left {
                        prop_assert!(seen.insert(device), "taken and left");
                    }
                }
                prop_assert_eq!(&seen, &all);
            }
        }

        #[test]
        fn pieces_are_of_all(count in 0usize..5_000, most in 1usize..=1_000) {
            let numbers: Vec<_> = (1..=count as i64).map(DeviceNo).collect();
            for pieces in [spread(&numbers, most), in_order(&numbers, most)] {
                prop_assert!(pieces.iter().all(|piece| piece.len() <= most && piece.is_sorted_by(|a, b| a < b)));
                let mut all: Vec<_> = pieces.concat();
                all.sort_unstable();
                prop_assert_eq!(&all, &numbers);
            }
        }

        #[test]
        fn scattered_numbers_are_apart(a: u32, b: u32) {
            prop_assert_eq!(scattered(a) == scattered(b), a == b);
        }
    }

    #[test]
    fn a_canary_is_of_all_parts() {
        let (numbers, taken) = take_spread(chunks(&[100, 100, 100, 100]), 40, 0);
        assert_eq!(taken.len(), 4);
        for part in 0..4i64 {
            let inside =
                |number: &&DeviceNo| (part * 100..part * 100 + 100).contains(&(number.0 - 1));
            assert_eq!(numbers.iter().filter(inside).count(), 10);
        }
    }
}
