//! An expression over a device becomes a condition of SQL over a row of `devices d` that says the same as
//! the model's evaluator: what is missing is null, different types never compare, nothing fails.
//!
//! What SQL cannot say exactly becomes two conditions, one that takes in too many devices and one that
//! takes in too few ([`Bounds`]); whoever is between them is asked by the evaluator.
//!
//! - Versions are compared by rules of their own.
//! - The id of a device without one of its caller's is computed from its number.
//! - Two values inside JSON, or one and a column, may be of any types.
//! - A number with a fraction is read from JSON's text by the database, maybe not to the last bit.

use super::dialect::{Json, Kind, Words};
use super::found::{Found, both, exactly, guarded, ordered, turned};
use super::sql::{Bounds, Param, Sql};
use crate::db::Dialect;
use carillon_model::UnixMs;
use carillon_model::expression::{
    Comparison, Condition, Fact, Literal, Lookup, Operand, Path, Step,
};
use carillon_model::id::NotificationNo;
use carillon_model::receipts::ReceiptKind;
use carillon_ports::segment::SegmentFilter;
use std::collections::BTreeMap;

/// The condition, and what of it the evaluator must be asked, as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The condition for SQL.
    pub(crate) bounds: Bounds,
    /// Parts that SQL cannot say exactly; empty: both bounds are the same.
    pub(crate) residual: Vec<String>,
}

impl Plan {
    /// Whether SQL decides alone.
    pub(crate) fn is_exact(&self) -> bool {
        self.residual.is_empty()
    }
}

/// Compiles a filter in the words of a database.
pub(crate) fn compile(filter: &SegmentFilter, dialect: Dialect) -> Plan {
    let mut compiler = Compiler {
        dialect: Words(dialect),
        now: filter.now,
        campaigns: &filter.campaigns,
        residual: Vec::new(),
    };
    let bounds = compiler.condition(filter.expression.condition());
    Plan {
        bounds,
        residual: compiler.residual,
    }
}

/// One side of a comparison.
enum Side<'a> {
    /// The same for every device.
    Constant(&'a Operand),
    /// A text that may be NULL.
    Text(Sql),
    /// A moment that is never NULL.
    Instant(Sql),
    /// A condition that is never NULL.
    Truth(Sql),
    /// A column with a JSON list of texts; NULL is the empty one.
    Texts(&'static str),
    /// Anything inside JSON.
    Json(Json),
    /// What SQL cannot say.
    Unsaid,
}

static NULL: Operand = Operand::Literal(Literal::Null);

/// Whether a device told so much of a notification.
pub(super) fn told(no: NotificationNo, kind: ReceiptKind) -> Sql {
    Sql::raw("EXISTS (SELECT 1 FROM activity a WHERE a.notification_no = ")
        .then_param(Param::Integer(no.0))
        .then_raw(" AND a.device_no = d.device_no AND a.told >= ")
        .then_param(Param::Integer(kind.code().into()))
        .then_raw(")")
}

pub(super) struct Compiler<'c> {
    pub(super) dialect: Words,
    now: UnixMs,
    campaigns: &'c BTreeMap<String, NotificationNo>,
    residual: Vec<String>,
}

