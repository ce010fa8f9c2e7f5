//! What the cases are made of.

use super::Subject;
use crate::registry::{Actor, Registry};
use crate::store::{
    Acceptance, BatchSettlement, ClaimedWork, DeliveryFilter, DeliveryView, HotStore, NewBatch,
    NewNotification, NotificationView, Settlement, Work, WorkId,
};
use crate::timer::When;
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::app::AppSettings;
use carillon_model::batch::BatchDevices;
use carillon_model::delivery::FinalState;
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, BatchNo, DeliveryId, DeviceNo, NotificationNo};
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_model::notification::{Priority, SendOptions};
use carillon_model::push_token::PushTokenBytes;
use carillon_model::push_type::{OnUnknown, PushType, TokenKind};
use carillon_model::target::{Audience, Target};
use std::sync::Arc;

/// When the cases begin.
pub const T0: UnixMs = 1_800_000_000_000;

/// Who does everything.
#[must_use]
pub fn nobody() -> Actor {
    Actor {
        api_key: None,
        request_id: Some("req_1".into()),
    }
}

/// Everybody, and nobody is left out.
#[must_use]
pub fn everybody() -> Audience {
    Audience {
        target: Target::All(true),
        except_users: Vec::new(),
        segment: None,
        list: None,
        starts: None,
    }
}

/// Options of an alert that may be sent again.
#[must_use]
pub fn options(on_unknown: OnUnknown) -> SendOptions {
    SendOptions {
        push_type: PushType::Alert,
        token_kind: TokenKind::Alert,
        priority: Priority::High,
        store_offline: true,
        on_unknown,
        class: Class::Normal,
        collapse_id: None,
        apns_topic: None,
        channel: None,
        category: None,
        is_critical: false,
    }
}

/// The lane of most cases.
#[must_use]
pub fn lane(app: AppNo) -> Lane {
    Lane {
        app,
        gateway: Gateway::Apns,
        environment: TokenEnvironment::Production,
    }
}

