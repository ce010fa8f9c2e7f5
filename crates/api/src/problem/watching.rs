//! Codes of single fields that concern monitors, rotations, ladders and incidents. The rest of the list is in
//! [`super::fields`].

/// (code, rule), each once.
pub(super) static FIELDS: &[(&str, &str)] = &[
    (
        "content.json",
        "What a page says of an incident can be written as JSON.",
    ),
    (
        "monitor.url",
        "A URL of a check begins with `https://` or `http://`, has at most 2,048 bytes and no password, and leads where the server's configuration lets it.",
    ),
    (
        "monitor.duration",
        "Durations are such as `30s`, `5m`, `1h`, within the bounds that the message names: an interval is 1 s to 1 day.",
    ),
    (
        "monitor.count",
        "A number is within the bounds that the message names.",
    ),
    (
        "monitor.too_many",
        "There are at most so many of them as the message says.",
    ),
    (
        "monitor.name",
        "Names have 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, each once.",
    ),
    (
        "monitor.pattern",
        "A regular expression has at most 1,024 bytes, neither look-around nor back-references, and is not too large compiled: it is matched in linear time.",
    ),
    (
        "monitor.header",
        "A header has the name of one, a value of at most 2,048 visible ASCII characters, and is none that the client writes itself; `***` stands for a value that is stored, as long as the URL stays at its scheme, host and port.",
    ),
    (
        "monitor.body",
        "A body has at most 16 KiB, and goes with POST, PUT and PATCH.",
    ),
    ("monitor.redirects", "At most 10 redirects are followed."),
    (
        "monitor.method",
        "Answers to HEAD have no body to be looked at.",
    ),
    (
        "monitor.json",
        "A value is found by a JSON pointer, and `equals` something or is between `at_least` and `at_most`, not both.",
    ),
    (
        "monitor.certificate",
        "`certificate_days` goes with TLS, and is at most 365.",
    ),
    (
        "monitor.host",
        "A host is a name or an address, without scheme and path, to which the server's configuration lets checks go.",
    ),
    ("monitor.port", "A port is 1 to 65535."),
    (
        "monitor.dns",
        "A question to a name server has a name, an address as the server, and answers that fit the type.",
    ),
    (
        "monitor.period",
        "A heartbeat is due every `period` of 10 s to 100 days, or by a `cron` pattern.",
    ),
    (
        "monitor.limit",
        "The limit of a check of the server is a duration, of `disk` a size such as `1GiB`, within the bounds that the message names.",
    ),
    (
        "monitor.server_app",
        "The server is watched only by monitors of the App that the setting `monitors.watch_server_app` names: what they tell is of all Apps.",
    ),
    (
        "monitor.heartbeat",
        "Of a heartbeat nothing is asked: it has no interval, and cannot be tried.",
    ),
    (
        "monitor.time_zone",
        "A time zone is an IANA name such as `Asia/Seoul`. The message names the one that was probably meant.",
    ),
    (
        "monitor.instant",
        "Instants are such as `2026-01-31T12:00:00Z` (RFC 3339).",
    ),
    (
        "monitor.maintenance",
        "A window has `from` and a later `until`, or `cron`, `lasts` and `time_zone`.",
    ),
    (
        "monitor.ladder",
        "A ladder is one of the App's, and goes with a severity that pages somebody.",
    ),
    (
        "monitor.depends_on",
        "A monitor depends on monitors of the App that there are.",
    ),
    (
        "monitor.live_activity",
        "The attributes type of a Live Activity has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
    (
        "monitor.description",
        "A description is one line of at most 200 characters.",
    ),
    (
        "monitor.cycle",
        "Monitors do not depend on each other in a circle. The message shows it.",
    ),
    (
        "on_call.time_zone",
        "A time zone is an IANA name such as `Asia/Seoul`. The message names the one that was probably meant.",
    ),
    (
        "on_call.layers",
        "A rotation has 1 to 8 layers with people.",
    ),
    ("on_call.members", "A layer has 1 to 50 members, each once."),
    ("on_call.user", "A user's id has 1 to 128 bytes."),
    (
        "on_call.turn",
        "A turn is a whole number of days, `1d` to `366d`.",
    ),
    ("on_call.time", "A time of day is such as `09:00`."),
    (
        "on_call.weekday",
        "`weekday` goes with turns of whole weeks.",
    ),
    (
        "on_call.date",
        "`starts_on` is a date such as `2026-12-01`.",
    ),
    (
        "on_call.hours",
        "Hours are two different times of day such as `22:00`, on at least one day.",
    ),
    (
        "on_call.overrides",
        "A rotation keeps at most 100 overrides: take out those that are over.",
    ),
    ("on_call.override", "An override ends after it begins."),
    (
        "on_call.instant",
        "Instants are such as `2026-01-31T12:00:00Z` (RFC 3339).",
    ),
    (
        "on_call.gap",
        "Somebody is on call at every time of the next four weeks, unless the rotation says `allow_gaps`. The message shows the first gap.",
    ),
    (
        "on_call.no_device",
        "Only a warning: who may be paged has a device with a push token.",
    ),
    (
        "ladder.steps",
        "A ladder has 1 to 20 steps that page somebody.",
    ),
    ("ladder.rounds", "A ladder is gone through 1 to 20 times."),
    (
        "ladder.duration",
        "Durations are within the bounds that the message names: a step comes at most a day after the one before, a pause is 30 s to 1 day, an acknowledgement holds 1 min to 7 days.",
    ),
    (
        "ladder.whom",
        "A step pages a rotation by its name, or 1 to 50 users.",
    ),
    (
        "ladder.sound",
        "A sound has a name of 1 to 64 bytes and a volume from 0 to 1.",
    ),
    (
        "ladder.rotation",
        "A rotation that a step names is one of the App's.",
    ),
    (
        "ladder.nobody",
        "A step finds somebody: `next` needs another person in the rotation to go on to.",
    ),
    (
        "ladder.no_call_screen",
        "A step that rings finds a device whose app has declared `voip_call_ui`: iOS ends an app that gets a VoIP push and does not report an incoming call.",
    ),
    (
        "incident.by",
        "Who moves an incident is named by 1 to 128 bytes without control characters.",
    ),
    ("incident.snooze", "A page is put off for `1m` to `1d`."),
    (
        "receipt.no_page",
        "The receipt event `acknowledged` is for pages of an incident that is still kept; of any other push say `opened`.",
    ),
    (
        "app.status_page",
        "A status page has a heading of one line of at most 100 characters, and at most 20 tags of 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`.",
    ),
];
