//! Registering devices: which device a registration is about, what it replaces, and which of a user's
//! devices have to go for it.

use super::devices::{delete_device_row, number};
use crate::db::{self, Connection, OptionalExtension, params};
use crate::error::{Done, corrupt};
use crate::hot::{add_event, device_id, registered_at, registered_at_column};
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::own_device::{OwnRegistered, OwnRegistration, is_own};
use carillon_ports::registry::Registered;
use carillon_ports::store::{NewEvent, StoreError};

pub(super) fn register(
    tx: &mut Tx<'_>,
    app: AppNo,
    devices: &[DeviceRegistration],
    now: UnixMs,
) -> Done<Vec<Registered>> {
    let most = most_devices(tx.conn, app)?;
    devices
        .iter()
        .map(|device| {
            let known = match &device.id {
                Some(id) => number(tx.conn, app, id)?,
                None => meant(tx.conn, app, device)?,
            };
            store(tx, app, known, device, None, now).and_then(|registered| {
                evict(tx, app, device, &registered, most, now)?;
                Ok(registered)
            })
        })
        .collect()
}

/// `None`: the device of this id is not the one that asks.
pub(super) fn register_own(
    tx: &mut Tx<'_>,
    app: AppNo,
    own: &OwnRegistration,
    now: UnixMs,
) -> Done<Option<OwnRegistered>> {
    let mut device = own.device.clone();
    let is_mine = |conn: &Connection, no: DeviceNo| -> Done<bool> {
        let stored: (Option<[u8; 32]>, Option<String>) = conn
            .prepare_cached("SELECT secret_hash, user_id FROM devices WHERE device_no = ?1")?
            .query_row([no.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let stored = (stored.0, stored.1.as_deref());
        Ok(is_own(stored, own.shown, own.device.user_id.as_deref()))
    };
    let mut replaces = Vec::new();
    for old in std::mem::take(&mut device.replaces) {
        if let Some(no) = owner(tx.conn, app, old.kind, &old.bytes)?
            && is_mine(tx.conn, no)?
        {
            replaces.push(old);
        }
    }
    device.replaces = replaces;
    let known = match &device.id {
        Some(id) => match number(tx.conn, app, id)? {
            Some(no) if !is_mine(tx.conn, no)? => return Ok(None),
            known => known,
        },
        None => match meant(tx.conn, app, &device)? {
            Some(no) if is_mine(tx.conn, no)? => Some(no),
            _ => None,
        },
    };
    let secret = own.shown.unwrap_or(own.fresh);
    let registered = store(tx, app, known, &device, Some(secret), now)?;
    let most = most_devices(tx.conn, app)?;
    evict(tx, app, &device, &registered, most, now)?;
    Ok(Some(OwnRegistered {
        registered,
        is_fresh: own.shown.is_none(),
    }))
}

/// Writes it. With `own`, the hash of the secret of a device that registers itself, tags and attributes
/// of a known device stay.
fn store(
    tx: &mut Tx<'_>,
    app: AppNo,
    known: Option<DeviceNo>,
    device: &DeviceRegistration,
    own: Option<[u8; 32]>,
    now: UnixMs,
) -> Done<Registered> {
    let (tags, topics) = (json_list(&device.tags)?, json_list(&device.topics)?);
    let capabilities = json_list(&device.capabilities)?;
    let no = match known {
        Some(no) => no,
        None => DeviceNo(tx.marks.device.take(tx.conn)?),
    };
    // An id that we made is not kept as text: it is told from number and time.
    tx.conn
        .prepare_cached(
            "INSERT INTO devices (device_no, app_no, generation, created_at, last_seen_at, id, user_id, locale,
                time_zone, app_version, tags, platform, topics, attributes, secret_hash, capabilities)
             VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (device_no) DO UPDATE SET generation = devices.generation + 1, last_seen_at = excluded.last_seen_at,
                user_id = excluded.user_id, locale = excluded.locale, time_zone = excluded.time_zone,
                app_version = excluded.app_version, platform = excluded.platform, topics = excluded.topics,
                tags = CASE WHEN ?13 IS NULL THEN excluded.tags ELSE devices.tags END,
                attributes = CASE WHEN ?13 IS NULL THEN excluded.attributes ELSE devices.attributes END,
                capabilities = excluded.capabilities, secret_hash = coalesce(?13, devices.secret_hash)",
        )?
        .run(
            params![
                no.0,
                app.0,
                now,
                device.id,
                device.user_id,
                device.locale,
                device.time_zone,
                device.app_version,
                tags,
                device.platform,
                topics,
                device.attributes,
                own,
                capabilities
            ],
        )?;
    let (generation, created_at, id): (u32, UnixMs, Option<String>) = tx
        .conn
        .prepare_cached("SELECT generation, created_at, id FROM devices WHERE device_no = ?1")?
        .query_row([no.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    subscribe(tx, app, no, known.is_some(), &device.topics)?;
    for old in &device.replaces {
        tx.conn
            .prepare_cached(
                "DELETE FROM push_tokens WHERE app_no = ?1 AND kind = ?2 AND address = ?3",
            )?
            .run(params![app.0, old.kind.code(), &old.bytes.0[..]])?;
    }
    for push_token in &device.push_tokens {
        register_push_token(tx, app, no, generation, push_token, now)?;
    }
    Ok(Registered {
        no,
        id: device_id(id, no, created_at),
        created: known.is_none(),
    })
}

/// What the App allows a user; 0: any number.
fn most_devices(conn: &Connection, app: AppNo) -> Done<u32> {
    let settings: Option<String> = conn
        .prepare_cached("SELECT settings FROM apps WHERE app_no = ?1")?
        .query_row([app.0], |row| row.get(0))
        .optional()?;
    let Some(settings) = settings else {
        return Ok(0);
    };
    let settings: AppSettings =
        serde_json::from_str(&settings).map_err(|error| corrupt("apps", "settings", app, error))?;
    Ok(settings.max_devices_per_user)
}

/// Deletes what the user has beyond the App's limit, those first that were not seen for longest.
fn evict(
    tx: &mut Tx<'_>,
    app: AppNo,
    device: &DeviceRegistration,
    newest: &Registered,
    most: u32,
    now: UnixMs,
) -> Done<()> {
    let Some(user) = device.user_id.as_deref().filter(|_| most > 0) else {
        return Ok(());
    };
    // Nearly always there is room, and the index alone tells it.
    let there: u32 = tx
        .conn
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM devices INDEXED BY devices_user
                WHERE app_no = ?1 AND user_id = ?2 LIMIT ?3) d",
        )?
        .query_row(params![app.0, user, i64::from(most) + 1], |row| row.get(0))?;
    if there <= most {
        return Ok(());
    }
    let surplus: Vec<(i64, Option<String>, UnixMs, UnixMs)> = tx
        .conn
        .prepare_cached(
            "SELECT device_no, id, created_at, last_seen_at FROM devices INDEXED BY devices_user
             WHERE app_no = ?1 AND user_id = ?2 AND device_no <> ?3
             ORDER BY last_seen_at DESC, device_no DESC LIMIT -1 OFFSET ?4",
        )?
        .query_map(params![app.0, user, newest.no.0, most - 1], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<db::Result<_>>()?;
    for (no, id, created_at, last_seen_at) in surplus.into_iter().rev() {
        let id = device_id(id, DeviceNo(no), created_at);
        let event = NewEvent::device_evicted(app, &id, &newest.id, last_seen_at);
        delete_device_row(tx.conn, no)?;
        add_event(tx, &event, now)?;
    }
    Ok(())
}

/// A list as it is stored: `None` when it is empty.
fn json_list(entries: &[String]) -> Done<Option<String>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(entries)
        .map_err(|error| StoreError::Failed(format!("cannot write a list: {error}")))?;
    Ok(Some(json))
}

/// The device's subscriptions become these.
fn subscribe(
    tx: &Tx<'_>,
    app: AppNo,
    device: DeviceNo,
    is_known: bool,
    topics: &[String],
) -> Done<()> {
    if is_known {
        tx.conn
            .prepare_cached("DELETE FROM topic_devices WHERE device_no = ?1")?
            .run([device.0])?;
    }
    for topic in topics {
        tx.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO topic_devices (app_no, topic, device_no) VALUES (?1, ?2, ?3)",
            )?
            .run(params![app.0, topic, device.0])?;
    }
    Ok(())
}

