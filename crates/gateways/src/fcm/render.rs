//! A notification's content as a message of FCM's, without its target.
//!
//! The portable fields are written in FCM's terms, for Android, browsers and iPhones behind registration tokens; raw
//! parts (`content.fcm`) win field by field.
//!
//! | portable field | in the message |
//! |---|---|
//! | `title`, `body` | `notification` |
//! | `image` | `notification.image`; for iPhones `apns.fcm_options.image` and `mutable-content` |
//! | `subtitle` | `aps.alert`, with title and body; Android has none |
//! | `badge` | `android.notification.notification_count` (0 is left out: Android counts by itself then), `aps.badge` |
//! | `sound` | `android.notification.sound` (since Android 8 the app's channel decides), `aps.sound` |
//! | `thread`, `category` | `aps.thread-id`, `aps.category`; Android has neither |
//! | `urgency` | `aps.interruption-level`, `android.notification.notification_priority` |
//! | `link` | `data.link`, which the app opens when it is tapped; for browsers `webpush.fcm_options.link`, if it is https |
//! | `data` | `data`, each value as a string |
//!
//! Values in `data` that are not strings go by the setting `data_rule` ([`DataRule`]): their JSON text (`7` becomes `"7"`,
//! `{"a":1}` becomes `"{\"a\":1}"`), or a problem.
//!
//! | option | in the message |
//! |---|---|
//! | `priority` | `android.priority` (`high`: HIGH, else NORMAL), `Urgency`, `apns-priority`; what shows nothing has 5 at Apple's |
//! | `collapse_id` | `android.collapse_key` and `tag`, `apns-collapse-id`, `Topic` |
//! | `store_offline: false` | a time to live of 0, everywhere |
//!
//! Of a Live Activity the payload for iPhones is its timeline's own; where theirs is, is put in later.
//!
//! What differs from push to push is put in later: see `seams`, which relies on the order of keys here.

use super::parts::Parts;
use crate::json::Json;
use crate::object::Object;
use carillon_model::content::Urgency;
use carillon_model::notification::{Priority, SendOptions};
use carillon_model::push_type::PushType;
use fcm::DataRule;
use serde_json::value::RawValue;
use webpush::PushTopic;

/// Writes the message.
pub(super) fn render(parts: &Parts<'_>, options: &SendOptions, rule: DataRule) -> Vec<u8> {
    let writer = Writer {
        parts,
        options,
        rule,
    };
    let mut json = Json::new();
    json.open();
    writer.android(&mut json);
    writer.webpush(&mut json);
    writer.apns(&mut json);
    writer.notification(&mut json);
    writer.data(&mut json);
    rest(
        &mut json,
        &parts.raw,
        &["android", "webpush", "apns", "notification", "data"],
    );
    json.close();
    json.into_bytes()
}

struct Writer<'a> {
    parts: &'a Parts<'a>,
    options: &'a SendOptions,
    rule: DataRule,
}

