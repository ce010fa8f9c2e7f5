//! Lexemes into a tree. Recursive descent, bounded in depth and in nodes.
//!
//! ```text
//! any        := all ( "or" all )*
//! all        := not ( "and" not )*
//! not        := "not" not | "(" any ")" | comparison
//! comparison := operand ( operator operand )?
//! operand    := literal | list | path | "version" "(" ( text | path ) ")"
//!             | "ago" "(" text ")" | "instant" "(" text ")"
//!             | "opened" "(" text ")" | "delivered" "(" text ")"
//! list       := "[" ( literal ( "," literal )* ","? )? "]"
//! path       := name ( "." name | "[" ( text | integer ) "]" )*
//! ```

use super::ast::{Comparison, Condition, Literal, Moment, Operand, Path, Step};
use super::lexer::{Lexeme, Placed, read};
use super::types::{Place, Type, misfit, never_true};
use super::version::Version;
use super::{ExpressionError, MAX_BYTES, MAX_DEPTH, MAX_LIST, MAX_NODES, Vocabulary};
use crate::duration;
use crate::nearest::did_you_mean;

/// Words that cannot be a path's first name.
const WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "contains",
    "startswith",
    "true",
    "false",
    "null",
];

pub(super) fn parse(
    text: &str,
    vocabulary: Option<&Vocabulary>,
    is_strict: bool,
) -> Result<Condition, ExpressionError> {
    if text.len() > MAX_BYTES {
        return Err(ExpressionError::new(
            text,
            MAX_BYTES,
            "expression.too_large",
            format!("expected at most {MAX_BYTES} bytes, found {}", text.len()),
        ));
    }
    let mut parser = Parser {
        text,
        lexemes: read(text)?,
        next: 0,
        nodes: 0,
        vocabulary,
        is_strict,
    };
    if parser.peek().lexeme == Lexeme::End {
        return Err(parser.error("expected a condition such as data.count > 3, found nothing"));
    }
    let condition = parser.any(0)?;
    match &parser.peek().lexeme {
        Lexeme::End => Ok(condition),
        Lexeme::Name(name) => {
            let hint = did_you_mean(name, OPERATOR_WORDS.iter().copied());
            Err(parser.error(format!("expected an operator, `and`, `or` or the end, found `{name}`{hint}")))
        }
        Lexeme::Sign(_) if parser.ended_comparison() => Err(parser.error(
            "comparisons do not chain and parentheses hold whole conditions: join two comparisons with `and`",
        )),
        _ => Err(parser.unexpected("an operator, `and`, `or` or the end")),
    }
}

/// Reads a path and nothing else.
pub(super) fn parse_path(
    text: &str,
    vocabulary: Option<&Vocabulary>,
) -> Result<Path, ExpressionError> {
    let too_large = text.len() > MAX_BYTES;
    let mut parser = Parser {
        text,
        lexemes: read(if too_large { "" } else { text })?,
        next: 0,
        nodes: 0,
        vocabulary,
        is_strict: false,
    };
    let Lexeme::Name(name) = parser.peek().lexeme.clone() else {
        return Err(parser.unexpected("a name"));
    };
    parser.next += 1;
    let path = parser.path(name, 0)?;
    match parser.peek().lexeme {
        Lexeme::End => Ok(path),
        _ => Err(parser.unexpected("the end of the path")),
    }
}

const OPERATOR_WORDS: &[&str] = &["and", "or", "not", "in", "contains", "startswith"];

const FUNCTIONS: &[&str] = &["version", "ago", "instant", "opened", "delivered"];

struct Parser<'a> {
    text: &'a str,
    /// Ends with [`Lexeme::End`], which is never passed.
    lexemes: Vec<Placed>,
    next: usize,
    nodes: usize,
    vocabulary: Option<&'a Vocabulary>,
    /// Whether comparisons that can hold for nothing are refused.
    is_strict: bool,
}

