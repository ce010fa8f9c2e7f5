//! What databases say differently, for conditions over a device: the one place that another database
//! needs besides its columns. Everything here answers true or false and never NULL, unless it says so.

use super::sql::{Param, Sql};
use crate::db::Dialect;
use carillon_model::expression::Step;

/// A value inside a JSON document.
#[derive(Clone, Debug)]
pub(super) struct Json {
    /// Its type as the database names it; NULL where it is missing.
    kind: Sql,
    /// Itself, for what it is compared with if it is a text; anything but an error if it is not.
    pub(super) text: Sql,
    /// Itself, for what it is compared with if it is a number; anything but an error if it is not.
    pub(super) number: Sql,
    /// Itself as the document has it.
    value: Sql,
    /// The document and the way to it, to look inside.
    inside: Option<(&'static str, Vec<Step>)>,
}

/// The words of a database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words(pub(super) Dialect);

impl Words {
    /// True or false.
    pub(super) fn truth(self, holds: bool) -> Sql {
        Sql::raw(if holds { "TRUE" } else { "FALSE" })
    }

    /// What may be NULL, as false then.
    pub(super) fn sure(self, condition: Sql) -> Sql {
        Sql::raw("coalesce(").then(condition).then_raw(", FALSE)")
    }

    /// Equal, NULL to NULL too.
    pub(super) fn same(self, left: Sql, right: Sql) -> Sql {
        let same = match self.0 {
            Dialect::Sqlite | Dialect::Postgres => " IS NOT DISTINCT FROM ",
            Dialect::Mysql => " <=> ",
        };
        Sql::raw("(")
            .then(left)
            .then_raw(same)
            .then(right)
            .then_raw(")")
    }

    /// Where a text begins in another, from 1; 0: nowhere. NULL where one is. By code points, whatever
    /// the column's collation.
    pub(super) fn position(self, text: Sql, part: Sql) -> Sql {
        Sql::raw(self.find())
            .then_raw("(")
            .then(text)
            .then_raw(", ")
            .then(part)
            .then_raw(")")
    }

    fn find(self) -> &'static str {
        match self.0 {
            Dialect::Sqlite | Dialect::Mysql => "instr",
            Dialect::Postgres => "strpos",
        }
    }

    /// The first part of a locale; NULL where it is.
    pub(super) fn language(self, column: &str) -> Sql {
        let at = format!("{}(replace({column}, '_', '-'), '-')", self.find());
        Sql::raw(format!(
            "(CASE WHEN {at} > 0 THEN substr({column}, 1, {at} - 1) ELSE {column} END)"
        ))
    }

    /// The value at the end of some steps into a JSON column. `None`: one of them is a name that this database cannot
    /// look for exactly, or too far into a list for any.
    pub(super) fn json(self, column: &'static str, steps: &[Step]) -> Option<Json> {
        if steps
            .iter()
            .any(|step| matches!(step, Step::Index(at) if *at >= 1_000_000))
        {
            return None;
        }
        let inside = Some((column, steps.to_vec()));
        match self.0 {
            Dialect::Sqlite => {
                let path = path(steps)?;
                let call = |name: &str| {
                    Sql::raw(format!("{name}({column}, "))
                        .then_param(Param::Text(path.clone()))
                        .then_raw(")")
                };
                Some(Json {
                    kind: call("json_type"),
                    text: call("json_extract"),
                    number: call("json_extract"),
                    value: call("json_extract"),
                    inside,
                })
            }
            Dialect::Mysql => Some(Json {
                inside,
                ..mysql_json(mysql_value(column, steps)?)
            }),
            Dialect::Postgres => {
                let mut value = Sql::raw(postgres_document(column));
                for step in steps {
                    value = Sql::raw("(").then(value).then_raw(" -> ");
                    value = match step {
                        Step::Field(name) => value.then_param(Param::Text(name.clone())),
                        Step::Index(at) => value.then_raw(at.to_string()),
                    };
                    value = value.then_raw(")");
                }
                Some(Json {
                    inside,
                    ..postgres_json(value)
                })
            }
        }
    }

    /// Whether a JSON value is of a type: `null` also where it is missing.
    pub(super) fn is(self, json: &Json, kind: Kind) -> Sql {
        let any = |names: &str| {
            self.sure(
                Sql::raw("(")
                    .then(json.kind.clone())
                    .then_raw(format!(" IN ({names}))")),
            )
        };
        let boolean = |name: &str| {
            let is = Sql::raw("(")
                .then(json.kind.clone())
                .then_raw(" = 'boolean' AND ")
                .then(json.text.clone())
                .then_raw(format!(" = '{name}')"));
            self.sure(is)
        };
        match (kind, self.0) {
            (Kind::Missing, _) => Sql::raw("(coalesce(")
                .then(json.kind.clone())
                .then_raw(", 'null') = 'null')"),
            (Kind::True, Dialect::Sqlite) => any("'true'"),
            (Kind::False, Dialect::Sqlite) => any("'false'"),
            (Kind::Text, Dialect::Sqlite) => any("'text'"),
            (Kind::Number, Dialect::Sqlite) => any("'integer', 'real'"),
            (Kind::True, Dialect::Postgres | Dialect::Mysql) => boolean("true"),
            (Kind::False, Dialect::Postgres | Dialect::Mysql) => boolean("false"),
            (Kind::Text, Dialect::Postgres | Dialect::Mysql) => any("'string'"),
            (Kind::Number, Dialect::Mysql) => any(MYSQL_NUMBERS),
            (Kind::Number, Dialect::Postgres) => any("'number'"),
            (Kind::List, _) => any("'array'"),
        }
    }

