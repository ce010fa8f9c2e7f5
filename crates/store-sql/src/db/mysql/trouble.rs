//! What the server's errors mean to the store.

use crate::db::Error;
use crate::db::driver::{ServerError, Trouble};

/// A row of that key is there already.
pub(super) const DUPLICATE: u16 = 1062;
/// Deadlock: the server has undone the whole transaction.
pub(super) const DEADLOCK: u16 = 1213;
/// What a change of the schema finds where it was made before: table, column, index are there, or gone.
pub(super) const DONE_BEFORE: [u16; 4] = [1050, 1060, 1061, 1091];

pub(super) fn failed(kind: Trouble, text: impl Into<String>) -> Error {
    Error::Server(ServerError {
        kind,
        text: text.into(),
    })
}

/// An error of a connection that was made.
pub(super) fn of(error: &mysql_async::Error) -> Error {
    let kind = match error {
        mysql_async::Error::Server(server) => kind(server.code, &server.message),
        _ => Trouble::Lost,
    };
    failed(kind, words(error))
}

/// An error while connecting: whatever it says, there is no connection.
pub(super) fn of_connecting(error: &mysql_async::Error) -> Error {
    failed(Trouble::Lost, words(error))
}

pub(super) fn code(error: &mysql_async::Error) -> Option<u16> {
    match error {
        mysql_async::Error::Server(server) => Some(server.code),
        _ => None,
    }
}

fn kind(code: u16, message: &str) -> Trouble {
    match code {
        // Shutting down, killed, or a server that another one has taken over from.
        1053 | 1077 | 1079 | 1080 | 1290 | 1792 | 1836 | 1927 | 3032 => Trouble::Lost,
        // Waits for locks, deadlocks, statements that took too long.
        1205 | DEADLOCK | 1317 | 1637 | 1907 | 1969 | 3024 | 3572 => Trouble::Busy,
        1021 | 1041 | 1114 => Trouble::Full,
        // "Got error N from storage engine", "error writing file": 28 is the system's number for a full disk.
        1026 | 1030 if message.contains("28") => Trouble::Full,
        1034 | 1035 | 1194 | 1195 | 1712 | 1877 => Trouble::Corrupt,
        _ => Trouble::Failed,
    }
}

/// The server's own words, or the client's.
fn words(error: &mysql_async::Error) -> String {
    match error {
        mysql_async::Error::Server(server) => format!("{} (error {})", server.message, server.code),
        mysql_async::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}
