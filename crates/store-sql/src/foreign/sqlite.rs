//! SQLite: the file is opened for reading only, and what the query may do is decided while it is prepared.

use super::{ForeignError, ForeignRow};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::ops::ControlFlow;
use std::path::Path;

pub(super) fn read(
    path: &Path,
    query: &str,
    columns: impl FnOnce(Vec<String>) -> ControlFlow<()>,
    mut each: impl FnMut(ForeignRow) -> ControlFlow<()>,
) -> Result<(), ForeignError> {
    let open = |error: rusqlite::Error| ForeignError::Open(error.to_string());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(open)?;
    // SQLite opens anything, and looks at the file only when it is asked for something.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(open)?;
    // A connection that cannot write this file could still attach another one.
    conn.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Recursive => Authorization::Allow,
        _ => Authorization::Deny,
    }))
    .map_err(open)?;
    let mut statement = conn.prepare(query).map_err(|error| {
        let words = match &error {
            // What rusqlite shows has the whole query in it again.
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            other => other.to_string(),
        };
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
                ForeignError::Writes(words)
            }
            _ => ForeignError::Query(words),
        }
    })?;
    if !statement.readonly() {
        let words = "SQLite says that it is not read-only".to_owned();
        return Err(ForeignError::Writes(words));
    }
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let width = names.len();
    if width == 0 {
        return Err(ForeignError::Query("it gives no columns".into()));
    }
    if columns(names).is_break() {
        return Ok(());
    }
    let mut after = 0;
    let broke_off = |after: u64| {
        move |error: rusqlite::Error| ForeignError::Read {
            after,
            cause: error.to_string(),
        }
    };
    let mut rows = statement.query([]).map_err(broke_off(0))?;
    while let Some(row) = rows.next().map_err(broke_off(after))? {
        let cells = (0..width).map(|at| row.get_ref(at).map(text_of));
        let cells = cells.collect::<Result<_, _>>().map_err(broke_off(after))?;
        if each(cells).is_break() {
            break;
        }
        after += 1;
    }
    Ok(())
}

fn text_of(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ALL_USERS;
    use super::*;

    fn sample() -> (tempfile::TempDir, std::path::PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "CREATE TABLE users (id INTEGER, name TEXT, token BLOB);
             INSERT INTO users VALUES (1, 'Ann', x'00ff'), (2, NULL, NULL), (3, 'Bob', 1.5);",
        )
        .unwrap();
        (home, path)
    }

    type Table = (Vec<String>, Vec<Vec<Option<String>>>);

    fn all(path: &Path, query: &str) -> Result<Table, ForeignError> {
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        let columns = |found| {
            names = found;
            ControlFlow::Continue(())
        };
        read(path, query, columns, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok((names, rows))
    }

    #[test]
    fn rows_come_as_text() {
        let (_home, path) = sample();
        let (names, rows) = all(&path, ALL_USERS).unwrap();
        assert_eq!(names, ["id", "name", "token"]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(rows[0], [some("1"), some("Ann"), some("00ff")]);
        assert_eq!(rows[1], [some("2"), None, None]);
        assert_eq!(rows[2], [some("3"), some("Bob"), some("1.5")]);
    }

    #[test]
    fn a_query_that_writes_is_refused_and_writes_nothing() {
        let (home, path) = sample();
        let other = home.path().join("other.db");
        let attach = format!("ATTACH '{}' AS other", other.display());
        for query in [
            "DELETE FROM users RETURNING id",
            "INSERT INTO users (id) VALUES (4) RETURNING id",
            "UPDATE users SET name = 'x' RETURNING id",
            "CREATE TABLE t AS SELECT * FROM users",
            "DROP TABLE users",
            "PRAGMA user_version = 7",
            "VACUUM",
            "SELECT id FROM users; DELETE FROM users",
            &attach,
        ] {
            let error = all(&path, query).unwrap_err();
            assert!(matches!(error, ForeignError::Writes(_)), "{query}: {error}");
        }
        for query in [
            "SELECT id FROM users; SELECT 2",
            "SELECT nobody FROM users",
            "SELEC 1",
            "",
        ] {
            let error = all(&path, query).unwrap_err();
            assert!(
                matches!(error, ForeignError::Query(_)),
                "{query}: {error:?}"
            );
        }
        assert_eq!(all(&path, ALL_USERS).unwrap().1.len(), 3);
        assert!(!other.exists());
    }

    #[test]
    fn what_is_no_database_is_said_to_be_none() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("users.db");
        let missing = all(&path, ALL_USERS).unwrap_err();
        assert!(matches!(missing, ForeignError::Open(_)), "{missing}");
        assert!(!path.exists(), "reading makes no file");
        std::fs::write(&path, "id,name\n".repeat(1_000)).unwrap();
        let wrong = all(&path, ALL_USERS).unwrap_err();
        assert!(matches!(wrong, ForeignError::Open(_)), "{wrong}");
    }

    #[test]
    fn a_query_may_break_off() {
        let (_home, path) = sample();
        let query = "SELECT abs(-9223372036854775807 - (id / 2)) FROM users";
        let error = all(&path, query).unwrap_err();
        assert!(
            matches!(error, ForeignError::Read { after: 1, .. }),
            "{error:?}"
        );
        let mut seen = 0;
        let go = |_| ControlFlow::Continue(());
        read(&path, ALL_USERS, go, |_| {
            seen += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(seen, 1);
    }
}
