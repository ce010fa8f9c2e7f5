//! Text into lexemes, each with its place.

use super::ExpressionError;
use super::ast::{continues_name, starts_name};

/// One word, sign or literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme {
    Name(String),
    Text(String),
    Integer(i64),
    Float(f64),
    /// `== != < <= > >= ( ) [ ] , .`
    Sign(&'static str),
    End,
}

/// A lexeme and the bytes it was read from.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) lexeme: Lexeme,
    pub(super) start: usize,
    pub(super) end: usize,
}

const SIGNS: &[&str] = &[
    "==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", ".",
];

/// Signs of other languages, and what is written here instead.
const FOREIGN: &[(&str, &str)] = &[
    ("&&", "and"),
    ("||", "or"),
    ("!", "not"),
    ("=~", "contains"),
    ("=", "=="),
    ("<>", "!="),
    ("{", "[ for a list"),
    ("-", "a quoted name after it: data['a-b']"),
];

/// Reads all of `text`; the last lexeme is [`Lexeme::End`].
pub(super) fn read(text: &str) -> Result<Vec<Placed>, ExpressionError> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            lexemes.push(Placed {
                lexeme: Lexeme::End,
                start: at,
                end: at,
            });
            return Ok(lexemes);
        };
        let (lexeme, len) = if starts_name(first) {
            let len = rest.find(|c| !continues_name(c)).unwrap_or(rest.len());
            (Lexeme::Name(rest[..len].to_owned()), len)
        } else if first == '\'' || first == '"' {
            quoted(text, at, first)?
        } else if first.is_ascii_digit()
            || (first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            number(text, at)?
        } else {
            sign(text, at, first)?
        };
        lexemes.push(Placed {
            lexeme,
            start: at,
            end: at + len,
        });
        at += len;
    }
}

/// The fields of `root` that a text names, with the byte at which each stands. Nothing of what cannot be read.
pub(super) fn fields_of(text: &str, root: &str) -> Vec<(String, usize)> {
    let lexemes = read(text).unwrap_or_default();
    let mut fields = Vec::new();
    for (at, window) in lexemes.windows(3).enumerate() {
        let is_step = at > 0 && lexemes[at - 1].lexeme == Lexeme::Sign(".");
        let is_root = matches!(&window[0].lexeme, Lexeme::Name(name) if name == root);
        if is_step || !is_root {
            continue;
        }
        match (&window[1].lexeme, &window[2].lexeme) {
            (Lexeme::Sign("."), Lexeme::Name(name))
            | (Lexeme::Sign("[" | "("), Lexeme::Text(name)) => {
                fields.push((name.clone(), window[2].start));
            }
            _ => {}
        }
    }
    fields
}

fn sign(text: &str, at: usize, first: char) -> Result<(Lexeme, usize), ExpressionError> {
    let rest = &text[at..];
    let known = SIGNS.iter().find(|sign| rest.starts_with(**sign));
    let foreign = FOREIGN.iter().find(|(sign, _)| rest.starts_with(sign));
    match (known, foreign) {
        // `<>` begins with a sign that we know.
        (Some(sign), None) => Ok((Lexeme::Sign(sign), sign.len())),
        (Some(sign), Some((other, _))) if sign.len() >= other.len() => {
            Ok((Lexeme::Sign(sign), sign.len()))
        }
        (_, Some((sign, instead))) => Err(ExpressionError::new(
            text,
            at,
            "expression.syntax",
            format!("`{sign}` is not a sign of this language: write {instead}"),
        )),
        (None, None) => Err(ExpressionError::new(
            text,
            at,
            "expression.syntax",
            format!("expected a name, a value or an operator, found {first:?}"),
        )),
    }
}

fn quoted(text: &str, at: usize, quote: char) -> Result<(Lexeme, usize), ExpressionError> {
    let error = |at, message: String| ExpressionError::new(text, at, "expression.syntax", message);
    let mut value = String::new();
    let mut chars = text[at..].char_indices().skip(1);
    while let Some((offset, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((Lexeme::Text(value), offset + 1)),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some(c @ ('\'' | '"' | '\\')) => value.push(c),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(c) => {
                    return Err(error(
                        at + offset,
                        format!("`\\{c}` is not an escape: \\' \\\" \\\\ \\n \\r \\t are"),
                    ));
                }
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(error(
        at,
        format!("this text has no end: expected a closing {quote}"),
    ))
}

fn number(text: &str, at: usize) -> Result<(Lexeme, usize), ExpressionError> {
    let rest = &text[at..];
    let digits = |from: usize| {
        let tail = &rest[from..];
        tail.bytes().take_while(u8::is_ascii_digit).count()
    };
    let mut len = usize::from(rest.starts_with('-'));
    len += digits(len);
    let mut is_float = false;
    if rest[len..].starts_with('.') && digits(len + 1) > 0 {
        is_float = true;
        len += 1 + digits(len + 1);
    }
    if rest[len..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
        let exponent = digits(len + 1 + sign);
        if exponent > 0 {
            is_float = true;
            len += 1 + sign + exponent;
        }
    }
    let error = |message: String| ExpressionError::new(text, at, "expression.syntax", message);
    if let Some(c) = rest[len..].chars().next().filter(|c| continues_name(*c)) {
        return Err(error(format!(
            "expected a number, found {:?}: quote texts, as in '{}'",
            format!("{}{c}", &rest[..len]),
            &rest[..len]
        )));
    }
    let lexeme = if is_float {
        let value = rest[..len].parse::<f64>().ok();
        value.filter(|value| value.is_finite()).map(Lexeme::Float)
    } else {
        rest[..len].parse().ok().map(Lexeme::Integer)
    };
    match lexeme {
        Some(lexeme) => Ok((lexeme, len)),
        None => Err(error(format!(
            "{} is too large a number: write it as a text if it is an id",
            &rest[..len]
        ))),
    }
}
