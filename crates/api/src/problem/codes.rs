//! The one table of everything that can go wrong: code, status, title, what to do. `docs/errors.md`
//! is written from it, the OpenAPI document points into it, and nothing else makes up a code.

/// A kind of problem. `code` never changes once released.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable dotted word.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened, in a few words, the same each time.
    pub title: &'static str,
    /// What the caller should do.
    pub mend: &'static str,
}

macro_rules! codes {
    ($($name:ident = $status:literal $code:literal: $title:literal, $mend:literal;)*) => {
        $(pub(crate) static $name: Code = Code { code: $code, status: $status, title: $title, mend: $mend };)*
        /// Every code, each once, by status.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    REQUEST_SYNTAX = 400 "request.syntax":
        "The body is not JSON",
        "Send one JSON document in UTF-8. The detail names line and column.";
    REQUEST_PARAMETER = 400 "request.parameter":
        "A part of the address is wrong",
        "Correct the query parameter or the name in the path that `errors` points to. Unknown parameters are errors, so that a typing mistake does not pass for an empty filter.";
    REQUEST_CURSOR = 400 "request.cursor":
        "The cursor is not one of ours",
        "Pass `next` of the page before unchanged, to the same list; leave `cursor` out for the first page.";
    REQUEST_HEADER = 400 "request.header":
        "A header is wrong",
        "Correct the header that the detail names.";
    AUTH_MISSING = 401 "auth.missing":
        "No API key",
        "Send `Authorization: Bearer <API key>`.";
    AUTH_UNKNOWN = 401 "auth.unknown":
        "Unknown API key",
        "The API key was revoked, or mistyped. Make a new one with `POST /v1/api-keys` or `carillon keys`.";
    RECEIPT_UNKNOWN = 401 "receipt.unknown":
        "The receipt is none",
        "Send `carillon_receipt` as it stands in the push's data, unchanged, to the server that sent the push.";
    AUTH_USER_TOKEN = 401 "auth.user_token":
        "The signed user id is not taken",
        "Get a fresh user_token from your back end: a JWT (HS256 or ES256) by an identity key of the App, with `sub`, and `exp` at most 24 hours ahead. Which part failed is in the server's log at level debug, under the request id.";
    AUTH_SCOPE = 403 "auth.scope":
        "The API key may not do this",
        "Use an API key with one of the scopes that the detail names.";
    AUTH_APP = 403 "auth.app":
        "The API key is bound to an App",
        "Use an API key of the App in question, or one that is bound to none.";
    DEVICE_NOT_OWN = 403 "device.not_own":
        "This device is another one",
        "Send the device's own secret in `Carillon-Device-Secret`, or a user_token of its user. An app that has lost both registers under a new id.";
    LIVE_ACTIVITY_NOT_RECIPIENT = 403 "live_activity.not_recipient":
        "The Live Activity is not this device's",
        "Tell only of Live Activities of this device or of its user. A device that has just been given its user registers first.";
    ROUTE_UNKNOWN = 404 "route.unknown":
        "No such address",
        "Compare the path with `GET /v1/openapi.json`.";
    APP_UNKNOWN = 404 "app.unknown":
        "No such App",
        "Make it with `PUT /v1/apps/{app}`, or correct its id.";
    CREDENTIAL_UNKNOWN = 404 "credential.unknown":
        "No such credential",
        "Set it with `PUT /v1/apps/{app}/credentials/{name}`, or correct its name.";
    TEMPLATE_UNKNOWN = 404 "template.unknown":
        "No such template",
        "Make it with `PUT /v1/apps/{app}/templates/{name}`, or correct its name. Replaced versions are kept as long as records are.";
    TRIGGER_UNKNOWN = 404 "trigger.unknown":
        "No such trigger",
        "Make it with `PUT /v1/apps/{app}/triggers/{name}`, or correct its name.";
    SEGMENT_UNKNOWN = 404 "segment.unknown":
        "No such segment",
        "Make it with `PUT /v1/apps/{app}/segments/{name}`, or correct its name.";
    LIST_UNKNOWN = 404 "list.unknown":
        "No such list",
        "Upload it with `PUT /v1/apps/{app}/lists/{name}`, or correct its name.";
    CALLOUT_UNKNOWN = 404 "callout.unknown":
        "No such call-out",
        "Make it with `PUT /v1/apps/{app}/callouts/{name}`, or correct its name.";
    LIVE_ACTIVITY_UNKNOWN = 404 "live_activity.unknown":
        "No such Live Activity",
        "Declare it with `PUT /v1/apps/{app}/live-activities/{id}`, or correct its id. One that is over is kept as long as records are.";
    LIVE_ACTIVITY_SOURCE_UNKNOWN = 404 "live_activity_source.unknown":
        "No such table of Live Activities",
        "Correct its name: `GET /v1/apps/{app}/live-activity-sources` has those of this App. They are set up by the operator, in `sources.file`.";
    SCHEDULE_UNKNOWN = 404 "schedule.unknown":
        "No such schedule",
        "Make it with `PUT /v1/apps/{app}/schedules/{name}`, or correct its name.";
    MONITOR_UNKNOWN = 404 "monitor.unknown":
        "No such monitor",
        "Make it with `PUT /v1/apps/{app}/monitors/{name}`, or correct its name.";
    ROTATION_UNKNOWN = 404 "rotation.unknown":
        "No such rotation",
        "Make it with `PUT /v1/apps/{app}/rotations/{name}`, or correct its name.";
    LADDER_UNKNOWN = 404 "ladder.unknown":
        "No such ladder",
        "Make it with `PUT /v1/apps/{app}/ladders/{name}`, or correct its name.";
    INCIDENT_UNKNOWN = 404 "incident.unknown":
        "No such incident",
        "Correct its number: `GET /v1/apps/{app}/incidents` has them. Closed ones are kept as long as records are.";
    HEARTBEAT_UNKNOWN = 404 "heartbeat.unknown":
        "Nobody listens at this address",
        "Read the monitor: `heartbeat_url` is where its job tells that it ran. It is another one after `rotate-secret`, and once the monitor was deleted and made anew.";
    STATUS_PAGE_UNKNOWN = 404 "status_page.unknown":
        "No such status page",
        "Correct the App's id, or switch its page on: `settings.status_page.public` of `PUT /v1/apps/{app}`.";
    CAMPAIGN_UNKNOWN = 404 "campaign.unknown":
        "No such campaign",
        "Start it with `POST /v1/apps/{app}/campaigns`, or correct its id or name. Campaigns are kept as long as records are.";
    DEVICE_UNKNOWN = 404 "device.unknown":
        "No such device",
        "Register it with `PUT /v1/apps/{app}/devices/{id}`, or correct its id. A deleted device stays deleted.";
    PUSH_TOKEN_UNKNOWN = 404 "push_token.unknown":
        "No such push token",
        "Read the device to see which kinds it has.";
    IDENTITY_KEY_UNKNOWN = 404 "identity_key.unknown":
        "No such identity key",
        "Set it with `PUT /v1/apps/{app}/identity-keys/{name}`, or correct its name.";
    NOTIFICATION_UNKNOWN = 404 "notification.unknown":
        "No such notification",
        "Correct the id. Notifications are kept for the retention time (30 days by default) after their last delivery ended.";
    DELIVERY_UNKNOWN = 404 "delivery.unknown":
        "No such delivery",
        "Correct the id. Deliveries are kept as long as their notification.";
    CHANNEL_UNKNOWN = 404 "channel.unknown":
        "No such broadcast channel",
        "Apple knows no such channel in this environment and topic. List them with `GET /v1/apps/{app}/channels`.";
    WEBHOOK_UNKNOWN = 404 "webhook.unknown":
        "No such webhook endpoint",
        "Make it with `PUT /v1/apps/{app}/webhooks/{name}`, or correct its name.";
    API_KEY_UNKNOWN = 404 "api_key.unknown":
        "No such API key",
        "List them with `GET /v1/api-keys`. One that was revoked stays revoked.";
    METHOD_NOT_ALLOWED = 405 "method.not_allowed":
        "This address does not take this method",
        "Use one of the methods in the `Allow` header.";
    REQUEST_LATE = 408 "request.late":
        "The body did not arrive in time",
        "Send the whole body without long pauses; nothing of it was carried out.";
    IDEMPOTENCY_IN_PROGRESS = 409 "idempotency.in_progress":
        "A request with this Idempotency-Key is being carried out",
        "Wait for the first request's answer, or repeat this one in a second.";
    NOTIFICATION_NOT_WAITING = 409 "notification.not_waiting":
        "The notification does not wait for its time",
        "Only one that is `scheduled` or `set_aside` can be changed. Read it to see what became of it; cancel takes back what was not written yet.";
    CAMPAIGN_NAME_TAKEN = 409 "campaign.name_taken":
        "There is a campaign of this name",
        "Give it another name; the detail has the id of the one that is there. To repeat a request safely send an `Idempotency-Key`.";
    LIVE_ACTIVITY_OVER = 409 "live_activity.ended":
        "The Live Activity is over",
        "Declare another one under another id. Read it to see how it ended.";
    CAMPAIGN_OVER = 409 "campaign.over":
        "The campaign is over",
        "Only one that is not over can be paused, go on or be cancelled. Read it to see how it ended.";
    TEMPLATE_IN_USE = 409 "template.in_use":
        "Triggers or schedules use the template",
        "Give the triggers and schedules that the detail names another template, or delete them first.";
    SEGMENT_IN_USE = 409 "segment.in_use":
        "Triggers or schedules send to the segment",
        "Give the triggers and schedules that the detail names another audience, or delete them first.";
    LIST_IN_USE = 409 "list.in_use":
        "Schedules send to the list",
        "Give the schedules that the detail names another target, or delete them first.";
    LIST_LIMIT = 409 "list.limit":
        "The App has as many lists as it may",
        "Delete one that is not used, or upload under the name of one that is not needed any more.";
    CALLOUT_IN_USE = 409 "callout.in_use":
        "Schedules ask the call-out",
        "Give the schedules that the detail names something to say, or delete them first.";
    MONITOR_IN_USE = 409 "monitor.in_use":
        "Other monitors depend on the monitor",
        "Take it out of `depends_on` of the monitors that the detail names, or delete them first.";
    ROTATION_IN_USE = 409 "rotation.in_use":
        "Ladders page the rotation",
        "Give the steps of the ladders that the detail names other people, or delete them first.";
    LADDER_IN_USE = 409 "ladder.in_use":
        "Monitors have the ladder",
        "Give the monitors that the detail names another ladder, or delete them first.";
    MONITOR_NO_HEARTBEAT = 409 "monitor.no_heartbeat":
        "The monitor is no heartbeat",
        "Only a monitor whose check is `heartbeat` has a secret address.";
    MONITOR_NOT_CHECKED = 409 "monitor.not_checked":
        "The monitor is a heartbeat",
        "Nothing is asked of a heartbeat: it is heard of, or it is not. Let its job call `heartbeat_url`.";
    INCIDENT_OVER = 409 "incident.over":
        "The incident is over",
        "Read it to see how it ended. If the service is down again there is another incident, with a number of its own.";
    INCIDENT_ACKNOWLEDGED = 409 "incident.acknowledged":
        "Somebody has the incident in hand",
        "The detail says who. Take it back with `…/unacknowledge` first, if it is to be somebody else.";
    INCIDENT_NOT_ACKNOWLEDGED = 409 "incident.not_acknowledged":
        "Nobody has the incident in hand",
        "Only what was acknowledged can be given back.";
    INCIDENT_NOT_PAGING = 409 "incident.not_paging":
        "No page is to come",
        "Somebody has the incident in hand, the ladder was gone through, or the monitor has none: there is nothing to put off.";
    HEARTBEAT_NOT_HEARD = 409 "heartbeat.not_heard":
        "The monitor does not listen",
        "It rests: store it without `paused` to let it listen again.";
    CREDENTIAL_MISSING = 409 "credential.missing":
        "The App has no credential for this",
        "Set a credential for this environment with `PUT /v1/apps/{app}/credentials/{name}`.";
    WEBHOOK_DISABLED = 409 "webhook.disabled":
        "The webhook endpoint is disabled",
        "Enable it with `POST /v1/apps/{app}/webhooks/{name}/enable`, then repeat.";
    WEBHOOK_LIMIT = 409 "webhook.limit":
        "The App has as many webhook endpoints as it may",
        "Delete one that is not used. An endpoint can take several kinds of events.";
    RECEIPT_GONE = 410 "receipt.gone":
        "What the receipt is for is not kept any more",
        "Nothing: it came after the retention time. Do not send it again.";
    INCIDENT_LINK_GONE = 410 "incident.link_gone":
        "The link is not valid any more",
        "Open the newest notification about the incident, or acknowledge with `POST /v1/apps/{app}/incidents/{monitor}/{no}/acknowledge`.";
    REQUEST_TOO_LARGE = 413 "request.too_large":
        "The body is too large",
        "Send less at once. For many notifications use `application/x-ndjson`; the detail names the limit.";
    REQUEST_CONTENT_TYPE = 415 "request.content_type":
        "The body's content type is not taken here",
        "Set `Content-Type` to one that the detail names.";
    REQUEST_INVALID = 422 "request.invalid":
        "The body breaks a rule",
        "Correct each field in `errors`: `pointer` says where, `message` what was expected. Nothing was stored.";
    IDEMPOTENCY_REUSED = 422 "idempotency.reused":
        "This Idempotency-Key came before with another body",
        "Use a new key for a new request, and the same body for a repeated one.";
    STORE_REFUSED = 422 "store.refused":
        "The store cannot do this",
        "Do what the detail says, e.g. name a file that does not exist yet. Nothing was lost or overwritten.";
    REQUEST_RATE = 429 "request.rate":
        "Too many requests with this API key",
        "Repeat after `Retry-After` seconds; nothing was done. Send many notifications, devices or events in one request as NDJSON, or raise the setting that the detail names.";
    STORE_OVERLOADED = 429 "store.overloaded":
        "Carillon cannot store faster",
        "Repeat after `Retry-After` seconds, with the same Idempotency-Key. Nothing was stored.";
    SERVER_ERROR = 500 "server.error":
        "Something broke in Carillon",
        "Report it with the request id: the log names the cause. A repeated request with the same Idempotency-Key is safe.";
    GATEWAY_REFUSED = 502 "gateway.refused":
        "The gateway refused",
        "`gateway` has the gateway's own words, the detail what to do.";
    SERVER_BUSY = 503 "server.busy":
        "Too many requests at once",
        "Repeat after `Retry-After` seconds. Nothing was done.";
    SERVER_LATE = 503 "server.late":
        "Carillon did not finish in time",
        "It may still be carried out. Repeat with the same Idempotency-Key, or read the state first.";
    SERVER_STOPPING = 503 "server.stopping":
        "Carillon is stopping",
        "Repeat after `Retry-After` seconds: another instance, or this one when it is back.";
    SERVER_UNREADY = 503 "server.unready":
        "Carillon is not ready",
        "Send no traffic to this instance; the detail says what it waits for.";
    STORE_BUSY = 503 "store.busy":
        "The database is locked by another program",
        "Find what else has the database open. Repeat after `Retry-After` seconds; nothing was changed.";
    STORE_AWAY = 503 "store.away":
        "The database server does not answer",
        "See that it runs and can be reached. Repeat after `Retry-After` seconds; nothing was changed.";
    STORE_FULL = 507 "store.full":
        "The disk is full",
        "Free some space or lower the retention. Nothing was stored; reading and sending go on.";
}

/// Groups that several operations share.
pub(crate) mod groups {
    use super::*;

    /// Every operation under `/v1` but the document itself.
    pub(crate) static GUARDED: &[&Code] = &[
        &AUTH_MISSING,
        &AUTH_UNKNOWN,
        &AUTH_SCOPE,
        &REQUEST_RATE,
        &SERVER_BUSY,
    ];
    /// Operations of one App.
    pub(crate) static IN_APP: &[&Code] = &[&REQUEST_PARAMETER, &AUTH_APP, &APP_UNKNOWN];
    /// Operations on everything: not for API keys that are bound to an App.
    pub(crate) static GLOBAL: &[&Code] = &[&AUTH_APP];
    /// Operations that take a JSON body.
    pub(crate) static BODY: &[&Code] = &[
        &REQUEST_SYNTAX,
        &REQUEST_LATE,
        &REQUEST_TOO_LARGE,
        &REQUEST_CONTENT_TYPE,
        &REQUEST_INVALID,
    ];
    /// Operations that read the store.
    pub(crate) static READS: &[&Code] = &[
        &SERVER_ERROR,
        &SERVER_LATE,
        &SERVER_STOPPING,
        &STORE_BUSY,
        &STORE_AWAY,
    ];
    /// Operations that write to it.
    pub(crate) static WRITES: &[&Code] = &[
        &SERVER_ERROR,
        &SERVER_LATE,
        &SERVER_STOPPING,
        &STORE_BUSY,
        &STORE_AWAY,
        &STORE_OVERLOADED,
        &STORE_FULL,
    ];
    /// Lists with pages.
    pub(crate) static PAGES: &[&Code] = &[&REQUEST_PARAMETER, &REQUEST_CURSOR];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_dotted_and_sorted_by_status() {
        let codes: BTreeSet<_> = ALL.iter().map(|code| code.code).collect();
        assert_eq!(codes.len(), ALL.len());
        assert!(ALL.is_sorted_by_key(|code| code.status));
        for code in ALL {
            assert!(code.code.contains('.'), "{}", code.code);
            assert!((400..600).contains(&code.status), "{}", code.code);
            assert!(
                !code.title.ends_with('.') && code.mend.ends_with('.'),
                "{}",
                code.code
            );
        }
    }
}
