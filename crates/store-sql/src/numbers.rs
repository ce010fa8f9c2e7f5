//! Numbers of notifications. They are given out from memory, before the transaction that stores them.
//!
//! Where the store is this process' own they simply rise. Where others share it each process has blocks
//! that nobody else has; the writer reserves the next one in time, in one of its transactions.

use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

/// From, to (exclusive).
pub(crate) type Block = (i64, i64);

/// Where the next number comes from.
pub(crate) enum Numbers {
    /// One after the other, from here.
    Own(AtomicI64),
    /// Out of blocks.
    Shared(Mutex<Blocks>),
}

/// A process' blocks.
pub(crate) struct Blocks {
    next: i64,
    /// The one that numbers come from, and the one before it, of which some may still be on their way.
    current: Block,
    former: Block,
    spare: Option<Block>,
}

impl Numbers {
    pub(crate) fn from(first: i64) -> Self {
        Self::Own(AtomicI64::new(first))
    }

    pub(crate) fn of(first: Block) -> Self {
        Self::Shared(Mutex::new(Blocks {
            next: first.0,
            current: first,
            former: first,
            spare: None,
        }))
    }

    /// The next number.
    pub(crate) fn next(&self) -> i64 {
        match self {
            Self::Own(next) => next.fetch_add(1, Ordering::Relaxed),
            Self::Shared(blocks) => blocks.lock().next(),
        }
    }

    /// Whether the next block should be reserved.
    pub(crate) fn is_short(&self) -> bool {
        match self {
            Self::Own(_) => false,
            Self::Shared(blocks) => {
                let blocks = blocks.lock();
                let (from, to) = blocks.current;
                blocks.spare.is_none() && blocks.next - from >= (to - from) / 2
            }
        }
    }

    /// A block is this process' own.
    pub(crate) fn add(&self, block: Block) {
        if let Self::Shared(blocks) = self {
            blocks.lock().spare = Some(block);
        }
    }

    /// Whether a number may be stored: not one that was given out when there was none left.
    pub(crate) fn has(&self, number: i64) -> bool {
        let is_in = |(from, to): Block| (from..to).contains(&number);
        match self {
            Self::Own(_) => true,
            Self::Shared(blocks) => {
                let blocks = blocks.lock();
                is_in(blocks.current) || is_in(blocks.former)
            }
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }
}

impl Blocks {
    fn next(&mut self) -> i64 {
        if self.next >= self.current.1
            && let Some(spare) = self.spare.take()
        {
            self.former = self.current;
            self.current = spare;
            self.next = spare.0;
        }
        // Without a spare block it is one beyond: nobody's, and refused when it is to be stored.
        let number = self.next;
        self.next += 1;
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_each_other() {
        let numbers = Numbers::of((10, 14));
        assert_eq!([numbers.next(), numbers.next()], [10, 11]);
        assert!(numbers.is_short(), "half of it is gone");
        numbers.add((30, 34));
        assert!(!numbers.is_short());
        assert_eq!(
            [numbers.next(), numbers.next(), numbers.next()],
            [12, 13, 30]
        );
        assert!(numbers.has(13) && numbers.has(33), "both are ours");
        assert!(!numbers.has(14) && !numbers.has(34));
    }

    #[test]
    fn without_a_block_numbers_are_not_good() {
        let numbers = Numbers::of((1, 3));
        let given: Vec<i64> = (0..4).map(|_| numbers.next()).collect();
        let good = given.iter().filter(|number| numbers.has(**number));
        assert_eq!(good.count(), 2);
        numbers.add((7, 9));
        assert_eq!(numbers.next(), 7);
    }

    #[test]
    fn own_numbers_rise() {
        let numbers = Numbers::from(5);
        assert_eq!([numbers.next(), numbers.next()], [5, 6]);
        assert!(!numbers.is_short() && numbers.has(1 << 40));
    }
}
