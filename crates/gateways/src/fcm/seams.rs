//! Where in a rendered message the parts go that differ from push to push.
//!
//! A message is rendered once for all its deliveries. What is left of its time, and the tag by which a resend replaces
//! what it doubles, are put in when a push is written: at the places found here, without reading the JSON as such. The
//! search relies on the order in which `render` writes (`android`, `webpush`, `apns` with its headers first) and goes no
//! further than it must; it is done once for each notification and not for each push.

/// What is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// `android.ttl`: what is left of its time.
    Ttl,
    /// `android.notification.tag`: the delivery's own.
    Tag,
    /// `TTL` among the headers for browsers.
    WebTtl,
    /// `Topic` among the headers for browsers.
    Topic,
    /// `apns-expiration`.
    Expiration,
    /// `apns-collapse-id`.
    CollapseId,
    /// `apns.live_activity_token`: where an iPhone's Live Activity is.
    LiveToken,
}

impl Piece {
    /// The key, in the spelling that is looked for.
    fn key(self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::Tag => "tag",
            Self::WebTtl => "TTL",
            Self::Topic => "Topic",
            Self::Expiration => "apns-expiration",
            Self::CollapseId => "apns-collapse-id",
            Self::LiveToken => "live_activity_token",
        }
    }

    fn is_wanted(self, wishes: Wishes) -> bool {
        match self {
            Self::Ttl | Self::WebTtl | Self::Expiration => wishes.expires,
            Self::Tag | Self::Topic | Self::CollapseId => wishes.is_replaceable,
            Self::LiveToken => wishes.is_live,
        }
    }
}

/// A place, and what goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seam {
    /// Offset in the message.
    pub(super) at: usize,
    /// What goes there.
    pub(super) piece: Piece,
    /// Another key follows it.
    pub(super) has_comma: bool,
}

/// Which seams a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Those of time.
    pub(super) expires: bool,
    /// Those of the delivery's own tag.
    pub(super) is_replaceable: bool,
    /// The one of a Live Activity.
    pub(super) is_live: bool,
}

/// The seams of `message` that are wished for, in their order. Where the message says something itself, that stands.
pub(super) fn find(message: &[u8], wishes: Wishes) -> Vec<Seam> {
    let mut seams = Vec::with_capacity(6);
    if wishes == Wishes::default() {
        return seams;
    }
    let is_wanted = |piece: Piece| piece.is_wanted(wishes);
    let mut finder = Finder {
        walk: Walk {
            json: message,
            at: 0,
        },
        seams: &mut seams,
    };
    // A message of another shape (none of ours) has the seams that were found.
    let _ = finder.message(&is_wanted);
    seams.sort_by_key(|seam| seam.at);
    seams
}

struct Finder<'a> {
    walk: Walk<'a>,
    seams: &'a mut Vec<Seam>,
}

impl Finder<'_> {
    fn message(&mut self, is_wanted: &dyn Fn(Piece) -> bool) -> Option<()> {
        self.walk.enter()?;
        while let Some(key) = self.walk.key()? {
            match key {
                b"android" => self.android(is_wanted)?,
                b"webpush" => self.within(b"headers", &[Piece::WebTtl, Piece::Topic], is_wanted)?,
                b"apns" => {
                    let pieces = [Piece::Expiration, Piece::CollapseId];
                    return self.headers(&pieces, is_wanted);
                }
                _ => return Some(()),
            }
        }
        Some(())
    }

    fn android(&mut self, is_wanted: &dyn Fn(Piece) -> bool) -> Option<()> {
        self.walk.enter()?;
        let inside = self.walk.inside();
        let mut has_ttl = false;
        while let Some(key) = self.walk.key()? {
            match key {
                b"notification" => self.object(&[Piece::Tag], is_wanted)?,
                b"ttl" => {
                    has_ttl = true;
                    self.walk.skip()?;
                }
                _ => self.walk.skip()?,
            }
        }
        if !has_ttl && is_wanted(Piece::Ttl) {
            self.add(inside, Pieces([Some(Piece::Ttl), None]));
        }
        Some(())
    }

    /// An object of which only the value of one key matters.
    fn within(
        &mut self,
        wanted: &[u8],
        pieces: &[Piece],
        is_wanted: &dyn Fn(Piece) -> bool,
    ) -> Option<()> {
        self.walk.enter()?;
        while let Some(key) = self.walk.key()? {
            if key == wanted {
                self.object(pieces, is_wanted)?;
            } else {
                self.walk.skip()?;
            }
        }
        Some(())
    }

    /// Only the first value of an object, `headers`; what follows is not looked at.
    fn headers(&mut self, pieces: &[Piece], is_wanted: &dyn Fn(Piece) -> bool) -> Option<()> {
        self.walk.enter()?;
        let inside = self.walk.inside();
        let live = Some(Piece::LiveToken).filter(|piece| is_wanted(*piece));
        self.add(inside, Pieces([live, None]));
        match self.walk.key()? {
            Some(b"headers") => self.object(pieces, is_wanted),
            _ => Some(()),
        }
    }

    fn object(&mut self, pieces: &[Piece], is_wanted: &dyn Fn(Piece) -> bool) -> Option<()> {
        self.walk.enter()?;
        let inside = self.walk.inside();
        let mut missing: Pieces = pieces
            .iter()
            .copied()
            .filter(|piece| is_wanted(*piece))
            .collect();
        while let Some(key) = self.walk.key()? {
            missing.take_out(key);
            self.walk.skip()?;
        }
        self.add(inside, missing);
        Some(())
    }

    fn add(&mut self, inside: Inside, pieces: Pieces) {
        let mut left = pieces.iter().count();
        for piece in pieces.iter() {
            left -= 1;
            self.seams.push(Seam {
                at: inside.at,
                piece,
                has_comma: !inside.is_empty || left > 0,
            });
        }
    }
}

