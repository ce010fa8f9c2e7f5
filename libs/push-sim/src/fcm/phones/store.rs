//! What Google keeps for one app on one phone that cannot be reached.
//!
//! Sources: "Non-collapsible and collapsible messages" (four collapse keys, a hundred messages
//! without one, all of them discarded for the next), "Set the lifespan of a message".

use std::collections::VecDeque;

use super::content::Push;

/// Collapse keys kept. Which ones survive a fifth is not defined by Google; here the oldest goes.
const MAX_KEYS: usize = 4;
/// Messages without a collapse key kept.
const MAX_PLAIN: usize = 100;

/// What keeping a message did to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Added,
    Replaced,
    /// Kept, and another collapse key's message is lost.
    Displaced,
    /// Lost, with everything that was kept.
    DiscardedAll,
}

/// Messages that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Store {
    waiting: VecDeque<Push>,
    /// The app is told so when it can be reached: `onDeletedMessages`.
    pub(super) deleted: bool,
}

impl Store {
    pub(super) fn keep(&mut self, push: Push) -> Kept {
        let Some(collapse) = &push.content.collapse else {
            let plain = |one: &&Push| one.content.collapse.is_none();
            if self.waiting.iter().filter(plain).count() >= MAX_PLAIN {
                self.waiting.clear();
                self.deleted = true;
                return Kept::DiscardedAll;
            }
            self.waiting.push_back(push);
            return Kept::Added;
        };
        let same = |one: &Push| one.content.collapse.as_ref() == Some(collapse);
        if let Some(at) = self.waiting.iter().position(same) {
            self.waiting.remove(at);
            self.waiting.push_back(push);
            return Kept::Replaced;
        }
        let is_keyed = |one: &Push| one.content.collapse.is_some();
        let keys = self.waiting.iter().filter(|one| is_keyed(one)).count();
        let oldest = self.waiting.iter().position(is_keyed);
        let mut kept = Kept::Added;
        if let Some(at) = oldest.filter(|_| keys >= MAX_KEYS) {
            self.waiting.remove(at);
            kept = Kept::Displaced;
        }
        self.waiting.push_back(push);
        kept
    }

    /// Everything kept, and whether messages were deleted; the store is empty afterwards.
    pub(super) fn take(&mut self) -> (VecDeque<Push>, bool) {
        (
            std::mem::take(&mut self.waiting),
            std::mem::take(&mut self.deleted),
        )
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Push> {
        self.waiting.iter()
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.deleted = false;
    }
}
