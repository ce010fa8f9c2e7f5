//! Many seeded peers that do one wrong thing after the other, and the books afterwards.
//!
//! The peer keeps account of which request it *processed*: it answered it, or swallowed it whole before the end. Then:
//! every request ends exactly once; an answer is the one that the peer gave; "not sent" is true; and nothing was processed
//! twice, because nothing that may have been processed is sent again.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use h2_pool::Config;
use tokio::sync::Notify;

use crate::peer::{
    CANCEL, DATA, END_STREAM, INTERNAL_ERROR, NO_ERROR, Peer, REFUSED_STREAM, Request,
};
use crate::rig::{Next, Rig, local};

const REQUESTS: u64 = 300;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[derive(Default)]
struct Books {
    /// Statuses that the peer gave, by tag.
    answered: BTreeMap<u64, Vec<u16>>,
    /// Requests taken whole and never answered, by tag.
    swallowed: BTreeMap<u64, u32>,
    faults: HashMap<&'static str, u32>,
}

impl Books {
    fn note(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }
}

fn tag(request: &Request) -> u64 {
    request.header("x-tag").parse().unwrap()
}

/// Serves one connection until it ends it, or the client does.
async fn serve(mut peer: Peer, mut dice: Dice, books: Rc<RefCell<Books>>, hurry: Rc<Notify>) {
    let mut open: Vec<Request> = Vec::new();
    let mut last = u32::MAX;
    let swallow = |open: &mut Vec<Request>, upto: u32| {
        for request in open.drain(..).filter(|request| request.stream <= upto) {
            *books
                .borrow_mut()
                .swallowed
                .entry(tag(&request))
                .or_default() += 1;
        }
    };
    loop {
        let is_hurried = tokio::select! {
            biased;
            more = peer.has_frame() => {
                if !more {
                    return swallow(&mut open, last);
                }
                false
            }
            () = hurry.notified(), if !open.is_empty() => true,
        };
        if !is_hurried {
            let Some(frame) = peer.frame().await else {
                return swallow(&mut open, last);
            };
            let request = peer.absorb(frame).await;
            open.extend(request.filter(|request| request.stream <= last));
        }
        let wanted = if is_hurried { 0 } else { dice.roll(6) as usize };
        while open.len() > wanted {
            let at = dice.roll(open.len() as u64) as usize;
            let stream = open[at].stream;
            let written = match dice.roll(40) {
                0..=1 => {
                    books.borrow_mut().note("refused");
                    open.remove(at);
                    peer.try_reset(stream, REFUSED_STREAM).await
                }
                2 => {
                    books.borrow_mut().note("reset");
                    let request = open.remove(at);
                    *books
                        .borrow_mut()
                        .swallowed
                        .entry(tag(&request))
                        .or_default() += 1;
                    peer.try_reset(stream, [INTERNAL_ERROR, CANCEL][dice.roll(2) as usize])
                        .await
                }
                3 => {
                    books.borrow_mut().note("goaway");
                    last = last.min([0, stream, stream, 0x7fff_ffff][dice.roll(4) as usize]);
                    let text = [&b""[..], br#"{"reason":"Shutdown"}"#][dice.roll(2) as usize];
                    let written = peer.try_goaway(last, NO_ERROR, text).await;
                    open.retain(|request| request.stream <= last);
                    if dice.roll(2) == 0 {
                        books.borrow_mut().note("goaway and gone");
                        return swallow(&mut open, last);
                    }
                    written
                }
                4 => {
                    books.borrow_mut().note("gone");
                    return swallow(&mut open, last);
                }
                5..=6 => {
                    books.borrow_mut().note("settings");
                    peer.try_max_streams([1, 2, 5, 100][dice.roll(4) as usize])
                        .await
                }
                7 => {
                    books.borrow_mut().note("half an answer");
                    let request = open.remove(at);
                    *books
                        .borrow_mut()
                        .swallowed
                        .entry(tag(&request))
                        .or_default() += 1;
                    let _ = peer.try_head(stream, 500, 0).await;
                    let _ = peer.try_send(DATA, 0, stream, b"{").await;
                    return swallow(&mut open, last);
                }
                8..=15 => {
                    let request = open.remove(at);
                    let status = 400 + dice.roll(30) as u16;
                    books
                        .borrow_mut()
                        .answered
                        .entry(tag(&request))
                        .or_default()
                        .push(status);
                    let _ = peer.try_head(stream, status, 0).await;
                    peer.try_send(DATA, END_STREAM, stream, b"no").await
                }
                _ => {
                    let request = open.remove(at);
                    books
                        .borrow_mut()
                        .answered
                        .entry(tag(&request))
                        .or_default()
                        .push(200);
                    peer.try_head(stream, 200, END_STREAM).await
                }
            };
            if written.is_err() {
                return swallow(&mut open, last);
            }
        }
    }
}

/// Every task has had its turn several times, and all of them wait.
async fn all_is_quiet() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

async fn one_life(seed: u64) -> HashMap<&'static str, u32> {
    let mut rig = Rig::new(Config {
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        connect_attempts: 1_000,
        grow_after: Duration::from_millis(1),
        max_connections: 3,
        max_requeues: 200,
        seed: Some(seed),
        ..Config::default()
    });
    let books = Rc::new(RefCell::new(Books::default()));
    let mut dice = Dice(seed);
    let mut ends: BTreeMap<u64, Result<u16, bool>> = BTreeMap::new();
    let mut pushed = 0;
    let mut servers = Vec::new();
    let hurry = Rc::new(Notify::new());
    while ends.len() < REQUESTS as usize {
        if pushed < REQUESTS {
            let more = (pushed + 1 + dice.roll(40)).min(REQUESTS);
            rig.push(pushed..more);
            pushed = more;
        }
        loop {
            let next = tokio::select! {
                biased;
                next = rig.next() => next,
                () = all_is_quiet() => {
                    hurry.notify_waiters();
                    continue;
                }
            };
            match next {
                Next::Pipe(pipe) => {
                    let peer = Peer::ready(pipe, 20).await;
                    let task = serve(peer, Dice(dice.roll(1 << 31)), books.clone(), hurry.clone());
                    servers.push(tokio::task::spawn_local(task));
                }
                Next::Outcome(outcome) => {
                    let end = match outcome.result {
                        Ok((status, _)) => Ok(status.as_u16()),
                        Err(error) => Err(error.maybe_sent()),
                    };
                    let first = ends.insert(outcome.tag, end);
                    assert!(!outcome.late);
                    assert_eq!(first, None, "seed {seed}: {} ended twice", outcome.tag);
                    break;
                }
            }
        }
    }
    drop(rig);
    for server in servers {
        server.await.unwrap();
    }
    let books = books.borrow();
    for (tag, end) in &ends {
        let answers = books.answered.get(tag).map_or(&[][..], Vec::as_slice);
        let swallowed = books.swallowed.get(tag).copied().unwrap_or_default();
        let processed = answers.len() as u32 + swallowed;
        match end {
            Ok(status) => assert_eq!(
                (answers, swallowed),
                (&[*status][..], 0),
                "seed {seed}: {tag}"
            ),
            Err(true) => assert!(
                processed <= 1,
                "seed {seed}: {tag} processed {processed} times"
            ),
            Err(false) => assert_eq!(processed, 0, "seed {seed}: {tag} said to be unsent"),
        }
    }
    books.faults.clone()
}

#[tokio::test]
async fn the_books_agree_whatever_the_peer_does() {
    let mut faults: HashMap<&str, u32> = HashMap::new();
    for seed in 0..20 {
        for (fault, count) in local(one_life(seed)).await {
            *faults.entry(fault).or_default() += count;
        }
    }
    for fault in [
        "refused",
        "reset",
        "goaway",
        "goaway and gone",
        "gone",
        "settings",
        "half an answer",
    ] {
        assert!(
            faults.get(fault).is_some_and(|&count| count >= 5),
            "{fault}: {faults:?}"
        );
    }
}
