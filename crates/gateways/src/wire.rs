//! What a pool's driver asks of the way to a gateway. Each adapter wraps its library's connection in it.

use carillon_model::UnixMs;
use carillon_model::outcome::Outcome;
use carillon_ports::gateway::{Message, Push, PushOutcome};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The way to one gateway, on one thread.
pub(crate) trait Wire: 'static {
    /// A push as the connection takes it.
    type Push;
    /// How it ended, in the library's words.
    type Finished;

    /// The gateway's name in sentences.
    const NAME: &'static str;

    /// What the connection is doing.
    fn status(&self) -> Status;

    /// How many pushes [`Self::submit`] would take now.
    fn free_capacity(&self) -> usize;

    /// A push as the connection takes it, or why it is refused here.
    fn dress(
        &mut self,
        push: &Push,
        now: Instant,
        wall: UnixMs,
    ) -> Result<Dressed<Self::Push>, Outcome>;

    /// The tag of a dressed push.
    fn tag(push: &Self::Push) -> u64;

    /// Takes pushes from the front of `batch`, as many as fit.
    fn submit(&mut self, batch: &mut VecDeque<Self::Push>);

    /// Waits until the connection has answers, and appends them. Nothing is lost if the future is dropped.
    fn answers(&self, finished: &mut Vec<Self::Finished>) -> impl Future<Output = ()>;

    /// Waits for answers, or until something that went [`Dressed::Aside`] ends, among `aside`. Nothing is lost if the
    /// future is dropped.
    fn ended(
        &mut self,
        finished: &mut Vec<Self::Finished>,
        _aside: &mut Vec<PushOutcome>,
    ) -> impl Future<Output = ()> {
        self.answers(finished)
    }

    /// The tag of what ended.
    fn tag_of(finished: &Self::Finished) -> u64;

    /// What an end means. `sent` is what was asked and when; `None` for an answer that comes after it was given up.
    fn judge(&self, finished: Self::Finished, sent: Option<(&Message, Duration)>) -> Judged;

    /// Takes back the pushes that were not written and whose tag `pick` chooses; gives their tags.
    fn withdraw(&mut self, pick: impl FnMut(u64) -> bool) -> Vec<u64>;

    /// The outcome of everything that waits while the connection sends nothing for so long.
    fn paused(&self, pause: Duration) -> Outcome;

    /// Takes nothing more, waits for the answers, and closes at the deadline. Answers can be taken meanwhile.
    fn close(&self, deadline: Instant) -> impl Future<Output = ()>;

    /// Waits for what went aside until the deadline, and gives up on the rest.
    fn finish_aside(&mut self, _deadline: Instant) -> impl Future<Output = Vec<PushOutcome>> {
        std::future::ready(Vec::new())
    }

    /// Gives up on what went aside: nobody will hear what became of it.
    fn abandon_aside(&mut self) -> Vec<PushOutcome> {
        Vec::new()
    }
}

/// What [`Wire::dress`] made of a push.
pub(crate) enum Dressed<P> {
    /// Ready for the connection.
    Ready(P),
    /// Sent another way; its outcome comes by itself.
    Aside,
}

/// What [`Wire::judge`] says.
pub(crate) struct Judged {
    /// The outcome.
    pub(crate) outcome: Outcome,
    /// No connection could be made: whatever waits would only try the gateway's patience.
    pub(crate) is_unreachable: bool,
}

/// What a connection is doing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Status {
    /// HTTP/2 connections that are ready.
    pub(crate) connections: usize,
    /// Pushes in flight.
    pub(crate) in_flight: usize,
    /// Pushes that went aside and have not ended.
    pub(crate) aside: usize,
    /// Pushes taken that wait for a stream.
    pub(crate) queued: usize,
    /// Streams free right now.
    pub(crate) free_streams: usize,
    /// How much longer nothing will be sent.
    pub(crate) paused_for: Option<Duration>,
}