fn register_push_token(
    tx: &Tx<'_>,
    app: AppNo,
    device: DeviceNo,
    generation: u32,
    push_token: &PushTokenRegistration,
    now: UnixMs,
) -> Done<()> {
    let kind = push_token.kind.code();
    let known: Option<Known> = tx
        .conn
        .prepare_cached(
            "SELECT device_no, environment, registered_at, retired_at, retired_reason FROM push_tokens
             WHERE app_no = ?1 AND kind = ?2 AND address = ?3",
        )?
        .query_row(params![app.0, kind, &push_token.bytes.0[..]], |row| {
            Ok(Known {
                device: row.get(0)?,
                environment: row.get(1)?,
                registered_at: registered_at(row.get(2)?),
                retired: match row.get(3)? {
                    Some(at) => Some((at, row.get(4)?)),
                    None => None,
                },
            })
        })
        .optional()?;
    let environment = match (push_token.environment, &known) {
        (TokenEnvironment::Auto, Some(known)) => known.environment,
        (declared, _) => declared.code(),
    };
    let said = push_token.registered_at;
    let at = said.after(known.as_ref().and_then(|known| known.registered_at), now);
    if let Some(other) = known
        .as_ref()
        .map(|known| known.device)
        .filter(|it| *it != device.0)
    {
        tx.conn
            .prepare_cached("DELETE FROM push_tokens WHERE device_no = ?1 AND kind = ?2")?
            .run(params![other, kind])?;
    }
    let retired = known.and_then(|known| known.retired);
    let retired = retired.filter(|(at, _)| !said.revives(*at));
    tx.conn
        .prepare_cached(
            "INSERT INTO push_tokens (device_no, kind, app_no, environment, generation, registered_at, address,
                retired_at, retired_reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (device_no, kind) DO UPDATE SET environment = excluded.environment,
                generation = excluded.generation, registered_at = excluded.registered_at, address = excluded.address,
                retired_at = excluded.retired_at, retired_reason = excluded.retired_reason",
        )?
        .run(params![
            device.0,
            kind,
            app.0,
            environment,
            generation,
            registered_at_column(at),
            &push_token.bytes.0[..],
            retired.as_ref().map(|(at, _)| *at),
            retired.and_then(|(_, reason)| reason),
        ])?;
    Ok(())
}

