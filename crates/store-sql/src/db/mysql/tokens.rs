//! SQL as a list of tokens: just enough of its grammar to move pieces of a statement about.

/// One token, and whether a space stood before it: `count(` and `count (` are two things to MySQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) is_spaced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word,
    Number,
    /// With its quotes.
    Text,
    /// The place of its value, from 0.
    Param(usize),
    /// An operator or a bracket.
    Sign,
}

/// Operators of more than one character, the longest first.
const SIGNS: [&str; 10] = ["->>", "<=>", "->", "<<", ">>", "<=", ">=", "<>", "!=", "||"];

impl Piece {
    pub(super) fn word(text: &str) -> Self {
        Self {
            kind: Kind::Word,
            text: text.to_owned(),
            is_spaced: true,
        }
    }

    /// A keyword, as texts here have them: in capitals.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text == word
    }

    /// A word in capitals: no name of ours.
    pub(super) fn is_keyword(&self) -> bool {
        self.kind == Kind::Word
            && self
                .text
                .chars()
                .all(|c| c.is_ascii_uppercase() || c == '_')
    }
}

/// Reads a statement. What it does not know becomes a sign of one character.
pub(super) fn tokens(sql: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut rest = sql;
    let mut values = 0;
    loop {
        let trimmed = rest.trim_start();
        let is_spaced = trimmed.len() < rest.len();
        rest = trimmed;
        let Some(first) = rest.chars().next() else {
            return found;
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let (kind, length) = if first == '\'' || rest.starts_with("x'") {
            (Kind::Text, text(rest))
        } else if first == '?' {
            let digits = length(&rest[1..], |c| c.is_ascii_digit());
            let place = match rest[1..=digits].parse::<usize>() {
                Ok(number) => number.saturating_sub(1),
                Err(_) => {
                    values += 1;
                    values - 1
                }
            };
            (Kind::Param(place), 1 + digits)
        } else if first.is_ascii_digit() {
            (Kind::Number, length(rest, |c| is_name(c) || c == '.'))
        } else if is_name(first) {
            (Kind::Word, length(rest, is_name))
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, sign.map_or(first.len_utf8(), |sign| sign.len()))
        };
        found.push(Piece {
            kind,
            text: rest[..length].to_owned(),
            is_spaced,
        });
        rest = &rest[length..];
    }
}

/// Text in quotes, in which a quote is written twice.
fn text(rest: &str) -> usize {
    let mut end = rest.find('\'').map_or(rest.len(), |at| at + 1);
    while let Some(at) = rest[end..].find('\'') {
        end += at + 1;
        if !rest[end..].starts_with('\'') {
            return end;
        }
        end += 1;
    }
    rest.len()
}

fn length(text: &str, fits: impl Fn(char) -> bool) -> usize {
    text.find(|c| !fits(c)).unwrap_or(text.len())
}

/// The statement again, each value as `?`, and the places of the values in their order.
pub(super) fn written(tokens: &[Piece]) -> (String, Vec<usize>) {
    let (mut sql, mut values) = (String::new(), Vec::new());
    for token in tokens {
        if token.is_spaced && !sql.is_empty() {
            sql.push(' ');
        }
        match token.kind {
            Kind::Param(place) => {
                values.push(place);
                sql.push('?');
            }
            _ => sql.push_str(&token.text),
        }
    }
    (sql, values)
}

/// Where the bracket that opens at `open` is closed.
pub(super) fn closing(tokens: &[Piece], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// Where `wanted` stands in no bracket.
pub(super) fn outside(tokens: &[Piece], wanted: impl Fn(&Piece) -> bool) -> Option<usize> {
    let mut depth = 0_usize;
    tokens.iter().position(|token| {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && wanted(token)
    })
}

/// Split at each separator that stands in no bracket.
pub(super) fn split<'t>(tokens: &'t [Piece], separator: &str) -> Vec<&'t [Piece]> {
    let (mut parts, mut rest) = (Vec::new(), tokens);
    while let Some(at) = outside(rest, |token| token.is(separator)) {
        parts.push(&rest[..at]);
        rest = &rest[at + 1..];
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_written_as_it_was_read() {
        for sql in [
            "SELECT count(*), a.b FROM t a WHERE x ->> '$.it''s' >= x'00' AND y IN (1, 2.5)",
            "UPDATE t SET a = max(a, 3) WHERE b <> 'ü ?1 -- (' OR c << 20 = 1",
        ] {
            assert_eq!(written(&tokens(sql)), (sql.to_owned(), vec![]));
        }
    }

    #[test]
    fn values_are_named_or_counted() {
        let (sql, values) = written(&tokens("SELECT ?2, ?1 + ?12, '?3'"));
        assert_eq!(
            (sql.as_str(), values),
            ("SELECT ?, ? + ?, '?3'", vec![1, 0, 11])
        );
        let (_, values) = written(&tokens("SELECT ? WHERE ? = ?"));
        assert_eq!(values, [0, 1, 2]);
    }

    #[test]
    fn brackets_are_matched() {
        let tokens = tokens("f(a, (b, c)), d AND e");
        assert_eq!(closing(&tokens, 1), Some(9));
        assert_eq!(closing(&tokens[..4], 1), None);
        let parts: Vec<String> = split(&tokens[2..9], ",")
            .into_iter()
            .map(|part| written(part).0)
            .collect();
        assert_eq!(parts, ["a", "(b, c)"]);
    }
}
