//! The schema on each database, held against SQLite's: the same tables, the same columns in the same order, of
//! the same kind. Reads the files; no server is needed.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files of the servers begin with this one; those before it are in it.
const BASE: u32 = 9;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: Kind,
    may_be_null: bool,
    default: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    columns: Vec<Column>,
    primary_key: Vec<String>,
    /// Columns that are unique together, sorted.
    unique: BTreeSet<Vec<String>>,
    /// By name, with their columns.
    indexes: BTreeMap<String, Vec<String>>,
}

type Schema = BTreeMap<String, Table>;

#[test]
fn postgres_has_the_tables_of_sqlite() {
    let (ours, theirs) = (sqlite(), written("postgres"));
    same_columns(&ours, &theirs);
    for (name, table) in &ours {
        let theirs = &theirs[name];
        assert_eq!(table.unique, theirs.unique, "{name}: unique");
        let mut expected = table.indexes.clone();
        if let Some(address) = expected.get_mut("push_tokens_address") {
            address[2] = "sha256(address)".into();
        }
        assert_eq!(expected, theirs.indexes, "{name}: indexes");
    }
}

#[test]
fn mariadb_has_the_tables_of_sqlite() {
    let (ours, theirs) = (sqlite(), written("mariadb"));
    same_columns(&ours, &theirs);
    for (name, table) in &ours {
        let theirs = &theirs[name];
        assert_eq!(table.unique, theirs.unique, "{name}: unique");
        let mut expected = table.indexes.clone();
        // What the file says at its top.
        expected.remove("timers_set_aside");
        if let Some(address) = expected.get_mut("push_tokens_address") {
            address[2] = "address_hash".into();
        }
        if let Some(live) = expected.get_mut("push_tokens_live") {
            live.push("retired_at".into());
        }
        assert_eq!(expected, theirs.indexes, "{name}: indexes");
    }
}

#[test]
fn files_have_the_same_numbers_and_names() {
    let names = |database: &str| -> Vec<String> {
        let names = files(database).into_iter();
        names
            .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
            .collect()
    };
    let later = |names: &[String]| -> Vec<String> {
        let later = names.iter().filter(|name| number(name) > BASE);
        later.cloned().collect()
    };
    let sqlite = names("sqlite");
    for database in ["postgres", "mariadb"] {
        let names = names(database);
        assert_eq!(number(&names[0]), BASE, "{database} begins with {names:?}");
        assert_eq!(later(&sqlite), later(&names), "{database}");
    }
}

fn same_columns(ours: &Schema, theirs: &Schema) {
    let names = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs));
    for (name, table) in ours {
        let theirs = &theirs[name];
        assert_eq!(table.columns, theirs.columns, "{name}");
        assert_eq!(table.primary_key, theirs.primary_key, "{name}");
    }
}

// === what SQLite makes of its files ===

fn sqlite() -> Schema {
    let conn = Connection::open_in_memory().unwrap();
    for file in files("sqlite") {
        conn.execute_batch(&std::fs::read_to_string(file).unwrap())
            .unwrap();
    }
    let names = texts(
        &conn,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    );
    names
        .into_iter()
        .map(|name| {
            let table = table(&conn, &name);
            (name, table)
        })
        .collect()
}

fn table(conn: &Connection, name: &str) -> Table {
    let mut table = Table::default();
    let mut key = Vec::new();
    let mut columns = conn.prepare(&format!("PRAGMA table_info({name})")).unwrap();
    let mut columns = columns.query([]).unwrap();
    while let Some(row) = columns.next().unwrap() {
        let column: String = row.get(1).unwrap();
        let place: i64 = row.get(5).unwrap();
        if place > 0 {
            key.push((place, column.clone()));
        }
        let kind: String = row.get(2).unwrap();
        table.columns.push(Column {
            name: column,
            kind: match kind.as_str() {
                "INTEGER" => Kind::Number,
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Bytes,
                other => panic!("{name}: {other}"),
            },
            may_be_null: !row.get::<_, bool>(3).unwrap() && place == 0,
            default: row.get(4).unwrap(),
        });
    }
    key.sort();
    table.primary_key = key.into_iter().map(|(_, name)| name).collect();
    let mut indexes = conn.prepare(&format!("PRAGMA index_list({name})")).unwrap();
    let mut indexes = indexes.query([]).unwrap();
    while let Some(row) = indexes.next().unwrap() {
        let (index, origin): (String, String) = (row.get(1).unwrap(), row.get(3).unwrap());
        let columns = texts(
            conn,
            &format!("SELECT name FROM pragma_index_info('{index}')"),
        );
        match origin.as_str() {
            "u" => {
                table.unique.insert(columns);
            }
            "c" => {
                table.indexes.insert(index, columns);
            }
            _ => {}
        }
    }
    table
}