    /// Whether a number inside JSON is whole and exact here. It need not be said of every one that is.
    pub(super) fn is_whole(self, json: &Json) -> Sql {
        match self.0 {
            Dialect::Sqlite => Sql::raw("typeof(")
                .then(json.value.clone())
                .then_raw(") = 'integer'"),
            // As it was written: nothing with a fraction or an exponent.
            Dialect::Postgres => Sql::raw("CAST(")
                .then(json.value.clone())
                .then_raw(" AS text) ~ '^-{0,1}[0-9]{1,18}$'"),
            // As many digits as a float of 64 bits has whole.
            Dialect::Mysql => Sql::raw("CAST(")
                .then(json.value.clone())
                .then_raw(" AS CHAR) REGEXP '^-{0,1}[0-9]{1,15}$'"),
        }
    }

    /// How many entries a list inside JSON has; NULL where it is none.
    pub(super) fn length(self, json: &Json) -> Option<Sql> {
        let (column, steps) = json.inside.as_ref()?;
        Some(match self.0 {
            Dialect::Sqlite => Sql::raw(format!("json_array_length({column}, "))
                .then_param(Param::Text(path(steps)?))
                .then_raw(")"),
            Dialect::Mysql => Sql::raw("JSON_LENGTH(")
                .then(list_or_null(json))
                .then_raw(")"),
            Dialect::Postgres => Sql::raw("json_array_length(")
                .then(list_or_null(json))
                .then_raw(")"),
        })
    }

    /// An entry of a list inside JSON.
    pub(super) fn inner(self, json: &Json, at: u32) -> Option<Json> {
        let (column, steps) = json.inside.as_ref()?;
        let mut steps = steps.clone();
        steps.push(Step::Index(at));
        self.json(column, &steps)
    }

    /// Whether an entry of a list inside JSON fulfils a condition. Anything but an error where it is no list.
    pub(super) fn any_entry(self, json: &Json, holds: impl FnOnce(&Json) -> Sql) -> Option<Sql> {
        let (column, steps) = json.inside.as_ref()?;
        let (entries, entry) = match self.0 {
            Dialect::Sqlite => {
                let entries = Sql::raw(format!("json_each({column}, "))
                    .then_param(Param::Text(path(steps)?))
                    .then_raw(") e");
                let entry = Json {
                    kind: Sql::raw("e.type"),
                    text: Sql::raw("e.value"),
                    number: Sql::raw("e.value"),
                    value: Sql::raw("e.value"),
                    inside: None,
                };
                (entries, entry)
            }
            // By their numbers: what is in them is of any type.
            Dialect::Mysql => {
                let entries = Sql::raw("JSON_TABLE(")
                    .then(list_or_null(json))
                    .then_raw(", '$[*]' COLUMNS (n FOR ORDINALITY)) e");
                let entry = Sql::raw("JSON_EXTRACT(")
                    .then(json.value.clone())
                    .then_raw(", concat('$[', e.n - 1, ']'))");
                (entries, mysql_json(entry))
            }
            Dialect::Postgres => {
                let entries = Sql::raw("json_array_elements(")
                    .then(list_or_null(json))
                    .then_raw(") e(v)");
                (entries, postgres_json(Sql::raw("e.v")))
            }
        };
        Some(
            Sql::raw("EXISTS (SELECT 1 FROM ")
                .then(entries)
                .then_raw(" WHERE ")
                .then(holds(&entry))
                .then_raw(")"),
        )
    }

    /// Whether a column with a JSON list of texts has one that is equal to a text.
    pub(super) fn list_has(self, column: &str, text: Sql) -> Sql {
        let (entries, value) = match self.0 {
            Dialect::Sqlite => (format!("json_each({column}) e"), "e.value"),
            Dialect::Mysql => (
                format!("JSON_TABLE({column}, '$[*]' COLUMNS (v LONGBLOB PATH '$')) e"),
                "e.v",
            ),
            Dialect::Postgres => (
                format!(
                    "json_array_elements_text({}) e(v)",
                    postgres_document(column)
                ),
                "e.v",
            ),
        };
        Sql::raw(format!("EXISTS (SELECT 1 FROM {entries} WHERE {value} = "))
            .then(text)
            .then_raw(")")
    }

