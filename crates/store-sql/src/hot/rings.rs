//! How often devices were rung, and the devices of those who are to be paged.

use super::rows::{device_id, token_environment};
use crate::db::{Connection, OptionalExtension, Row, params};
use crate::error::{Done, corrupt};
use crate::writer::Tx;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::lane::{Gateway, Lane};
use carillon_model::monitor::{CALL_SCREEN, Rings};
use carillon_model::push_type::TokenKind;
use carillon_ports::watch::{PagePhone, RingChange, WatchStep};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

const RINGS: &str = "SELECT record FROM rings WHERE device_no = ?1";

/// The rings that the steps of one command change.
pub(super) struct Changing {
    /// As far as they are known, with the changes of the steps before.
    known: BTreeMap<DeviceNo, Rings>,
    changed: Vec<DeviceNo>,
}

impl Changing {
    pub(super) fn of(conn: &Connection, steps: &[WatchStep]) -> Done<Self> {
        let devices = steps.iter().flat_map(|step| &step.rings);
        ahead(conn, devices.map(|change| change.device))?;
        Ok(Self {
            known: BTreeMap::new(),
            changed: Vec::new(),
        })
    }

    /// Notes changes. `false`: those of a device are not as they were read, and none is noted.
    pub(super) fn change(&mut self, conn: &Connection, changes: &[RingChange]) -> Done<bool> {
        let mut changed: BTreeMap<DeviceNo, &Rings> = BTreeMap::new();
        for change in changes {
            let known = match changed.get(&change.device) {
                Some(rings) => *rings,
                None => self.known(conn, change.device)?,
            };
            if *known != change.was {
                return Ok(false);
            }
            changed.insert(change.device, &change.now);
        }
        for (device, rings) in changed {
            self.known.insert(device, rings.clone());
            self.changed.push(device);
        }
        Ok(true)
    }

    fn known(&mut self, conn: &Connection, device: DeviceNo) -> Done<&Rings> {
        Ok(match self.known.entry(device) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(stored(conn, device)?.unwrap_or_default()),
        })
    }

    pub(super) fn store(mut self, tx: &Tx<'_>) -> Done<()> {
        self.changed.sort_unstable();
        self.changed.dedup();
        for device in self.changed {
            if let Some(rings) = self.known.get(&device) {
                store(tx, device, rings)?;
            }
        }
        Ok(())
    }
}

fn ahead(conn: &Connection, devices: impl Iterator<Item = DeviceNo>) -> Done<()> {
    Ok(conn
        .prepare_cached(RINGS)?
        .ahead(devices.map(|no| [no.0]))?)
}

fn stored(conn: &Connection, device: DeviceNo) -> Done<Option<Rings>> {
    let record: Option<String> = conn
        .prepare_cached(RINGS)?
        .query_row([device.0], |row| row.get(0))
        .optional()?;
    record.map(|record| read(device, &record)).transpose()
}

fn read(device: DeviceNo, record: &str) -> Done<Rings> {
    serde_json::from_str(record).map_err(|error| corrupt("rings", "record", device, error).into())
}

fn store(tx: &Tx<'_>, device: DeviceNo, rings: &Rings) -> Done<()> {
    let record = serde_json::to_string(rings);
    let record = record.map_err(|error| corrupt("rings", "record", device, error))?;
    tx.conn
        .prepare_cached(
            "INSERT INTO rings (device_no, record) VALUES (?1, ?2)
             ON CONFLICT (device_no) DO UPDATE SET record = excluded.record",
        )?
        .run(params![device.0, record])?;
    Ok(())
}

/// Those of these devices whose rings change when they are heard of, with what they are then.
fn changes(conn: &Connection, devices: &[DeviceNo]) -> Done<Vec<(DeviceNo, Rings)>> {
    ahead(conn, devices.iter().copied())?;
    let mut all = Vec::new();
    for device in devices {
        let Some(was) = stored(conn, *device)? else {
            continue;
        };
        let mut now = was.clone();
        now.heard_of();
        if now != was {
            all.push((*device, now));
        }
    }
    Ok(all)
}

