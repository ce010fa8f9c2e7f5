//! What an expression is once it is read: conditions over operands. Public, so that a store can
//! compile it to its own language; [`super::Expression::evaluate`] is the oracle for that.
//!
//! `Display` writes the canonical text, which reads back as the same tree.

use crate::receipts::ReceiptKind;
use crate::{UnixMs, duration};
use std::fmt;

/// Something that holds or does not hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// `a and b and c`: at least two.
    All(Vec<Condition>),
    /// `a or b or c`: at least two.
    Any(Vec<Condition>),
    /// `not a`.
    Not(Box<Condition>),
    /// `a == b` and its like.
    Compare {
        /// Left of the operator.
        left: Operand,
        /// The operator.
        comparison: Comparison,
        /// Right of the operator.
        right: Operand,
    },
    /// A path or `true`/`false` alone: holds when the value is the boolean `true`.
    Is(Operand),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`: exactly when `==` does not hold.
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`: the left equals an entry of the list on the right.
    In,
    /// `not in`: exactly when `in` does not hold.
    NotIn,
    /// `contains`: the list on the left has the right as an entry, or the text on the left has the
    /// text on the right as a part.
    Contains,
    /// `startswith`: the text on the left begins with the text on the right.
    StartsWith,
}

impl Comparison {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::In,
        Self::NotIn,
        Self::Contains,
        Self::StartsWith,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::Contains => "contains",
            Self::StartsWith => "startswith",
        }
    }
}

/// A value in a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// Written out.
    Literal(Literal),
    /// `['a', 'b']`: at most 100 entries.
    List(Vec<Literal>),
    /// Looked up; what is missing is null.
    Path(Path),
    /// `version('2.1')`, `version(app_version)`: compared as versions. Never nested.
    Version(Box<Operand>),
    /// `ago('30d')`, `instant('2026-01-31T12:00:00Z')`: compared with moments only.
    Moment(Moment),
}

/// A moment as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// So many milliseconds before the expression is asked.
    Ago(i64),
    /// An instant.
    At(UnixMs),
}

impl Moment {
    /// The instant that is meant when the expression is asked at `now`.
    #[must_use]
    pub fn at(self, now: UnixMs) -> UnixMs {
        match self {
            Self::Ago(ms) => now.saturating_sub(ms),
            Self::At(at) => at,
        }
    }
}

/// A value as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// `3`
    Integer(i64),
    /// `3.5`: always finite.
    Float(f64),
    /// `'text'` or `"text"`
    Text(String),
}

/// Where a value is: `data.comment.author`, `data['odd name']`, `data.items[0]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The first name, e.g. `data`.
    pub root: String,
    /// What follows.
    pub steps: Vec<Step>,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A field of an object.
    Field(String),
    /// An entry of a list, from 0.
    Index(u32),
}

// === Display ===

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => joined(f, parts, " and ", |part| {
                matches!(part, Self::Any(_) | Self::All(_))
            }),
            Self::Any(parts) => joined(f, parts, " or ", |part| matches!(part, Self::Any(_))),
            Self::Not(inner) => match **inner {
                Self::All(_) | Self::Any(_) => write!(f, "not ({inner})"),
                _ => write!(f, "not {inner}"),
            },
            Self::Compare {
                left,
                comparison,
                right,
            } => write!(f, "{left} {} {right}", comparison.as_str()),
            Self::Is(operand) => operand.fmt(f),
        }
    }
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    parts: &[Condition],
    word: &str,
    needs_parentheses: impl Fn(&Condition) -> bool,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(word)?;
        }
        if needs_parentheses(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(literal) => literal.fmt(f),
            Self::Path(path) => path.fmt(f),
            Self::Version(inner) => write!(f, "version({inner})"),
            Self::Moment(moment) => moment.fmt(f),
            Self::List(entries) => {
                f.write_str("[")?;
                for (at, entry) in entries.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{entry}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ago(ms) => write!(f, "ago('{}')", duration::format_ms(*ms)),
            // What cannot be written as a time was never read as one.
            Self::At(at) => match jiff::Timestamp::from_millisecond(*at) {
                Ok(at) => write!(f, "instant('{at}')"),
                Err(_) => write!(f, "instant('{at} ms')"),
            },
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            // `Debug` always writes a point or an exponent, so that it reads back as a float.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => quoted(f, text),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        if let (Some(_), [Step::Field(campaign)]) =
            (ReceiptKind::from_word(&self.root), &self.steps[..])
        {
            f.write_str("(")?;
            quoted(f, campaign)?;
            return f.write_str(")");
        }
        for step in &self.steps {
            match step {
                Step::Field(name) if is_name(name) => write!(f, ".{name}")?,
                Step::Field(name) => {
                    f.write_str("[")?;
                    quoted(f, name)?;
                    f.write_str("]")?;
                }
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether `name` can be written without quotes.
pub(super) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(starts_name) && chars.all(continues_name)
}

pub(super) fn starts_name(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

pub(super) fn continues_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("'")?;
    for c in text.chars() {
        match c {
            '\'' => f.write_str("\\'")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("'")
}