fn texts(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

// === what the others' files say ===

fn written(database: &str) -> Schema {
    let mut schema = Schema::new();
    for file in files(database) {
        for statement in statements(&std::fs::read_to_string(&file).unwrap()) {
            take(&mut schema, &statement);
        }
    }
    schema
}

/// Takes one statement in. What it does not know is an error, so that nothing passes unread.
fn take(schema: &mut Schema, statement: &str) {
    let plain = statement.replace("IF NOT EXISTS ", "").replace('`', "");
    let words: Vec<&str> = plain.split_whitespace().collect();
    match words.as_slice() {
        ["CREATE", "TABLE", name, ..] => {
            let old = schema.insert((*name).into(), definition(inside(&plain)));
            assert!(old.is_none(), "{name} twice");
        }
        ["CREATE", "UNIQUE", "INDEX", name, "ON", on, ..]
        | ["CREATE", "INDEX", name, "ON", on, ..] => {
            let indexes = &mut schema.get_mut(*on).expect(on).indexes;
            indexes.insert((*name).into(), list(inside(&plain)));
        }
        ["ALTER", "TABLE", on, "ADD", "COLUMN", ..] => {
            let added = plain.split_once("ADD COLUMN").unwrap().1;
            schema.get_mut(*on).expect(on).columns.push(column(added));
        }
        ["INSERT", "INTO", "meta", ..] => {}
        ["ALTER", "TABLE", _, "ALTER", "COLUMN", ..] if plain.ends_with("SET STORAGE EXTERNAL") => {
        }
        _ => panic!("a statement that this test cannot read: {statement}"),
    }
}

fn definition(text: &str) -> Table {
    let mut table = Table::default();
    for part in parts(text) {
        if let Some(key) = part.strip_prefix("PRIMARY KEY ") {
            table.primary_key = list(inside(key));
        } else if let Some(columns) = part.strip_prefix("UNIQUE (") {
            table.unique.insert(list(columns.trim_end_matches(')')));
        } else if let Some(index) = part
            .strip_prefix("INDEX ")
            .or_else(|| part.strip_prefix("UNIQUE INDEX "))
        {
            let name = index.split_whitespace().next().unwrap();
            table.indexes.insert(name.into(), list(inside(index)));
        } else if part.contains("GENERATED ALWAYS AS (") || part.starts_with("CHECK ") {
            // The servers' own.
        } else {
            let column = column(&part);
            if part.contains("PRIMARY KEY") {
                table.primary_key = vec![column.name.clone()];
            }
            table.columns.push(column);
        }
    }
    table
}

fn column(text: &str) -> Column {
    let words: Vec<&str> = text.split_whitespace().collect();
    let kind = words[1].split('(').next().unwrap();
    let after = |word: &str| {
        let at = words.iter().position(|found| *found == word)?;
        words.get(at + 1).map(|word| (*word).to_owned())
    };
    Column {
        name: words[0].into(),
        kind: match kind {
            "BIGINT" => Kind::Number,
            "TEXT" | "VARCHAR" | "LONGTEXT" => Kind::Text,
            "BYTEA" | "VARBINARY" | "LONGBLOB" => Kind::Bytes,
            other => panic!("{text}: {other}"),
        },
        may_be_null: !text.contains("NOT NULL") && !text.contains("PRIMARY KEY"),
        default: after("DEFAULT").filter(|_| !text.contains("AS IDENTITY")),
    }
}

/// What stands between the first bracket and the one that closes it.
fn inside(text: &str) -> &str {
    let start = text.find('(').expect(text) + 1;
    let mut depth = 1;
    for (at, c) in text[start..].char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[start..start + at];
        }
    }
    panic!("a bracket is open: {text}");
}

/// Split at commas that stand in no bracket.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
    }
    parts
        .into_iter()
        .map(|part| part.trim().to_owned())
        .collect()
}

fn list(text: &str) -> Vec<String> {
    parts(text)
}

/// Without comments; no text in them has a semicolon.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let statements = text.split(';').map(str::trim);
    statements
        .filter(|statement| !statement.is_empty())
        .map(str::to_owned)
        .collect()
}

fn files(database: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations")
        .join(database);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn number(name: &str) -> u32 {
    name.split('_').next().unwrap().parse().unwrap()
}
