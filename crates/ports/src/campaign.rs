//! What campaigns keep in the store: the plan, how far each is, and the audience where it was written down.
//!
//! A campaign is a notification whose fan-out goes by a plan. A step of it is a page of that fan-out: the
//! batches that it made, the pieces of the audience that they came from, how far it is now and when the next
//! step is due are all on disk or none is. A step is stored only as the campaign was read, by its fence.
//!
//! *Paused* is a mark on the notification: no page of it is stored, no work of it is claimed. Its work that
//! waits is put aside, so that it does not stand in the way of others, and comes back when it goes on.

use crate::store::{NewEvent, NotificationView, Recipient, Result};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::event::FailureCount;
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::push_type::Reach;
use carillon_model::target::Audience;

/// A campaign to store with its notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCampaign {
    /// Its name: there is one of a name in an App.
    pub name: String,
    /// How it goes: JSON, the engine's business.
    pub plan: String,
    /// How far it is: JSON, the engine's business.
    pub state: String,
}

/// A campaign as its fan-out reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignHead {
    /// Another one with each step.
    pub fence: i64,
    /// Its name.
    pub name: String,
    /// As it was stored.
    pub plan: String,
    /// As the last step left it.
    pub state: String,
}

/// A piece of an audience that was written down: devices that go at the same instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// When they go; 0: when the campaign begins.
    pub wave_at: UnixMs,
    /// Tells the pieces of a campaign apart; they go in this order.
    pub no: u32,
    /// Them.
    pub devices: BatchDevices,
}

/// A piece of which some devices had their turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenChunk {
    /// As in [`Chunk::wave_at`].
    pub wave_at: UnixMs,
    /// As in [`Chunk::no`].
    pub no: u32,
    /// Those that did not; `None`: all had.
    pub left: Option<BatchDevices>,
}

/// What a page of a fan-out is to its campaign.
#[derive(Clone, Debug)]
pub struct CampaignStep {
    /// As it was read. Nothing is stored when it is another by now.
    pub fence: i64,
    /// How far it is now.
    pub state: String,
    /// When its next step is due.
    pub due_at: UnixMs,
    /// Pieces of the audience to write down.
    pub chunks: Vec<Chunk>,
    /// Pieces from which the batches of the page came.
    pub taken: Vec<TakenChunk>,
    /// Pauses it, and tells this.
    pub halt: Option<NewEvent>,
    /// Whom it is for from now on, where that was found out.
    pub audience: Option<Audience>,
}

/// A campaign as `GET` shows it.
#[derive(Clone, Debug)]
pub struct CampaignView {
    /// How it was stored, and how far it is.
    pub head: CampaignHead,
    /// Its notification.
    pub notification: NotificationView,
    /// When its next step is due; `None`: there is none any more, or it has not begun.
    pub next_step_at: Option<UnixMs>,
    /// Push tokens that died by answers to it.
    pub retired: u64,
    /// Why deliveries of it ended that reached nobody, the most frequent first.
    pub failures: Vec<FailureCount>,
}

/// The part of the hot store that keeps campaigns. They are accepted by
/// [`crate::store::HotStore::accept`] and go on by [`crate::store::HotStore::store_fanout_page`].
#[async_trait]
pub trait CampaignStore: Send + Sync + 'static {
    /// One campaign.
    async fn campaign(&self, app: AppNo, no: NotificationNo) -> Result<Option<CampaignView>>;
    /// The campaign of this name.
    async fn campaign_named(&self, app: AppNo, name: String) -> Result<Option<NotificationNo>>;
    /// Names of campaigns of an App, of the newest, at most `limit`.
    async fn campaign_names(&self, app: AppNo, limit: u32) -> Result<Vec<String>>;
    /// Newest first, before `before`.
    async fn campaigns(
        &self,
        app: AppNo,
        before: Option<NotificationNo>,
        limit: u32,
    ) -> Result<Vec<CampaignView>>;
    /// The next pieces of a wave, in order.
    async fn campaign_chunks(
        &self,
        no: NotificationNo,
        wave_at: UnixMs,
        limit: u32,
    ) -> Result<Vec<Chunk>>;
    /// The newest device of an App; 0: it has none.
    async fn last_device(&self, app: AppNo) -> Result<DeviceNo>;
    /// How these devices (ascending) of an App are reached, each; also those that are gone, see
    /// [`Recipient::gateway`].
    async fn recipients(&self, devices: Vec<DeviceNo>, reach: Reach) -> Result<Vec<Recipient>>;
    /// The time zones of these devices (ascending), in order; `None`: not known, or the device is gone.
    async fn time_zones(&self, devices: Vec<DeviceNo>) -> Result<Vec<Option<String>>>;

    /// Pauses a campaign and puts its waiting work aside. `None`: the App has no such campaign; `false`: it
    /// is over.
    async fn pause(&self, app: AppNo, no: NotificationNo) -> Result<Option<bool>>;
    /// Lets a campaign go on, with this state, if it is as it was read. `false`: it is not.
    async fn resume(
        &self,
        app: AppNo,
        no: NotificationNo,
        fence: i64,
        state: String,
        now: UnixMs,
    ) -> Result<bool>;
    /// Brings back at most `limit` of the work that was put aside of campaigns that go on. Returns how many
    /// there were; 0: nothing left.
    async fn bring_back(&self, limit: u32) -> Result<u64>;
}
