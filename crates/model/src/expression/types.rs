//! Comparisons that can hold for nothing, whatever the data: almost surely not what was meant. Some are
//! refused wherever an expression stands; others only where the caller asks for it, since what was stored
//! before the rule must still be read.

use super::Vocabulary;
use super::ast::{Comparison, Literal, Operand};

/// What is known of an operand before any data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Instant,
}

impl Type {
    fn words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Instant => "a moment",
        }
    }
}

/// What of a comparison is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Left,
    Operator,
    Right,
}

type Misfit = Option<(Place, String)>;

/// Why a comparison can never hold, and which part of it is at fault.
pub(super) fn misfit(
    left: &Operand,
    comparison: Comparison,
    right: &Operand,
    vocabulary: Option<&Vocabulary>,
    is_strict: bool,
) -> Misfit {
    let is_version = |operand: &Operand| matches!(operand, Operand::Version(_));
    if is_version(left) || is_version(right) {
        return versions(is_version(left) && is_version(right), comparison);
    }
    let types = [left, right].map(|operand| type_of(operand, vocabulary));
    if types.contains(&Some(Type::Instant)) {
        return moments([left, right], types, comparison, vocabulary);
    }
    let shape = match comparison {
        Comparison::In | Comparison::NotIn => match right {
            Operand::List(_) | Operand::Path(_) => None,
            _ => Some(format!(
                "expected a list or a name after `{}`, found {right}: for a part of a text write <text> contains <part>",
                comparison.as_str()
            )),
        },
        Comparison::Contains => match right {
            Operand::List(_) => Some(
                "expected one value after `contains`: join several `contains` with `and` or `or`"
                    .to_owned(),
            ),
            _ => None,
        },
        Comparison::StartsWith => match right {
            Operand::Path(_) | Operand::Literal(Literal::Text(_)) => None,
            _ => Some(format!(
                "expected a text or a name after `startswith`, found {right}"
            )),
        },
        _ => None,
    };
    let shape = shape.map(|sentence| (Place::Right, sentence));
    shape.or_else(|| {
        is_strict
            .then(|| strict([left, right], types, comparison))
            .flatten()
    })
}

/// A name alone that is never `true`.
pub(super) fn never_true(operand: &Operand, vocabulary: &Vocabulary) -> Option<String> {
    let found = type_of(operand, Some(vocabulary)).filter(|found| *found != Type::Boolean)?;
    Some(format!(
        "`{operand}` is {} and never true: compare it with something",
        found.words()
    ))
}

fn type_of(operand: &Operand, vocabulary: Option<&Vocabulary>) -> Option<Type> {
    match operand {
        Operand::Literal(literal) => Some(literal_type(literal)),
        Operand::List(_) => Some(Type::List),
        Operand::Path(path) => vocabulary.and_then(|vocabulary| vocabulary.type_of(path)),
        Operand::Version(_) => None,
        Operand::Moment(_) => Some(Type::Instant),
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Boolean(_) => Type::Boolean,
        Literal::Integer(_) | Literal::Float(_) => Type::Number,
        Literal::Text(_) => Type::Text,
    }
}

fn is_ordering(comparison: Comparison) -> bool {
    use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(comparison, Less | LessOrEqual | Greater | GreaterOrEqual)
}

fn is_of_lists(comparison: Comparison) -> bool {
    use Comparison::{Contains, In, NotIn, StartsWith};
    matches!(comparison, In | NotIn | Contains | StartsWith)
}

fn versions(both: bool, comparison: Comparison) -> Misfit {
    let sentence = if is_of_lists(comparison) {
        format!(
            "`{}` does not compare versions: use == != < <= > >=",
            comparison.as_str()
        )
    } else if both {
        return None;
    } else {
        "expected version(…) on both sides, as in version(app_version) >= version('2.1')".to_owned()
    };
    let place = if is_of_lists(comparison) {
        Place::Right
    } else {
        Place::Operator
    };
    Some((place, sentence))
}