/// What is known of an address before it is registered again.
struct Known {
    device: i64,
    environment: u8,
    registered_at: Option<UnixMs>,
    /// Since when it is dead, and why.
    retired: Option<(UnixMs, Option<String>)>,
}

/// The device that has an address.
fn owner(
    conn: &Connection,
    app: AppNo,
    kind: TokenKind,
    bytes: &PushTokenBytes,
) -> Done<Option<DeviceNo>> {
    Ok(conn
        .prepare_cached(
            "SELECT device_no FROM push_tokens WHERE app_no = ?1 AND kind = ?2 AND address = ?3",
        )?
        .query_row(params![app.0, kind.code(), &bytes.0[..]], |row| {
            row.get(0).map(DeviceNo)
        })
        .optional()?)
}

/// The device that a registration without an id is about.
fn meant(conn: &Connection, app: AppNo, device: &DeviceRegistration) -> Done<Option<DeviceNo>> {
    for old in &device.replaces {
        if let Some(no) = owner(conn, app, old.kind, &old.bytes)? {
            return Ok(Some(no));
        }
    }
    let mut has_no_id =
        conn.prepare_cached("SELECT 1 FROM devices WHERE device_no = ?1 AND id IS NULL")?;
    for push_token in &device.push_tokens {
        if let Some(no) = owner(conn, app, push_token.kind, &push_token.bytes)?
            && (!device.replaces.is_empty() || has_no_id.exists([no.0])?)
        {
            return Ok(Some(no));
        }
    }
    Ok(None)
}
