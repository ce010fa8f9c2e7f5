//! What a store keeps of lists: the devices that were uploaded under a name.
//!
//! An upload gathers numbers of devices in memory, writes them as a new list that nobody knows of, and
//! last gives that list its name, in one transaction: until then the name means what it meant before.
//! What has no name any more, or never got one, goes by [`crate::store::HotStore::prune`], unless a fan-out
//! reads it still.

use crate::registry::Actor;
use crate::segment::SegmentPage;
use crate::store::Result;
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::definition::Definition;
use carillon_model::id::{AppNo, DeviceNo, ListNo};
use carillon_model::list::ListDefinition;
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{Reach, TokenKind};

/// What an upload calls devices by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceNames {
    /// Their ids.
    Devices(Vec<String>),
    /// Their users.
    Users(Vec<String>),
    /// Their push tokens of one kind.
    PushTokens(TokenKind, Vec<PushTokenBytes>),
}

/// What came of giving a list its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListPut {
    /// The name means this now.
    Stored(Definition),
    /// The App has as many lists as it may, and none of this name.
    TooMany,
    /// What was written is gone: it took too long, or the App was deleted.
    Gone,
}

/// The part of the hot store that keeps lists.
#[async_trait]
pub trait ListStore: Send + Sync + 'static {
    /// The devices of an App by these names, in order, ascending for each; of none more than `most`.
    /// Devices without push tokens count.
    async fn devices_named(
        &self,
        app: AppNo,
        names: DeviceNames,
        most: u32,
    ) -> Result<Vec<Vec<DeviceNo>>>;
    /// Begins a list that has no name yet.
    async fn begin_list(&self, app: AppNo, now: UnixMs) -> Result<ListNo>;
    /// Adds devices behind those that it has. `false`: the list is gone, or has a name.
    async fn extend_list(
        &self,
        list: ListNo,
        chunks: Vec<BatchDevices>,
        now: UnixMs,
    ) -> Result<bool>;
    /// Gives a list its name, as the next version of that name, unless the App would have more than
    /// `most` lists.
    async fn name_list(
        &self,
        app: AppNo,
        name: String,
        definition: ListDefinition,
        most: u32,
        now: UnixMs,
        by: Actor,
    ) -> Result<ListPut>;
    /// The next devices of a list that are the App's and have a push token within reach which is not retired,
    /// ascending: at most `limit`, among the next `scan` of the list after `after`. A list that is gone has
    /// none.
    async fn list_devices(
        &self,
        app: AppNo,
        list: ListNo,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
        scan: u32,
    ) -> Result<SegmentPage>;
}
