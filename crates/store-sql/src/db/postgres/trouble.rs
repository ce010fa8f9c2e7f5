//! What PostgreSQL's errors mean for whoever waits.

use crate::db::Error;
use crate::db::driver::{ServerError, Trouble};

pub(super) fn failed(kind: Trouble, text: String) -> Error {
    Error::Server(ServerError { kind, text })
}

/// What a failure means for whoever waits.
pub(super) fn sorted(error: &tokio_postgres::Error) -> Error {
    let Some(said) = error.as_db_error() else {
        let is_io =
            std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>());
        let kind = if error.is_closed() || is_io {
            Trouble::Lost
        } else {
            Trouble::Failed
        };
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        return failed(kind, format!("{error}{}", cause.unwrap_or_default()));
    };
    let code = said.code();
    let kind = match code.code() {
        // Shutting down, starting up, or not the one that may be written to.
        "57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" => Trouble::Lost,
        // Too many connections.
        "53300" => Trouble::Lost,
        // A statement or a lock took too long, or two were in each other's way; or there is no memory just now.
        "57014" | "55P03" | "40001" | "40P01" | "53200" => Trouble::Busy,
        "53100" => Trouble::Full,
        "XX001" | "XX002" => Trouble::Corrupt,
        other if other.starts_with("08") => Trouble::Lost,
        _ => Trouble::Failed,
    };
    let detail = said.detail().map(|detail| format!(" ({detail})"));
    failed(
        kind,
        format!(
            "{}{} [{}]",
            said.message(),
            detail.unwrap_or_default(),
            code.code()
        ),
    )
}
