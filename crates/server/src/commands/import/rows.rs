//! Where rows come from: a CSV file, or a query on a database. Read on a thread of its own, page after page,
//! never more than a few ahead. What the cells mean is not known here.

use super::database::Connection;
use crate::exit::{Exit, Failure};
use carillon_store_sql::{ALL_USERS, ForeignError, ForeignPlace, read_foreign};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

/// Pages that are read before they are asked for.
const PAGES_AHEAD: usize = 2;
/// What the name of the file of an import's progress ends with.
const PROGRESS: &str = ".carillon-import";
/// What programs write into CSV where a database has NULL: MySQL's client, and its INTO OUTFILE.
const NULLS: [&[u8]; 2] = [b"NULL", b"\\N"];

/// Where the rows are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A file.
    Csv {
        /// Its path.
        file: PathBuf,
        /// What divides its cells.
        delimiter: u8,
        /// Whether its first row names the columns.
        has_header: bool,
    },
    /// A database.
    Database {
        /// Where it is.
        place: ForeignPlace,
        /// What it is asked.
        query: String,
    },
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number: in a CSV file as a spreadsheet counts, the first row is 1; of a query's rows from 1.
    pub(super) number: u64,
    /// Its cells, `None` for NULL; or why it cannot be read.
    pub(super) cells: Result<Vec<Option<String>>, String>,
}

/// Rows as they come.
pub(super) struct Rows {
    /// Names of the columns; `None`: they have numbers only.
    pub(super) names: Option<Vec<String>>,
    /// How many columns there are.
    pub(super) width: usize,
    /// Pages; the last thing may be a failure.
    pub(super) pages: mpsc::Receiver<Result<Vec<Row>, Failure>>,
}

impl Source {
    /// Reads `--from` and what goes with it.
    pub(super) fn read(
        from: &str,
        query: Option<&str>,
        delimiter: Option<&str>,
        no_header: bool,
        connection: &Connection,
    ) -> Result<Self, Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let scheme = from.split_once("://").map(|(scheme, _)| scheme);
        let is_url = scheme.is_some_and(|it| it.bytes().all(|b| b.is_ascii_alphanumeric()));
        if is_url || from.starts_with("sqlite:") {
            if delimiter.is_some() || no_header {
                return Err(usage("--delimiter and --no-header go with CSV only".into()));
            }
            return Ok(Self::Database {
                place: connection.place(from, None)?,
                query: query.unwrap_or(ALL_USERS).to_owned(),
            });
        }
        if query.is_some() {
            return Err(usage("--query goes with a database only".into())
                .mend("give --from mysql://…, postgres://… or sqlite:FILE, or leave it out"));
        }
        let delimiter = match delimiter {
            None => b',',
            Some("tab") => b'\t',
            Some(text) => match text.as_bytes() {
                [byte] if !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
                _ => {
                    return Err(usage(format!(
                        "--delimiter: expected one character such as ; or the word tab, found {text:?}"
                    )));
                }
            },
        };
        Ok(Self::Csv {
            file: from.into(),
            delimiter,
            has_header: !no_header,
        })
    }

    /// The file that it reads, where it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Csv { file, .. } => Some(file),
            Self::Database { place, .. } => match place {
                ForeignPlace::Sqlite(file) => Some(file),
                ForeignPlace::Server(_) => None,
            },
        }
    }

    /// Where the progress of an import into an App is kept: beside the file that is read, else in the present directory.
    pub(super) fn progress_file(&self, app: &str) -> PathBuf {
        let mut name = match (self.file(), self) {
            (Some(file), _) => file.as_os_str().to_owned(),
            (
                None,
                Self::Database {
                    place: ForeignPlace::Server(config),
                    ..
                },
            ) => {
                let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
                let database: String = config.url.database.chars().map(plain).collect();
                format!("{database}-{app}").into()
            }
            (None, _) => app.into(),
        };
        name.push(PROGRESS);
        name.into()
    }

    /// What tells it from other sources, for people and for `--resume`.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Csv {
                file,
                delimiter,
                has_header,
            } => format!("{} {delimiter} {has_header}", file.display()),
            Self::Database { place, query } => format!("{place} {query}"),
        }
    }

    /// Begins to read. Fails at once for a file that cannot be opened and a query that is not taken.
    pub(super) async fn open(self, page: usize) -> Result<Rows, Failure> {
        let (tell, told) = oneshot::channel();
        let (sender, pages) = mpsc::channel(PAGES_AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut head = Some(tell);
            let mut pager = Pager {
                sender,
                page,
                rows: Vec::new(),
            };
            let read = match &self {
                Self::Csv {
                    file,
                    delimiter,
                    has_header,
                } => read_csv(file, *delimiter, *has_header, &mut head, &mut pager),
                Self::Database { place, query } => {
                    read_database(place, query, &mut head, &mut pager)
                }
            };
            match (read, head.take()) {
                (Ok(()), _) => drop(pager.flush()),
                // Nobody listens only where the command has ended.
                (Err(failure), Some(head)) => drop(head.send(Err(failure))),
                (Err(failure), None) => {
                    let _ = pager.flush();
                    let _ = pager.sender.blocking_send(Err(failure));
                }
            }
        });
        let ended = || Failure::new(Exit::Software, "the reader of rows ended early");
        let (names, width) = told.await.map_err(|_| ended())??;
        Ok(Rows {
            names,
            width,
            pages,
        })
    }
}