    /// The same for a text that is known: the list is read only where the text stands in it at all, in
    /// the very bytes in which it was stored.
    pub(super) fn list_has_known(self, column: &'static str, text: &str) -> Sql {
        Sql::raw("(")
            .then(self.stands_in(column, text))
            .then_raw(" AND ")
            .then(self.list_has(column, Sql::param(Param::Text(text.to_owned()))))
            .then_raw(")")
    }

    /// Whether a text may stand inside JSON at all: cheap, and true wherever it does. In the very bytes in
    /// which it was stored.
    pub(super) fn may_have(self, json: &Json, text: &str) -> Sql {
        match json.inside {
            Some((column, _)) => self.stands_in(column, text),
            None => self.truth(true),
        }
    }

    fn stands_in(self, column: &'static str, text: &str) -> Sql {
        let stored = serde_json::Value::from(text).to_string();
        let stored = Sql::param(Param::Text(stored));
        self.sure(self.position(Sql::raw(column), stored).then_raw(" > 0"))
    }

    /// A column with a JSON list, as its text, also where it is empty.
    pub(super) fn list_text(self, column: &str) -> Sql {
        Sql::raw(format!("coalesce({column}, '[]')"))
    }
}

/// Steps as a path of SQLite's and MySQL's, in which names know no escapes.
fn path(steps: &[Step]) -> Option<String> {
    let is_plain = |c: char| c != '"' && c != '\\' && !c.is_control();
    let mut path = "$".to_owned();
    for step in steps {
        match step {
            Step::Field(name) if name.is_empty() || !name.chars().all(is_plain) => return None,
            Step::Field(name) => path.push_str(&format!(".\"{name}\"")),
            Step::Index(at) => path.push_str(&format!("[{at}]")),
        }
    }
    Some(path)
}

/// A JSON column. Where it has the one character that no text of PostgreSQL's can have, with another in its place, as the
/// driver puts it: otherwise looking at it would be an error.
fn postgres_document(column: &str) -> String {
    format!(
        r"(CASE WHEN strpos({column}, '\u0000') > 0
            THEN CAST(regexp_replace({column}, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ufffd', 'g') AS json)
            ELSE CAST({column} AS json) END)"
    )
}

/// Types of numbers as [`mysql_json`] names them.
const MYSQL_NUMBERS: &str = "'integer', 'unsigned integer', 'double', 'decimal'";

/// The value at the end of some steps. What is no list has no entries, other than MySQL believes.
fn mysql_value(column: &str, steps: &[Step]) -> Option<Sql> {
    let extract = |steps: &[Step]| -> Option<Sql> {
        let at = Sql::raw(format!("JSON_EXTRACT({column}, ")).then_param(Param::Text(path(steps)?));
        Some(at.then_raw(")"))
    };
    let mut value = extract(steps)?;
    for (at, _) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| matches!(step, Step::Index(_)))
    {
        value = Sql::raw("CASE WHEN JSON_TYPE(")
            .then(extract(&steps[..at])?)
            .then_raw(") = 'ARRAY' THEN ")
            .then(value)
            .then_raw(" END");
    }
    Some(value)
}

/// A value inside JSON on MySQL and MariaDB. Texts are compared as bytes, whatever collation JSON has there.
fn mysql_json(value: Sql) -> Json {
    let kind = Sql::raw("lower(JSON_TYPE(")
        .then(value.clone())
        .then_raw("))");
    Json {
        text: Sql::raw("CAST(JSON_UNQUOTE(")
            .then(value.clone())
            .then_raw(") AS BINARY)"),
        number: Sql::raw("(CASE WHEN ")
            .then(kind.clone())
            .then_raw(format!(" IN ({MYSQL_NUMBERS}) THEN CAST("))
            .then(value.clone())
            .then_raw(" AS DOUBLE) END)"),
        kind,
        value,
        inside: None,
    }
}

/// A value of type `json`, which keeps numbers as they were written.
fn postgres_json(value: Sql) -> Json {
    let kind = Sql::raw("json_typeof(").then(value.clone()).then_raw(")");
    let bare = Sql::raw("(").then(value.clone()).then_raw(" #>> '{}')");
    Json {
        text: Sql::raw("(").then(bare.clone()).then_raw(" COLLATE \"C\")"),
        number: Sql::raw("(CASE WHEN ")
            .then(kind.clone())
            .then_raw(" = 'number' THEN CAST(")
            .then(bare)
            .then_raw(" AS numeric) END)"),
        kind,
        value,
        inside: None,
    }
}

/// The value where it is a list, and NULL where it is not.
fn list_or_null(json: &Json) -> Sql {
    Sql::raw("CASE WHEN ")
        .then(json.kind.clone())
        .then_raw(" = 'array' THEN ")
        .then(json.value.clone())
        .then_raw(" END")
}

/// Types that are told apart inside JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Null, or not there.
    Missing,
    True,
    False,
    Number,
    Text,
    List,
}
