//! Codes of single fields (`errors[].code`), with the rule behind each: those of this crate, the
//! model, the engine and the gateways. A test holds the list against the sources.

/// (code, rule), each once.
static FIELDS: &[(&str, &str)] = &[
    (
        "field.unknown",
        "There is no such field. The message lists those there are.",
    ),
    ("field.missing", "The field is required."),
    (
        "live_activity.time",
        "Times of a Live Activity are RFC 3339, or `starts_at`, `ends_at` or `phases.NAME` of the same activity with `+` or `-` and a duration; a bare number is none.",
    ),
    (
        "live_activity.cycle",
        "Times of a Live Activity hang on an instant in the end, not on themselves.",
    ),
    (
        "live_activity.phase_outside",
        "A phase is not before the start and not after the end.",
    ),
    (
        "live_activity.ends_before_start",
        "A Live Activity ends after its start.",
    ),
    (
        "live_activity.over",
        "A Live Activity that is declared ends in the future.",
    ),
    (
        "live_activity.alert_missing",
        "A start by push has an alert with title and body: iOS shows nothing otherwise.",
    ),
    (
        "live_activity.alert_alone",
        "An alert of an update calls attention to a change of `content_state`.",
    ),
    (
        "live_activity.start",
        "Only phones of users and devices that are named are started by push; with a channel or an update token alone say `\"start\": \"app\"`.",
    ),
    (
        "live_activity.fixed",
        "Recipient, attributes type, attributes and `start` stay as they were once it has started; a recipient with a new channel stays from the beginning.",
    ),
    (
        "live_activity.recipient",
        "Ids of users and devices have 1 to 128 bytes, of channels 1 to 256, push tokens 1 to 512. A new channel names at most 1,000 users and devices; more are an `audience`.",
    ),
    (
        "live_activity.audience",
        "Phones of an audience are started on a new channel: one of `all`, `topic`, `tags`, `segment` and `list`, without `users` and `devices` beside it.",
    ),
    (
        "live_activity.attributes_type",
        "The name of a Swift type, of 1 to 128 characters; a token is told of the activity's own type.",
    ),
    (
        "live_activity.content_state",
        "A phone that tells of a Live Activity that nobody declared says what it shows.",
    ),
    (
        "live_activity.too_many",
        "So many Live Activities run for one recipient, and no more are adopted: `live_activities.most_on_a_phone`.",
    ),
    (
        "live_activity.push_token",
        "An update token or push-to-start token is hexadecimal, as iOS gave it to the app; an `fcm_token` is the text that FCM gave it.",
    ),
    (
        "live_activity.phases",
        "A Live Activity has at most 64 phases.",
    ),
    (
        "live_activity.phase_name",
        "Phases have names of 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, each its own.",
    ),
    (
        "live_activity.too_large",
        "Attributes and state, and the push that carries them, are within 4,096 bytes. The largest part is named.",
    ),
    (
        "live_activity.date",
        "`$date` is an RFC 3339 time, alone in its object.",
    ),
    (
        "live_activity.too_long",
        "Only a warning: the system ends an activity 8 hours after its start, and Carillon 5 minutes before that.",
    ),
    (
        "live_activity.unix_time",
        "Only a warning: a number of the size of a Unix time, which Swift reads as a date 31 years off.",
    ),
    (
        "live_activity.duration",
        "Durations are such as `90s`, `5m`, `2h`; `on_silence` is more than zero.",
    ),
    (
        "live_activity.dismiss_after",
        "It leaves the lock screen at most 4 hours after its end.",
    ),
    (
        "live_activity.alert",
        "An alert has a title and a body, or a template in their place.",
    ),
    (
        "live_activity.template",
        "In a state `{\"$template\": \"name\"}` stands alone in its object, and the template has a body; one of an alert has a title too.",
    ),
    (
        "live_activity.android",
        "Android phones are those of the user or device that is the recipient: with another recipient leave `android` out.",
    ),
    ("live_activity.relevance", "`relevance` is 0 to 100."),
    (
        "callout.timeout",
        "One attempt of a call-out takes `100ms` to `1m`.",
    ),
    ("callout.attempts", "Attempts of a call-out are 1 to 5."),
    (
        "callout.description",
        "A call-out's description has at most 200 characters.",
    ),
    (
        "callout.fallback",
        "The variables of a fallback are a JSON object.",
    ),
    (
        "callout.data",
        "What a call-out is told besides is a JSON object of at most 16 KiB.",
    ),
    (
        "callout.place",
        "A dry run asks no call-out: say `content`, or the template's variables, in it.",
    ),
    (
        "callout.unknown",
        "`content_from` names a call-out of the App.",
    ),
    (
        "callout.unreadable",
        "The stored call-out was written by a newer server.",
    ),
    (
        "callout.answer",
        "A call-out answers 204, or one JSON object of at most 64 KiB: `content`, or `variables` where the notification has a template. In a run; the pointer is into the answer.",
    ),
    (
        "callout.status",
        "The call-out answered with another status than 2xx. In a run.",
    ),
    (
        "callout.unreachable",
        "There was no answer, or the call-out could not be asked. In a run.",
    ),
    (
        "callout.interrupted",
        "The server stopped again and again while the call-out was asked (`engine.callout_begins`). In a run.",
    ),
    (
        "callout.refused",
        "What was answered was refused when it was stored. In a run.",
    ),
    (
        "schedule.unreadable",
        "The stored schedule was written by a newer server. In a run.",
    ),
    ("field.twice", "The field stands there twice."),
    ("field.type", "The value has the wrong JSON type."),
    (
        "field.one_of",
        "Of names that exclude each other exactly one stands there. The message lists them, and those that were found.",
    ),
    (
        "field.value",
        "The value is not one of those allowed, or out of its range.",
    ),
    ("line.syntax", "The line is not a JSON document."),
    (
        "line.too_long",
        "A line of NDJSON or a row of CSV has at most 64 KiB (`api.line_bytes`).",
    ),
    (
        "query.parameter",
        "Unknown query parameter, or a value that cannot be read.",
    ),
    ("query.limit", "`limit` is out of its range."),
    (
        "name.plain",
        "Names of Apps and credentials have 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, ids of devices 1 to 128.",
    ),
    ("app.name", "A name for people has at most 200 bytes."),
    ("app.weight", "A share of sending is 1 to 100."),
    (
        "app.rate",
        "A rate is 1 to 1000000 pushes a second; leave it out for none.",
    ),
    (
        "app.rate_burst",
        "A burst is a hundredth of its rate to 1000000; leave it out for a fifth of the rate.",
    ),
    ("app.max_attempts", "Attempts are 1 to 100."),
    (
        "app.max_age",
        "The longest time of trying is a duration from `1s` to `30d`.",
    ),
    (
        "app.stale_after_days",
        "Days until a device is stale are 0 (never) to 3650.",
    ),
    (
        "app.delete_stale_after_days",
        "Days until a device is deleted are 1 to 3650; leave it out for never.",
    ),
    (
        "app.max_devices_per_user",
        "Devices of one user are at most 10000; 0 is no limit.",
    ),
    (
        "app.time_zone",
        "A time zone is an IANA name such as `Asia/Seoul`.",
    ),
    (
        "app.categories",
        "An App declares at most 200 categories, with names of 1 to 64 bytes.",
    ),
    (
        "app.frequency_cap",
        "An App has at most 10 caps: `max` is 1 to 1000, `per` is `1s` to `30d`, `categories` are at most 100.",
    ),
    (
        "preferences.categories",
        "A user's preferences name at most 200 categories of 1 to 64 bytes.",
    ),
    (
        "preferences.quiet_hours",
        "Quiet hours are two different times such as `22:00`, on at least one day, in a time zone that there is.",
    ),
    (
        "preferences.muted_until",
        "`muted_until` is an instant in RFC 3339.",
    ),
    (
        "badge.change",
        "A badge is counted for users, up to 2147483647, and not beside a badge in the content.",
    ),
    ("badge.value", "A badge counter is 0 to 2147483647."),
    ("api_key.name", "A name for people has 1 to 200 bytes."),
    (
        "api_key.scopes",
        "An API key has at least one scope, each once.",
    ),
    (
        "api_key.publishable",
        "A publishable API key has the scope `register` alone and is bound to an App.",
    ),
    (
        "api_key.app",
        "An API key can be bound to an App that exists.",
    ),
    (
        "backup.file",
        "A backup goes to an absolute path on the server's disk.",
    ),
    (
        "credential.secret",
        "A credential has exactly one of `signing_key` and `certificate`.",
    ),
    (
        "credential.signing_key",
        "A signing key is Apple's `.p8` file: a P-256 key in PKCS#8 PEM.",
    ),
    (
        "credential.certificate",
        "A certificate comes with its chain and its own private key, is valid now, and fits the environments that are claimed.",
    ),
    (
        "credential.id",
        "Apple's Key ID and Team ID have 10 capital letters and digits.",
    ),
    ("credential.environments", "Only Apple has a sandbox."),
    (
        "credential.topics",
        "Topics are bundle ids; a signing key needs at least one, a certificate only takes its own.",
    ),
    (
        "device.id",
        "A device's id has 1 to 128 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "device.id_in_body",
        "The device's id stands in the address, not in the body.",
    ),
    ("device.user_id", "A user id has 1 to 128 bytes."),
    (
        "device.locale",
        "A locale is a BCP 47 tag such as `ko-KR`, at most 35 characters.",
    ),
    (
        "device.time_zone",
        "A time zone is an IANA name such as `Asia/Seoul`.",
    ),
    ("device.app_version", "A version has 1 to 64 bytes."),
    ("device.tags", "A device has at most 100 tags."),
    ("device.tag", "A tag has 1 to 64 bytes."),
    (
        "device.platform",
        "A platform has 1 to 32 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    ("device.topics", "A device has at most 100 topics."),
    (
        "device.topic",
        "A topic has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "device.capabilities",
        "A device has at most 20 capabilities.",
    ),
    (
        "device.capability",
        "A capability has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "device.attributes",
        "Attributes are an object of at most 64 names and 4,096 bytes as JSON.",
    ),
    (
        "device.attribute",
        "An attribute has a name of 1 to 64 bytes and is a string, a number, a boolean or a list of strings.",
    ),
    (
        "device.user_token",
        "A user_token comes with a publishable API key only; others say `user_id`.",
    ),
    (
        "device.user_id_unsigned",
        "With a publishable API key a user is taken only from a signed user_token.",
    ),
    (
        "device.back_end_only",
        "With a publishable API key tags and attributes are left out: they stay as the back end set them.",
    ),
    (
        "device.id_random",
        "With a publishable API key a device's id has at least 16 random characters.",
    ),
    (
        "device.push_tokens",
        "A device has at most one push token of each kind.",
    ),
    (
        "device.push_token",
        "A push token is as the gateway gave it to the app: Apple's in hexadecimal, FCM's as text, a browser's as the subscription's JSON.",
    ),
    (
        "device.registered_at",
        "A push token's `registered_at` is an instant in RFC 3339, or `unknown`.",
    ),
    (
        "identity_key.key",
        "An identity key is a `secret` of 32 to 1,024 bytes for HS256, or the `public_key` of a P-256 pair as PEM for ES256.",
    ),
    ("identity_key.many", "An App has at most 10 identity keys."),
    ("channel.topic", "The topic is one of the credential's."),
    (
        "import.columns",
        "The first row of a CSV file names its columns, each once.",
    ),
    (
        "import.row",
        "A row has as many values as the first one, in UTF-8.",
    ),
    ("target.entries", "A target has 1 to 1,000 entries."),
    ("target.entry", "An entry has 1 to 512 bytes."),
    (
        "target.all_is_true",
        "`all` can only be `true`: to send to nobody, do not send.",
    ),
    (
        "target.channel",
        "A channel id as Apple issued it has 1 to 256 bytes.",
    ),
    (
        "target.topic",
        "A topic's name has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "target.except_users",
        "At most 100 users are left out, of the targets `users`, `topic`, `tags`, `segment`, `list` and `all`.",
    ),
    (
        "content.one_of",
        "Exactly one of `content` and `template` is given.",
    ),
    (
        "options.receipt",
        "A receipt is asked for where the push carries data of the app: for alerts and background pushes.",
    ),
    (
        "content.receipt",
        "The key `carillon_receipt` is Carillon's own: `data` does not use it where a receipt is asked for.",
    ),
    (
        "options.gateway",
        "The gateway carries pushes of this type, and the server was started with it.",
    ),
    (
        "credential.service_account",
        "A service account is the JSON file that Google's console gives.",
    ),
    (
        "credential.vapid_keys",
        "VAPID keys are P-256 keys in PKCS#8 PEM, with a contact that push services can write to.",
    ),
    (
        "credential.gateway",
        "Each gateway has its own kind of secret: a signing key or a certificate for `apns`, a service account for `fcm`, VAPID keys for `webpush`.",
    ),
    ("target.unknown_device", "No device has this id."),
    (
        "target.unknown_segment",
        "The segment is one of this App's. The message names the one that was probably meant.",
    ),
    (
        "target.unknown_list",
        "The list is one of this App's. The message names the one that was probably meant.",
    ),
    (
        "target.source",
        "A source's name has 1 to 64 characters of `a-z 0-9 _`.",
    ),
    (
        "target.unknown_source",
        "The source is one that the server's configuration (`sources.file`) gives this App.",
    ),
    (
        "target.source_campaign",
        "Only a campaign has a source as its audience.",
    ),
    (
        "target.source_unread",
        "The source can be read, and names devices of this App.",
    ),
    (
        "target.list",
        "A list's name has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "list.columns",
        "The first row of an uploaded list has the column that says who is meant.",
    ),
    (
        "list.nobody",
        "An uploaded list names at least one device of the App.",
    ),
    (
        "list.devices",
        "A list has at most as many devices as the server allows (`engine.list_devices`).",
    ),
    (
        "target.segment",
        "A segment's name has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "target.push_token",
        "A push token is as the gateway gave it to the app: Apple's in hexadecimal, FCM's as text, a browser's as the subscription's JSON.",
    ),
    ("target.nobody", "None of these users has a device."),
    (
        "expiry.one_of",
        "At most one of `expires_at` and `expires_in` is given.",
    ),
    ("expiry.time", "`expires_at` is an instant in RFC 3339."),
    (
        "expiry.duration",
        "`expires_in` is a duration such as `15m`.",
    ),
    (
        "expiry.past",
        "The notification's time is not over before it is sent.",
    ),
    (
        "send_at.time",
        "`send_at` is an instant in RFC 3339, or a local time with its zone.",
    ),
    (
        "send_at.local",
        "A local time is a date and a time of day without offset, such as `2026-12-01T09:00`.",
    ),
    (
        "send_at.time_zone",
        "A time zone is an IANA name such as `Asia/Seoul`.",
    ),
    (
        "send_at.past",
        "`send_at` has not passed, unless `if_past` is `send_now`.",
    ),
    (
        "send_at.too_far",
        "`send_at` is at most `scheduler.send_ahead_max` ahead (a year by default).",
    ),
    ("send_at.if_past", "`if_past` stands beside `send_at`."),
    (
        "send_at.unreadable",
        "What is stored of a waiting notification can be read.",
    ),
    (
        "apns.priority",
        "Priority `low` is for alerts and background pushes of some kinds only.",
    ),
    (
        "apns.priority_for_background",
        "A background push has priority `normal`.",
    ),
    ("apns.collapse_id", "A collapse id has 1 to 64 bytes."),
    (
        "apns.collapse_id_of_broadcast",
        "A broadcast has no collapse id.",
    ),
    (
        "apns.push_type_of_broadcast",
        "A channel takes push type `liveactivity`.",
    ),
    (
        "apns.channel_id",
        "A channel id is base64, as Apple issued it.",
    ),
    (
        "apns.topic",
        "A topic is a bare bundle id: the suffix of the push type is added. MDM has a topic of its own.",
    ),
    (
        "apns.field_for_push_type",
        "The portable field means nothing to this push type.",
    ),
    (
        "apns.reserved_key",
        "The key `aps` is Apple's own: use `content.apns` for it.",
    ),
    (
        "apns.not_an_object",
        "The payload is a JSON object, and so is its `aps`.",
    ),
    ("apns.empty", "The payload says something."),
    (
        "apns.too_large",
        "The rendered payload is within the limit of its push type: 4,096 bytes, for VoIP 5,120.",
    ),
    ("apns.required", "The push type needs this key."),
    (
        "apns.not_allowed",
        "The push type does not take this key or value.",
    ),
    ("apns.wrong_type", "Apple's key has another JSON type."),
    (
        "apns.out_of_range",
        "Apple's key has a value out of its range.",
    ),
    (
        "apns.duplicate_key",
        "A key stands there twice: devices differ in which one they take.",
    ),
    (
        "apns.nothing_to_show",
        "An alert shows, sounds or badges something.",
    ),
    (
        "apns.needs_alert",
        "The start of a Live Activity has an alert.",
    ),
    ("apns.misspelt", "The key is written otherwise at Apple's."),
    (
        "apns.misplaced",
        "The key belongs elsewhere in the payload.",
    ),
    ("apns.without_key", "The key needs another one beside it."),
    ("apns.conflict", "Two keys contradict each other."),
    (
        "apns.payload",
        "The payload breaks another rule of Apple's; the message says which.",
    ),
    (
        "fcm.push_type",
        "FCM carries push types `alert` and `background`; the others are Apple's alone.",
    ),
    ("fcm.channel", "Broadcast channels are Apple's."),
    (
        "fcm.collapse_id",
        "A collapse id has 1 to 64 bytes, none of them a control character.",
    ),
    (
        "fcm.field_for_push_type",
        "A background push shows nothing.",
    ),
    (
        "fcm.reserved_key",
        "Google's own keys (`from`, `message_type`, `collapse_key`, `google…`, `gcm…`) cannot stand in `data`, nor can `link` beside `content.link`.",
    ),
    (
        "fcm.wrong_type",
        "FCM's key has another JSON type; values in `data` are strings where `fcm.stringify_data` is off.",
    ),
    (
        "fcm.not_an_object",
        "`content.data` and `content.fcm` are JSON objects.",
    ),
    (
        "fcm.too_large",
        "Data and texts are within 4,096 bytes for each platform.",
    ),
    (
        "fcm.out_of_range",
        "FCM's key has a value out of its range.",
    ),
    ("fcm.duplicate_key", "A key stands there twice."),
    (
        "fcm.unknown_key",
        "FCM knows no such key, and refuses a message with it.",
    ),
    (
        "fcm.legacy_key",
        "The key is of the legacy API, which Google switched off in 2024.",
    ),
    (
        "fcm.target_in_message",
        "The target stands in `target`, not in the message.",
    ),
    ("fcm.output_only", "The key is Google's to write."),
    (
        "fcm.preview",
        "The key is a preview of Google's and may still change.",
    ),
    ("fcm.required", "A key that is needed is missing."),
    ("fcm.needs_key", "The key needs another one beside it."),
    (
        "fcm.unknown_value",
        "The value is not one of those that FCM knows.",
    ),
    (
        "fcm.bad_duration",
        "A duration is seconds with an `s`, such as `\"3.5s\"`.",
    ),
    ("fcm.bad_colour", "A colour is `#rrggbb`."),
    ("fcm.bad_time", "A time is in RFC 3339."),
    (
        "fcm.bad_label",
        "A label has 1 to 50 letters, digits and `-_.~%`.",
    ),
    (
        "fcm.bad_url",
        "Pictures and links for browsers are absolute `https` URLs.",
    ),
    ("fcm.voip", "FCM cannot send VoIP pushes."),
    (
        "fcm.silent_priority",
        "At Apple's what shows nothing has priority 5.",
    ),
    (
        "fcm.message",
        "The message breaks another rule of FCM's; the message says which.",
    ),
    (
        "webpush.push_type",
        "Browsers take push types `alert` and `background`.",
    ),
    ("webpush.channel", "Broadcast channels are Apple's."),
    ("webpush.collapse_id", "A collapse id has 1 to 64 bytes."),
    (
        "webpush.field_for_push_type",
        "A background push shows nothing: it has data, and perhaps a badge.",
    ),
    (
        "webpush.nothing_to_show",
        "An alert shows something; one that does not may cost the permission to push.",
    ),
    (
        "webpush.not_an_object",
        "`content.data`, `content.webpush` and its `notification` are JSON objects.",
    ),
    (
        "webpush.too_large",
        "The message is within 3,993 bytes: encrypted it must fit into 4,096.",
    ),
    (
        "webpush.declarative",
        "A message with `web_push` is one that a browser shows by itself: it has a title, an absolute URL as `navigate`, and keys of the right types.",
    ),
];

/// The whole list.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let others = super::saying::FIELDS.iter().chain(super::watching::FIELDS);
    FIELDS.iter().chain(others).copied()
}

#[cfg(test)]
mod tests {
    use super::all;
    use std::collections::BTreeSet;

    #[test]
    fn each_code_once_with_its_rule_in_a_sentence() {
        let codes: BTreeSet<_> = all().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), all().count());
        for (code, rule) in all() {
            assert!(code.contains('.') && rule.ends_with('.'), "{code}");
        }
    }
}
