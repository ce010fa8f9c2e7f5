//! Lists: what is frozen of one when a notification is accepted, and how an upload becomes one.

use crate::hub::Hub;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, DeviceNo, ListNo};
use carillon_model::list::{DeviceSet, FrozenList, ListDefinition, UploadCounts};
use carillon_model::nearest::did_you_mean;
use carillon_model::problem::FieldProblem;
use carillon_ports::list::{DeviceNames, ListPut};
use carillon_ports::registry::Actor;
use carillon_ports::store::StoreError;

/// Chunks that are written in one slice: about a millisecond of the writer's.
const SLICE: usize = 50;

/// An upload whose rows were all read.
#[derive(Clone, Debug)]
pub struct ListUpload {
    /// Whose.
    pub app: AppNo,
    /// The list's name.
    pub name: String,
    /// The devices that it names.
    pub devices: DeviceSet,
    /// What became of its rows.
    pub counts: UploadCounts,
}

/// A list as it is now, for a notification that is accepted now. The problem points to the target.
pub(crate) fn freeze(hub: &Hub, app: AppNo, name: &str) -> Result<FrozenList, FieldProblem> {
    let kind = DefinitionKind::List;
    let directory = hub.directory.load();
    let problem = |message| FieldProblem::new("/target/list", "target.unknown_list", message);
    let Some(stored) = directory.definition(app, kind, name) else {
        let known = directory.definitions(app, kind);
        let hint = did_you_mean(name, known.map(|(known, _)| &*known.name));
        return Err(problem(format!(
            "expected the name of a list of this App, found {name:?}{hint}"
        )));
    };
    match ListDefinition::read(&stored.body) {
        Some(definition) => Ok(FrozenList {
            version: stored.version,
            no: definition.list,
        }),
        None => Err(problem(format!(
            "this server cannot read the list {name:?}: a newer one wrote it"
        ))),
    }
}

/// The devices that names mean, in order; of a user as many as a notification to him would go to.
pub(crate) async fn look_up(
    hub: &Hub,
    app: AppNo,
    names: DeviceNames,
) -> Result<Vec<Vec<DeviceNo>>, StoreError> {
    let most = hub.parts.config.max_devices_per_user;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    hub.parts.store.devices_named(app, names, most).await
}

/// Writes the devices down in slices, and gives them the name last: until then it means what it meant.
pub(crate) async fn put(hub: &Hub, upload: ListUpload, by: Actor) -> Result<ListPut, StoreError> {
    let ListUpload {
        app,
        name,
        devices,
        counts,
    } = upload;
    let Some(list) = store(hub, app, &devices).await? else {
        return Ok(ListPut::Gone);
    };
    let definition = ListDefinition {
        list,
        devices: devices.count(),
        upload: counts,
    };
    let most = hub.parts.config.lists_per_app;
    let (store, now) = (&hub.parts.store, hub.parts.clock.now());
    store.name_list(app, name, definition, most, now, by).await
}

/// Writes devices down in slices, as a list without a name. `None`: the App was deleted meanwhile.
pub(crate) async fn store(
    hub: &Hub,
    app: AppNo,
    devices: &DeviceSet,
) -> Result<Option<ListNo>, StoreError> {
    let (store, clock) = (&hub.parts.store, &hub.parts.clock);
    let list = store.begin_list(app, clock.now()).await?;
    let mut chunks = devices.chunks().peekable();
    while chunks.peek().is_some() {
        let slice = chunks.by_ref().take(SLICE).collect();
        if !store.extend_list(list, slice, clock.now()).await? {
            return Ok(None);
        }
        tokio::task::yield_now().await;
    }
    Ok(Some(list))
}

/// Whether the App has room for a list of this name, as far as is known: to refuse before a file is read.
pub(crate) fn has_room(hub: &Hub, app: AppNo, name: &str) -> bool {
    let directory = hub.directory.load();
    let others = directory.definitions(app, DefinitionKind::List);
    let others = others.filter(|(list, _): &(&Definition, _)| list.name != name);
    others.count() < hub.parts.config.lists_per_app as usize
}
