//! A table of rpush's, row by row, with its cells by name: versions of rpush differ in their columns.

use crate::commands::import::rows::Source;
use crate::exit::{Exit, Failure};
use carillon_store_sql::ForeignPlace;

/// Rows that are read at once.
const PAGE: usize = 1_000;

/// A row.
pub(super) struct Cells<'r> {
    names: &'r [String],
    cells: &'r [Option<String>],
}

impl<'r> Cells<'r> {
    /// What a column says; `None` where it is empty, NULL or not there.
    pub(super) fn get(&self, name: &str) -> Option<&'r str> {
        let at = self.names.iter().position(|known| known == name)?;
        let text = self.cells.get(at)?.as_deref()?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Whether a column says that it is so: as Rails writes it, now and formerly.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some("1" | "t" | "true"))
    }

    #[cfg(test)]
    pub(super) fn of(names: &'r [String], cells: &'r [Option<String>]) -> Self {
        Self { names, cells }
    }
}

/// Visits every row of a query.
pub(super) async fn each(
    place: &ForeignPlace,
    query: &str,
    mut visit: impl FnMut(&Cells<'_>),
) -> Result<(), Failure> {
    let source = Source::Database {
        place: place.clone(),
        query: query.to_owned(),
    };
    let mut rows = source.open(PAGE).await.map_err(|failure| {
        let mend = "give the database of an rpush of version 2 or later, with its tables rpush_apps, \
                    rpush_notifications and rpush_feedback";
        match failure.exit {
            Exit::Usage => Failure::new(Exit::Data, failure.message).mend(mend),
            _ => failure,
        }
    })?;
    let names = rows.names.take().unwrap_or_default();
    while let Some(page) = rows.pages.recv().await {
        for row in page? {
            let cells = row.cells.map_err(|why| Failure::new(Exit::Data, why))?;
            visit(&Cells {
                names: &names,
                cells: &cells,
            });
        }
    }
    Ok(())
}
