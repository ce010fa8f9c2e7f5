//! Every key of a message that FCM documents, with the form of its value: one table, read by the check.
//!
//! FCM refuses keys it does not know, so a key that is not here is a mistake. What stands under a target key (`token`,
//! `fid`, `topic`, `condition`) is not here on purpose: a message has no target, a [`Request`](crate::Request) has.
//! Source: Firebase, *REST reference, projects.messages*.

use super::json::Node;

/// The form of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number from 0 that fits 32 bits with a sign.
    Count,
    /// A number from 0 to 1.
    Share,
    /// `"3.5s"`.
    Span,
    /// `#rrggbb`.
    Colour,
    /// RFC 3339.
    Instant,
    /// A label for analytics.
    Label,
    /// An absolute URL with https.
    HttpsUrl,
    /// One of these, in capital letters.
    OneOf(&'static [&'static str]),
    /// As [`OneOf`](Self::OneOf), but small letters are taken too.
    OneOfAnyCase(&'static [&'static str]),
    /// An array of values of one form.
    List(&'static Kind),
    /// An object whose values are strings, keys free.
    Texts,
    /// As [`Texts`](Self::Texts), for the app: FCM's own keys are not allowed in it.
    Data,
    /// An object with these keys.
    Object(&'static [Field]),
    /// An object that FCM passes on as it is.
    Free,
}

/// A key and the form of its value.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

/// The message itself.
pub(super) const MESSAGE: &[Field] = &[
    field("data", Kind::Data),
    field("notification", Kind::Object(NOTIFICATION)),
    field("android", Kind::Object(ANDROID)),
    field("webpush", Kind::Object(WEBPUSH)),
    field("apns", Kind::Object(APNS)),
    field("fcm_options", Kind::Object(OPTIONS)),
];

const NOTIFICATION: &[Field] = &[
    field("title", Kind::Text),
    field("body", Kind::Text),
    field("image", Kind::HttpsUrl),
];

const OPTIONS: &[Field] = &[field("analytics_label", Kind::Label)];

const ANDROID: &[Field] = &[
    field("collapse_key", Kind::Text),
    field("priority", Kind::OneOfAnyCase(&["NORMAL", "HIGH"])),
    field("ttl", Kind::Span),
    field("restricted_package_name", Kind::Text),
    field("data", Kind::Data),
    field("notification", Kind::Object(ANDROID_NOTIFICATION)),
    field("fcm_options", Kind::Object(OPTIONS)),
    field("direct_boot_ok", Kind::Flag),
    field("bandwidth_constrained_ok", Kind::Flag),
    field("restricted_satellite_ok", Kind::Flag),
];

const ANDROID_NOTIFICATION: &[Field] = &[
    field("title", Kind::Text),
    field("body", Kind::Text),
    field("icon", Kind::Text),
    field("color", Kind::Colour),
    field("sound", Kind::Text),
    field("tag", Kind::Text),
    field("click_action", Kind::Text),
    field("title_loc_key", Kind::Text),
    field("title_loc_args", Kind::List(&Kind::Text)),
    field("body_loc_key", Kind::Text),
    field("body_loc_args", Kind::List(&Kind::Text)),
    field("channel_id", Kind::Text),
    field("ticker", Kind::Text),
    field("sticky", Kind::Flag),
    field("event_time", Kind::Instant),
    field("local_only", Kind::Flag),
    field(
        "notification_priority",
        Kind::OneOf(&[
            "PRIORITY_UNSPECIFIED",
            "PRIORITY_MIN",
            "PRIORITY_LOW",
            "PRIORITY_DEFAULT",
            "PRIORITY_HIGH",
            "PRIORITY_MAX",
        ]),
    ),
    field("default_sound", Kind::Flag),
    field("default_vibrate_timings", Kind::Flag),
    field("default_light_settings", Kind::Flag),
    field("vibrate_timings", Kind::List(&Kind::Span)),
    field(
        "visibility",
        Kind::OneOf(&["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"]),
    ),
    field("notification_count", Kind::Count),
    field("light_settings", Kind::Object(LIGHT)),
    field("image", Kind::HttpsUrl),
    field(
        "proxy",
        Kind::OneOf(&["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"]),
    ),
];

const LIGHT: &[Field] = &[
    field("color", Kind::Object(LIGHT_COLOUR)),
    field("light_on_duration", Kind::Span),
    field("light_off_duration", Kind::Span),
];

const LIGHT_COLOUR: &[Field] = &[
    field("red", Kind::Share),
    field("green", Kind::Share),
    field("blue", Kind::Share),
    field("alpha", Kind::Share),
];

const WEBPUSH: &[Field] = &[
    field("headers", Kind::Texts),
    field("data", Kind::Data),
    field("notification", Kind::Free),
    field("fcm_options", Kind::Object(WEBPUSH_OPTIONS)),
];

const WEBPUSH_OPTIONS: &[Field] = &[
    field("link", Kind::HttpsUrl),
    field("analytics_label", Kind::Label),
];

const APNS: &[Field] = &[
    field("headers", Kind::Texts),
    field("payload", Kind::Free),
    field("fcm_options", Kind::Object(APNS_OPTIONS)),
    field("live_activity_token", Kind::Text),
];

const APNS_OPTIONS: &[Field] = &[
    field("analytics_label", Kind::Label),
    field("image", Kind::HttpsUrl),
];

/// Finds a key, spelt either way that Google takes: `collapse_key` or `collapseKey`.
pub(super) fn find(fields: &'static [Field], name: &str) -> Option<&'static Field> {
    fields
        .iter()
        .find(|field| field.name == name || camel_case(field.name) == name)
}

/// Writes every known key the way Google's pages do, with underscores.
pub(super) fn normalise(node: &mut Node, fields: &'static [Field]) {
    let Node::Object(entries) = node else {
        return;
    };
    for (name, value) in entries {
        let Some(field) = find(fields, name) else {
            continue;
        };
        if *name != field.name {
            *name = field.name.to_owned();
        }
        if let Kind::Object(inner) = field.kind {
            normalise(value, inner);
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        camel.push_str(&first.to_ascii_uppercase());
        camel.push_str(rest);
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_key_are_one() {
        let text = r#"{"fcmOptions":{"analyticsLabel":"a"},"data":{"collapseKey":"x"},
            "android":{"collapseKey":"c","notification":{"titleLocKey":"t"}},"odd":{"collapseKey":1}}"#;
        let mut node: Node = serde_json::from_str(text).unwrap();
        normalise(&mut node, MESSAGE);
        let text = String::from_utf8(node.to_json()).unwrap();
        let expected = r#"{"fcm_options":{"analytics_label":"a"},"data":{"collapseKey":"x"},"android":{"collapse_key":"c","notification":{"title_loc_key":"t"}},"odd":{"collapseKey":1}}"#;
        assert_eq!(text, expected);
    }
}