impl Parser<'_> {
    // === conditions ===

    fn any(&mut self, depth: usize) -> Result<Condition, ExpressionError> {
        let first = self.all(depth)?;
        let mut parts = vec![first];
        while self.take_word("or") {
            parts.push(self.all(depth)?);
        }
        self.gather(parts, Condition::Any)
    }

    fn all(&mut self, depth: usize) -> Result<Condition, ExpressionError> {
        let first = self.not(depth)?;
        let mut parts = vec![first];
        while self.take_word("and") {
            parts.push(self.not(depth)?);
        }
        self.gather(parts, Condition::All)
    }

    fn gather(
        &mut self,
        mut parts: Vec<Condition>,
        join: impl FnOnce(Vec<Condition>) -> Condition,
    ) -> Result<Condition, ExpressionError> {
        match (parts.pop(), parts.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                parts.extend(last);
                self.count()?;
                Ok(join(parts))
            }
        }
    }

    fn not(&mut self, depth: usize) -> Result<Condition, ExpressionError> {
        if depth > MAX_DEPTH {
            return Err(ExpressionError {
                code: "expression.too_large",
                ..self.error(format!(
                    "expected at most {MAX_DEPTH} levels of `not` and parentheses"
                ))
            });
        }
        if self.take_word("not") {
            self.count()?;
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.take_sign("(") {
            let inner = self.any(depth + 1)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Condition, ExpressionError> {
        let left_at = self.next;
        let left = self.operand()?;
        self.count()?;
        let operator_at = self.next;
        let Some(comparison) = self.comparison_sign()? else {
            return match left {
                Operand::Path(_) | Operand::Literal(Literal::Boolean(_)) => {
                    let vocabulary = self.vocabulary.filter(|_| self.is_strict);
                    match vocabulary.and_then(|vocabulary| never_true(&left, vocabulary)) {
                        Some(sentence) => Err(self.types_error(left_at, sentence)),
                        None => Ok(Condition::Is(left)),
                    }
                }
                _ => Err(self.error_at(
                    left_at,
                    format!("`{left}` alone is neither true nor false: compare it with something"),
                )),
            };
        };
        let right_at = self.next;
        let right = self.operand()?;
        let problem = misfit(&left, comparison, &right, self.vocabulary, self.is_strict);
        if let Some((place, sentence)) = problem {
            let at = match place {
                Place::Left => left_at,
                Place::Operator => operator_at,
                Place::Right => right_at,
            };
            return Err(self.types_error(at, sentence));
        }
        Ok(Condition::Compare {
            left,
            comparison,
            right,
        })
    }

    fn comparison_sign(&mut self) -> Result<Option<Comparison>, ExpressionError> {
        if self.peek_word("not") {
            // After an operand only `not in` is left.
            self.next += 1;
            return if self.take_word("in") {
                Ok(Some(Comparison::NotIn))
            } else {
                Err(self.unexpected("`in` after `not`"))
            };
        }
        let found = Comparison::ALL.into_iter().find(|comparison| {
            let sign = comparison.as_str();
            match &self.peek().lexeme {
                Lexeme::Sign(found) => *found == sign,
                Lexeme::Name(found) => found == sign,
                _ => false,
            }
        });
        self.next += usize::from(found.is_some());
        Ok(found)
    }

    // === operands ===

    fn operand(&mut self) -> Result<Operand, ExpressionError> {
        self.count()?;
        if let Some(literal) = self.literal() {
            return Ok(Operand::Literal(literal));
        }
        if self.take_sign("[") {
            return self.list();
        }
        let Lexeme::Name(name) = self.peek().lexeme.clone() else {
            return Err(self.unexpected("a value or a name"));
        };
        if WORDS.contains(&name.as_str()) {
            return Err(self.error(format!(
                "expected a value or a name, found the word `{name}`"
            )));
        }
        let name_at = self.next;
        self.next += 1;
        if self.take_sign("(") {
            return self.function(&name, name_at);
        }
        Ok(Operand::Path(self.path(name, name_at)?))
    }

    fn literal(&mut self) -> Option<Literal> {
        let literal = match &self.peek().lexeme {
            Lexeme::Text(text) => Literal::Text(text.clone()),
            Lexeme::Integer(value) => Literal::Integer(*value),
            Lexeme::Float(value) => Literal::Float(*value),
            Lexeme::Name(name) => match name.as_str() {
                "true" => Literal::Boolean(true),
                "false" => Literal::Boolean(false),
                "null" => Literal::Null,
                _ => return None,
            },
            Lexeme::Sign(_) | Lexeme::End => return None,
        };
        self.next += 1;
        Some(literal)
    }

    fn list(&mut self) -> Result<Operand, ExpressionError> {
        let mut entries = Vec::new();
        while !self.take_sign("]") {
            let Some(literal) = self.literal() else {
                return Err(self.unexpected("a text, a number, true, false, null or `]`"));
            };
            // Texts and whole numbers of a list are one comparison, whatever their number; the others are one each.
            if !matches!(literal, Literal::Text(_) | Literal::Integer(_)) {
                self.count()?;
            }
            entries.push(literal);
            if entries.len() > MAX_LIST {
                return Err(ExpressionError {
                    code: "expression.too_large",
                    ..self.error(format!("expected at most {MAX_LIST} entries in a list"))
                });
            }
            if !self.take_sign(",") {
                self.expect_sign("]")?;
                break;
            }
        }
        Ok(Operand::List(entries))
    }

    fn function(&mut self, name: &str, name_at: usize) -> Result<Operand, ExpressionError> {
        match name {
            "version" => {}
            "ago" | "instant" => return self.moment(name, name_at),
            "opened" | "delivered" => return self.campaign(name, name_at),
            _ => {
                let hint = did_you_mean(name, FUNCTIONS.iter().copied());
                return Err(ExpressionError {
                    code: "expression.unknown_name",
                    ..self.error_at(
                        name_at,
                        format!("`{name}` is not a function: version(…), ago(…) and instant(…) are, in segments also opened(…) and delivered(…){hint}"),
                    )
                });
            }
        }
        let inner_at = self.next;
        let inner = self.operand()?;
        match &inner {
            Operand::Path(path)
                if self.is_strict
                    && self
                        .vocabulary
                        .and_then(|names| names.type_of(path))
                        .is_some_and(|found| found != Type::Text) =>
            {
                return Err(
                    self.types_error(inner_at, format!("`{path}` is no text, and so no version"))
                );
            }
            Operand::Path(_) => {}
            Operand::Literal(Literal::Text(text)) if Version::parse(text).is_some() => {}
            Operand::Literal(Literal::Text(text)) => {
                return Err(self.error_at(
                    inner_at,
                    format!("{text:?} is no version: expected numbers and points, as in '2.1.0'"),
                ));
            }
            _ => {
                return Err(self.error_at(
                    inner_at,
                    "expected a text or a name in version(…), as in version('2.1')",
                ));
            }
        }
        self.expect_sign(")")?;
        Ok(Operand::Version(Box::new(inner)))
    }

    fn moment(&mut self, name: &str, name_at: usize) -> Result<Operand, ExpressionError> {
        if let Some(vocabulary) = self.vocabulary
            && vocabulary.moments().is_empty()
        {
            let sentence = format!(
                "`{name}(…)` is a moment, and {} has none to compare it with",
                vocabulary.of()
            );
            return Err(self.types_error(name_at, sentence));
        }
        let text_at = self.next;
        let Some(Literal::Text(text)) = self.literal() else {
            self.next = text_at;
            return Err(self.unexpected(match name {
                "ago" => "a quoted duration, as in ago('30d')",
                _ => "a quoted time, as in instant('2026-01-31T12:00:00Z')",
            }));
        };
        let moment = if name == "ago" {
            duration::parse_ms(&text).map(Moment::Ago)
        } else {
            let read: Result<jiff::Timestamp, _> = text.parse();
            read.map(|at| Moment::At(at.as_millisecond()))
                .map_err(|error| {
                    format!("expected an RFC 3339 time such as '2026-01-31T12:00:00Z', found {text:?} ({error})")
                })
        };
        let moment = moment.map_err(|sentence| self.error_at(text_at, sentence))?;
        self.expect_sign(")")?;
        Ok(Operand::Moment(moment))
    }

    /// What came of a campaign: a name with the campaign as its field.
    fn campaign(&mut self, name: &str, name_at: usize) -> Result<Operand, ExpressionError> {
        if self.vocabulary.is_some_and(|names| !names.has_campaigns()) {
            return Err(ExpressionError {
                code: "expression.unknown_name",
                ..self.error_at(
                    name_at,
                    format!("`{name}(…)` is asked in stored segments only: store one, and name it"),
                )
            });
        }
        let text_at = self.next;
        let Some(Literal::Text(campaign)) = self.literal() else {
            self.next = text_at;
            return Err(self.unexpected("a campaign's name in quotes, as in opened('spring-sale')"));
        };
        self.expect_sign(")")?;
        self.count()?;
        Ok(Operand::Path(Path {
            root: name.to_owned(),
            steps: vec![Step::Field(campaign)],
        }))
    }

    fn path(&mut self, root: String, root_at: usize) -> Result<Path, ExpressionError> {
        let mut path = Path {
            root,
            steps: Vec::new(),
        };
        let mut first_step_at = self.next;
        loop {
            let step = if self.take_sign(".") {
                first_step_at = if path.steps.is_empty() {
                    self.next
                } else {
                    first_step_at
                };
                match self.peek().lexeme.clone() {
                    Lexeme::Name(name) => Step::Field(name),
                    _ => return Err(self.unexpected("a field's name after `.`")),
                }
            } else if self.take_sign("[") {
                first_step_at = if path.steps.is_empty() {
                    self.next
                } else {
                    first_step_at
                };
                match self.peek().lexeme.clone() {
                    Lexeme::Text(name) => Step::Field(name),
                    Lexeme::Integer(index) if u32::try_from(index).is_ok() => {
                        Step::Index(index as u32)
                    }
                    _ => return Err(self.unexpected("a quoted name or a position from 0")),
                }
            } else {
                break;
            };
            let is_bracket = matches!(self.lexemes[self.next - 1].lexeme, Lexeme::Sign("["));
            self.next += 1;
            if is_bracket {
                self.expect_sign("]")?;
            }
            self.count()?;
            path.steps.push(step);
        }
        if let Some(vocabulary) = self.vocabulary
            && let Err((is_root, sentence)) = vocabulary.check(&path)
        {
            let at = if is_root { root_at } else { first_step_at };
            return Err(ExpressionError {
                code: "expression.unknown_name",
                ..self.error_at(at, sentence)
            });
        }
        Ok(path)
    }

    // === lexemes ===

    fn peek(&self) -> &Placed {
        &self.lexemes[self.next.min(self.lexemes.len() - 1)]
    }

    fn peek_word(&self, word: &str) -> bool {
        matches!(&self.peek().lexeme, Lexeme::Name(name) if name == word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek().lexeme, Lexeme::Sign(found) if found == sign);
        self.next += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), ExpressionError> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("`{sign}`")))
        }
    }

    /// Whether what is next is a comparison's operator.
    fn ended_comparison(&self) -> bool {
        matches!(self.peek().lexeme, Lexeme::Sign(sign) if Comparison::ALL.iter().any(|c| c.as_str() == sign))
    }

    fn count(&mut self) -> Result<(), ExpressionError> {
        self.nodes += 1;
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(ExpressionError {
            code: "expression.too_large",
            ..self.error(format!(
                "expected at most {MAX_NODES} conditions, values and names: use `in` with a list"
            ))
        })
    }

    fn unexpected(&self, expected: &str) -> ExpressionError {
        let placed = self.peek();
        let found = match &placed.lexeme {
            Lexeme::End => "the end".to_owned(),
            _ => format!("`{}`", &self.text[placed.start..placed.end]),
        };
        self.error(format!("expected {expected}, found {found}"))
    }

    fn error(&self, message: impl Into<String>) -> ExpressionError {
        self.error_at(self.next, message)
    }

    fn types_error(&self, lexeme: usize, message: impl Into<String>) -> ExpressionError {
        ExpressionError {
            code: "expression.types",
            ..self.error_at(lexeme, message)
        }
    }

    fn error_at(&self, lexeme: usize, message: impl Into<String>) -> ExpressionError {
        let placed = &self.lexemes[lexeme.min(self.lexemes.len() - 1)];
        ExpressionError::new(self.text, placed.start, "expression.syntax", message)
    }
}
