//! What databases say differently, for conditions over a device: the one place that another database
//! needs besides its columns. Everything here answers true or false and never NULL, unless it says so.

use super::sql::{Param, Sql};

/// A value inside a JSON document.
#[derive(Clone, Debug)]
pub(super) struct Json {
    /// Its type as the database names it; NULL where it is missing.
    pub(super) kind: Sql,
    /// Itself, as a value of the database.
    pub(super) value: Sql,
    /// The document and the path in it, to look inside.
    inside: Option<(&'static str, String)>,
}

/// SQLite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sqlite;

impl Sqlite {
    /// True or false.
    pub(super) fn truth(self, holds: bool) -> Sql {
        Sql::raw(if holds { "1" } else { "0" })
    }

    /// What may be NULL, as false then.
    pub(super) fn sure(self, condition: Sql) -> Sql {
        Sql::raw("ifnull(").then(condition).then_raw(", 0)")
    }

    /// Equal, NULL to NULL too.
    pub(super) fn same(self, left: Sql, right: Sql) -> Sql {
        Sql::raw("(")
            .then(left)
            .then_raw(" IS ")
            .then(right)
            .then_raw(")")
    }

    /// Where a text begins in another, from 1; 0: nowhere. NULL where one is. By code points, whatever
    /// the column's collation.
    pub(super) fn position(self, text: Sql, part: Sql) -> Sql {
        Sql::raw("instr(")
            .then(text)
            .then_raw(", ")
            .then(part)
            .then_raw(")")
    }

    /// The first part of a locale; NULL where it is.
    pub(super) fn language(self, column: &str) -> Sql {
        let at = format!("instr(replace({column}, '_', '-'), '-')");
        Sql::raw(format!(
            "(CASE WHEN {at} > 0 THEN substr({column}, 1, {at} - 1) ELSE {column} END)"
        ))
    }

    /// The value at a path in a JSON column.
    pub(super) fn json(self, column: &'static str, path: &str) -> Json {
        let call = |name: &str| {
            Sql::raw(format!("{name}({column}, "))
                .then_param(Param::Text(path.to_owned()))
                .then_raw(")")
        };
        Json {
            kind: call("json_type"),
            value: call("json_extract"),
            inside: Some((column, path.to_owned())),
        }
    }

    /// The path to a field, below another path. `None`: a name that this database cannot look for
    /// exactly, since names in paths know no escapes.
    pub(super) fn field(self, path: &str, name: &str) -> Option<String> {
        let is_plain = |c: char| c != '"' && c != '\\' && !c.is_control();
        let is_fine = !name.is_empty() && name.chars().all(is_plain);
        is_fine.then(|| format!("{path}.\"{name}\""))
    }

    /// The path to an entry of a list, below another path. `None`: too far for this database.
    pub(super) fn entry(self, path: &str, at: u32) -> Option<String> {
        (at < 1_000_000).then(|| format!("{path}[{at}]"))
    }

    /// Whether a JSON value is of a type: `null` also where it is missing.
    pub(super) fn is(self, json: &Json, kind: Kind) -> Sql {
        let of = |name: &str| {
            Sql::raw("(")
                .then(json.kind.clone())
                .then_raw(format!(" IS '{name}')"))
        };
        let any = |names: &str| {
            self.sure(
                Sql::raw("(")
                    .then(json.kind.clone())
                    .then_raw(format!(" IN ({names}))")),
            )
        };
        match kind {
            Kind::Missing => Sql::raw("(ifnull(")
                .then(json.kind.clone())
                .then_raw(", 'null') = 'null')"),
            Kind::True => of("true"),
            Kind::False => of("false"),
            Kind::Text => of("text"),
            Kind::List => of("array"),
            Kind::Number => any("'integer', 'real'"),
        }
    }

    /// Whether a number inside JSON is whole and exact here.
    pub(super) fn is_whole(self, json: &Json) -> Sql {
        Sql::raw("typeof(")
            .then(json.value.clone())
            .then_raw(") = 'integer'")
    }

    /// How many entries a list inside JSON has; NULL where it is none.
    pub(super) fn length(self, json: &Json) -> Option<Sql> {
        let (column, path) = json.inside.as_ref()?;
        Some(
            Sql::raw(format!("json_array_length({column}, "))
                .then_param(Param::Text(path.clone()))
                .then_raw(")"),
        )
    }

    /// An entry of a list inside JSON.
    pub(super) fn inner(self, json: &Json, at: u32) -> Option<Json> {
        let (column, path) = json.inside.as_ref()?;
        Some(self.json(column, &self.entry(path, at)?))
    }

    /// Whether an entry of a list inside JSON fulfils a condition.
    pub(super) fn any_entry(self, json: &Json, holds: impl FnOnce(&Json) -> Sql) -> Option<Sql> {
        let (column, path) = json.inside.as_ref()?;
        let entry = Json {
            kind: Sql::raw("e.type"),
            value: Sql::raw("e.value"),
            inside: None,
        };
        Some(
            Sql::raw(format!("EXISTS (SELECT 1 FROM json_each({column}, "))
                .then_param(Param::Text(path.clone()))
                .then_raw(") e WHERE ")
                .then(holds(&entry))
                .then_raw(")"),
        )
    }

    /// Whether a column with a JSON list of texts has one that is equal to a text.
    pub(super) fn list_has(self, column: &str, text: Sql) -> Sql {
        Sql::raw(format!(
            "EXISTS (SELECT 1 FROM json_each({column}) e WHERE e.value = "
        ))
        .then(text)
        .then_raw(")")
    }

    /// The same for a text that is known: the list is read only where the text stands in it at all, in
    /// the very bytes in which it was stored.
    pub(super) fn list_has_known(self, column: &'static str, text: &str) -> Sql {
        let stored = serde_json::Value::from(text).to_string();
        Sql::raw("(")
            .then(
                self.sure(
                    self.position(Sql::raw(column), Sql::param(Param::Text(stored)))
                        .then_raw(" > 0"),
                ),
            )
            .then_raw(" AND ")
            .then(self.list_has(column, Sql::param(Param::Text(text.to_owned()))))
            .then_raw(")")
    }

    /// Whether a text may stand inside JSON at all: cheap, and true wherever it does. In the very bytes in
    /// which it was stored.
    pub(super) fn may_have(self, json: &Json, text: &str) -> Sql {
        let Some((column, _)) = json.inside else {
            return self.truth(true);
        };
        let stored = serde_json::Value::from(text).to_string();
        self.sure(
            self.position(Sql::raw(column), Sql::param(Param::Text(stored)))
                .then_raw(" > 0"),
        )
    }

    /// A column with a JSON list, as its text, also where it is empty.
    pub(super) fn list_text(self, column: &str) -> Sql {
        Sql::raw(format!("ifnull({column}, '[]')"))
    }
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
