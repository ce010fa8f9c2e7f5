//! Lists: devices that were uploaded under a name. Which devices a file means the store knows, what is sent
//! to a list is the engine's; here are the upload and its answer.

pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod names;
pub(crate) mod put;
pub(crate) mod tally;

use crate::instant;
use crate::problem::Problem;
use carillon_model::definition::Definition;
use carillon_model::list::{ListDefinition, UploadCounts};
use serde::Serialize;
use tally::BadLine;
use utoipa::ToSchema;

/// A list.
#[derive(Serialize, ToSchema)]
#[schema(as = List)]
pub(crate) struct ListView<'a> {
    /// Its name, unique in the App.
    #[schema(example = "spring-sale")]
    name: &'a str,
    /// Rises with every upload.
    version: u32,
    /// How many devices it has, those included that were deleted since.
    #[schema(example = 49_012)]
    devices: u64,
    /// What became of the rows of its last upload.
    upload: UploadView<'a>,
    /// When it was first made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last uploaded.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// The rows of an upload, counted; all of them are `taken`, `doubled`, `unknown` or `bad`.
#[derive(Serialize, ToSchema)]
#[schema(as = ListUpload)]
pub(crate) struct UploadView<'a> {
    /// How many there were.
    rows: u64,
    /// Those that named a device which no row before named.
    taken: u64,
    /// Those that named only devices which rows before had named.
    doubled: u64,
    /// Those that name nobody here.
    unknown: u64,
    /// Those that cannot be read.
    bad: u64,
    /// Only in the answer to an upload: the lines of the first 100 unknown rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown_lines: Option<&'a [u64]>,
    /// Only in the answer to an upload: the first 100 bad rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    bad_lines: Option<&'a [BadLine]>,
}

impl UploadView<'_> {
    fn of(counts: UploadCounts) -> Self {
        Self {
            rows: counts.rows(),
            taken: counts.taken,
            doubled: counts.doubled,
            unknown: counts.unknown,
            bad: counts.bad,
            unknown_lines: None,
            bad_lines: None,
        }
    }
}

impl<'a> ListView<'a> {
    fn of(stored: &'a Definition) -> Result<Self, Problem> {
        let unreadable = || Problem::internal(format!("definition {} is no list", stored.no));
        let read = ListDefinition::read(&stored.body).ok_or_else(unreadable)?;
        Ok(Self {
            name: &stored.name,
            version: stored.version,
            devices: read.devices,
            upload: UploadView::of(read.upload),
            created_at: instant::rfc3339(stored.created_at),
            updated_at: instant::rfc3339(stored.updated_at),
        })
    }
}