type Head = Option<oneshot::Sender<Result<(Option<Vec<String>>, usize), Failure>>>;

/// Gathers rows into pages.
struct Pager {
    sender: mpsc::Sender<Result<Vec<Row>, Failure>>,
    page: usize,
    rows: Vec<Row>,
}

impl Pager {
    fn add(&mut self, row: Row) -> ControlFlow<()> {
        self.rows.push(row);
        if self.rows.len() < self.page {
            return ControlFlow::Continue(());
        }
        self.flush()
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() || self.sender.blocking_send(Ok(rows)).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

fn announce(head: &mut Head, names: Option<Vec<String>>, width: usize) -> ControlFlow<()> {
    match head.take().map(|head| head.send(Ok((names, width)))) {
        Some(Ok(())) => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}

fn read_csv(
    file: &Path,
    delimiter: u8,
    has_header: bool,
    head: &mut Head,
    pager: &mut Pager,
) -> Result<(), Failure> {
    let opened = std::fs::File::open(file).map_err(|error| Failure::io("read", file, &error))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        // What databases write with tabs quotes nothing, so a quotation mark there is one.
        .quoting(delimiter != b'\t')
        .has_headers(false)
        .flexible(true)
        .from_reader(opened);
    let failed = |error: csv::Error| {
        let message = format!("cannot read {}: {error}", file.display());
        Failure::new(Exit::Io, message)
    };
    let mut record = csv::ByteRecord::new();
    let (mut number, mut width) = (0, 0);
    while reader.read_byte_record(&mut record).map_err(failed)? {
        number += 1;
        if number == 1 {
            width = record.len();
            let names = has_header.then(|| {
                let names = record.iter().map(|name| String::from_utf8_lossy(name));
                let name = |name: std::borrow::Cow<'_, str>| {
                    name.trim_start_matches('\u{feff}').trim().to_owned()
                };
                names.map(name).collect()
            });
            if announce(head, names, width).is_break() {
                return Ok(());
            }
            if has_header {
                continue;
            }
        }
        let cells = cells_of(&record, width);
        if pager.add(Row { number, cells }).is_break() {
            return Ok(());
        }
    }
    if number == 0 {
        let message = format!("{} is empty", file.display());
        return Err(Failure::new(Exit::Data, message));
    }
    Ok(())
}

fn cells_of(record: &csv::ByteRecord, width: usize) -> Result<Vec<Option<String>>, String> {
    if record.len() != width {
        return Err(format!(
            "expected {width} columns like the first row, found {}",
            record.len()
        ));
    }
    let cell = |(at, bytes): (usize, &[u8])| {
        if NULLS.contains(&bytes) {
            return Ok(None);
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| format!("column {at}: expected text in UTF-8"))?;
        Ok(Some(text.to_owned()))
    };
    (1..).zip(record.iter()).map(cell).collect()
}

fn read_database(
    place: &ForeignPlace,
    query: &str,
    head: &mut Head,
    pager: &mut Pager,
) -> Result<(), Failure> {
    let mut number = 0;
    let columns = |names: Vec<String>| {
        let width = names.len();
        announce(head, Some(names), width)
    };
    let each = |cells| {
        number += 1;
        pager.add(Row {
            number,
            cells: Ok(cells),
        })
    };
    read_foreign(place, query, columns, each).map_err(|error| {
        let is_missing = matches!(place, ForeignPlace::Sqlite(file) if !file.exists());
        let (exit, mend) = match (&error, place) {
            (ForeignError::Open(_), _) if is_missing => (Exit::NoInput, "check the path"),
            (ForeignError::Writes(_), _) => (
                Exit::Usage,
                "give a query that only reads, such as the default: every row of users",
            ),
            (ForeignError::Query(_), _) => (Exit::Usage, "mend the query"),
            (ForeignError::Connect(_), _) => (
                Exit::Unavailable,
                "check the address, the user, --database-password-file and --database-tls",
            ),
            (_, ForeignPlace::Server(_)) => (Exit::TempFail, "see that the database is well"),
            (_, ForeignPlace::Sqlite(_)) => {
                (Exit::Data, "check that the file is a whole SQLite database")
            }
        };
        Failure::new(exit, format!("{place}: {error}")).mend(mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(
        text: &[u8],
        has_header: bool,
    ) -> Result<(Option<Vec<String>>, Vec<Row>), Failure> {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("users.csv");
        std::fs::write(&file, text).unwrap();
        let source = Source::Csv {
            file,
            delimiter: b',',
            has_header,
        };
        let mut rows = source.open(2).await?;
        let mut found = Vec::new();
        while let Some(page) = rows.pages.recv().await {
            found.extend(page?);
        }
        Ok((rows.names, found))
    }

    #[tokio::test]
    async fn csv_is_read_with_its_oddities() {
        let text = b"\xef\xbb\xbfid, token \n1,\"a\nb\"\nNULL,\\N\n3\n4,\xff\n5,\n";
        let (names, rows) = all(text, true).await.unwrap();
        assert_eq!(names.unwrap(), ["id", "token"]);
        let cells = |at: usize| rows[at].cells.clone();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(cells(0), Ok(vec![some("1"), some("a\nb")]));
        assert_eq!(cells(1), Ok(vec![None, None]));
        assert_eq!(
            cells(2),
            Err("expected 2 columns like the first row, found 1".into())
        );
        assert_eq!(cells(3), Err("column 2: expected text in UTF-8".into()));
        assert_eq!(cells(4), Ok(vec![some("5"), some("")]));
        let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [2, 3, 4, 5, 6]);
        let (names, rows) = all(b"1,a\n", false).await.unwrap();
        assert_eq!((names, rows[0].number), (None, 1));
        assert_eq!(all(b"", true).await.unwrap_err().exit, Exit::Data);
    }

    #[test]
    fn sources_are_told_apart() {
        let connection = Connection {
            database_timeout: "30s".into(),
            ..Connection::default()
        };
        let read = |from: &str| Source::read(from, None, None, false, &connection);
        let sqlite = read("sqlite:a/b.db").unwrap();
        assert_eq!(sqlite.file(), Some(Path::new("a/b.db")));
        assert_eq!(
            sqlite.progress_file("shop"),
            Path::new("a/b.db.carillon-import")
        );
        assert!(matches!(sqlite, Source::Database { query, .. } if query == ALL_USERS));
        assert!(matches!(read("a:b.csv").unwrap(), Source::Csv { .. }));
        let mysql = read("mysql://u@h/d").unwrap();
        assert_eq!(mysql.file(), None);
        assert_eq!(
            mysql.progress_file("shop"),
            Path::new("d-shop.carillon-import")
        );
        assert_eq!(mysql.identity(), "mysql://u@h:3306/d SELECT * FROM users");
        assert!(read("oracle://u@h/d").is_err());
        assert!(Source::read("a.csv", Some("q"), None, false, &connection).is_err());
        assert!(Source::read("sqlite:a", None, Some(";"), false, &connection).is_err());
        for (text, byte) in [
            (";", Some(b';')),
            ("tab", Some(b'\t')),
            ("ab", None),
            ("\"", None),
        ] {
            let found = match Source::read("a.csv", None, Some(text), false, &connection) {
                Ok(Source::Csv { delimiter, .. }) => Some(delimiter),
                _ => None,
            };
            assert_eq!(found, byte, "{text}");
        }
    }
}
