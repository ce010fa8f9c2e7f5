//! What a query for MySQL or MariaDB would do beside reading that a read-only transaction allows: write a file, lock
//! rows. PostgreSQL and SQLite say so themselves.

/// Words that a query which reads begins with.
const BEGIN: [&str; 4] = ["SELECT", "WITH", "TABLE", "VALUES"];

/// What is wrong with it, as a sentence's end.
pub(super) fn more_than_reading(query: &str) -> Option<String> {
    let Some(words) = words(query) else {
        return Some("a comment of the form /*! … */ is run as a part of it: leave it out".into());
    };
    match words.first().map(String::as_str) {
        Some(first) if BEGIN.contains(&first) => {}
        // The database says what it misses.
        None => return None,
        Some(first) => {
            return Some(format!(
                "expected one that begins with {}, found {first}",
                BEGIN.join(", ")
            ));
        }
    }
    if words.iter().any(|word| word == "INTO") {
        return Some("INTO writes what is read to somewhere".into());
    }
    let locks = words.windows(2).any(|two| {
        matches!(
            (two[0].as_str(), two[1].as_str()),
            ("FOR", "UPDATE" | "SHARE") | ("LOCK", "IN")
        )
    });
    locks.then(|| "it locks rows against the program that has them".into())
}

/// The words outside of quotes and comments, in capitals; `None`: there is a comment that is run.
fn words(query: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let skip = match first {
            '\'' | '"' | '`' => quoted(rest, first),
            '#' => line(rest),
            '-' if rest.starts_with("--") => line(rest),
            '/' if rest.starts_with("/*!") || rest.starts_with("/*M!") => return None,
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                words.push(rest[..end].to_ascii_uppercase());
                end
            }
            other => other.len_utf8(),
        };
        rest = &rest[skip..];
    }
    Some(words)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '@')
}

fn line(rest: &str) -> usize {
    rest.find('\n').map_or(rest.len(), |at| at + 1)
}

/// To behind the closing quote. A backslash takes the next character with it, except in the name of a column.
fn quoted(rest: &str, quote: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_is_taken() {
        for query in [
            "SELECT * FROM users",
            "select id, `into` from users where name = 'insert into x' -- for update",
            "(SELECT 1) UNION (SELECT 2)",
            "WITH a AS (SELECT 1) SELECT * FROM a /* into */",
            "TABLE users;",
            "SELECT 'it''s \\' into', \"into\" # into",
            "",
        ] {
            assert_eq!(more_than_reading(query), None, "{query}");
        }
    }

    #[test]
    fn what_does_more_is_named() {
        for (query, part) in [
            ("DELETE FROM users", "found DELETE"),
            ("/* x */ show tables", "found SHOW"),
            ("SELECT * FROM users INTO OUTFILE '/tmp/x'", "INTO"),
            ("SELECT id into @a FROM users", "INTO"),
            ("SELECT * FROM users FOR\nUPDATE", "locks"),
            ("SELECT * FROM users LOCK IN SHARE MODE", "locks"),
            ("SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "/*!"),
            ("SELECT 1 /*M!100100 FOR UPDATE */", "/*!"),
        ] {
            let found = more_than_reading(query).unwrap();
            assert!(found.contains(part), "{query}: {found}");
        }
    }
}
