//! Linked audiences: the devices that a source names, read when a campaign begins, into a list that nobody else knows.
//!
//! Reading is I/O of unknown length, so it is no step of the fan-out. A step begins it and looks again a moment later;
//! what was read becomes the campaign's audience in the step that finds it done. After a crash nobody reads, and the
//! next step begins anew; a list that no campaign took goes by itself.

use crate::hub::Hub;
use crate::list::{look_up, store};
use carillon_model::id::{AppNo, DeviceNo, ListNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::list::{DeviceSet, UploadCounts};
use carillon_model::nearest::did_you_mean;
use carillon_model::problem::FieldProblem;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::TokenKind;
use carillon_ports::list::DeviceNames;
use carillon_ports::source::{NamedBy, Names, SourceError, SourceInfo};
use carillon_ports::store::StoreError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long after a step that finds a source being read the next one looks, in milliseconds.
pub(crate) const LOOK_AGAIN_MS: i64 = 500;
/// Nobody asked for so long: the campaign was paused, cancelled, or is over.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// Names that are looked up at once.
const GROUP: usize = 1_000;
/// Rows that a rehearsal reads.
const SAMPLE_ROWS: u64 = 1_000;

/// What was read.
#[derive(Debug)]
pub(crate) struct Linked {
    /// Where the devices are.
    pub(crate) list: ListNo,
    /// How many they are.
    pub(crate) devices: u64,
    /// What became of the rows.
    pub(crate) rows: UploadCounts,
}

/// The sources that are being read, by whose audience they are.
#[derive(Debug, Default)]
pub(crate) struct Readings(Mutex<HashMap<NotificationNo, Reading>>);

#[derive(Debug)]
struct Reading {
    task: JoinHandle<Result<Linked, SourceError>>,
    asked_at: Instant,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a campaign's source has come to; begins to read it where nobody does. `None`: it is being read, or waits for a
/// place.
pub(crate) async fn ask(
    hub: &Arc<Hub>,
    app: AppNo,
    no: NotificationNo,
    name: &str,
) -> Option<Result<Linked, SourceError>> {
    let done = {
        let now = Instant::now();
        let mut readings = hub.readings.0.lock();
        readings.retain(|_, reading| now - reading.asked_at < FORGOTTEN);
        match readings.get_mut(&no) {
            Some(reading) if !reading.task.is_finished() => {
                reading.asked_at = now;
                return None;
            }
            Some(_) => readings.remove(&no)?,
            None => {
                if readings.len() < hub.parts.config.source_readings as usize {
                    let task = read(hub.clone(), app, name.to_owned());
                    let task = hub.runtime.spawn(task);
                    let asked_at = now;
                    readings.insert(no, Reading { task, asked_at });
                }
                return None;
            }
        }
    };
    let mut done = done;
    Some((&mut done.task).await.unwrap_or_else(|error| {
        Err(SourceError {
            message: format!("reading the source {name:?} broke off: {error}"),
            is_temporary: true,
        })
    }))
}

/// What is wrong with a source as the audience of a notification that is accepted now.
pub(crate) fn problem(
    hub: &Hub,
    app: AppNo,
    name: &str,
    is_campaign: bool,
) -> Option<FieldProblem> {
    let problem = |code, message| Some(FieldProblem::new("/target/source", code, message));
    if !is_campaign {
        let message = "expected a campaign: a source is read when one begins. Upload a list to send a notification to";
        return problem("target.source_campaign", message.to_owned());
    }
    match find(hub, app, name) {
        Ok(_) => None,
        Err(message) => problem("target.unknown_source", message),
    }
}

/// Some devices that a source names, and what became of the rows that were read for them.
pub(crate) async fn sample(
    hub: &Hub,
    app: AppNo,
    name: &str,
) -> Result<(Vec<DeviceNo>, UploadCounts), SourceError> {
    let tally = gather(hub, app, name, SAMPLE_ROWS).await?;
    Ok((tally.devices.iter().collect(), tally.rows))
}

/// The source, and the id of the App that asks. The error is a sentence.
fn find(hub: &Hub, app: AppNo, name: &str) -> Result<(String, SourceInfo), String> {
    let directory = hub.directory.load();
    let id = directory.app_by_no(app).map(|app| app.id.clone());
    let id = id.ok_or_else(|| "the App is gone".to_owned())?;
    let sources = hub.parts.sources.of_app(&id);
    if let Some(source) = sources.iter().find(|source| source.name == name) {
        return Ok((id, source.clone()));
    }
    let hint = did_you_mean(name, sources.iter().map(|source| source.name.as_str()));
    Err(format!(
        "expected the name of a source that the server's configuration gives this App, found {name:?}{hint}"
    ))
}

/// The whole of it, into a list.
async fn read(hub: Arc<Hub>, app: AppNo, name: String) -> Result<Linked, SourceError> {
    let Tally { devices, rows, .. } = gather(&hub, app, &name, u64::MAX).await?;
    if devices.count() == 0 && rows.rows() > 0 {
        let rows = rows.rows();
        return Err(refused(format!(
            "none of the {rows} rows of the source {name:?} names a device of this App: see that its query gives the right column"
        )));
    }
    let list = store(&hub, app, &devices).await.map_err(unstored)?;
    let list = list.ok_or_else(|| refused("the App was deleted meanwhile".to_owned()))?;
    Ok(Linked {
        list,
        devices: devices.count(),
        rows,
    })
}

/// What the rows came to so far.
struct Tally {
    by: NamedBy,
    devices: DeviceSet,
    rows: UploadCounts,
}

async fn gather(hub: &Hub, app: AppNo, name: &str, most: u64) -> Result<Tally, SourceError> {
    let (id, source) = find(hub, app, name).map_err(refused)?;
    let mut rows = hub.parts.sources.read(&id, name).await?;
    let mut tally = Tally {
        by: source.by,
        devices: DeviceSet::default(),
        rows: UploadCounts::default(),
    };
    while tally.rows.rows() < most {
        if hub.is_stopping() {
            return Err(SourceError {
                message: "the server stops".to_owned(),
                is_temporary: true,
            });
        }
        let Some(page) = rows.next().await? else {
            break;
        };
        for group in page.chunks(GROUP) {
            tally.add(hub, app, group.to_vec()).await?;
        }
        let bound = hub.parts.config.list_devices;
        if tally.devices.count() > bound.into() {
            return Err(refused(format!(
                "the source {name:?} names more than {bound} devices (engine.list_devices)"
            )));
        }
    }
    Ok(tally)
}

impl Tally {
    /// Looks up the names of some rows, and counts them.
    async fn add(&mut self, hub: &Hub, app: AppNo, names: Names) -> Result<(), SourceError> {
        let count = names.len() as u64;
        let names = names.into_iter().flatten();
        let names = match self.by {
            NamedBy::Device => DeviceNames::Devices(names.collect()),
            NamedBy::User => DeviceNames::Users(names.collect()),
            NamedBy::PushToken(kind) => {
                let read = |text: String| push_token(hub, kind, text.trim());
                DeviceNames::PushTokens(kind, names.filter_map(read).collect())
            }
        };
        let named = look_up(hub, app, names).await.map_err(unstored)?;
        self.rows.bad += count - named.len() as u64;
        for devices in named {
            let mut is_new = false;
            for device in &devices {
                is_new |= self.devices.add(*device);
            }
            match (devices.is_empty(), is_new) {
                (true, _) => self.rows.unknown += 1,
                (false, true) => self.rows.taken += 1,
                (false, false) => self.rows.doubled += 1,
            }
        }
        Ok(())
    }
}

/// `None`: it is none.
fn push_token(hub: &Hub, kind: TokenKind, text: &str) -> Option<PushTokenBytes> {
    match kind.gateway() {
        Gateway::Apns => PushTokenBytes::from_hex(text).ok(),
        which => {
            let gateway = hub.parts.gateways.get(which)?;
            gateway.read_push_token(text).ok()
        }
    }
}

fn refused(message: String) -> SourceError {
    SourceError {
        message,
        is_temporary: false,
    }
}

fn unstored(error: StoreError) -> SourceError {
    SourceError {
        message: format!("what a source names could not be looked up or stored: {error}"),
        is_temporary: true,
    }
}
