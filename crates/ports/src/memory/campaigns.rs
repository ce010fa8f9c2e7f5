//! Campaigns of the fake.

use super::MemoryStore;
use super::state::State;
use crate::campaign::{
    CampaignHead, CampaignStep, CampaignStore, CampaignView, Chunk, NewCampaign,
};
use crate::instance::NoticeKind;
use crate::store::{FanoutPage, NewNotification, Recipient, Result};
use async_trait::async_trait;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::delivery::FinalState;
use carillon_model::event::{DeliveryFailed, FailureCount};
use carillon_model::id::{AppNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::Gateway;
use carillon_model::push_type::Reach;
use std::collections::BTreeMap;

/// What is kept of a campaign.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) head: CampaignHead,
    pub(super) due_at: UnixMs,
    pub(super) retired: u64,
    failures: Vec<FailureCount>,
    chunks: BTreeMap<(UnixMs, u32), BatchDevices>,
}

impl Campaign {
    pub(super) fn new(head: CampaignHead) -> Self {
        Self {
            head,
            due_at: 0,
            retired: 0,
            failures: Vec::new(),
            chunks: BTreeMap::new(),
        }
    }

    /// Counts a delivery that ended without reaching anybody.
    pub(super) fn ended(
        &mut self,
        id: DeliveryId,
        gateway: Gateway,
        before: Option<FinalState>,
        after: FinalState,
        reason: &str,
    ) {
        if before.is_some_and(DeliveryFailed::tells) {
            return;
        }
        let mut told = DeliveryFailed::new(String::new());
        told.add(id, gateway, after, reason);
        for one in told.reasons {
            let is_same = |known: &&mut FailureCount| {
                (known.gateway, &known.state, &known.reason)
                    == (one.gateway, &one.state, &one.reason)
            };
            match self.failures.iter_mut().find(is_same) {
                Some(known) => known.count += one.count,
                None => self.failures.push(one),
            }
        }
        self.failures
            .sort_by_key(|count| std::cmp::Reverse(count.count));
    }
}

/// A new one.
pub(super) fn campaign_head(new: NewCampaign, fence: i64) -> CampaignHead {
    CampaignHead {
        fence,
        name: new.name,
        plan: new.plan,
        state: new.state,
    }
}

impl State {
    pub(super) fn is_paused(&self, no: NotificationNo) -> bool {
        self.notifications
            .get(&no)
            .is_some_and(|notification| notification.head.paused)
    }

    /// Who has the name of a campaign that is to be accepted.
    pub(super) fn name_holder(&self, item: &NewNotification) -> Option<(NotificationNo, UnixMs)> {
        let name = &item.campaign.as_ref()?.name;
        let no = self.named(item.app, name)?;
        Some((no, self.notifications.get(&no)?.head.accepted_at))
    }

    fn named(&self, app: AppNo, name: &str) -> Option<NotificationNo> {
        let of_app = self.campaigns.iter().filter(|(no, _)| {
            let known = self.notifications.get(no);
            known.is_some_and(|notification| notification.head.app == app)
        });
        let mut named = of_app.filter(|(_, campaign)| campaign.head.name == name);
        named.next().map(|(no, _)| *no)
    }

    /// Whether a page is what it was made for.
    pub(super) fn may_step(&self, page: &FanoutPage) -> bool {
        let Some(step) = &page.campaign else {
            return true;
        };
        let campaign = self.campaigns.get(&page.notification);
        campaign.is_some_and(|campaign| campaign.head.fence == step.fence)
            && !self.is_paused(page.notification)
    }

    pub(super) fn step(&mut self, no: NotificationNo, step: CampaignStep, now: UnixMs) {
        let fence = self.number();
        let Some(campaign) = self.campaigns.get_mut(&no) else {
            return;
        };
        (campaign.head.fence, campaign.head.state) = (fence, step.state);
        campaign.due_at = step.due_at;
        for chunk in step.chunks {
            let earlier = campaign
                .chunks
                .insert((chunk.wave_at, chunk.no), chunk.devices);
            assert!(earlier.is_none(), "a piece is written once");
        }
        for taken in step.taken {
            let key = (taken.wave_at, taken.no);
            assert!(
                campaign.chunks.remove(&key).is_some(),
                "a piece is taken once"
            );
            if let Some(left) = taken.left {
                campaign.chunks.insert(key, left);
            }
        }
        if let Some(audience) = step.audience
            && let Some(notification) = self.notifications.get_mut(&no)
            && let Some((known, ..)) = &mut notification.fanout
        {
            *known = audience;
        }
        if let Some(event) = step.halt {
            if let Some(notification) = self.notifications.get_mut(&no) {
                notification.head.paused = true;
            }
            self.instances.tell(no, NoticeKind::Paused);
            self.append(event, now);
        }
    }

    /// What is cancelled needs its audience no more.
    pub(super) fn drop_chunks(&mut self, no: NotificationNo) {
        if let Some(campaign) = self.campaigns.get_mut(&no) {
            campaign.chunks.clear();
        }
    }