/// A push token that is told from others by its number.
#[must_use]
pub fn address(number: u64) -> PushTokenBytes {
    let mut bytes = [7u8; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PushTokenBytes(Bytes::copy_from_slice(&bytes))
}

/// A registration with one alert push token.
#[must_use]
pub fn registration(id: &str, user: &str, number: u64) -> DeviceRegistration {
    DeviceRegistration {
        id: Some(id.into()),
        user_id: Some(user.into()),
        push_tokens: vec![PushTokenRegistration::new(
            TokenKind::Alert,
            address(number),
            TokenEnvironment::Production,
        )],
        ..DeviceRegistration::default()
    }
}

/// The store and what a case does with it all the time.
pub struct Fixture {
    /// The hot store.
    pub hot: Arc<dyn HotStore>,
    /// The registry.
    pub registry: Arc<dyn Registry>,
    /// An App that exists.
    pub app: AppNo,
}

impl Fixture {
    /// With an App named `shop`.
    pub async fn new(subject: &dyn Subject) -> Self {
        let registry = subject.registry();
        let (app, _) = registry
            .put_app(
                "shop".into(),
                "Shop".into(),
                AppSettings::default(),
                T0,
                nobody(),
            )
            .await
            .unwrap();
        Self {
            hot: subject.hot(),
            registry,
            app: app.no,
        }
    }

    /// After a restart.
    #[must_use]
    pub fn again(self, subject: &dyn Subject) -> Self {
        Self {
            hot: subject.hot(),
            registry: subject.registry(),
            app: self.app,
        }
    }

    /// Registers `count` devices `d<first>…` of users `u<first>…`; numbers ascend.
    pub async fn devices(&self, first: u64, count: u64) -> Vec<DeviceNo> {
        let registrations = (first..first + count)
            .map(|n| registration(&format!("d{n}"), &format!("u{n}"), n))
            .collect();
        let registered = self
            .registry
            .register_devices(self.app, registrations, T0)
            .await
            .unwrap();
        registered.into_iter().map(|device| device.no).collect()
    }

    /// A notification to these devices, in batches of at most `size`.
    #[must_use]
    pub fn notification(&self, devices: &[DeviceNo], size: usize, hot: bool) -> NewNotification {
        let no = self.hot.next_notification();
        NewNotification {
            no,
            app: self.app,
            accepted_at: T0,
            when: When::AtOnce,
            expires_at: Some(T0 + 60_000),
            options: options(OnUnknown::Resend),
            payload: Bytes::from_static(b"{\"aps\":{}}"),
            batches: (0..)
                .zip(devices.chunks(size))
                .map(|(place, devices)| self.batch(no.batch(place), devices, hot))
                .collect(),
            badge: None,
            fanout: None,
            idempotency: None,
            throttle: None,
            consumes: None,
            turn: None,
            campaign: None,
            activity: None,
        }
    }

    /// One batch.
    #[must_use]
    pub fn batch(&self, no: BatchNo, devices: &[DeviceNo], hot: bool) -> NewBatch {
        NewBatch {
            no,
            devices: BatchDevices::new(devices.to_vec()),
            lane: lane(self.app),
            class: Class::Normal,
            hot,
        }
    }

    /// Accepts it and expects it to be new.
    pub async fn accept(&self, item: NewNotification) -> NotificationNo {
        let no = item.no;
        let answer = self.hot.accept(vec![item]).await.unwrap();
        assert_eq!(answer, [Acceptance::New]);
        no
    }

    /// Accepts a notification to one new device.
    pub async fn single(&self, device: u64, hot: bool) -> NotificationNo {
        let devices = self.devices(device, 1).await;
        self.accept(self.notification(&devices, 1, hot)).await
    }

    /// Claims everything that is due in the usual lane.
    pub async fn claim(&self, now: UnixMs) -> Vec<ClaimedWork> {
        self.hot
            .claim(lane(self.app), Class::Normal, now, 1_000, 1_000_000)
            .await
            .unwrap()
    }

    /// Settles one batch: verdicts, and its first work is done.
    pub async fn settle(
        &self,
        batch: BatchNo,
        verdicts: Vec<(u16, FinalState)>,
        now: UnixMs,
    ) -> Vec<NotificationNo> {
        let mut settlement = settlement(batch, verdicts, now);
        settlement.batches[0].done = vec![first(batch)];
        self.hot.settle(settlement).await.unwrap()
    }

    /// Reads a notification that exists.
    pub async fn view(&self, no: NotificationNo) -> NotificationView {
        self.hot.notification(self.app, no).await.unwrap().unwrap()
    }

    /// All deliveries of a notification.
    pub async fn deliveries(&self, no: NotificationNo) -> Vec<DeliveryView> {
        self.hot
            .deliveries(self.app, no, None, DeliveryFilter::All, 100_000)
            .await
            .unwrap()
    }

    /// How the deliveries of a notification ended.
    pub async fn states(&self, no: NotificationNo) -> Vec<Option<FinalState>> {
        self.deliveries(no)
            .await
            .into_iter()
            .map(|view| view.state)
            .collect()
    }
}

/// The first work of a batch.
#[must_use]
pub fn first(batch: BatchNo) -> WorkId {
    WorkId { batch, seq: 0 }
}

/// A delivery, where it does not matter which.
#[must_use]
pub fn some_delivery() -> DeliveryId {
    DeliveryId {
        batch: NotificationNo(1).batch(0),
        position: 0,
    }
}

/// Verdicts of one batch, and nothing else.
#[must_use]
pub fn settlement(batch: BatchNo, verdicts: Vec<(u16, FinalState)>, now: UnixMs) -> Settlement {
    Settlement {
        batches: vec![BatchSettlement {
            batch,
            verdicts,
            failures: vec![],
            attempts: vec![],
            done: vec![],
            follow_ups: vec![],
        }],
        now,
        ..Settlement::default()
    }
}

/// A retry of a claimed work under another number.
#[must_use]
pub fn retry(work: &Work, seq: i64, due_at: Option<UnixMs>) -> Work {
    Work {
        id: WorkId {
            batch: work.id.batch,
            seq,
        },
        attempt: work.attempt + 1,
        due_at,
        ..work.clone()
    }
}
