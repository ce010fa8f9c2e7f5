//! Lists: the devices that an upload names, their chunks, and which list a name means.

use super::fanout::audience;
use super::resolve::recipients;
use super::rows::parse_device_id;
use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::{Done, corrupt};
use crate::queue::Class;
use crate::registry::{definition_no, put_definition};
use crate::store::SqlStore;
use crate::writer::Tx;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, DefinitionNo, DeviceNo, ListNo};
use carillon_model::list::ListDefinition;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{Reach, TokenKind};
use carillon_ports::list::{DeviceNames, ListPut, ListStore};
use carillon_ports::registry::Actor;
use carillon_ports::segment::SegmentPage;
use carillon_ports::store::Result;

#[async_trait]
impl ListStore for SqlStore {
    async fn devices_named(
        &self,
        app: AppNo,
        names: DeviceNames,
        most: u32,
    ) -> Result<Vec<Vec<DeviceNo>>> {
        self.read(move |conn| match &names {
            DeviceNames::Devices(ids) => by_id(conn, app, ids),
            DeviceNames::Users(users) => by_user(conn, app, users, most),
            DeviceNames::PushTokens(kind, tokens) => by_push_token(conn, app, *kind, tokens),
        })
        .await
    }

    async fn begin_list(&self, app: AppNo, now: UnixMs) -> Result<ListNo> {
        self.write(Class::Fanout, 1, move |tx| begin(tx, app, now))
            .await
    }

    async fn extend_list(
        &self,
        list: ListNo,
        chunks: Vec<BatchDevices>,
        now: UnixMs,
    ) -> Result<bool> {
        self.write(Class::Fanout, chunks.len(), move |tx| {
            extend(tx, list, &chunks, now)
        })
        .await
    }

    async fn name_list(
        &self,
        app: AppNo,
        name: String,
        definition: ListDefinition,
        most: u32,
        now: UnixMs,
        by: Actor,
    ) -> Result<ListPut> {
        self.write(Class::Fanout, 1, move |tx| {
            name_list(tx, app, &name, &definition, most, now, &by)
        })
        .await
    }

    async fn list_devices(
        &self,
        app: AppNo,
        list: ListNo,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
        scan: u32,
    ) -> Result<SegmentPage> {
        self.read(move |conn| page(conn, app, list, reach, after, limit, scan))
            .await
    }
}

fn by_id(conn: &Connection, app: AppNo, ids: &[String]) -> Done<Vec<Vec<DeviceNo>>> {
    let mut by_id =
        conn.prepare_cached("SELECT device_no FROM devices WHERE app_no = ?1 AND id = ?2")?;
    let mut by_number = conn.prepare_cached(
        "SELECT device_no FROM devices WHERE device_no = ?2 AND app_no = ?1 AND created_at = ?3 AND id IS NULL",
    )?;
    let mut named = Vec::with_capacity(ids.len());
    for id in ids {
        let mut found = by_id
            .query_row(params![app.0, id], |row| row.get(0).map(DeviceNo))
            .optional()?;
        if let (None, Some((no, at))) = (found, parse_device_id(id)) {
            found = by_number
                .query_row(params![app.0, no.0, at], |row| row.get(0).map(DeviceNo))
                .optional()?;
        }
        named.push(found.into_iter().collect());
    }
    Ok(named)
}

fn by_user(conn: &Connection, app: AppNo, users: &[String], most: u32) -> Done<Vec<Vec<DeviceNo>>> {
    let mut statement = conn.prepare_cached(
        "SELECT device_no FROM devices WHERE app_no = ?1 AND user_id = ?2 ORDER BY device_no LIMIT ?3",
    )?;
    let mut named = Vec::with_capacity(users.len());
    for user in users {
        let found =
            statement.query_map(params![app.0, user, most], |row| row.get(0).map(DeviceNo))?;
        named.push(found.collect::<db::Result<_>>()?);
    }
    Ok(named)
}

