//! Pushes sorted by the origin they go to: each origin has its own line, so that none waits behind another's trouble.

use super::address::Address;
use super::outcome::{bad_address, crowded};
use crate::outcome::refused_here;
use carillon_model::outcome::Outcome;
use carillon_ports::gateway::Push;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;
use webpush::{Forbidden, Guard, Invalid, Origin};

/// Spellings of hosts that are remembered; a host can be written in many ways.
const MAX_SPELLINGS: usize = 4_096;

/// Empty lines that are kept for the next push.
const MAX_EMPTY: usize = 256;

/// How soon a push may try again that found too many strangers before it.
const CROWDED: Duration = Duration::from_secs(1);

/// A push that waits for its origin to have room.
pub(super) struct Waiting {
    pub(super) push: Push,
    pub(super) since: Instant,
}

/// The line to one origin.
pub(super) struct Line {
    /// A known service, or one that an operator has listed; else a stranger.
    pub(super) is_named: bool,
    pub(super) waiting: VecDeque<Waiting>,
    /// Pushes being encrypted.
    pub(super) sealing: usize,
    /// Pushes that its connection has.
    pub(super) sent: usize,
}

/// The lines to all origins.
pub(super) struct Lines {
    guard: Guard,
    named: Guard,
    /// By host and port as an endpoint spells them, so that not every endpoint is read whole.
    spelt: HashMap<Box<str>, Origin>,
    open: HashMap<Origin, Line>,
}

impl Line {
    /// Whether nothing is in it any more, on whatever way.
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sealing + self.sent == 0
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.sealing + self.sent
    }
}

impl Lines {
    /// `guard`: where pushes may go; `named`: whom of these an operator knows by name.
    pub(super) fn new(guard: Guard, named: Guard) -> Self {
        Self {
            guard,
            named,
            spelt: HashMap::new(),
            open: HashMap::new(),
        }
    }

    /// Puts pushes into their lines; gives those back, with what becomes of them, that have none.
    ///
    /// Strangers may hold at most half of the window: hosts that keep their pushes hanging on purpose must leave room.
    pub(super) fn take(
        &mut self,
        pushes: impl Iterator<Item = Push>,
        window: usize,
        now: Instant,
        mut refuse: impl FnMut(u64, Outcome),
    ) {
        if self.open.len() > MAX_EMPTY {
            self.tidy();
        }
        let strangers = self.open.values().filter(|line| !line.is_named);
        let mut room = (window / 2).saturating_sub(strangers.map(Line::len).sum());
        for push in pushes {
            match self.line_of(&push) {
                Err(outcome) => refuse(push.tag, outcome),
                Ok(line) if !line.is_named && room == 0 => refuse(push.tag, crowded(CROWDED)),
                Ok(line) => {
                    room -= usize::from(!line.is_named);
                    line.waiting.push_back(Waiting { push, since: now });
                }
            }
        }
    }

    fn line_of(&mut self, push: &Push) -> Result<&mut Line, Outcome> {
        let address = Address::parse(&push.push_token.0)
            .ok_or_else(|| bad_address("it is no stored subscription".into()))?;
        let authority = address.authority();
        let origin = match self.spelt.get(authority) {
            Some(origin) => origin.clone(),
            None => {
                let bad = |error: Invalid| bad_address(error.to_string());
                let endpoint = address.endpoint().map_err(bad)?;
                let origin = endpoint.origin().clone();
                // Stored under settings that let it through, perhaps, and not under these.
                let forbidden = |why: Forbidden| refused_here("forbidden", why.to_string());
                self.guard.check(&origin).map_err(forbidden)?;
                if self.spelt.len() >= MAX_SPELLINGS {
                    self.spelt.clear();
                }
                self.spelt.insert(authority.into(), origin.clone());
                origin
            }
        };
        let is_named = || self.named.check(&origin).is_ok();
        Ok(match self.open.entry(origin.clone()) {
            std::collections::hash_map::Entry::Occupied(line) => line.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(Line {
                is_named: is_named(),
                waiting: VecDeque::new(),
                sealing: 0,
                sent: 0,
            }),
        })
    }

    /// Whether an operator knows it by name.
    pub(super) fn is_named(&self, origin: &Origin) -> bool {
        self.named.check(origin).is_ok()
    }

    /// The line to an origin; there is one as long as any of its pushes is on its way.
    pub(super) fn get_mut(&mut self, origin: &Origin) -> Option<&mut Line> {
        self.open.get_mut(origin)
    }

    /// Lines in which somebody waits.
    pub(super) fn with_waiting(&mut self) -> impl Iterator<Item = (&Origin, &mut Line)> {
        self.open
            .iter_mut()
            .filter(|(_, line)| !line.waiting.is_empty())
    }

    /// How many pushes wait in all lines.
    pub(super) fn waiting(&self) -> usize {
        self.open.values().map(|line| line.waiting.len()).sum()
    }

