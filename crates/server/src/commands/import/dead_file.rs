//! A file of push tokens that are known to be dead, for `import users --leave-out`.

use crate::exit::{Exit, Failure};
use crate::private_file;
use std::path::Path;

/// A dead push token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeadToken {
    /// As its gateway writes it.
    pub(super) push_token: String,
    /// `alert` (Apple's) or `fcm`.
    pub(super) kind: &'static str,
    /// When that was found, in the source's words.
    pub(super) failed_at: String,
    /// By what.
    pub(super) reason: String,
}

/// Writes them into a new file that only its owner reads.
pub(super) fn write<'t>(
    file: &Path,
    tokens: impl Iterator<Item = &'t DeadToken>,
) -> Result<(), Failure> {
    let broken = |error: String| {
        Failure::new(
            Exit::Io,
            format!("cannot write {}: {error}", file.display()),
        )
    };
    let mut csv = csv::Writer::from_writer(Vec::new());
    let header = ["push_token", "kind", "failed_at", "reason"];
    let rows = tokens.map(|token| {
        [
            token.push_token.as_str(),
            token.kind,
            &token.failed_at,
            &token.reason,
        ]
    });
    for row in [header].into_iter().chain(rows) {
        csv.write_record(row)
            .map_err(|error| broken(error.to_string()))?;
    }
    let text = csv
        .into_inner()
        .map_err(|error| broken(error.to_string()))?;
    private_file::write(file, String::from_utf8_lossy(&text).trim_end())
}

/// What to do with so many of them, for people.
pub(super) fn advice(count: usize, file: Option<&Path>) -> Option<String> {
    match file {
        _ if count == 0 => None,
        Some(file) => Some(format!(
            "They are in {}: leave them out with carillon import users --leave-out {}",
            file.display(),
            file.display()
        )),
        None => Some(
            "Write them into a file with --dead, and leave them out with carillon import users --leave-out; or let \
             Carillon find out, which costs one push for each"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("dead.csv");
        let token = DeadToken {
            push_token: "aa".into(),
            kind: "alert",
            failed_at: "2026-02-01 00:00:00".into(),
            reason: "gone, for good".into(),
        };
        write(&file, [&token].into_iter()).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        let expected =
            "push_token,kind,failed_at,reason\naa,alert,2026-02-01 00:00:00,\"gone, for good\"\n";
        assert_eq!(text, expected);
        assert!(
            write(&file, [&token].into_iter()).is_err(),
            "nothing is written over"
        );
        assert!(advice(1, Some(&file)).unwrap().contains("--leave-out"));
        assert_eq!(advice(0, None), None);
    }
}
