//! How far an import is, in a small file beside its source, so that it can go on after an interruption. The file has
//! counts and what was wrong with rows, and no push token.

use super::tally::Tally;
use crate::exit::{Exit, Failure};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What the file's name ends with.
const SUFFIX: &str = ".carillon-import";

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
}

impl Progress {
    /// Of the import of `source` that `what` describes; of another one if the file has changed.
    pub(super) fn new(source: &Path, what: &str) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::io("read", source, &error);
        let facts = std::fs::metadata(source).map_err(failed)?;
        let changed = facts.modified().ok();
        let changed = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let what = format!("{what} {} {changed:?}", facts.len());
        let hash = digest(&SHA256, what.as_bytes());
        let mut file = source.as_os_str().to_owned();
        file.push(SUFFIX);
        Ok(Self {
            file: file.into(),
            import: hash
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        })
    }

    /// Where it is kept.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// How far it was; `None`: it was not interrupted.
    pub(super) fn load(&self) -> Result<Option<Tally>, Failure> {
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
        Ok(Some(kept.tally))
    }

    /// Writes it down, whole or not at all.
    pub(super) fn save(&self, tally: &Tally) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io("write", &self.file, &error);
        let kept = Kept {
            import: self.import.clone(),
            tally: tally.clone(),
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

    #[test]
    fn an_import_goes_on_where_it_was_and_no_other_does() {
        let home = tempfile::tempdir().unwrap();
        let source = home.path().join("users.csv");
        std::fs::write(&source, "a").unwrap();
        let of = |what: &str| Progress::new(&source, what).unwrap();
        assert_eq!(of("x").load().unwrap(), None);
        let tally = Tally {
            rows: 7,
            ..Tally::default()
        };
        of("x").save(&tally).unwrap();
        assert_eq!(of("x").load().unwrap(), Some(tally));
        assert_eq!(of("y").load().unwrap_err().exit, Exit::Data);
        std::fs::write(&source, "ab").unwrap();
        let changed = of("x").load().unwrap_err();
        assert!(changed.message.contains("has changed"), "{changed}");
        std::fs::write(of("x").file(), "{}").unwrap();
        assert_eq!(of("x").load().unwrap_err().exit, Exit::Data);
        of("x").forget();
        assert_eq!(of("x").load().unwrap(), None);
        let missing = Progress::new(Path::new("no such file"), "x");
        assert_eq!(missing.err().unwrap().exit, Exit::NoInput);
    }
}
