//! How far an import is, in a small file beside its source, so that it can go on after an interruption. The file has
//! counts, what was wrong with rows, and a hash of all rows so far, but no push token.

use super::tally::Tally;
use crate::commands::import::rows::{Row, Source};
use crate::exit::{Exit, Failure};
use aws_lc_rs::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Where it is kept.
pub(super) struct Progress {
    file: PathBuf,
    import: String,
}

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Which import it is of.
    import: String,
    /// What became of the rows so far.
    tally: Tally,
    /// What these rows were.
    rows: String,
}

/// What the rows so far were: a hash of all of them, in order. A database may give them in another one next time.
#[derive(Clone)]
pub(super) struct Trail(Context);

impl Trail {
    /// Before the first row.
    pub(super) fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// One row more.
    pub(super) fn add(&mut self, row: &Row) {
        let Ok(cells) = &row.cells else {
            return self.0.update(&[2]);
        };
        for cell in cells {
            match cell {
                None => self.0.update(&[0]),
                Some(text) => {
                    self.0.update(&[1]);
                    self.0.update(&(text.len() as u64).to_be_bytes());
                    self.0.update(text.as_bytes());
                }
            }
        }
    }

    /// The hash, as it is kept.
    pub(super) fn shown(&self) -> String {
        hex(self.0.clone().finish().as_ref())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Progress {
    /// Of the import of `source` into an App that `what` describes; of another one if a file has changed.
    pub(super) fn new(source: &Source, app: &str, what: &str) -> Result<Self, Failure> {
        let mut what = what.to_owned();
        if let Some(file) = source.file() {
            let failed = |error: std::io::Error| Failure::io("read", file, &error);
            let facts = std::fs::metadata(file).map_err(failed)?;
            let changed = facts.modified().ok();
            let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            what.push_str(&format!(" {} {changed:?}", facts.len()));
        }
        Ok(Self {
            file: source.progress_file(app),
            import: hex(digest(&SHA256, what.as_bytes()).as_ref()),
        })
    }

    /// Where it is kept.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// How far it was, and what the rows were; `None`: it was not interrupted.
    pub(super) fn load(&self) -> Result<Option<(Tally, String)>, Failure> {
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::io("read", &self.file, &error)),
        };
        let other = |why: &str| {
            let message = format!("{}: {why}", self.file.display());
            Failure::new(Exit::Data, message)
                .mend("leave out --resume: what went in already is only updated")
        };
        let kept: Kept =
            serde_json::from_str(&text).map_err(|_| other("no progress of an import"))?;
        if kept.import != self.import {
            return Err(other(
                "the progress of another import, or its source has changed since: rows would be skipped that never went in",
            ));
        }
        Ok(Some((kept.tally, kept.rows)))
    }

    /// Writes it down, whole or not at all.
    pub(super) fn save(&self, tally: &Tally, trail: &Trail) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io("write", &self.file, &error);
        let kept = Kept {
            import: self.import.clone(),
            tally: tally.clone(),
            rows: trail.shown(),
        };
        let text = serde_json::to_string(&kept).map_err(std::io::Error::other);
        let mut fresh = self.file.as_os_str().to_owned();
        fresh.push(".new");
        std::fs::write(&fresh, text.map_err(failed)?).map_err(failed)?;
        std::fs::rename(&fresh, &self.file).map_err(failed)
    }

    /// It is over.
    pub(super) fn forget(&self) {
        // What stays behind is refused by its hash, or only makes a later import begin late where it ended.
        let _ = std::fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(file: &Path) -> Source {
        Source::Csv {
            file: file.to_owned(),
            delimiter: b',',
            has_header: true,
        }
    }

    fn row(cells: &[Option<&str>]) -> Row {
        let cells = cells.iter().map(|cell| cell.map(str::to_owned));
        Row {
            number: 1,
            cells: Ok(cells.collect()),
        }
    }

    #[test]
    fn other_rows_leave_another_trail() {
        let of = |rows: &[&[Option<&str>]]| {
            let mut trail = Trail::new();
            for cells in rows {
                trail.add(&row(cells));
            }
            trail.shown()
        };
        let (a, b) = (Some("a"), Some("b"));
        let rows = of(&[&[a, None], &[b, a]]);
        assert_eq!(rows, of(&[&[a, None], &[b, a]]));
        for other in [
            of(&[&[a, None]]),
            of(&[&[b, a], &[a, None]]),
            of(&[&[a, Some("")], &[b, a]]),
            of(&[&[Some("ab"), None], &[Some(""), a]]),
        ] {
            assert_ne!(rows, other);
        }
    }

    #[test]
    fn an_import_goes_on_where_it_was_and_no_other_does() {
        let home = tempfile::tempdir().unwrap();
        let source = home.path().join("users.csv");
        std::fs::write(&source, "a").unwrap();
        let of = |what: &str| Progress::new(&csv(&source), "shop", what).unwrap();
        let trail = Trail::new();
        assert_eq!(of("x").load().unwrap(), None);
        let tally = Tally {
            rows: 7,
            ..Tally::default()
        };
        of("x").save(&tally, &trail).unwrap();
        assert_eq!(of("x").load().unwrap(), Some((tally, trail.shown())));
        assert_eq!(of("y").load().unwrap_err().exit, Exit::Data);
        std::fs::write(&source, "ab").unwrap();
        let changed = of("x").load().unwrap_err();
        assert!(changed.message.contains("has changed"), "{changed}");
        std::fs::write(of("x").file(), "{}").unwrap();
        assert_eq!(of("x").load().unwrap_err().exit, Exit::Data);
        of("x").forget();
        assert_eq!(of("x").load().unwrap(), None);
        let missing = Progress::new(&csv(Path::new("no such file")), "shop", "x");
        assert_eq!(missing.err().unwrap().exit, Exit::NoInput);
    }
}