impl Writer<'_> {
    fn android(&self, json: &mut Json) {
        let (content, raw) = (self.parts.content, &self.parts.raw_android);
        json.key("android");
        json.open();
        if self.parts.is_shown() {
            let shown = &self.parts.raw_shown;
            json.key("notification");
            json.open();
            free(json, shown, "tag", self.options.collapse_id.as_deref());
            free(json, shown, "sound", content.sound.as_deref());
            let count = content.badge.filter(|badge| *badge > 0);
            free(json, shown, "notification_count", count.as_ref());
            let loud = content.urgency.and_then(notification_priority);
            free(json, shown, "notification_priority", loud);
            rest(json, shown, &[]);
            json.close();
        }
        let is_high = self.options.priority == Priority::High;
        let priority = if is_high { "HIGH" } else { "NORMAL" };
        free(json, raw, "priority", Some(priority));
        let collapse_id = self.options.collapse_id.as_deref();
        free(json, raw, "collapse_key", collapse_id);
        free(json, raw, "ttl", self.now_or_never().then_some("0s"));
        rest(json, raw, &["notification"]);
        json.close();
    }

    fn webpush(&self, json: &mut Json) {
        let (raw, headers) = (&self.parts.raw_webpush, &self.parts.raw_web_headers);
        json.key("webpush");
        json.open();
        json.key("headers");
        json.open();
        let urgency = match self.options.priority {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        };
        free(json, headers, "Urgency", Some(urgency));
        free(json, headers, "TTL", self.now_or_never().then_some("0"));
        if let Some(id) = &self.options.collapse_id {
            let topic = PushTopic::new(id).unwrap_or_else(|_| PushTopic::hashed(id));
            free(json, headers, "Topic", Some(topic.as_str()));
        }
        rest(json, headers, &[]);
        json.close();
        let link = self.parts.content.link.as_deref();
        if let Some(link) =
            link.filter(|link| link.starts_with("https://") && !raw.has("fcm_options"))
        {
            json.key("fcm_options");
            json.open();
            json.value("link", link);
            json.close();
        }
        rest(json, raw, &["headers"]);
        json.close();
    }

    fn apns(&self, json: &mut Json) {
        let (raw, headers) = (&self.parts.raw_apns, &self.parts.raw_apns_headers);
        let is_told = self.options.push_type == PushType::LiveActivity;
        let is_live = self.parts.is_live_activity() || (is_told && raw.has("payload"));
        json.key("apns");
        json.open();
        json.key("headers");
        json.open();
        if !is_live {
            let is_seen = self.is_seen_by_apple();
            let push_type = if is_seen { "alert" } else { "background" };
            free(json, headers, "apns-push-type", Some(push_type));
            let priority = match (is_seen, self.options.priority) {
                (true, Priority::High) => "10",
                (true, Priority::Low) => "1",
                _ => "5",
            };
            free(json, headers, "apns-priority", Some(priority));
        } else if is_told {
            let is_high = self.options.priority == Priority::High;
            let priority = if is_high { "10" } else { "5" };
            free(json, headers, "apns-priority", Some(priority));
        }
        let once = self.now_or_never().then_some("0");
        free(json, headers, "apns-expiration", once);
        let collapse_id = self.options.collapse_id.as_deref();
        free(json, headers, "apns-collapse-id", collapse_id);
        rest(json, headers, &[]);
        json.close();
        if is_live {
            rest(json, raw, &["headers"]);
        } else {
            json.key("payload");
            json.open();
            json.key("aps");
            self.aps(json);
            rest(json, &self.parts.raw_payload, &["aps"]);
            json.close();
            if let (Some(image), false) = (&self.parts.content.image, raw.has("fcm_options")) {
                json.key("fcm_options");
                json.open();
                json.value("image", image);
                json.close();
            }
            rest(json, raw, &["headers", "payload"]);
        }
        json.close();
    }

    fn aps(&self, json: &mut Json) {
        let (content, raw) = (self.parts.content, &self.parts.raw_aps);
        json.open();
        if !self.is_seen_by_apple() {
            free(json, raw, "content-available", Some(&1));
        }
        // Without a subtitle FCM makes the alert of the notification by itself.
        if content.subtitle.is_some() && !raw.has("alert") {
            json.key("alert");
            json.open();
            for (key, text) in [
                ("title", &content.title),
                ("subtitle", &content.subtitle),
                ("body", &content.body),
            ] {
                if let Some(text) = text {
                    json.value(key, text);
                }
            }
            json.close();
        }
        free(json, raw, "badge", content.badge.as_ref());
        let sound = content.sound.as_deref();
        if content.urgency == Some(Urgency::Critical) && !raw.has("sound") {
            // A critical alert needs a critical sound besides its interruption level, or it stays silent.
            json.key("sound");
            json.open();
            json.value("critical", &1);
            json.value("name", sound.unwrap_or("default"));
            json.value("volume", &1.0);
            json.close();
        } else {
            free(json, raw, "sound", sound);
        }
        free(json, raw, "thread-id", content.thread.as_deref());
        free(json, raw, "category", content.category.as_deref());
        let level = content.urgency.map(interruption_level);
        free(json, raw, "interruption-level", level);
        let is_mutable = content.image.is_some();
        free(json, raw, "mutable-content", is_mutable.then_some(&1));
        rest(json, raw, &[]);
        json.close();
    }

    fn notification(&self, json: &mut Json) {
        let (content, raw) = (self.parts.content, &self.parts.raw_notification);
        let is_shown = content.title.is_some() || content.body.is_some();
        if !is_shown && !self.parts.raw.has("notification") {
            return;
        }
        json.key("notification");
        json.open();
        free(json, raw, "title", content.title.as_deref());
        free(json, raw, "body", content.body.as_deref());
        free(json, raw, "image", content.image.as_deref());
        rest(json, raw, &[]);
        json.close();
    }

    fn data(&self, json: &mut Json) {
        let (content, raw) = (self.parts.content, &self.parts.raw_data);
        if content.data.is_none() && content.link.is_none() && !self.parts.raw.has("data") {
            return;
        }
        json.key("data");
        json.open();
        for (key, value) in self.parts.data.iter().filter(|(key, _)| !raw.has(key)) {
            self.datum(json, key, value);
        }
        free(json, raw, "link", content.link.as_deref());
        rest(json, raw, &[]);
        json.close();
    }

    fn datum(&self, json: &mut Json, key: &str, value: &RawValue) {
        let text = value.get();
        if text.starts_with('"') || self.rule == DataRule::Refuse {
            json.raw(key, text);
        } else {
            json.value(key, text);
        }
    }

    fn now_or_never(&self) -> bool {
        !self.options.store_offline
    }

    fn is_seen_by_apple(&self) -> bool {
        self.options.push_type == PushType::Alert && self.parts.is_seen_by_apple()
    }
}

/// Writes a value, unless there is none or `raw` has one, whatever the case of its letters.
fn free<T: serde::Serialize + ?Sized>(
    json: &mut Json,
    raw: &Object<'_>,
    key: &str,
    value: Option<&T>,
) {
    if let (Some(value), false) = (value, raw.has_in_any_case(key)) {
        json.value(key, value);
    }
}

/// Writes the raw keys, but those that were written apart.
fn rest(json: &mut Json, raw: &Object<'_>, but: &[&str]) {
    for (key, value) in raw.iter().filter(|(key, _)| !but.contains(key)) {
        json.raw(key, value.get());
    }
}

fn notification_priority(urgency: Urgency) -> Option<&'static str> {
    match urgency {
        Urgency::Passive => Some("PRIORITY_LOW"),
        Urgency::Active => None,
        Urgency::TimeSensitive => Some("PRIORITY_HIGH"),
        Urgency::Critical => Some("PRIORITY_MAX"),
    }
}

/// Apple's word.
fn interruption_level(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Passive => "passive",
        Urgency::Active => "active",
        Urgency::TimeSensitive => "time-sensitive",
        Urgency::Critical => "critical",
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
