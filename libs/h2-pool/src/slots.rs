//! The requests in flight on one connection, and which of them have news.
//!
//! A `FuturesUnordered` allocates for each future, and a task for each request costs a trip through the scheduler. Here a
//! slot and its waker are made once and used again; waking one only notes its number, because nearly all wake-ups
//! happen while the connection's own task is being polled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Numbers of the slots that were woken, and who wants to know.
#[derive(Default)]
struct Ready {
    inner: Mutex<ReadyInner>,
}

#[derive(Default)]
struct ReadyInner {
    numbers: Vec<u32>,
    owner: Option<Waker>,
}

struct SlotWaker {
    ready: Arc<Ready>,
    number: u32,
    is_noted: AtomicBool,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_noted.swap(true, Ordering::AcqRel) {
            return;
        }
        let owner = {
            let mut inner = self
                .ready
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            inner.numbers.push(self.number);
            inner.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

struct Seat<T> {
    item: Option<T>,
    note: Arc<SlotWaker>,
    waker: Waker,
}

/// A slab whose places keep their wakers.
pub(crate) struct Slots<T> {
    seats: Vec<Seat<T>>,
    free: Vec<u32>,
    ready: Arc<Ready>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self {
            seats: Vec::new(),
            free: Vec::new(),
            ready: Arc::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn insert(&mut self, item: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.seats[number as usize].item = Some(item);
            return number;
        }
        let number = self.seats.len() as u32;
        let note = Arc::new(SlotWaker {
            ready: self.ready.clone(),
            number,
            is_noted: AtomicBool::new(false),
        });
        let waker = Waker::from(note.clone());
        self.seats.push(Seat {
            item: Some(item),
            note,
            waker,
        });
        number
    }

    pub(crate) fn get(&mut self, number: u32) -> Option<(&mut T, &Waker)> {
        let seat = self.seats.get_mut(number as usize)?;
        Some((seat.item.as_mut()?, &seat.waker))
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let item = self.seats.get_mut(number as usize)?.item.take()?;
        self.free.push(number);
        Some(item)
    }

    /// Frees a place, dropping what is there where it is. Returns whether there was anything.
    pub(crate) fn discard(&mut self, number: u32) -> bool {
        let Some(seat) = self.seats.get_mut(number as usize) else {
            return false;
        };
        let was_taken = seat.item.is_some();
        seat.item = None;
        if was_taken {
            self.free.push(number);
        }
        was_taken
    }

    /// All numbers in use.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        (0_u32..)
            .zip(&self.seats)
            .filter(|(_, seat)| seat.item.is_some())
            .map(|(number, _)| number)
            .collect()
    }

    /// Swaps the numbers woken since the last call into `numbers`, which must be empty.
    pub(crate) fn take_ready(&mut self, numbers: &mut Vec<u32>) {
        {
            let mut inner = self
                .ready
                .inner
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut inner.numbers, numbers);
        }
        for &number in numbers.iter() {
            self.seats[number as usize]
                .note
                .is_noted
                .store(false, Ordering::Release);
        }
    }

    /// Asks to be woken at the next note. Returns false, and asks for nothing, if there are notes already.
    pub(crate) fn watch(&self, owner: &Waker) -> bool {
        let mut inner = self
            .ready
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !inner.numbers.is_empty() {
            return false;
        }
        if !inner
            .owner
            .as_ref()
            .is_some_and(|known| known.will_wake(owner))
        {
            inner.owner = Some(owner.clone());
        }
        true
    }

    /// Stops asking: notes made from now on wake nobody.
    pub(crate) fn unwatch(&self) {
        self.ready
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .owner = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_wake_up_is_noted_once_and_can_be_noted_again() {
        let mut slots = Slots::new();
        let (first, second) = (slots.insert('a'), slots.insert('b'));
        let wakers: Vec<_> = [first, second]
            .map(|number| slots.get(number).unwrap().1.clone())
            .into();
        wakers[1].wake_by_ref();
        wakers[1].wake_by_ref();
        wakers[0].wake_by_ref();
        let mut numbers = Vec::new();
        slots.take_ready(&mut numbers);
        assert_eq!(numbers, [second, first]);
        numbers.clear();
        wakers[1].wake_by_ref();
        slots.take_ready(&mut numbers);
        assert_eq!(numbers, [second]);
    }

    #[test]
    fn the_owner_is_woken_only_while_he_watches() {
        let mut slots = Slots::new();
        let number = slots.insert(());
        let waker = slots.get(number).unwrap().1.clone();
        let count = Arc::new(Count::default());
        let owner = Waker::from(count.clone());
        assert!(slots.watch(&owner));
        slots.unwatch();
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        assert!(!slots.watch(&owner), "there is news already");
        slots.take_ready(&mut Vec::new());
        assert!(slots.watch(&owner));
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn places_are_used_again() {
        let mut slots = Slots::new();
        let first = slots.insert(1);
        slots.insert(2);
        assert_eq!(slots.remove(first), Some(1));
        assert_eq!(slots.remove(first), None);
        assert_eq!((slots.len(), slots.numbers()), (1, vec![1]));
        assert_eq!(slots.insert(3), first);
        assert!(slots.discard(first) && !slots.discard(first) && !slots.discard(99));
        assert!(!slots.is_empty());
    }
}
