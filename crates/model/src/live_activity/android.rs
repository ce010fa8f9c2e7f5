//! A push of a Live Activity as FCM carries it: to Android phones a data message, whole in itself; to iPhones that are reached
//! through FCM Apple's own payload.
//!
//! Android knows no Live Activities: the app shows a notification that stays, and needs no token for it besides the one that
//! it has. Messages of one activity replace each other on their way (a collapse key), so each carries all: an app that
//! missed the start shows it with the first update.

use super::plan::Plan;
use super::push::{ActivityPush, PushKind};
use super::request::{ActivityAlert, Recipient};
use super::run::{ActivityState, Phone, Run};
use crate::problem::FieldProblem;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Longest id of an activity, in bytes.
const LONGEST_ID: usize = 128;

/// Which phones of a push are told by FCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FcmPhones {
    /// Android phones.
    pub android: bool,
    /// iPhones whose app uses Firebase.
    pub iphones: bool,
}

impl FcmPhones {
    /// Android phones alone.
    pub(super) fn android() -> Self {
        Self {
            android: true,
            iphones: false,
        }
    }

    pub(super) fn is_android_alone(&self) -> bool {
        *self == Self::android()
    }

    /// Whether there are some.
    #[must_use]
    pub fn any(self) -> bool {
        self.android || self.iphones
    }
}

impl Run {
    /// These are the recipient's Android phones: they show it from its start on.
    pub fn add_androids(&mut self, phones: &[i64]) {
        for no in phones {
            self.phones.entry(*no).or_insert_with(|| Phone {
                is_android: true,
                has_token: true,
                push_token_of: Some(*no),
                ..Phone::default()
            });
        }
        if !phones.is_empty() && self.state == ActivityState::Starting {
            self.state = ActivityState::Active;
        }
    }

    /// Android phones that were told nothing yet.
    pub(super) fn fresh_androids(&self) -> Vec<i64> {
        let is_fresh = |phone: &Phone| {
            phone.is_android && phone.asked_at.is_none() && phone.told == 0 && !phone.is_gone
        };
        let fresh = self.phones.iter().filter(|(_, phone)| is_fresh(phone));
        fresh.map(|(no, _)| *no).collect()
    }
}

impl ActivityPush {
    /// Raw parts of FCM's message for phones of the activity `id`. Which activity an iPhone shows, the push token says.
    #[must_use]
    pub fn fcm(&self, plan: &Plan, id: &str, phones: FcmPhones) -> Value {
        let attributes = (&*plan.attributes_type, &plan.attributes);
        self.fcm_of(attributes, plan.relevance, id, phones)
    }

    pub(super) fn fcm_of(
        &self,
        (attributes_type, attributes): (&str, &Value),
        relevance: Option<f64>,
        id: &str,
        phones: FcmPhones,
    ) -> Value {
        let mut message = json!({});
        if phones.android {
            let data = self.android_data(attributes_type, attributes, id);
            // Its own data: iPhones would get the message's.
            message["android"] = json!({"collapse_key": id, "data": data});
        }
        if phones.iphones {
            let payload = self.payload_of(attributes_type, attributes, relevance);
            message["apns"] = json!({"payload": payload});
        }
        message
    }

    fn android_data(
        &self,
        attributes_type: &str,
        attributes: &Value,
        id: &str,
    ) -> Map<String, Value> {
        let mut data = Map::new();
        let mut add = |key: &str, text: String| {
            data.insert(key.to_owned(), Value::String(text));
        };
        add("carillon_live_activity", id.to_owned());
        add("event", self.kind.as_str().to_owned());
        add("attributes_type", attributes_type.to_owned());
        add("attributes", attributes.to_string());
        add("content_state", self.content_state.to_string());
        add("timestamp", self.timestamp.to_string());
        let dates = [
            ("stale_date", self.stale_date),
            ("dismissal_date", self.dismissal_date),
        ];
        for (key, date) in dates {
            if let Some(date) = date {
                add(key, date.to_string());
            }
        }
        if let Some(ActivityAlert {
            title, body, sound, ..
        }) = &self.alert
        {
            add("alert_title", title.clone());
            add("alert_body", body.clone());
            if let Some(sound) = sound {
                add("alert_sound", sound.clone());
            }
        }
        data
    }

    /// Bytes of it that FCM counts, keys and values of the data: it takes 4,096, as Apple does. 0 where none is sent.
    pub(super) fn android_bytes(&self, plan: &Plan) -> usize {
        if !plan.android {
            return 0;
        }
        let data = self.android_data(&plan.attributes_type, &plan.attributes, "");
        let sizes = data
            .iter()
            .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len));
        sizes.sum::<usize>() + LONGEST_ID
    }
}

impl PushKind {
    /// The gateways' word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::End => "end",
        }
    }
}

/// What is wrong with asking for Android phones.
pub(super) fn problem(plan: &Plan) -> Option<FieldProblem> {
    let has_phones = matches!(plan.recipient, Recipient::User(_) | Recipient::Device(_));
    (plan.android && !has_phones).then(|| {
        FieldProblem::new(
            "/android",
            "live_activity.android",
            "expected it with a user or a device as the recipient: whose Android phones are meant is not said",
        )
    })
}
