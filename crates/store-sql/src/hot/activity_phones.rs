//! What is kept of phones for all Live Activities that they show: by what they are started, and how many pushes at once they got.

use crate::db::{Connection, OptionalExtension, ToSql, params};
use crate::error::Done;
use crate::writer::Tx;
use carillon_model::UnixMs;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_type::TokenKind;
use carillon_ports::live_activity::{MINUTE_MS, Startable, URGENT_MINUTES};

/// How many pushes at once each phone got within the hour: those that got some.
pub(super) fn urgent_pushes(
    conn: &Connection,
    phones: &[DeviceNo],
    now: UnixMs,
) -> Done<Vec<(DeviceNo, u32)>> {
    let last = now.div_euclid(MINUTE_MS);
    let first = last - URGENT_MINUTES + 1;
    let mut statement = conn.prepare_cached(
        "SELECT pushes FROM live_activity_urgent WHERE device_no = ?1 AND minute BETWEEN ?2 AND ?3",
    )?;
    statement.ahead(phones.iter().map(|phone| [phone.0, first, last]))?;
    let mut all = Vec::new();
    for phone in phones {
        let mut found = statement.query([phone.0, first, last])?;
        let mut count = 0;
        while let Some(row) = found.next()? {
            count += row.get::<_, u32>(0)?;
        }
        if count > 0 {
            all.push((*phone, count));
        }
    }
    Ok(all)
}

/// Those of these devices that can start activities of a type, ascending.
pub(super) fn startable(
    conn: &Connection,
    devices: &[DeviceNo],
    attributes_type: &str,
) -> Done<Vec<Startable>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.push_token_of, t.kind IS NOT NULL FROM push_to_start s
         LEFT JOIN push_tokens t ON t.device_no = s.push_token_of AND t.kind = ?3
         WHERE s.device_no = ?1 AND s.attributes_type = ?2",
    )?;
    let through_fcm = TokenKind::FcmLiveActivityStart.code();
    let ahead = devices
        .iter()
        .map(|device| [&device.0 as &dyn ToSql, &attributes_type, &through_fcm]);
    let ahead: Vec<_> = ahead.collect();
    statement.ahead(ahead.iter().map(|values| &values[..]))?;
    let mut all = Vec::new();
    for device in devices {
        let found: Option<(i64, bool)> = statement
            .query_row(params![device.0, attributes_type, through_fcm], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        all.extend(found.map(|(no, is_through_fcm)| Startable {
            device: *device,
            push_token_of: DeviceNo(no),
            is_through_fcm,
        }));
    }
    all.sort_unstable();
    Ok(all)
}

/// By what a device starts activities of a type; `None`: by nothing any more.
pub(super) fn set_startable(
    tx: &Tx<'_>,
    app: AppNo,
    device: DeviceNo,
    attributes_type: &str,
    push_token_of: Option<DeviceNo>,
    now: UnixMs,
) -> Done<()> {
    if let Some(of) = push_token_of {
        // A token is of one app on one phone: whoever told it before was the same, under another id.
        tx.conn
            .prepare_cached(
                "DELETE FROM push_to_start
                 WHERE push_token_of = ?1 AND device_no <> ?2 AND attributes_type = ?3",
            )?
            .run(params![of.0, device.0, attributes_type])?;
    }
    let Some(of) = push_token_of else {
        tx.conn
            .prepare_cached(
                "DELETE FROM push_to_start WHERE device_no = ?1 AND attributes_type = ?2",
            )?
            .run(params![device.0, attributes_type])?;
        return Ok(());
    };
    tx.conn
        .prepare_cached(
            "INSERT INTO push_to_start (device_no, attributes_type, app_no, push_token_of, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (device_no, attributes_type) DO UPDATE SET
                push_token_of = excluded.push_token_of, updated_at = excluded.updated_at",
        )?
        .run(params![device.0, attributes_type, app.0, of.0, now])?;
    Ok(())
}

/// A push-to-start token is dead: what it started is started by the next one that is told.
pub(super) fn forget_start_token(conn: &Connection, push_token_of: DeviceNo) -> Done<()> {
    conn.prepare_cached("DELETE FROM push_to_start WHERE push_token_of = ?1")?
        .run([push_token_of.0])?;
    Ok(())
}
