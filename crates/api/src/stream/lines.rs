//! Lines of NDJSON, split on the raw bytes as they arrive. A line that came in one part is not
//! copied. Empty lines are counted and skipped.

use super::Rows;
use super::frames::Frames;
use crate::problem::Problem;
use bytes::{Bytes, BytesMut};
use carillon_model::problem::FieldProblem;
use memchr::memchr;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes, without the end of line.
    Text(Bytes),
    /// It was longer than it may be.
    TooLong {
        /// How long it may be.
        most: usize,
    },
}

impl Line {
    /// Its bytes, or what to say of it.
    pub(crate) fn text(&self) -> Result<&[u8], Problem> {
        match self {
            Self::Text(text) => Ok(text),
            Self::TooLong { most } => Err(Problem::invalid(vec![FieldProblem::new(
                "",
                "line.too_long",
                format!("expected at most {most} bytes in one line"),
            )])),
        }
    }
}

/// Splits a body into lines.
pub(crate) struct Lines {
    frames: Frames,
    most: usize,
    /// What has arrived and was not looked at.
    part: Bytes,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    /// Whether that line is too long already, and what comes of it is dropped.
    skipping: bool,
    ended: bool,
    line: u64,
}

impl Lines {
    /// Splits what comes into lines of at most `most` bytes.
    pub(crate) fn new(frames: Frames, most: usize) -> Self {
        Self {
            frames,
            most,
            part: Bytes::new(),
            begun: BytesMut::new(),
            skipping: false,
            ended: false,
            line: 0,
        }
    }

    /// The line that ends with `tail`.
    fn complete(&mut self, tail: Bytes) -> Line {
        self.line += 1;
        let text = if self.begun.is_empty() {
            tail
        } else {
            self.begun.extend_from_slice(&tail);
            self.begun.split().freeze()
        };
        if std::mem::take(&mut self.skipping) || text.len() > self.most {
            return Line::TooLong { most: self.most };
        }
        let text = match text.last() {
            Some(b'\r') => text.slice(..text.len() - 1),
            _ => text,
        };
        Line::Text(text)
    }

    /// Keeps what is left of the part: its line goes on.
    fn keep_rest(&mut self) {
        if self.begun.len() + self.part.len() > self.most {
            self.skipping = true;
        }
        if self.skipping {
            self.begun.clear();
        } else {
            self.begun.extend_from_slice(&self.part);
        }
        self.part.clear();
    }
}

impl Rows for Lines {
    type Row = Line;

    fn ready(&mut self) -> Option<(u64, Line)> {
        loop {
            let line = if let Some(end) = memchr(b'\n', &self.part) {
                let tail = self.part.split_to(end);
                bytes::Buf::advance(&mut self.part, 1);
                self.complete(tail)
            } else {
                self.keep_rest();
                if !self.ended || (self.begun.is_empty() && !self.skipping) {
                    return None;
                }
                self.complete(Bytes::new())
            };
            match line {
                Line::Text(text) if text.trim_ascii().is_empty() => {}
                line => return Some((self.line, line)),
            }
        }
    }

    async fn fill(&mut self) -> Result<bool, Problem> {
        match self.frames.next().await? {
            Some(part) => {
                self.part = part;
                Ok(true)
            }
            None => {
                self.ended = true;
                Ok(false)
            }
        }
    }

    fn line(&self) -> u64 {
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Limits;
    use axum::body::Body;
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    fn lines(parts: Vec<Vec<u8>>, most: usize) -> Vec<(u64, Line)> {
        let body = Body::from_stream(futures_util::stream::iter(
            parts.into_iter().map(Ok::<_, std::io::Error>),
        ));
        let mut lines = Lines::new(Frames::new(body, &Limits::default()), most);
        let mut all = Vec::new();
        let mut more = true;
        while more {
            more = lines
                .fill()
                .now_or_never()
                .expect("everything is there")
                .unwrap();
            while let Some(line) = lines.ready() {
                all.push(line);
            }
        }
        all
    }

    fn text(line: u64, text: &str) -> (u64, Line) {
        (line, Line::Text(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[tokio::test]
    async fn ends_blanks_and_long_lines() {
        let parts = |text: &str| vec![text.as_bytes().to_vec()];
        assert_eq!(
            lines(parts("a\nb\r\n\n  \nc"), 9),
            [text(1, "a"), text(2, "b"), text(5, "c")]
        );
        assert_eq!(lines(parts(""), 9), []);
        assert_eq!(lines(parts("\n\n"), 9), []);
        let too_long = Line::TooLong { most: 3 };
        assert_eq!(
            lines(parts("abcd\nabc\nabcde"), 3),
            [(1, too_long.clone()), text(2, "abc"), (3, too_long)]
        );
    }

    proptest! {
        #[test]
        fn the_parts_do_not_matter(
            text in "[ab\n\r]{0,60}",
            cuts in proptest::collection::vec(0usize..60, 0..8),
            most in 1usize..8,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _entered = runtime.enter();
            let whole = lines(vec![text.clone().into_bytes()], most);
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut from = 0;
            let parts = cuts.into_iter().map(|to| { let part = text.as_bytes()[from..to].to_vec(); from = to; part });
            prop_assert_eq!(lines(parts.collect(), most), whole);
        }
    }
}
