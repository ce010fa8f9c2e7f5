//! The requests that wait for a stream, in the order in which they came, whatever became of them meanwhile.

use std::collections::VecDeque;

use tokio::time::Instant;

/// A request, and its life in the queue.
pub(crate) struct Queued<R> {
    pub(crate) request: R,
    sequence: u64,
    give_up_at: Instant,
    requeues: u8,
}

pub(super) struct Queue<R> {
    waiting: VecDeque<Queued<R>>,
    next_sequence: u64,
}

impl<R> Queued<R> {
    /// Whether it has waited too long.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.give_up_at <= now
    }
}

impl<R> Queue<R> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            next_sequence: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, request: R, give_up_at: Instant) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.waiting.push_back(Queued {
            request,
            sequence,
            give_up_at,
            requeues: 0,
        });
    }

    pub(super) fn pop(&mut self) -> Option<Queued<R>> {
        self.waiting.pop_front()
    }

    /// Puts back what was popped and not processed, in its old place. Returns those that were put back `most` times
    /// already.
    pub(super) fn put_back(&mut self, mut returned: Vec<Queued<R>>, most: u8) -> Vec<Queued<R>> {
        let mut spent = Vec::new();
        returned.sort_unstable_by_key(|queued| std::cmp::Reverse(queued.sequence));
        for mut queued in returned {
            if queued.requeues >= most {
                spent.push(queued);
                continue;
            }
            queued.requeues += 1;
            let older = |other: &&Queued<R>| other.sequence < queued.sequence;
            let place = self.waiting.iter().take_while(older).count();
            self.waiting.insert(place, queued);
        }
        spent
    }

    /// Takes out those of which `pick` says so; the others keep their order.
    pub(super) fn take(&mut self, mut pick: impl FnMut(&Queued<R>) -> bool) -> Vec<Queued<R>> {
        if !self.waiting.iter().any(&mut pick) {
            return Vec::new();
        }
        let mut taken = Vec::new();
        for queued in std::mem::take(&mut self.waiting) {
            if pick(&queued) {
                taken.push(queued);
            } else {
                self.waiting.push_back(queued);
            }
        }
        taken
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Queued<R>> {
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn queue(count: u32) -> Queue<u32> {
        let mut queue = Queue::new();
        let now = Instant::now();
        (0..count).for_each(|request| queue.push(request, now + Duration::from_secs(1)));
        queue
    }

    fn drained(queue: &mut Queue<u32>) -> Vec<u32> {
        queue
            .take_all()
            .into_iter()
            .map(|queued| queued.request)
            .collect()
    }

    #[test]
    fn what_comes_back_takes_its_old_place() {
        let mut queue = queue(8);
        let mut out: Vec<_> = (0..5).filter_map(|_| queue.pop()).collect();
        let second: Vec<_> = [out.remove(3), out.remove(0)].into();
        assert!(queue.put_back(second, 9).is_empty());
        out.reverse();
        assert!(queue.put_back(out, 9).is_empty());
        assert_eq!(drained(&mut queue), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn what_comes_back_too_often_is_spent() {
        let mut queue = queue(2);
        for round in 0..4 {
            let out = queue.pop().into_iter().collect();
            let spent = queue.put_back(out, 3);
            assert_eq!(spent.len(), usize::from(round == 3));
        }
        assert_eq!(drained(&mut queue), [1]);
    }

    #[test]
    fn taking_some_leaves_the_others_in_order() {
        let mut queue = queue(6);
        let taken = queue.take(|queued| queued.request.is_multiple_of(2));
        assert_eq!(
            taken
                .iter()
                .map(|queued| queued.request)
                .collect::<Vec<_>>(),
            [0, 2, 4]
        );
        assert!(queue.take(|queued| queued.request > 5).is_empty());
        assert_eq!(queue.len(), 3);
        assert_eq!(drained(&mut queue), [1, 3, 5]);
        assert!(queue.is_empty());
    }

    #[test]
    fn waiting_ends() {
        let mut queue = queue(1);
        let queued = queue.pop().unwrap();
        assert!(!queued.is_overdue(Instant::now()));
        assert!(queued.is_overdue(Instant::now() + Duration::from_secs(1)));
    }
}