impl Compiler<'_> {
    fn condition(&mut self, condition: &Condition) -> Bounds {
        match condition {
            Condition::All(parts) => {
                Bounds::all(parts.iter().map(|part| self.condition(part)).collect())
            }
            Condition::Any(parts) => {
                Bounds::any(parts.iter().map(|part| self.condition(part)).collect())
            }
            Condition::Not(inner) => self.condition(inner).not(),
            Condition::Is(operand) => match self.side(operand) {
                Side::Constant(_) => self.known(condition),
                Side::Json(json) => Bounds::exact(self.dialect.is(&json, Kind::True)),
                Side::Truth(holds) => Bounds::exact(holds),
                Side::Unsaid => self.unsaid(condition),
                Side::Text(_) | Side::Instant(_) | Side::Texts(_) => self.never(),
            },
            Condition::Compare {
                left,
                comparison,
                right,
            } => {
                let found = match comparison {
                    Comparison::NotEqual => self
                        .compare(left, Comparison::Equal, right)
                        .map(Bounds::not),
                    Comparison::NotIn => self.compare(left, Comparison::In, right).map(Bounds::not),
                    comparison => self.compare(left, *comparison, right),
                };
                match found {
                    Found::Exactly(bounds) => bounds,
                    Found::Nearly(bounds) => {
                        self.residual.push(condition.to_string());
                        bounds
                    }
                    Found::Known => self.known(condition),
                    Found::Unsaid => self.unsaid(condition),
                }
            }
        }
    }

    fn compare(&self, left: &Operand, comparison: Comparison, right: &Operand) -> Found {
        use Comparison::{Contains, Equal, In, StartsWith};
        let is_version = |operand: &Operand| matches!(operand, Operand::Version(_));
        if is_version(left) || is_version(right) {
            return Found::Unsaid;
        }
        let sides = (self.side(left), self.side(right));
        match (sides, comparison) {
            ((Side::Constant(_), Side::Constant(_)), _) => Found::Known,
            (
                (Side::Truth(holds), Side::Constant(Operand::Literal(Literal::Boolean(is))))
                | (Side::Constant(Operand::Literal(Literal::Boolean(is))), Side::Truth(holds)),
                Equal,
            ) => {
                let bounds = Bounds::exact(holds);
                Found::Exactly(if *is { bounds } else { bounds.not() })
            }
            ((Side::Truth(_), _) | (_, Side::Truth(_)), _) => Found::Unsaid,
            ((left, right), In) => self.is_in(left, right),
            ((Side::Unsaid, _) | (_, Side::Unsaid), _) => Found::Unsaid,
            ((left @ Side::Texts(_), right), Contains)
            | ((left @ Side::Constant(Operand::List(_)), right), Contains) => {
                self.is_in(right, left)
            }
            ((left, right), Contains) => self.part(left, right, " > 0", true),
            ((left, right), StartsWith) => self.part(left, right, " = 1", false),
            // What is the same for all stands on the right.
            ((Side::Constant(constant), side), comparison) => {
                self.against(side, turned(comparison), constant)
            }
            ((side, Side::Constant(constant)), comparison) => {
                self.against(side, comparison, constant)
            }
            ((Side::Text(a), Side::Text(b)), Equal) => exactly(self.dialect.same(a, b)),
            ((Side::Text(a), Side::Text(b)), comparison) => {
                exactly(self.dialect.sure(ordered(a, comparison, b)))
            }
            ((Side::Instant(a), Side::Instant(b)), comparison) => {
                exactly(ordered(a, comparison, b))
            }
            ((Side::Texts(a), Side::Texts(b)), Equal) => exactly(ordered(
                self.dialect.list_text(a),
                Equal,
                self.dialect.list_text(b),
            )),
            ((Side::Json(_), _) | (_, Side::Json(_)), _) => Found::Unsaid,
            // Different types, of which at most one is ever null, or an order of lists.
            _ => Found::Exactly(self.never()),
        }
    }

    /// A side and a value that is written out.
    fn against(&self, side: Side<'_>, comparison: Comparison, constant: &Operand) -> Found {
        let sql = self.dialect;
        let is_equal = comparison == Comparison::Equal;
        match (side, constant) {
            (Side::Text(text), Operand::Literal(Literal::Text(value))) => {
                let value = Sql::param(Param::Text(value.clone()));
                exactly(sql.sure(ordered(text, comparison, value)))
            }
            (Side::Text(text), Operand::Literal(Literal::Null)) if is_equal => {
                exactly(Sql::raw("(").then(text).then_raw(" IS NULL)"))
            }
            (Side::Instant(column), Operand::Moment(moment)) => {
                let at = Sql::param(Param::Integer(moment.at(self.now)));
                exactly(ordered(column, comparison, at))
            }
            (Side::Texts(column), Operand::List(entries)) if is_equal => {
                let texts = entries.iter().map(|entry| match entry {
                    Literal::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                match texts.collect::<Option<Vec<_>>>() {
                    Some(texts) => {
                        let stored = serde_json::Value::from(texts).to_string();
                        let stored = Sql::param(Param::Text(stored));
                        exactly(ordered(sql.list_text(column), comparison, stored))
                    }
                    None => Found::Exactly(self.never()),
                }
            }
            (Side::Json(json), Operand::Literal(literal)) => self.json(&json, comparison, literal),
            (Side::Json(json), Operand::List(entries)) if is_equal => {
                self.json_list(&json, entries)
            }
            (Side::Constant(_) | Side::Unsaid, _) => Found::Unsaid,
            _ => Found::Exactly(self.never()),
        }
    }

    fn is_in(&self, value: Side<'_>, list: Side<'_>) -> Found {
        let sql = self.dialect;
        match (value, list) {
            (Side::Unsaid, _) | (_, Side::Unsaid) => Found::Unsaid,
            (Side::Constant(_), Side::Constant(_)) => Found::Known,
            (value, Side::Constant(Operand::List(entries))) => self.one_of(&value, entries),
            (Side::Constant(Operand::Literal(Literal::Text(text))), Side::Texts(column)) => {
                exactly(sql.list_has_known(column, text))
            }
            (Side::Text(text), Side::Texts(column)) => exactly(sql.list_has(column, text)),
            (Side::Constant(Operand::Literal(literal)), Side::Json(json)) => {
                let mut is_near = false;
                let mut entries = |pick: fn(Bounds) -> Sql| {
                    sql.any_entry(&json, |entry| {
                        let found = self.json(entry, Comparison::Equal, literal);
                        is_near |= matches!(found, Found::Nearly(_));
                        found.bounds().map_or_else(|| sql.truth(false), pick)
                    })
                };
                let (over, under) = (entries(|b| b.over), entries(|b| b.under));
                let (Some(over), Some(under)) = (over, under) else {
                    return Found::Unsaid;
                };
                let is_list = |holds| {
                    let is_list = both(sql.is(&json, Kind::List), holds);
                    match literal {
                        Literal::Text(text) => guarded(sql.may_have(&json, text), is_list),
                        _ => is_list,
                    }
                };
                let bounds = Bounds {
                    over: is_list(over),
                    under: is_list(under),
                };
                if is_near {
                    Found::Nearly(bounds)
                } else {
                    Found::Exactly(bounds)
                }
            }
            (_, Side::Json(_)) | (Side::Json(_), Side::Texts(_)) => Found::Unsaid,
            // Not a list, or a list whose entries are of another type.
            _ => Found::Exactly(self.never()),
        }
    }

    /// Equal to one of the entries: texts, of which there may be many, in one comparison.
    fn one_of(&self, value: &Side<'_>, entries: &[Literal]) -> Found {
        let is_text = |entry: &&Literal| matches!(entry, Literal::Text(_));
        let (texts, others): (Vec<_>, Vec<_>) = entries.iter().partition(is_text);
        let mut found = Found::Exactly(self.never());
        if !texts.is_empty() {
            let mut list = Sql::raw(" IN (");
            for (at, text) in texts.into_iter().enumerate() {
                if let Literal::Text(text) = text {
                    list = list.then_raw(if at > 0 { ", " } else { "" });
                    list = list.then_param(Param::Text(text.clone()));
                }
            }
            let list = list.then_raw(")");
            match value {
                Side::Text(text) => {
                    let is_in = Sql::raw("(").then(text.clone()).then(list).then_raw(")");
                    found = found.or(exactly(self.dialect.sure(is_in)));
                }
                Side::Json(json) => {
                    let is_in = json.text.clone().then(list);
                    let is_text = self.dialect.is(json, Kind::Text);
                    found = found.or(exactly(both(is_text, is_in)));
                }
                _ => {}
            }
        }
        let is_whole = |entry: &&Literal| matches!(entry, Literal::Integer(_));
        let (whole, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_whole);
        if let Side::Json(json) = value
            && !whole.is_empty()
        {
            found = found.or(self.one_of_whole(json, &whole));
        }
        for entry in others {
            let entry = Operand::Literal(entry.clone());
            found = found.or(self.against(value.copied(), Comparison::Equal, &entry));
        }
        found
    }

    /// A number inside JSON equal to one of these whole ones. One with a fraction or an exponent is for the evaluator.
    fn one_of_whole(&self, json: &Json, entries: &[&Literal]) -> Found {
        let holds = |of_real: bool| {
            let mut list = Sql::raw("(CASE WHEN NOT ")
                .then(self.dialect.is(json, Kind::Number))
                .then_raw(" THEN ")
                .then(self.dialect.truth(false))
                .then_raw(" WHEN ")
                .then(self.dialect.is_whole(json))
                .then_raw(" THEN ")
                .then(json.number.clone())
                .then_raw(" IN (");
            let mut separator = "";
            for entry in entries {
                if let Literal::Integer(value) = entry {
                    list = list.then_raw(separator).then_param(Param::Integer(*value));
                    separator = ", ";
                }
            }
            list.then_raw(") ELSE ")
                .then(self.dialect.truth(of_real))
                .then_raw(" END)")
        };
        Found::Nearly(Bounds {
            over: holds(true),
            under: holds(false),
        })
    }

    /// `contains` of texts and of lists inside JSON, and `startswith`.
    fn part(&self, whole: Side<'_>, part: Side<'_>, place: &str, of_lists: bool) -> Found {
        let sql = self.dialect;
        let position = |whole, part| sql.position(whole, part).then_raw(place);
        let text_of = |operand: &Operand| match operand {
            Operand::Literal(Literal::Text(text)) => Some(Sql::param(Param::Text(text.clone()))),
            _ => None,
        };
        match (whole, part) {
            (Side::Text(whole), Side::Text(part)) => exactly(sql.sure(position(whole, part))),
            (Side::Text(whole), Side::Constant(part)) => match text_of(part) {
                Some(part) => exactly(sql.sure(position(whole, part))),
                None => Found::Exactly(self.never()),
            },
            (Side::Constant(whole), Side::Text(part)) => match text_of(whole) {
                Some(whole) => exactly(sql.sure(position(whole, part))),
                None => Found::Exactly(self.never()),
            },
            (Side::Constant(whole), Side::Json(part)) => match text_of(whole) {
                Some(whole) => exactly(both(
                    sql.is(&part, Kind::Text),
                    position(whole, part.text.clone()),
                )),
                None => Found::Exactly(self.never()),
            },
            (Side::Json(whole), Side::Constant(part)) => {
                let as_text = match text_of(part) {
                    Some(part) => exactly(both(
                        sql.is(&whole, Kind::Text),
                        position(whole.text.clone(), part),
                    )),
                    None => Found::Exactly(self.never()),
                };
                if of_lists {
                    as_text.or(self.is_in(Side::Constant(part), Side::Json(whole)))
                } else {
                    as_text
                }
            }
            (Side::Json(_), _) | (_, Side::Json(_)) => Found::Unsaid,
            _ => Found::Exactly(self.never()),
        }
    }

    fn side<'a>(&self, operand: &'a Operand) -> Side<'a> {
        let Operand::Path(path) = operand else {
            return Side::Constant(operand);
        };
        let sql = self.dialect;
        let root = path.root.as_str();
        match (root, path.steps.as_slice()) {
            ("attributes", steps) if !steps.is_empty() => sql
                .json("d.attributes", steps)
                .map_or(Side::Unsaid, Side::Json),
            ("tags", [step @ Step::Index(_)]) => sql
                .json("d.tags", std::slice::from_ref(step))
                .map_or(Side::Unsaid, Side::Json),
            ("topics", [step @ Step::Index(_)]) => sql
                .json("d.topics", std::slice::from_ref(step))
                .map_or(Side::Unsaid, Side::Json),
            ("id" | "attributes", []) => Side::Unsaid,
            ("tags", []) => Side::Texts("d.tags"),
            ("topics", []) => Side::Texts("d.topics"),
            ("user_id", []) => Side::Text(Sql::raw("d.user_id")),
            ("locale", []) => Side::Text(Sql::raw("d.locale")),
            ("language", []) => Side::Text(sql.language("d.locale")),
            ("time_zone", []) => Side::Text(Sql::raw("d.time_zone")),
            ("platform", []) => Side::Text(Sql::raw("d.platform")),
            ("app_version", []) => Side::Text(Sql::raw("d.app_version")),
            ("last_seen", []) => Side::Instant(Sql::raw("d.last_seen_at")),
            ("registered", []) => Side::Instant(Sql::raw("d.created_at")),
            (root, [Step::Field(name)]) if ReceiptKind::from_word(root).is_some() => {
                let known = ReceiptKind::from_word(root).zip(self.campaigns.get(name));
                Side::Truth(known.map_or_else(|| sql.truth(false), |(kind, no)| told(*no, kind)))
            }
            // A name that is none, or a step into what has none.
            _ => Side::Constant(&NULL),
        }
    }

    pub(super) fn never(&self) -> Bounds {
        Bounds::exact(self.dialect.truth(false))
    }

    /// The same for every device.
    fn known(&self, condition: &Condition) -> Bounds {
        Bounds::exact(self.dialect.truth(condition.holds(&Nothing, self.now)))
    }

    fn unsaid(&mut self, condition: &Condition) -> Bounds {
        self.residual.push(condition.to_string());
        Bounds {
            over: self.dialect.truth(true),
            under: self.dialect.truth(false),
        }
    }
}

impl Side<'_> {
    /// Itself once more.
    fn copied(&self) -> Side<'_> {
        match self {
            Self::Constant(operand) => Side::Constant(operand),
            Self::Text(sql) => Side::Text(sql.clone()),
            Self::Instant(sql) => Side::Instant(sql.clone()),
            Self::Truth(sql) => Side::Truth(sql.clone()),
            Self::Texts(column) => Side::Texts(column),
            Self::Json(json) => Side::Json(json.clone()),
            Self::Unsaid => Side::Unsaid,
        }
    }
}

/// Nothing is known: for conditions that ask nothing.
struct Nothing;

impl Lookup for Nothing {
    fn lookup(&self, _: &Path) -> Fact<'_> {
        Fact::Null
    }
}
