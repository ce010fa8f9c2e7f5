//! How many streams one connection may have open: a value, fed with what happens on the connection.
//!
//! The least of four numbers counts: the setting, what the peer's `SETTINGS` allow now, one (or a few) until the peer has
//! accepted who we are, and our own bound, which a refused stream halves and answers slowly win back.

/// The number of streams that may be open.
#[derive(Debug)]
pub(crate) struct Permits {
    most: usize,
    initial: usize,
    peer: usize,
    first_peer: Option<usize>,
    is_trusted: bool,
    cap: usize,
    /// Answers since the cap last rose.
    credit: usize,
    /// Refusals up to this stream belong to the last cut.
    cut_at: u32,
}

impl Permits {
    /// At most `most`, and `initial` until trusted; none before the first [`follow`](Self::follow).
    pub(crate) fn new(most: usize, initial: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            initial: initial.max(1),
            peer: 0,
            first_peer: None,
            is_trusted: false,
            cap: most,
            credit: 0,
            cut_at: 0,
        }
    }

    pub(crate) fn allowed(&self) -> usize {
        let initial = if self.is_trusted {
            usize::MAX
        } else {
            self.initial
        };
        self.cap.min(self.peer).min(initial)
    }

    /// Whether it is only the lack of trust that keeps the number down.
    pub(crate) fn is_on_probation(&self) -> bool {
        !self.is_trusted && self.initial < self.most
    }

    /// The peer's `SETTINGS` allow this many. A number that rises above the first one is trust.
    pub(crate) fn follow(&mut self, peer: usize) {
        self.peer = peer;
        if peer > *self.first_peer.get_or_insert(peer) {
            self.is_trusted = true;
        }
    }

    /// The peer has accepted who we are.
    pub(crate) fn trust(&mut self) {
        self.is_trusted = true;
    }

    /// The peer refused a stream, with `in_flight` streams open, of which the newest is `newest`.
    pub(crate) fn refused(&mut self, stream: u32, in_flight: usize, newest: u32) {
        // One cut for each flight of requests, not for each frame.
        if stream > self.cut_at {
            self.cap = (in_flight / 2).max(1);
            self.cut_at = newest.max(stream);
            self.credit = 0;
        }
    }

    /// The peer answered.
    pub(crate) fn answered(&mut self) {
        if self.cap >= self.most {
            return;
        }
        self.credit += 1;
        if self.credit >= self.cap {
            self.credit = 0;
            self.cap = (self.cap + (self.cap / 16).max(1)).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_before_the_first_settings_then_what_they_say() {
        let mut permits = Permits::new(100, usize::MAX);
        assert_eq!(permits.allowed(), 0);
        for (peer, allowed) in [(5, 5), (1, 1), (usize::MAX, 100), (0, 0), (50, 50)] {
            permits.follow(peer);
            assert_eq!(permits.allowed(), allowed);
        }
    }

    #[test]
    fn one_until_trusted_by_word_or_by_a_rise() {
        let mut by_word = Permits::new(100, 1);
        by_word.follow(1_000);
        assert_eq!((by_word.allowed(), by_word.is_on_probation()), (1, true));
        by_word.trust();
        assert_eq!((by_word.allowed(), by_word.is_on_probation()), (100, false));

        let mut by_rise = Permits::new(100, 1);
        by_rise.follow(1);
        by_rise.follow(1);
        assert!(by_rise.is_on_probation());
        by_rise.follow(7);
        assert_eq!((by_rise.allowed(), by_rise.is_on_probation()), (7, false));
        by_rise.follow(1);
        by_rise.follow(3);
        assert_eq!(by_rise.allowed(), 3, "trust once given stays");
    }

    #[test]
    fn one_flight_of_refusals_is_one_cut() {
        let mut permits = Permits::new(100, usize::MAX);
        permits.follow(100);
        permits.refused(3, 80, 161);
        assert_eq!(permits.allowed(), 40);
        permits.refused(5, 79, 161);
        permits.refused(161, 50, 161);
        assert_eq!(permits.allowed(), 40);
        permits.refused(163, 40, 171);
        assert_eq!(permits.allowed(), 20);
        permits.refused(173, 1, 173);
        assert_eq!(permits.allowed(), 1, "never none");
    }

    #[test]
    fn answers_win_the_streams_back() {
        let mut permits = Permits::new(100, usize::MAX);
        permits.follow(1_000);
        permits.refused(1, 2, 3);
        let mut answers = 0;
        while permits.allowed() < 100 {
            permits.answered();
            answers += 1;
            assert!(answers < 10_000, "{permits:?}");
        }
        for _ in 0..1_000 {
            permits.answered();
        }
        assert_eq!(permits.allowed(), 100);
    }
}
