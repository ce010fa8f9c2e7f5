//! Lists of the fake.

use super::MemoryStore;
use super::state::State;
use crate::list::{DeviceNames, ListPut, ListStore};
use crate::registry::{Actor, Registry as _};
use crate::segment::SegmentPage;
use crate::store::Result;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::{AppNo, DefinitionNo, DeviceNo, ListNo};
use carillon_model::list::ListDefinition;
use carillon_model::push_type::Reach;

/// The devices of a list, and whose it is.
#[derive(Debug)]
pub(super) struct StoredList {
    pub(super) app: AppNo,
    /// `None`: it has no name.
    pub(super) definition: Option<DefinitionNo>,
    /// Since when that is so.
    since: UnixMs,
    devices: Vec<DeviceNo>,
}

impl State {
    pub(super) fn unname_lists(&mut self, now: UnixMs, which: impl Fn(&StoredList) -> bool) {
        for list in self.lists.values_mut().filter(|list| which(list)) {
            (list.definition, list.since) = (None, now);
        }
    }

    pub(super) fn prune_lists(&mut self, before: UnixMs) -> u64 {
        let audiences = self
            .notifications
            .values()
            .filter_map(|n| n.fanout.as_ref());
        let read = audiences.filter_map(|(audience, ..)| audience.list);
        let read: Vec<_> = read.map(|list| list.no).collect();
        let kept = self.lists.len();
        self.lists.retain(|no, list| {
            list.definition.is_some() || list.since >= before || read.contains(no)
        });
        (kept - self.lists.len()) as u64
    }
}

#[async_trait]
impl ListStore for MemoryStore {
    async fn devices_named(
        &self,
        app: AppNo,
        names: DeviceNames,
        most: u32,
    ) -> Result<Vec<Vec<DeviceNo>>> {
        let state = self.read();
        let one = |found: Option<DeviceNo>| found.into_iter().take(most as usize).collect();
        Ok(match names {
            DeviceNames::Devices(ids) => {
                let found = ids.iter().map(|id| one(state.device_no(app, id)));
                found.collect()
            }
            DeviceNames::Users(users) => {
                let of = |user| state.devices_of(app, user).take(most as usize).collect();
                users.iter().map(|user| of(user)).collect()
            }
            DeviceNames::PushTokens(kind, tokens) => {
                let found = tokens
                    .iter()
                    .map(|bytes| one(state.owner(app, kind, bytes)));
                found.collect()
            }
        })
    }

    async fn begin_list(&self, app: AppNo, now: UnixMs) -> Result<ListNo> {
        let mut state = self.write()?;
        let no = ListNo(state.number());
        let list = StoredList {
            app,
            definition: None,
            since: now,
            devices: Vec::new(),
        };
        state.lists.insert(no, list);
        Ok(no)
    }

    async fn extend_list(
        &self,
        list: ListNo,
        chunks: Vec<BatchDevices>,
        now: UnixMs,
    ) -> Result<bool> {
        let mut state = self.write()?;
        let unnamed = state.lists.get_mut(&list);
        let Some(list) = unnamed.filter(|list| list.definition.is_none()) else {
            return Ok(false);
        };
        list.since = now;
        for chunk in chunks {
            list.devices.extend(chunk.as_slice());
        }
        Ok(true)
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
        let kind = DefinitionKind::List;
        let key = (app, kind, name.clone());
        {
            let state = self.write()?;
            let unnamed = state.lists.get(&definition.list);
            let is_there = unnamed.is_some_and(|list| list.app == app && list.definition.is_none());
            if !is_there || !state.apps.contains_key(&app) {
                return Ok(ListPut::Gone);
            }
            let lists = state.definitions.keys();
            let lists = lists.filter(|(of, its, _)| (*of, *its) == (app, kind));
            if lists.count() >= most as usize && !state.definitions.contains_key(&key) {
                return Ok(ListPut::TooMany);
            }
        }
        let no = self.definition_no(app, kind, name.clone()).await?;
        let body = definition.body();
        let stored = self
            .put_definition(no, app, kind, name, body, None, now, by)
            .await?;
        if let Some(list) = self.write()?.lists.get_mut(&definition.list) {
            list.definition = Some(no);
        }
        Ok(ListPut::Stored(stored))
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
        let state = self.read();
        let devices = state.lists.get(&list).map(|list| &list.devices[..]);
        let next = devices.unwrap_or_default().iter();
        let next: Vec<_> = next.copied().filter(|no| *no > after).collect();
        let mut page = SegmentPage {
            recipients: Vec::new(),
            looked_to: after,
            finished: false,
        };
        for (looked_at, no) in (0..).zip(&next) {
            if looked_at == scan || page.recipients.len() == limit as usize {
                return Ok(page);
            }
            page.looked_to = *no;
            let is_of_app = state.devices.get(no).is_some_and(|row| row.app == app);
            if is_of_app && state.is_within_reach(*no, reach) {
                page.recipients.push(state.recipient(*no, reach));
            }
        }
        page.finished = true;
        Ok(page)
    }
}
