//! Push tokens that an import leaves out: a CSV file with a column `push_token`, and with a column `kind` where they are
//! not all Apple's.

use super::mapping::{To, key_of};
use crate::exit::{Exit, Failure};
use std::collections::HashSet;
use std::path::Path;

/// Why, as it is told.
pub(super) const LEFT_OUT: &str = "the file of --leave-out has their push tokens";

/// Which.
#[derive(Debug, Default)]
pub(super) struct LeaveOut(HashSet<u64>);

impl LeaveOut {
    /// Reads the file; without one nobody is left out.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let opened =
            std::fs::File::open(file).map_err(|error| Failure::io("read", file, &error))?;
        let wrong = |what: String| {
            let message = format!("--leave-out: {}: {what}", file.display());
            Failure::new(Exit::Data, message)
                .mend("give a CSV file with a column push_token, as carillon import rpush --dead writes it")
        };
        let mut reader = csv::Reader::from_reader(opened);
        let header = reader.headers().map_err(|error| wrong(error.to_string()))?;
        let at = |wanted: &str| header.iter().position(|name| name.trim() == wanted);
        let Some(token) = at("push_token") else {
            return Err(wrong("it has no column push_token".to_owned()));
        };
        let kind = at("kind");
        let mut keys = HashSet::new();
        for row in reader.records() {
            let row = row.map_err(|error| wrong(error.to_string()))?;
            let to = match kind.and_then(|at| row.get(at)) {
                Some("fcm") => To::Fcm,
                _ => To::Apns,
            };
            if let Some(token) = row.get(token).filter(|token| !token.is_empty()) {
                keys.insert(key_of(to, token).0);
            }
        }
        Ok(Self(keys))
    }

    /// Whether a push token, by the beginning of its hash, is one of them.
    pub(super) fn has(&self, push_token: u64) -> bool {
        self.0.contains(&push_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_tokens_are_known_however_they_are_written() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("dead.csv");
        std::fs::write(&file, "kind,push_token\nalert,AA bb\nfcm,Xy\n").unwrap();
        let out = LeaveOut::read(Some(&file)).unwrap();
        let has = |to, token| out.has(key_of(to, token).0);
        assert!(has(To::Apns, "<aabb>") && has(To::Fcm, "Xy"));
        assert!(!has(To::Fcm, "xy") && !has(To::Fcm, "AAbb") && !has(To::Apns, "Xy"));
        std::fs::write(&file, "token\naa\n").unwrap();
        assert_eq!(LeaveOut::read(Some(&file)).unwrap_err().exit, Exit::Data);
        assert!(!LeaveOut::read(None).unwrap().has(1));
    }
}