/// The pieces of one object. At most two: it is looked for them once for each notification, without a heap.
#[derive(Clone, Copy, Default)]
struct Pieces([Option<Piece>; 2]);

impl Pieces {
    fn iter(self) -> impl Iterator<Item = Piece> {
        self.0.into_iter().flatten()
    }

    /// What is said already is not missing.
    fn take_out(&mut self, key: &[u8]) {
        for place in &mut self.0 {
            if place.is_some_and(|piece| key.eq_ignore_ascii_case(piece.key().as_bytes())) {
                *place = None;
            }
        }
    }
}

impl FromIterator<Piece> for Pieces {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        let mut all = Self::default();
        for (place, piece) in all.0.iter_mut().zip(pieces) {
            *place = Some(piece);
        }
        all
    }
}

/// The place behind an object's brace.
#[derive(Clone, Copy)]
struct Inside {
    at: usize,
    is_empty: bool,
}

/// Goes through JSON that is known to be well formed. `None`: it is not.
struct Walk<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.json.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    /// Into an object.
    fn enter(&mut self) -> Option<()> {
        (self.peek()? == b'{').then(|| self.at += 1)
    }

    fn inside(&mut self) -> Inside {
        Inside {
            at: self.at,
            is_empty: self.peek() == Some(b'}'),
        }
    }

    /// The next key, with what stands between it and its value behind; `None` within: the object has ended.
    fn key(&mut self) -> Option<Option<&'a [u8]>> {
        if self.peek()? == b',' {
            self.at += 1;
        }
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(None);
        }
        let key = self.text()?;
        (self.peek()? == b':').then(|| self.at += 1)?;
        Some(Some(key))
    }

    /// A string as it is written.
    fn text(&mut self) -> Option<&'a [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let from = self.at + 1;
        let mut at = from;
        loop {
            match self.json.get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        self.json.get(from..at)
    }

    /// Over a value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.text()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => {
                    while !matches!(
                        self.json.get(self.at)?,
                        b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'
                    ) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, expires: bool, is_replaceable: bool) -> Vec<(Piece, String, bool)> {
        let wishes = Wishes {
            expires,
            is_replaceable,
            is_live: false,
        };
        find(json.as_bytes(), wishes)
            .into_iter()
            .map(|seam| (seam.piece, json[..seam.at].to_owned(), seam.has_comma))
            .collect()
    }

    const WHOLE: &str = r#"{"android":{"notification":{},"priority":"HIGH"},"webpush":{"headers":{"Urgency":"high"}},"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{}}},"data":{"ttl":"x"}}"#;

    #[test]
    fn every_piece_has_its_place() {
        let pieces: Vec<_> = found(WHOLE, true, true);
        let ends: Vec<_> = pieces
            .iter()
            .map(|(piece, before, has_comma)| {
                let end: String = before.chars().rev().take(12).collect();
                (*piece, end.chars().rev().collect::<String>(), *has_comma)
            })
            .collect();
        let end = |text: &str| text.to_owned();
        assert_eq!(
            ends,
            [
                (Piece::Ttl, end(r#"{"android":{"#), true),
                (
                    Piece::Tag,
                    end(r#"fication":{"#).replace("fication", "ification"),
                    false
                ),
                (
                    Piece::WebTtl,
                    end(r#""headers":{"#).replace(r#""headers"#, r#"{"headers"#),
                    true
                ),
                (Piece::Topic, end(r#"{"headers":{"#), true),
                (Piece::Expiration, end(r#"{"headers":{"#), true),
                (Piece::CollapseId, end(r#"{"headers":{"#), true),
            ]
        );
    }

    #[test]
    fn only_what_is_wanted_and_not_said_already() {
        let pieces = |json: &str, expires, is_replaceable| -> Vec<Piece> {
            let found = found(json, expires, is_replaceable);
            found.into_iter().map(|(piece, ..)| piece).collect()
        };
        assert!(pieces(WHOLE, false, false).is_empty());
        assert_eq!(
            pieces(WHOLE, true, false),
            [Piece::Ttl, Piece::WebTtl, Piece::Expiration]
        );
        assert_eq!(
            pieces(WHOLE, false, true),
            [Piece::Tag, Piece::Topic, Piece::CollapseId]
        );
        let said = r#"{"android":{"notification":{"tag":"a"},"ttl":"0s"},"webpush":{"headers":{"ttl":"1"}},"apns":{"headers":{"Apns-Expiration":"0"}}}"#;
        assert_eq!(pieces(said, true, true), [Piece::Topic, Piece::CollapseId]);
    }

    #[test]
    fn hostile_values_are_stepped_over() {
        let json = r#"{"android":{"a":"}\"{\\","b":[{"ttl":"x"},[1,-2.5e3,null,true]],"notification":{"title":"{\"tag\":1}"}},"apns":{"headers":{}}}"#;
        let pieces: Vec<_> = found(json, true, true)
            .into_iter()
            .map(|(piece, _, has_comma)| (piece, has_comma))
            .collect();
        assert_eq!(
            pieces,
            [
                (Piece::Ttl, true),
                (Piece::Tag, true),
                (Piece::Expiration, true),
                (Piece::CollapseId, false)
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[{}\\[\\]\",:a\\\\ ]{0,60}") {
            let wishes = Wishes { expires: true, is_replaceable: true, is_live: true };
            let _ = find(text.as_bytes(), wishes);
            let _ = find(format!("{{\"android\":{text}").as_bytes(), wishes);
        }
    }
}
