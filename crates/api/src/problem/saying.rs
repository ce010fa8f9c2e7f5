//! Codes of single fields that concern what is said, and when: templates, expressions, triggers and
//! reported events. The rest of the list is in [`super::fields`].

/// (code, rule), each once.
pub(super) static FIELDS: &[(&str, &str)] = &[
    (
        "template.unknown",
        "The template is one of this App's. The message names the one that was probably meant.",
    ),
    (
        "template.unreadable",
        "The stored template can be read by this server: a newer one wrote it.",
    ),
    (
        "template.variables",
        "`variables` is a JSON object of at most 65,536 bytes.",
    ),
    (
        "template.variable_missing",
        "A required variable is given. The message names it.",
    ),
    (
        "template.variable_type",
        "A variable's value has the type that is declared; nothing is converted.",
    ),
    (
        "template.variable_name",
        "A variable's name has up to 64 letters, digits and `_`, and is neither a word of the language nor a name that Carillon gives.",
    ),
    (
        "template.variable_default",
        "A default has the type that is declared, and only a variable that is not required has one.",
    ),
    (
        "template.default_locale",
        "`default_locale` is one of the locales in `content`.",
    ),
    (
        "template.locale",
        "A locale is a BCP 47 tag such as `ko` or `pt-BR`, each once.",
    ),
    ("template.locales", "A preview is of at most 100 locales."),
    (
        "template.empty",
        "Each locale says something, itself or by what it takes from the default one.",
    ),
    (
        "template.syntax",
        "A text is written in the template language; line and column say where it is not.",
    ),
    (
        "template.unknown_variable",
        "A text uses only declared variables and the names that Carillon gives.",
    ),
    (
        "template.unknown_filter",
        "A text uses only filters that there are.",
    ),
    (
        "template.unknown_test",
        "A text uses only tests that there are.",
    ),
    (
        "template.unknown_function",
        "A text uses only functions that there are.",
    ),
    (
        "template.not_an_object",
        "`data`, `apns`, `fcm` and `webpush` are JSON objects.",
    ),
    (
        "template.key",
        "Keys are plain: only values may be templates.",
    ),
    (
        "template.too_large",
        "At most 100 locales, 100 variables, 8,192 bytes a text as written, 4,096 bytes as rendered, 16 levels in an object.",
    ),
    (
        "template.undefined",
        "What a text uses has a value: give it, or write a stand-in with `|default('…')`.",
    ),
    (
        "template.fuel",
        "Rendering a text takes a bounded number of steps.",
    ),
    ("template.badge", "A badge becomes a whole number from 0."),
    (
        "template.failed",
        "A text can be rendered; the message says what went wrong.",
    ),
    ("template.sample", "A dry run tries 1 to 1,000 devices."),
    (
        "template.dry_run_target",
        "A dry run is for `devices`, `users`, `topic`, `tags` or `all`: of others nothing is known that a template could ask.",
    ),
    (
        "expression.syntax",
        "An expression is written in the language of expressions; line and column say where it is not.",
    ),
    (
        "expression.unknown_name",
        "An expression uses only names that there are where it stands.",
    ),
    (
        "expression.types",
        "Both sides of a comparison have types that can be compared.",
    ),
    (
        "expression.too_large",
        "An expression has bounded length, depth, lists and parts; the message says which bound.",
    ),
    (
        "segment.unknown_campaign",
        "`opened(…)` and `delivered(…)` name a campaign of the App whose record is kept. The message names the one that was probably meant.",
    ),
    (
        "segment.unknown_attribute",
        "An attribute is one that devices have. What looks mistyped is refused; what is rare or new is a warning.",
    ),
    (
        "segment.new_attributes",
        "A segment declares at most 64 attributes as new.",
    ),
    (
        "segment.description",
        "A description has at most 1,024 bytes.",
    ),
    (
        "trigger.event",
        "A trigger is for a name such as `comment.created`, or for all that begin alike: `comment.*`.",
    ),
    (
        "trigger.audience",
        "`recipients` and `all` can only be `true`: a trigger for nobody is none.",
    ),
    (
        "trigger.path",
        "A path leads to a place in the event, such as `data.post.author`.",
    ),
    (
        "trigger.digest_key",
        "`digest_key` says what digests are kept apart by, so it stands beside `digest`.",
    ),
    (
        "trigger.gone",
        "In the log: the trigger of a digest was deleted or rests, so nothing was told.",
    ),
    (
        "schedule.cron",
        "A pattern has five fields, `minute hour day month weekday`, such as `0 9 * * MON`, or is `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`. The message names the field.",
    ),
    (
        "schedule.never",
        "A schedule is due some time: not on a 31st of February, not only on its exceptions, not only after its end.",
    ),
    (
        "schedule.time_zone",
        "`time_zone` is an IANA name such as `Asia/Seoul`. The message names the one that was probably meant.",
    ),
    (
        "schedule.except_dates",
        "An exception is a date such as `2026-12-25`, or a range such as `2026-12-24/2026-12-26`; at most 400.",
    ),
    (
        "schedule.instant",
        "`starts_at` and `ends_at` are instants such as `2026-01-31T12:00:00Z` (RFC 3339).",
    ),
    ("schedule.ends_at", "A schedule ends after it starts."),
    (
        "schedule.notification",
        "A schedule sends one `notification` or begins one `campaign`. What happens again and again says no instants: leave out `send_at` and `if_past`, and say `expires_in` instead of `expires_at`.",
    ),
    (
        "schedule.name_taken",
        "The campaign of a schedule has the time in its name, and there is one of that name already. In a run.",
    ),
    (
        "campaign.name",
        "A campaign's name has 1 to 64 characters of `A-Z a-z 0-9 . _ : @ -`, in a schedule at most 39, and does not begin with `cmp_`.",
    ),
    (
        "campaign.audience",
        "A campaign is for `all`, `tags`, a `segment`, a `list`, a `topic` or a `source`. To single devices or users send a notification.",
    ),
    (
        "campaign.audience_mode",
        "`local_time`, `canary` and `pace.over` need an audience that is `frozen`.",
    ),
    ("campaign.slice_size", "A slice has 1 to 1000 devices."),
    (
        "campaign.pace",
        "A pace is `{\"per_second\": n}` with 1 to 1000000, or `{\"over\": \"30m\"}` with `1s` to `30d`. To send nothing, pause the campaign.",
    ),
    (
        "campaign.canary",
        "A canary has 1 to 100000 devices, a `hold` of `1s` to `7d`, and at least one share in `halt_if`, from 0 to below 1.",
    ),
    (
        "campaign.local_time",
        "`local_time` is a date and time without offset, such as `2026-12-01T09:00`, in a schedule's campaign a time of day such as `09:00`, and the IANA zone of devices that say none.",
    ),
    (
        "campaign.one_of",
        "A campaign has `send_at` or `local_time`, not both.",
    ),
    (
        "campaign.past",
        "A local time has not passed everywhere, unless `if_past` says `send_now`.",
    ),
    (
        "event.name",
        "An event's name has 1 to 100 characters of `a-z A-Z 0-9 . _ -`.",
    ),
    (
        "event.text",
        "`subject`, `actor` and each of `recipients` have 1 to 128 bytes.",
    ),
    (
        "event.recipients",
        "An event names at most 1,000 recipients; for more there are topics.",
    ),
    ("event.data", "`data` is a JSON object."),
];
