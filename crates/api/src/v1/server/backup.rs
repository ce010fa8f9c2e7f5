//! `POST /v1/server/backup`

use crate::answer;
use crate::auth::Caller;
use crate::body::Json;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::extract::State;
use axum::response::Response;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Scope;
use carillon_ports::store::StoreError;
use serde::{Deserialize, Serialize};
use std::path::Path;
use utoipa::ToSchema;

/// Its address: it has a deadline of its own, see [`crate::Limits::backup_deadline`].
pub(crate) const PATH: &str = "/v1/server/backup";

/// Where to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// An absolute path on the server's disk; nothing may stand there yet.
    #[schema(example = "/backups/carillon-2026-08-01.db")]
    file: String,
}

/// What was written.
#[derive(Serialize, ToSchema)]
#[schema(as = BackupFile)]
pub(crate) struct Written {
    /// Where it stands.
    file: String,
    /// Its size.
    bytes: u64,
}

problems!(GUARDED, GLOBAL, BODY, WRITES; STORE_REFUSED);

/// Write a backup.
///
/// A consistent, checked copy of the store on the server's disk, while the server runs. The master
/// key is not in it. The act is in the audit log before the copy begins, so no copy is made unseen;
/// an entry alone does not prove that the copy came to its end. Needs the scope `admin`, and an API
/// key that is not bound to an App.
#[utoipa::path(
    post, path = "/v1/server/backup", operation_id = "server_backup", tag = "server",
    request_body = Backup,
    responses((status = 200, description = "Written and on disk.", body = Written), Problems),
)]
pub(crate) async fn backup(
    State(api): State<Api>,
    caller: Caller,
    Json(Backup { file }): Json<Backup>,
) -> Result<Response, Problem> {
    caller.global(&[Scope::Admin])?;
    if !Path::new(&file).is_absolute() {
        return Err(Problem::invalid(vec![FieldProblem::new(
            "/file",
            "backup.file",
            format!("expected an absolute path, found {file:?}"),
        )]));
    }
    let (now, by) = (api.now(), caller.actor());
    api.registry()
        .note("server.backup", file.clone(), now, by)
        .await?;
    api.store()
        .backup(Path::new(&file).to_owned())
        .await
        .map_err(|error| match error {
            // The store says in words for the operator why it made no copy, e.g. that a file is there.
            StoreError::Failed(why) => Problem::new(&codes::STORE_REFUSED, why),
            other => other.into(),
        })?;
    let bytes = std::fs::metadata(&file)
        .map_err(|error| Problem::internal(format!("the backup {file} is written, but: {error}")))?
        .len();
    answer::ok(&Written { file, bytes })
}
