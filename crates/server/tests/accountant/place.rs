//! Where the program keeps its store: a SQLite file, or a database on a server that the accountant starts and kills itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::database::Database;

/// The store of a run, where it is now.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Sqlite,
    Server(Arc<Database>),
}

/// The SQLite file.
pub(crate) const FILE: &str = "carillon.db";

impl Place {
    /// Sections of the configuration. On a server every wait is short, so that both is met: work that waits for it, and
    /// work that is refused because it stays away.
    pub(crate) fn config(&self) -> String {
        let store = match self {
            Self::Sqlite => format!("path = \"{FILE}\"\n"),
            Self::Server(database) => format!(
                "url = \"{}\"\n\
                 connect_timeout = \"2s\"\n\
                 statement_timeout = \"4s\"\n\
                 lock_timeout = \"2s\"\n\
                 reconnect_max = \"500ms\"\n\
                 reconnect_patience = \"2s\"\n",
                database.url()
            ),
        };
        format!("[store]\n{store}[secrets]\nmaster_key_file = \"master.key\"\n")
    }

    pub(crate) fn database(&self) -> Option<&Arc<Database>> {
        match self {
            Self::Sqlite => None,
            Self::Server(database) => Some(database),
        }
    }

    /// The SQLite file below the folder of a run, where it is one.
    pub(crate) fn file(&self, folder: &Path) -> Option<PathBuf> {
        matches!(self, Self::Sqlite).then(|| folder.join(FILE))
    }
}