    fn campaign_view(&self, no: NotificationNo) -> Option<CampaignView> {
        let campaign = self.campaigns.get(&no)?;
        let is_open = self.notifications.get(&no)?.fanout.is_some();
        Some(CampaignView {
            head: campaign.head.clone(),
            notification: self.view(no)?,
            next_step_at: is_open.then_some(campaign.due_at),
            retired: campaign.retired,
            failures: campaign.failures.clone(),
        })
    }

    /// `None`: the App has no such campaign.
    fn open_campaign(&mut self, app: AppNo, no: NotificationNo) -> Option<bool> {
        self.campaigns.get(&no)?;
        let notification = self.notifications.get(&no)?;
        let is_open = notification.completed_at.is_none() && !notification.head.cancelled;
        (notification.head.app == app).then_some(is_open)
    }
}

#[async_trait]
impl CampaignStore for MemoryStore {
    async fn campaign(&self, app: AppNo, no: NotificationNo) -> Result<Option<CampaignView>> {
        let view = self.read().campaign_view(no);
        Ok(view.filter(|view| view.notification.head.app == app))
    }

    async fn campaign_named(&self, app: AppNo, name: String) -> Result<Option<NotificationNo>> {
        Ok(self.read().named(app, &name))
    }

    async fn campaign_names(&self, app: AppNo, limit: u32) -> Result<Vec<String>> {
        let state = self.read();
        let newest = state.campaigns.iter().rev();
        let of_app = newest.filter(|(no, _)| {
            let known = state.notifications.get(no);
            known.is_some_and(|notification| notification.head.app == app)
        });
        let names = of_app.map(|(_, campaign)| campaign.head.name.clone());
        Ok(names.take(limit as usize).collect())
    }

    async fn campaigns(
        &self,
        app: AppNo,
        before: Option<NotificationNo>,
        limit: u32,
    ) -> Result<Vec<CampaignView>> {
        let state = self.read();
        let newest = state.campaigns.keys().rev();
        let wanted = newest.filter(|no| before.is_none_or(|before| **no < before));
        let views = wanted.filter_map(|no| state.campaign_view(*no));
        let of_app = views.filter(|view| view.notification.head.app == app);
        Ok(of_app.take(limit as usize).collect())
    }

    async fn campaign_chunks(
        &self,
        no: NotificationNo,
        wave_at: UnixMs,
        limit: u32,
    ) -> Result<Vec<Chunk>> {
        let state = self.read();
        let Some(campaign) = state.campaigns.get(&no) else {
            return Ok(Vec::new());
        };
        let of_wave = campaign
            .chunks
            .range((wave_at, 0)..=(wave_at, u32::MAX))
            .take(limit as usize);
        Ok(of_wave
            .map(|((wave_at, no), devices)| Chunk {
                wave_at: *wave_at,
                no: *no,
                devices: devices.clone(),
            })
            .collect())
    }

    async fn last_device(&self, app: AppNo) -> Result<DeviceNo> {
        let state = self.read();
        let of_app = state.devices.iter().filter(|(_, row)| row.app == app);
        Ok(of_app.map(|(no, _)| *no).next_back().unwrap_or(DeviceNo(0)))
    }

    async fn recipients(&self, devices: Vec<DeviceNo>, reach: Reach) -> Result<Vec<Recipient>> {
        let state = self.read();
        Ok(devices
            .into_iter()
            .map(|device| state.recipient(device, reach))
            .collect())
    }

    async fn time_zones(&self, devices: Vec<DeviceNo>) -> Result<Vec<Option<String>>> {
        let state = self.read();
        let zone = |device| {
            state
                .devices
                .get(device)
                .and_then(|row| row.registration.time_zone.clone())
        };
        Ok(devices.iter().map(zone).collect())
    }

    async fn pause(&self, app: AppNo, no: NotificationNo) -> Result<Option<bool>> {
        let mut state = self.write()?;
        let is_open = state.open_campaign(app, no);
        if is_open == Some(true)
            && let Some(notification) = state.notifications.get_mut(&no)
        {
            notification.head.paused = true;
            state.instances.tell(no, NoticeKind::Paused);
        }
        Ok(is_open)
    }

    async fn resume(
        &self,
        app: AppNo,
        no: NotificationNo,
        fence: i64,
        to: String,
        now: UnixMs,
    ) -> Result<bool> {
        let mut state = self.write()?;
        let next = state.number();
        let is_open = state.open_campaign(app, no) == Some(true);
        let Some(campaign) = state.campaigns.get_mut(&no) else {
            return Ok(false);
        };
        if !is_open || campaign.head.fence != fence {
            return Ok(false);
        }
        (campaign.head.fence, campaign.head.state) = (next, to);
        campaign.due_at = now;
        if let Some(notification) = state.notifications.get_mut(&no) {
            notification.head.paused = false;
        }
        state.instances.tell(no, NoticeKind::Resumed);
        Ok(true)
    }

    async fn bring_back(&self, _limit: u32) -> Result<u64> {
        // What rests is passed over here, and stays where it is.
        Ok(0)
    }
}