fn moments(
    operands: [&Operand; 2],
    types: [Option<Type>; 2],
    comparison: Comparison,
    vocabulary: Option<&Vocabulary>,
) -> Misfit {
    if is_of_lists(comparison) {
        let sentence = format!(
            "`{}` does not compare moments: use == != < <= > >=",
            comparison.as_str()
        );
        return Some((Place::Operator, sentence));
    }
    let stranger = types
        .iter()
        .position(|found| *found != Some(Type::Instant))?;
    // Without a vocabulary nobody knows what a name stands for.
    if vocabulary.is_none() && matches!(operands[stranger], Operand::Path(_)) {
        return None;
    }
    let (found, other) = (operands[stranger], operands[1 - stranger]);
    let sentence = match other {
        Operand::Moment(_) => {
            let names = vocabulary.map_or_else(Vec::new, Vocabulary::moments);
            format!(
                "expected a moment to compare with `{other}`: {}, found `{found}`",
                names.join(" or ")
            )
        }
        _ => format!(
            "`{other}` is a moment: expected ago('30d') or instant('2026-01-31T12:00:00Z'), found `{found}`"
        ),
    };
    Some((place(stranger), sentence))
}

fn place(at: usize) -> Place {
    if at == 0 { Place::Left } else { Place::Right }
}

/// The rules for those who ask for them. Where nothing is known of a side, everything may be.
fn strict(operands: [&Operand; 2], types: [Option<Type>; 2], comparison: Comparison) -> Misfit {
    let [left, right] = operands;
    let wrong = |at: usize, sentence: String| Some((place(at), sentence));
    match comparison {
        Comparison::Equal | Comparison::NotEqual => unequal(operands, types),
        _ if is_ordering(comparison) => {
            for (at, found) in types.into_iter().enumerate() {
                if let Some(found) = found.filter(|t| !matches!(t, Type::Number | Type::Text)) {
                    return wrong(
                        at,
                        format!(
                            "`{}` is {}: `{}` compares numbers, texts, versions and moments",
                            operands[at],
                            found.words(),
                            comparison.as_str()
                        ),
                    );
                }
            }
            unequal(operands, types)
        }
        Comparison::In | Comparison::NotIn => match (types[0], right) {
            (Some(Type::List), _) => wrong(
                0,
                format!("`{left}` is a list: write {left} contains <value>, joined with `or`"),
            ),
            (Some(of), Operand::List(entries)) => {
                let stranger = entries.iter().find(|entry| {
                    let found = literal_type(entry);
                    found != of && found != Type::Null
                })?;
                wrong(
                    1,
                    format!(
                        "`{left}` is {}: the entry {stranger} of the list is {} and never equal to it",
                        of.words(),
                        literal_type(stranger).words()
                    ),
                )
            }
            (_, Operand::Path(_)) if types[1] == Some(Type::Text) => wrong(
                1,
                format!(
                    "expected a list after `{}`, and `{right}` is a text",
                    comparison.as_str()
                ),
            ),
            (Some(of), Operand::Path(_)) if types[1] == Some(Type::List) && of != Type::Text => {
                wrong(
                    0,
                    format!("`{right}` is a list of texts: expected a text, found {left}"),
                )
            }
            _ => None,
        },
        Comparison::Contains | Comparison::StartsWith => {
            let takes_list = comparison == Comparison::Contains;
            let verb = comparison.as_str();
            match types {
                [Some(found), _] if !(found == Type::Text || takes_list && found == Type::List) => {
                    wrong(
                        0,
                        format!(
                            "`{left}` is {}: `{verb}` asks a text{}",
                            found.words(),
                            if takes_list { " or a list" } else { "" }
                        ),
                    )
                }
                // A list that is written out may hold anything; those of a device hold texts.
                [Some(_), Some(found)]
                    if found != Type::Text && !matches!(left, Operand::List(_)) =>
                {
                    wrong(
                        1,
                        format!(
                            "`{left}` {verb} texts only: expected a text such as 'vip', found {} ({right})",
                            found.words()
                        ),
                    )
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Two sides of different types. What may be missing may be asked for null; lists are never missing.
fn unequal(operands: [&Operand; 2], types: [Option<Type>; 2]) -> Misfit {
    let [Some(left), Some(right)] = types else {
        return None;
    };
    let is_text_or_null = |a, b| a == Type::Text && b == Type::Null;
    if left == right || is_text_or_null(left, right) || is_text_or_null(right, left) {
        return None;
    }
    // What is written out is at fault, and the name is what it is.
    let at = usize::from(
        !matches!(operands[1], Operand::Path(_)) || matches!(operands[0], Operand::Path(_)),
    );
    let (of, found) = (1 - at, [left, right][at]);
    let hint = if [left, right][of] == Type::List {
        format!(": write {} contains <value>", operands[of])
    } else {
        String::new()
    };
    let sentence = format!(
        "`{}` is {} and never compares with {} ({}){hint}",
        operands[of],
        [left, right][of].words(),
        found.words(),
        operands[at],
    );
    Some((place(at), sentence))
}