fn by_push_token(
    conn: &Connection,
    app: AppNo,
    kind: TokenKind,
    tokens: &[PushTokenBytes],
) -> Done<Vec<Vec<DeviceNo>>> {
    let mut statement = conn.prepare_cached(
        "SELECT device_no FROM push_tokens WHERE app_no = ?1 AND kind = ?2 AND address = ?3",
    )?;
    let mut named = Vec::with_capacity(tokens.len());
    for bytes in tokens {
        let found = statement
            .query_row(params![app.0, kind.code(), &bytes.0[..]], |row| {
                row.get(0).map(DeviceNo)
            })
            .optional()?;
        named.push(found.into_iter().collect());
    }
    Ok(named)
}

fn begin(tx: &mut Tx<'_>, app: AppNo, now: UnixMs) -> Done<ListNo> {
    let list = ListNo(tx.marks.list.take(tx.conn)?);
    tx.conn
        .prepare_cached("INSERT INTO lists (list_no, app_no, since) VALUES (?1, ?2, ?3)")?
        .run(params![list.0, app.0, now])?;
    Ok(list)
}

fn extend(tx: &Tx<'_>, list: ListNo, chunks: &[BatchDevices], now: UnixMs) -> Done<bool> {
    let is_open = tx
        .conn
        .prepare_cached("UPDATE lists SET since = ?2 WHERE list_no = ?1 AND definition_no IS NULL")?
        .execute(params![list.0, now])?;
    if is_open == 0 {
        return Ok(false);
    }
    let mut insert = tx.conn.prepare_cached(
        "INSERT INTO list_chunks (list_no, last_device, devices) VALUES (?1, ?2, ?3)",
    )?;
    for chunk in chunks {
        let last = chunk.as_slice().last().map_or(0, |last| last.0);
        insert.run(params![list.0, last, chunk.encode()])?;
    }
    Ok(true)
}

fn name_list(
    tx: &mut Tx<'_>,
    app: AppNo,
    name: &str,
    definition: &ListDefinition,
    most: u32,
    now: UnixMs,
    by: &Actor,
) -> Done<ListPut> {
    let is_open = tx
        .conn
        .prepare_cached(
            "SELECT 1 FROM lists l JOIN apps a ON a.app_no = l.app_no
             WHERE l.list_no = ?1 AND l.app_no = ?2 AND l.definition_no IS NULL",
        )?
        .exists(params![definition.list.0, app.0])?;
    if !is_open {
        return Ok(ListPut::Gone);
    }
    let kind = DefinitionKind::List;
    let others: u32 = tx
        .conn
        .prepare_cached(
            "SELECT count(*) FROM definitions WHERE app_no = ?1 AND kind = ?2 AND name <> ?3",
        )?
        .query_row(params![app.0, kind.code(), name], |row| row.get(0))?;
    if others >= most {
        return Ok(ListPut::TooMany);
    }
    let no = definition_no(tx, app, kind, name)?;
    let stored = Definition {
        no,
        app,
        kind,
        name: name.to_owned(),
        version: 1,
        body: definition.body(),
        created_at: now,
        updated_at: now,
    };
    // What had this name loses it there.
    let stored = put_definition(tx, stored, None, by)?;
    tx.conn
        .prepare_cached("UPDATE lists SET definition_no = ?2 WHERE list_no = ?1")?
        .run(params![definition.list.0, no.0])?;
    Ok(ListPut::Stored(stored))
}

/// The list of this name has it no more.
pub(crate) fn unname(tx: &Tx<'_>, of: DefinitionNo, now: UnixMs) -> Done<()> {
    tx.conn
        .prepare_cached(
            "UPDATE lists SET definition_no = NULL, since = ?2 WHERE definition_no = ?1",
        )?
        .run(params![of.0, now])?;
    Ok(())
}

/// No list of an App has a name any more.
pub(crate) fn unname_app(tx: &Tx<'_>, app: AppNo, now: UnixMs) -> Done<()> {
    tx.conn
        .prepare_cached(
            "UPDATE lists SET definition_no = NULL, since = ?2 WHERE app_no = ?1 AND definition_no IS NOT NULL",
        )?
        .run(params![app.0, now])?;
    Ok(())
}

