//! Where a store's rows are kept, as far as the writer has to mind it: a file, or a server that may go away.

use crate::db::{self, Connection};
use crate::error::Fault;
use crate::server::Place;
use crate::sqlite::File;
use carillon_ports::store::StoreError;

/// Why a group did not commit.
pub(crate) enum Stop {
    /// One job failed; the others may go on without it.
    Job(StoreError),
    /// All of it.
    Group(StoreError),
    /// All of it, and everything after it.
    Io(String),
    /// The connection to the server is gone. In doubt: it went during the commit, which may have been made.
    Lost { text: String, is_in_doubt: bool },
}

/// Where the rows are.
pub(crate) enum Home {
    File(File),
    Server(Place),
}

impl Home {
    /// Before a group: whether there is room for it. `false`: only for what is not intake.
    pub(crate) fn has_room(&mut self, conn: &Connection, has_intake: bool) -> db::Result<bool> {
        match self {
            Self::File(file) => file.has_room(conn, has_intake),
            Self::Server(_) => Ok(true),
        }
    }

    /// What an error really means here.
    pub(crate) fn sort(&self, stop: Stop) -> Stop {
        match self {
            Self::File(file) => file.sort(stop),
            Self::Server(_) => stop,
        }
    }

    /// The disk is full: tries to change that.
    pub(crate) fn make_room(&self, conn: &Connection) {
        if let Self::File(file) = self {
            file.make_room(conn);
        }
    }

    /// After a group. An error is one after which nothing may be written.
    pub(crate) fn tend(&self, conn: &Connection) -> Result<(), String> {
        match self {
            Self::File(file) => file.tend(conn),
            Self::Server(_) => Ok(()),
        }
    }

    /// There is nothing to do.
    pub(crate) fn rest(&self, conn: &Connection) {
        if let Self::File(file) = self {
            file.rest(conn);
        }
    }

    /// The writer ends.
    pub(crate) fn close(self, conn: Connection, is_whole: bool) {
        match self {
            Self::File(file) => file.close(conn, is_whole),
            Self::Server(_) => drop(conn),
        }
    }
}

impl Stop {
    pub(crate) fn of_job(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => Self::Job(error),
            fault => Self::of_group(fault),
        }
    }

    pub(crate) fn of_group(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => Self::Group(error),
            Fault::Io(text) => Self::Io(text),
            Fault::Lost(text) => Self::Lost {
                text,
                is_in_doubt: false,
            },
        }
    }
}