    /// Takes out all that wait.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Push> {
        let lines = self.open.values_mut();
        lines.flat_map(|line| line.waiting.drain(..).map(|waiting| waiting.push))
    }

    /// Forgets the lines in which nothing is any more.
    pub(super) fn tidy(&mut self) {
        self.open.retain(|_, line| !line.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::Class;
    use carillon_model::notification::{Priority, SendOptions};
    use carillon_model::outcome::{TokenFate, Verdict};
    use carillon_model::push_token::PushTokenBytes;
    use carillon_model::push_type::{OnUnknown, PushType, TokenKind};
    use carillon_ports::gateway::Message;
    use std::sync::Arc;

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    fn push_token(endpoint: &str) -> PushTokenBytes {
        let json = format!(
            r#"{{"endpoint":"{endpoint}","keys":{{"p256dh":"{P256DH}","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}}"#
        );
        super::super::address::read(&json, &Guard::public().any_port()).unwrap()
    }

    fn push(tag: u64, push_token: &PushTokenBytes) -> Push {
        let options = SendOptions {
            push_type: PushType::Alert,
            token_kind: TokenKind::Alert,
            priority: Priority::Normal,
            store_offline: true,
            on_unknown: OnUnknown::Drop,
            class: Class::Normal,
            collapse_id: None,
            apns_topic: None,
            channel: None,
            category: None,
            is_critical: false,
        };
        let message = Message {
            options,
            payload: bytes::Bytes::from_static(b"{}"),
            expires_at: None,
            cancelled: Arc::default(),
        };
        Push {
            tag,
            push_token: push_token.clone(),
            gateway_id: uuid::Uuid::nil(),
            message: Arc::new(message),
        }
    }

    /// Puts pushes with tags from 0 into their lines, and tells which were refused.
    fn taken(lines: &mut Lines, endpoints: &[&str], window: usize) -> Vec<(u64, Outcome)> {
        let tokens = endpoints.iter().map(|endpoint| push_token(endpoint));
        let pushes: Vec<Push> = (0..).zip(tokens).map(|(tag, to)| push(tag, &to)).collect();
        let mut refused = Vec::new();
        let now = Instant::now();
        lines.take(pushes.into_iter(), window, now, |tag, outcome| {
            refused.push((tag, outcome));
        });
        refused
    }

    #[test]
    fn one_host_is_one_line_however_it_is_spelt() {
        let mut lines = Lines::new(Guard::known_services(), Guard::known_services());
        let endpoints = [
            "https://fcm.googleapis.com/fcm/send/a",
            "https://FCM.googleapis.com/fcm/send/b",
            "https://fcm.googleapis.com:443/fcm/send/c",
            "https://web.push.apple.com/d",
        ];
        assert_eq!(taken(&mut lines, &endpoints, 100), []);
        assert_eq!((lines.open.len(), lines.waiting()), (2, 4));
        assert_eq!(lines.spelt.len(), 4);
        assert_eq!(lines.drain().count(), 4);
        lines.tidy();
        assert!(lines.open.is_empty());
    }

    #[test]
    fn strangers_leave_half_of_the_window() {
        let mut lines = Lines::new(Guard::public(), Guard::known_services());
        let stranger = |number| format!("https://push{number}.stranger.example/x");
        let mut endpoints: Vec<String> = (0..8).map(stranger).collect();
        endpoints.push("https://web.push.apple.com/x".into());
        let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
        let refused = taken(&mut lines, &endpoints, 10);
        let tags: Vec<u64> = refused.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(tags, [5, 6, 7]);
        let wait = Verdict::Retry {
            retry_after_ms: Some(1_000),
        };
        assert!(refused.iter().all(|(_, outcome)| outcome.verdict == wait));
        // Those on their way count as well.
        let (_, line) = lines
            .open
            .iter_mut()
            .find(|(_, line)| !line.is_named)
            .unwrap();
        line.waiting.clear();
        line.sent = 1;
        assert_eq!(taken(&mut lines, &endpoints[..1], 10).len(), 1);
        for line in lines.open.values_mut() {
            (line.sent, line.sealing) = (0, 0);
        }
        lines.drain().for_each(drop);
        assert_eq!(taken(&mut lines, &endpoints[..1], 10).len(), 0);
    }

    #[test]
    fn what_leads_nowhere_has_no_line() {
        let mut lines = Lines::new(Guard::known_services(), Guard::known_services());
        let mut refused = taken(&mut lines, &["https://push.stranger.example/x"], 10);
        let outcome = refused.remove(0).1;
        assert_eq!(outcome.verdict, Verdict::Rejected(TokenFate::Keep));
        assert_eq!(outcome.answer.unwrap().reason, "forbidden");
        let odd = PushTokenBytes(bytes::Bytes::from_static(b"0badc0de"));
        let pushes = std::iter::once(push(7, &odd));
        let mut reason = String::new();
        lines.take(pushes, 10, Instant::now(), |_, outcome| {
            reason = outcome.answer.unwrap().reason;
        });
        assert_eq!(reason, "bad_push_token");
        assert!(lines.open.is_empty());
    }
}
