//! API keys: only their hashes.

use super::audit;
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{ApiKeyNo, AppNo};
use carillon_ports::registry::{Actor, ApiKey};
use carillon_ports::store::StoreError;

pub(super) fn all(conn: &Connection, only_valid: bool) -> Done<Vec<ApiKey>> {
    let mut statement = conn.prepare_cached(
        "SELECT api_key_no, id, name, app_no, scopes, hint, hash, created_at, revoked_at FROM api_keys
         WHERE ?1 = 0 OR revoked_at IS NULL ORDER BY api_key_no",
    )?;
    let mut found = statement.query([only_valid])?;
    let mut keys = Vec::new();
    while let Some(row) = found.next()? {
        let no = ApiKeyNo(row.get(0)?);
        let scopes: String = row.get(4)?;
        keys.push(ApiKey {
            no,
            id: row.get(1)?,
            name: row.get(2)?,
            app: row.get::<_, Option<i64>>(3)?.map(AppNo),
            scopes: serde_json::from_str(&scopes)
                .map_err(|error| corrupt("api_keys", "scopes", no, error))?,
            hint: row.get(5)?,
            hash: row.get(6)?,
            created_at: row.get(7)?,
            revoked_at: row.get(8)?,
        });
    }
    Ok(keys)
}

/// Stores a new one under a number of the store's choice.
pub(super) fn put(tx: &mut Tx<'_>, key: &ApiKey, by: &Actor) -> Done<ApiKey> {
    let no = tx.marks.api_key.take(tx.conn)?;
    let scopes = serde_json::to_string(&key.scopes)
        .map_err(|error| StoreError::Failed(format!("cannot write scopes: {error}")))?;
    tx.conn
        .prepare_cached(
            "INSERT INTO api_keys (api_key_no, id, name, app_no, scopes, hint, hash, created_at, revoked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .run(params![
            no,
            key.id,
            key.name,
            key.app.map(|no| no.0),
            scopes,
            key.hint,
            key.hash,
            key.created_at,
            key.revoked_at
        ])?;
    audit::note(tx, key.created_at, by, "api_key.put", &key.id)?;
    Ok(ApiKey {
        no: ApiKeyNo(no),
        ..key.clone()
    })
}

/// Also `true` for one that was revoked before: its first time stays.
pub(super) fn revoke(tx: &mut Tx<'_>, id: &str, now: UnixMs, by: &Actor) -> Done<bool> {
    let known: Option<Option<UnixMs>> = tx
        .conn
        .prepare_cached("SELECT revoked_at FROM api_keys WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match known {
        None => Ok(false),
        Some(Some(_)) => Ok(true),
        Some(None) => {
            tx.conn
                .prepare_cached("UPDATE api_keys SET revoked_at = ?2 WHERE id = ?1")?
                .run(params![id, now])?;
            audit::note(tx, now, by, "api_key.revoke", id)?;
            Ok(true)
        }
    }
}