fn page(
    conn: &Connection,
    app: AppNo,
    list: ListNo,
    reach: Reach,
    after: DeviceNo,
    limit: u32,
    scan: u32,
) -> Done<SegmentPage> {
    let mut page = SegmentPage {
        recipients: Vec::new(),
        looked_to: after,
        finished: true,
    };
    let mut chunks = conn.prepare_cached(
        "SELECT last_device, devices FROM list_chunks WHERE list_no = ?1 AND last_device > ?2
         ORDER BY last_device LIMIT 1",
    )?;
    // A device that is gone or another App's has no row here, and is passed over.
    let mut one = conn.prepare_cached(
        "SELECT device_no, kind, environment, 0 FROM push_tokens
         WHERE device_no = ?1 AND app_no = ?2 AND retired_at IS NULL AND (?3 >> kind) & 1",
    )?;
    let (mut looked_at, mut last) = (0, after.0);
    // One after the other: a server would send all that come after as well.
    while let Some((chunk_ends, devices)) = chunks
        .query_row(params![list.0, last], |row| {
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?
    {
        last = chunk_ends;
        let chunk = BatchDevices::decode(&devices)
            .map_err(|error| corrupt("list_chunks", "devices", list, error))?;
        let wanted = || chunk.as_slice().iter().filter(|no| **no > after);
        let ahead = wanted().take((scan - looked_at) as usize);
        one.ahead(ahead.map(|no| [no.0, app.0, i64::from(reach.bits())]))?;
        for device in wanted() {
            if looked_at >= scan || page.recipients.len() >= limit as usize {
                page.finished = false;
                return Ok(page);
            }
            looked_at += 1;
            page.looked_to = *device;
            let rows = one.query(params![device.0, app.0, reach.bits()])?;
            page.recipients.extend(recipients(rows, reach)?);
        }
    }
    Ok(page)
}

/// Deletes some of what has had no name since before then, and is not read by a fan-out.
pub(super) fn prune(tx: &Tx<'_>, before: UnixMs, slice: u32) -> Done<u64> {
    let unnamed: Vec<i64> = tx
        .conn
        .prepare_cached(
            "SELECT list_no FROM lists WHERE definition_no IS NULL AND since < ?1 ORDER BY list_no",
        )?
        .query_map(params![before], |row| row.get(0))?
        .collect::<db::Result<_>>()?;
    if unnamed.is_empty() {
        return Ok(0);
    }
    let read = being_read(tx.conn)?;
    let free = unnamed.into_iter().find(|no| !read.contains(&ListNo(*no)));
    let Some(list) = free else {
        return Ok(0);
    };
    let up_to: Option<i64> = tx
        .conn
        .prepare_cached(
            "SELECT last_device FROM list_chunks WHERE list_no = ?1 ORDER BY last_device LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![list, slice.saturating_sub(1)], |row| row.get(0))
        .optional()?;
    let chunks = tx
        .conn
        .prepare_cached("DELETE FROM list_chunks WHERE list_no = ?1 AND last_device <= ?2")?
        .execute(params![list, up_to.unwrap_or(i64::MAX)])?;
    let list = match up_to {
        Some(_) => 0,
        None => tx
            .conn
            .prepare_cached("DELETE FROM lists WHERE list_no = ?1")?
            .execute([list])?,
    };
    Ok((chunks + list) as u64)
}

/// The lists that unfinished fan-outs go by. Asked only while there is a list without a name.
fn being_read(conn: &Connection) -> Done<Vec<ListNo>> {
    let mut statement = conn.prepare_cached("SELECT notification_no, target FROM fanouts")?;
    let mut found = statement.query([])?;
    let mut lists = Vec::new();
    while let Some(row) = found.next()? {
        let no: i64 = row.get(0)?;
        let target: String = row.get(1)?;
        let audience =
            audience(&target).map_err(|error| corrupt("fanouts", "target", no, error))?;
        lists.extend(audience.list.map(|list| list.no));
    }
    Ok(lists)
}
