//! Definitions: named JSON bodies of an App, with their versions. Secrets come in and go out sealed.

use super::audit;
use super::credentials::subject;
use crate::db::{Connection, OptionalExtension, params};
use crate::error::{At, Done};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, DefinitionNo, WebhookNo};
use carillon_ports::registry::{Actor, NewSecret, Sealed};

pub(super) fn all(conn: &Connection) -> Done<Vec<(Definition, Option<Sealed>)>> {
    let mut statement = conn.prepare_cached(
        "SELECT definition_no, app_no, kind, name, version, created_at, updated_at, body, secret
         FROM definitions ORDER BY definition_no",
    )?;
    let mut found = statement.query([])?;
    let mut definitions = Vec::new();
    while let Some(row) = found.next()? {
        let no = DefinitionNo(row.get(0)?);
        let definition = Definition {
            no,
            app: AppNo(row.get(1)?),
            kind: DefinitionKind::from_code(row.get(2)?).at("definitions", "kind", no)?,
            name: row.get(3)?,
            version: row.get(4)?,
            created_at: row.get(5)?,
            updated_at: row.get(6)?,
            body: row.get(7)?,
        };
        definitions.push((definition, row.get::<_, Option<Vec<u8>>>(8)?.map(Sealed)));
    }
    Ok(definitions)
}

/// The number of a known name, else a new one.
pub(crate) fn number(
    tx: &mut Tx<'_>,
    app: AppNo,
    kind: DefinitionKind,
    name: &str,
) -> Done<DefinitionNo> {
    Ok(DefinitionNo(
        match current(tx.conn, &(app, kind, name.to_owned()))? {
            Some(no) => no,
            None => tx.marks.definition.take(tx.conn)?,
        },
    ))
}

fn current(
    conn: &Connection,
    (app, kind, name): &(AppNo, DefinitionKind, String),
) -> Done<Option<i64>> {
    Ok(conn
        .prepare_cached(
            "SELECT definition_no FROM definitions WHERE app_no = ?1 AND kind = ?2 AND name = ?3",
        )?
        .query_row(params![app.0, kind.code(), name], |row| row.get(0))
        .optional()?)
}

/// Stores it in the place of an older one of the same kind and name.
pub(crate) fn put(
    tx: &mut Tx<'_>,
    mut definition: Definition,
    secret: Option<&Sealed>,
    by: &Actor,
) -> Done<Definition> {
    let now = definition.updated_at;
    let key = (definition.app, definition.kind, definition.name.clone());
    if let Some(older) = take(tx, &key, now)? {
        definition.version = older.version.saturating_add(1);
        definition.created_at = older.created_at;
        // Two that made it at once each had a number of their own.
        if older.no != definition.no {
            close(tx, definition.kind, older.no, now)?;
        }
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO definitions (definition_no, app_no, kind, name, version, created_at, updated_at, body, secret)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .run(params![
            definition.no.0,
            definition.app.0,
            definition.kind.code(),
            definition.name,
            definition.version,
            definition.created_at,
            now,
            definition.body,
            secret.map(|sealed| &sealed.0)
        ])?;
    if definition.kind == DefinitionKind::Webhook {
        crate::webhook::open(tx, WebhookNo(definition.no.0), definition.app)?;
    }
    if definition.kind == DefinitionKind::Schedule {
        crate::hot::plan_schedule(tx, &definition)?;
    }
    tell(tx, &key, "put", now, by)?;
    Ok(definition)
}

pub(super) fn delete(
    tx: &mut Tx<'_>,
    app: AppNo,
    kind: DefinitionKind,
    name: &str,
    now: UnixMs,
    by: &Actor,
) -> Done<bool> {
    let key = (app, kind, name.to_owned());
    let Some(older) = take(tx, &key, now)? else {
        return Ok(false);
    };
    close(tx, kind, older.no, now)?;
    tell(tx, &key, "delete", now, by)?;
    Ok(true)
}

/// Stores another body, if it is as it was read.
pub(super) fn change(
    tx: &mut Tx<'_>,
    read: &Definition,
    body: &str,
    secret: &NewSecret,
    now: UnixMs,
    by: &Actor,
) -> Done<Option<Definition>> {
    let found: Option<Option<Vec<u8>>> = tx
        .conn
        .prepare_cached("SELECT secret FROM definitions WHERE definition_no = ?1 AND version = ?2")?
        .query_row(params![read.no.0, read.version], |row| row.get(0))
        .optional()?;
    let Some(former) = found else {
        return Ok(None);
    };
    let former = former.map(Sealed);
    let secret = match secret {
        NewSecret::Same => former.as_ref(),
        NewSecret::Is(secret) => secret.as_ref(),
    };
    let changed = Definition {
        body: body.to_owned(),
        updated_at: now,
        ..read.clone()
    };
    put(tx, changed, secret, by).map(Some)
}

/// Ends what hangs on the number of one that is gone.
fn close(tx: &mut Tx<'_>, kind: DefinitionKind, no: DefinitionNo, now: UnixMs) -> Done<()> {
    match kind {
        DefinitionKind::Webhook => crate::webhook::close(tx, WebhookNo(no.0)),
        DefinitionKind::Schedule => crate::hot::unplan_schedule(tx, no, now),
        DefinitionKind::Monitor => crate::hot::forget_watch(tx, no).map(drop),
        _ => Ok(()),
    }
}

/// One that another takes the place of.
struct Older {
    no: DefinitionNo,
    version: u32,
    created_at: UnixMs,
}

/// Takes the current one out, and keeps its version where the kind does.
fn take(
    tx: &Tx<'_>,
    (app, kind, name): &(AppNo, DefinitionKind, String),
    now: UnixMs,
) -> Done<Option<Older>> {
    let older: Option<(i64, u32, UnixMs, String)> = tx
        .conn
        .prepare_cached(
            "SELECT definition_no, version, created_at, body FROM definitions
             WHERE app_no = ?1 AND kind = ?2 AND name = ?3",
        )?
        .query_row(params![app.0, kind.code(), name], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((no, version, created_at, body)) = older else {
        return Ok(None);
    };
    tx.conn
        .prepare_cached("DELETE FROM definitions WHERE definition_no = ?1")?
        .run([no])?;
    if *kind == DefinitionKind::List {
        crate::hot::unname_list(tx, DefinitionNo(no), now)?;
    }
    if kind.keeps_versions() {
        tx.conn
            .prepare_cached(
                "INSERT INTO definition_versions (definition_no, version, replaced_at, body) VALUES (?1, ?2, ?3, ?4)",
            )?
            .run(params![no, version, now, body])?;
    }
    Ok(Some(Older {
        no: DefinitionNo(no),
        version,
        created_at,
    }))
}

fn tell(
    tx: &Tx<'_>,
    (app, kind, name): &(AppNo, DefinitionKind, String),
    what: &str,
    now: UnixMs,
    by: &Actor,
) -> Done<()> {
    let action = format!("{}.{what}", kind.as_str());
    audit::note(tx, now, by, &action, &subject(tx.conn, *app, name)?)
}

/// The body of a version, current or replaced.
pub(super) fn version(conn: &Connection, no: DefinitionNo, version: u32) -> Done<Option<String>> {
    Ok(conn
        .prepare_cached(
            "SELECT body FROM definitions WHERE definition_no = ?1 AND version = ?2
             UNION ALL SELECT body FROM definition_versions WHERE definition_no = ?1 AND version = ?2",
        )?
        .query_row(params![no.0, version], |row| row.get(0))
        .optional()?)
}
