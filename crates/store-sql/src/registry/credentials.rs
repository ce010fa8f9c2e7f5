//! Credentials and provider tokens. Secrets come in and go out sealed.

use super::audit;
use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::{At, Done, corrupt};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::credential::Credential;
use carillon_model::id::{AppNo, CredentialNo};
use carillon_model::lane::Gateway;
use carillon_ports::registry::{Actor, Resealer, Sealed};
use carillon_ports::store::StoreError;

pub(super) fn all(conn: &Connection) -> Done<Vec<(Credential, Sealed)>> {
    let mut statement = conn.prepare_cached(
        "SELECT credential_no, app_no, name, gateway, version, created_at, updated_at, facts, secret
         FROM credentials ORDER BY credential_no",
    )?;
    let mut found = statement.query([])?;
    let mut credentials = Vec::new();
    while let Some(row) = found.next()? {
        let no = CredentialNo(row.get(0)?);
        let facts: String = row.get(7)?;
        credentials.push((
            Credential {
                no,
                app: AppNo(row.get(1)?),
                name: row.get(2)?,
                gateway: Gateway::from_code(row.get(3)?).at("credentials", "gateway", no)?,
                facts: serde_json::from_str(&facts)
                    .map_err(|error| corrupt("credentials", "facts", no, error))?,
                version: row.get(4)?,
                created_at: row.get(5)?,
                updated_at: row.get(6)?,
            },
            Sealed(row.get(8)?),
        ));
    }
    Ok(credentials)
}

/// The number of a known name, else a new one.
pub(super) fn number(tx: &mut Tx<'_>, app: AppNo, name: &str) -> Done<CredentialNo> {
    let known = tx
        .conn
        .prepare_cached("SELECT credential_no FROM credentials WHERE app_no = ?1 AND name = ?2")?
        .query_row(params![app.0, name], |row| row.get(0))
        .optional()?;
    Ok(CredentialNo(match known {
        Some(no) => no,
        None => tx.marks.credential.take(tx.conn)?,
    }))
}

/// Stores it in the place of an older one of the same name.
pub(super) fn put(
    tx: &mut Tx<'_>,
    mut credential: Credential,
    secret: &Sealed,
    by: &Actor,
) -> Done<Credential> {
    let older: Option<(u32, UnixMs)> = tx
        .conn
        .prepare_cached(
            "SELECT version, created_at FROM credentials WHERE app_no = ?1 AND name = ?2",
        )?
        .query_row(params![credential.app.0, credential.name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    if let Some((version, created_at)) = older {
        tx.conn
            .prepare_cached("DELETE FROM credentials WHERE app_no = ?1 AND name = ?2")?
            .run(params![credential.app.0, credential.name])?;
        (credential.version, credential.created_at) = (version.saturating_add(1), created_at);
    }
    let facts = serde_json::to_string(&credential.facts)
        .map_err(|error| StoreError::Failed(format!("cannot write facts: {error}")))?;
    tx.conn
        .prepare_cached(
            "INSERT INTO credentials (credential_no, app_no, name, gateway, version, created_at, updated_at, facts, secret)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .run(params![
            credential.no.0,
            credential.app.0,
            credential.name,
            credential.gateway.code(),
            credential.version,
            credential.created_at,
            credential.updated_at,
            facts,
            secret.0
        ])?;
    let now = credential.updated_at;
    audit::note(
        tx,
        now,
        by,
        "credential.put",
        &subject(tx.conn, credential.app, &credential.name)?,
    )?;
    Ok(credential)
}

pub(super) fn delete(
    tx: &mut Tx<'_>,
    app: AppNo,
    name: &str,
    now: UnixMs,
    by: &Actor,
) -> Done<bool> {
    let deleted = tx
        .conn
        .prepare_cached("DELETE FROM credentials WHERE app_no = ?1 AND name = ?2")?
        .execute(params![app.0, name])?;
    if deleted == 0 {
        return Ok(false);
    }
    audit::note(
        tx,
        now,
        by,
        "credential.delete",
        &subject(tx.conn, app, name)?,
    )?;
    Ok(true)
}

/// `<App's id>/<name>`, for the audit log.
pub(super) fn subject(conn: &Connection, app: AppNo, name: &str) -> Done<String> {
    let id: Option<String> = conn
        .prepare_cached("SELECT id FROM apps WHERE app_no = ?1")?
        .query_row([app.0], |row| row.get(0))
        .optional()?;
    Ok(format!("{}/{name}", id.unwrap_or_else(|| app.to_string())))
}

pub(super) fn provider_token(conn: &Connection, name: &str) -> Done<Option<Sealed>> {
    Ok(conn
        .prepare_cached("SELECT secret FROM provider_tokens WHERE name = ?1")?
        .query_row([name], |row| row.get(0).map(Sealed))
        .optional()?)
}

pub(super) fn put_provider_token(
    tx: &mut Tx<'_>,
    name: &str,
    sealed: &Sealed,
    now: UnixMs,
) -> Done<()> {
    tx.conn
        .prepare_cached(
            "INSERT INTO provider_tokens (name, updated_at, secret) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET updated_at = excluded.updated_at, secret = excluded.secret",
        )?
        .run(params![name, now, sealed.0])?;
    Ok(())
}

pub(super) fn reseal(tx: &mut Tx<'_>, with: &Resealer, now: UnixMs, by: &Actor) -> Done<u64> {
    let mut rows = 0;
    for (table, key) in [
        ("credentials", "credential_no"),
        ("provider_tokens", "name"),
        ("definitions", "definition_no"),
    ] {
        let sealed: Vec<(String, Sealed)> = tx
            .conn
            .prepare(&format!(
                "SELECT CAST({key} AS TEXT), secret FROM {table} WHERE secret IS NOT NULL"
            ))?
            .query_map([], |row| Ok((row.get(0)?, Sealed(row.get(1)?))))?
            .collect::<db::Result<_>>()?;
        let mut update = tx.conn.prepare(&format!(
            "UPDATE {table} SET secret = ?2 WHERE CAST({key} AS TEXT) = ?1"
        ))?;
        for (row, old) in sealed {
            let new = with(table, "secret", &row, &old).map_err(StoreError::Failed)?;
            rows += update.execute(params![row, new.0])? as u64;
        }
    }
    audit::note(tx, now, by, "master_key.rotate", &format!("{rows} secrets"))?;
    Ok(rows)
}