/// See [`changes`].
pub(super) fn answered(conn: &Connection, devices: &[DeviceNo]) -> Done<Vec<DeviceNo>> {
    let all = changes(conn, devices)?;
    Ok(all.into_iter().map(|(device, _)| device).collect())
}

/// These devices were heard of.
pub(super) fn answer(tx: &Tx<'_>, devices: &[DeviceNo]) -> Done<()> {
    for (device, rings) in changes(tx.conn, devices)? {
        store(tx, device, &rings)?;
    }
    Ok(())
}

/// The devices of these users: of each user those that were seen last, by device.
pub(super) fn phones(
    conn: &Connection,
    app: AppNo,
    users: &[String],
    most_each: u32,
) -> Done<Vec<PagePhone>> {
    let mut statement = conn.prepare_cached(
        "SELECT d.device_no, d.id, d.created_at, d.user_id, d.capabilities, r.record,
             (SELECT t.environment FROM push_tokens t
                WHERE t.device_no = d.device_no AND t.retired_at IS NULL AND t.kind = ?4),
             (SELECT t.environment FROM push_tokens t
                WHERE t.device_no = d.device_no AND t.retired_at IS NULL AND t.kind = ?5),
             (SELECT t.environment FROM push_tokens t
                WHERE t.device_no = d.device_no AND t.retired_at IS NULL AND t.kind = ?6),
             (SELECT t.environment FROM push_tokens t
                WHERE t.device_no = d.device_no AND t.retired_at IS NULL AND t.kind = ?7)
         FROM (SELECT device_no, id, created_at, user_id, capabilities FROM devices INDEXED BY devices_user
                WHERE app_no = ?1 AND user_id = ?2 ORDER BY last_seen_at DESC, device_no DESC LIMIT ?3) d
         LEFT JOIN rings r ON r.device_no = d.device_no
         ORDER BY d.device_no",
    )?;
    let voip = TokenKind::Voip.code();
    let [apns, fcm, webpush] = Gateway::ALL.map(|gateway| gateway.alert_kind().code());
    let mut all = Vec::new();
    for user in users {
        let mut found =
            statement.query(params![app.0, user, most_each, voip, apns, fcm, webpush])?;
        while let Some(row) = found.next()? {
            all.push(phone(app, row)?);
        }
    }
    Ok(all)
}

fn phone(app: AppNo, row: Row<'_>) -> Done<PagePhone> {
    let device = DeviceNo(row.get(0)?);
    let capabilities = capabilities(device, row.get(4)?)?;
    let record: Option<String> = row.get(5)?;
    let rings = record.map(|record| read(device, &record)).transpose()?;
    let lane = |column: usize, gateway: Gateway| -> Done<Option<Lane>> {
        let Some(code) = row.get(column)? else {
            return Ok(None);
        };
        Ok(Some(Lane {
            app,
            gateway,
            environment: token_environment(code, "push_tokens", device)?,
        }))
    };
    let mut alert_lanes = Vec::new();
    for (column, gateway) in (7..).zip(Gateway::ALL) {
        alert_lanes.extend(lane(column, gateway)?);
    }
    Ok(PagePhone {
        device,
        id: device_id(row.get(1)?, device, row.get(2)?),
        user: row.get(3)?,
        has_call_screen: capabilities.iter().any(|name| name == CALL_SCREEN),
        ring_lane: lane(6, Gateway::Apns)?,
        alert_lanes,
        rings: rings.unwrap_or_default(),
    })
}

/// What a device's app has declared, as it is stored.
pub(crate) fn capabilities(device: DeviceNo, json: Option<String>) -> Done<Vec<String>> {
    let read = json.map(|json| serde_json::from_str(&json)).transpose();
    let read = read.map_err(|error| corrupt("devices", "capabilities", device, error))?;
    Ok(read.unwrap_or_default())
}
