//! What a Live Activity's declaration looks like, for the OpenAPI document only: the model reads it, and knows nothing of
//! OpenAPI. A test holds the field names of both together.

use crate::v1::notifications::schema::TargetSchema;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A Live Activity to declare. Times are RFC 3339 or hang on each other: `starts_at`, `ends_at`, `phases.NAME` with `+` or `-`
/// and a duration. In attributes and states `{"$date": "2026-12-01T17:00:00Z"}` is a date, written as Swift's decoder reads it; in states
/// `{"$template": "name"}` is the text of a template, in each reader's language.
#[derive(ToSchema)]
#[schema(as = LiveActivityPlan)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::ActivityRequest"
)]
pub(crate) struct ActivitySchema {
    /// Whose phones show it: exactly one of the keys. After its start it stays as it is.
    recipient: RecipientSchema,
    /// The name of the app's attributes type. After its start it stays as it is.
    #[schema(example = "LessonAttributes")]
    attributes_type: String,
    /// What never changes.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    /// What it shows at first.
    #[schema(value_type = Object)]
    content_state: Map<String, Value>,
    /// How its start calls attention; required where it is started by push.
    alert: Option<AlertSchema>,
    /// `push`, by Carillon, the default; `app`: the app itself starts it and tells its update token.
    #[schema(example = "push")]
    start: Option<String>,
    /// When it starts. Default: now.
    #[schema(example = "2026-12-01T16:00:00+09:00")]
    starts_at: Option<String>,
    /// When it ends. Without: when it is told to, by silence, or 7 h 55 min after its start.
    #[schema(example = "2026-12-01T17:00:00+09:00")]
    ends_at: Option<String>,
    /// How long after `ends_at`, without it after each push, its content counts as outdated.
    #[schema(example = "5m")]
    stale_after: Option<String>,
    /// What changes when. At most 64.
    phases: Option<Vec<PhaseSchema>>,
    /// How it ends.
    end: Option<EndSchema>,
    /// It ends by itself when nobody said anything about it for so long.
    #[schema(example = "2h")]
    on_silence: Option<String>,
    /// Its place among the app's activities, 0 to 100.
    relevance: Option<f64>,
    /// Whether the app asks for frequent updates: a larger budget of pushes at once.
    frequent: Option<bool>,
    /// Whether the recipient's Android phones show it too, by data messages of FCM: their app has code for that. Default: no.
    android: Option<bool>,
    /// Values of the variables of the templates that alerts and states name.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// Whose phones show it: exactly one of the keys.
#[derive(ToSchema)]
#[schema(as = LiveActivityRecipient, rename_all = "snake_case")]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::Recipient"
)]
pub(crate) enum RecipientSchema {
    /// All phones of a user.
    User(String),
    /// One phone, by your id of it.
    Device(String),
    /// Everybody who subscribed to a broadcast channel; only with `"start": "app"`.
    Channel(String),
    /// The same, of a channel that is made for it and deleted after it.
    NewChannel(NewChannelSchema),
    /// The phone with an update token that you have; only with `"start": "app"`.
    PushToken(UpdateTokenSchema),
}

/// A channel that is made for a Live Activity, and deleted after it.
#[derive(ToSchema)]
#[schema(as = LiveActivityNewChannel)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::NewChannel"
)]
pub(crate) struct NewChannelSchema {
    /// `production` or `sandbox`: a channel reaches the phones of one.
    #[schema(example = "production")]
    environment: String,
    /// Whether Apple keeps the newest push for phones that are offline. Default: no, which allows more pushes.
    store: Option<bool>,
    /// Bundle id of the app. Default: the credential's first topic.
    topic: Option<String>,
    /// Users whose phones are started by push and subscribed: with `"start": "push"`.
    users: Option<Vec<String>>,
    /// The same for devices, by your ids. Users and devices are 1,000 at most together.
    devices: Option<Vec<String>>,
    /// In their place an audience of any size: `all`, `topic`, `tags`, `segment` or `list`, as of a notification. Those of its
    /// devices are started that told a push-to-start token for the attributes type.
    #[schema(value_type = Option<TargetSchema>)]
    audience: Option<Value>,
}

/// An update token that you have.
#[derive(ToSchema)]
#[schema(as = LiveActivityPushToken)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::UpdateToken"
)]
pub(crate) struct UpdateTokenSchema {
    /// In hexadecimal.
    token: String,
    /// `production`, `sandbox` or `auto`, the default.
    environment: Option<String>,
    /// The app's registration token at Firebase: pushes go through FCM then, and `environment` says nothing.
    fcm_token: Option<String>,
}

/// How something calls attention.
#[derive(ToSchema)]
#[schema(as = LiveActivityAlert)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::ActivityAlert"
)]
pub(crate) struct AlertSchema {
    /// The first line; with `body`, or `template` in their place.
    title: Option<String>,
    /// The text.
    body: Option<String>,
    /// A sound of the app, or `default`.
    sound: Option<String>,
    /// Name of a template that says title, text and sound, in each reader's language.
    template: Option<String>,
}

/// A moment at which something changes.
#[derive(ToSchema)]
#[schema(as = LiveActivityPhasePlan)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::PhaseRequest"
)]
pub(crate) struct PhaseSchema {
    /// Its name, unique in the activity; it keeps it when its time moves.
    #[schema(example = "ending")]
    name: String,
    /// When.
    #[schema(example = "ends_at - 15m")]
    at: String,
    /// What changes: merged over what is shown (RFC 7386).
    #[schema(value_type = Option<Object>)]
    content_state: Option<Map<String, Value>>,
    /// `true`: `content_state` is the whole state from then on.
    replace: Option<bool>,
    /// Calls attention.
    alert: Option<AlertSchema>,
    /// `auto`, the default, and `high`: at once, within the hour's budget; `low`: when it suits the phone.
    #[schema(example = "auto")]
    priority: Option<String>,
}

/// How a Live Activity ends.
#[derive(ToSchema)]
#[schema(as = LiveActivityEnd)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::EndRequest"
)]
pub(crate) struct EndSchema {
    /// The last change, merged over what is shown.
    #[schema(value_type = Option<Object>)]
    content_state: Option<Map<String, Value>>,
    /// How long after its end it leaves the lock screen: at most `4h`.
    #[schema(example = "5m")]
    dismiss_after: Option<String>,
    /// Calls attention.
    alert: Option<AlertSchema>,
}

/// What is to be different. Each field that is there replaces the former one as a whole, but for `content_state`, which is
/// merged over what is shown now.
#[derive(ToSchema)]
#[schema(as = LiveActivityChange)]
#[expect(
    dead_code,
    reason = "documents carillon_model::live_activity::ActivityChange"
)]
pub(crate) struct ChangeSchema {
    /// Merged over what is shown, now.
    #[schema(value_type = Option<Object>)]
    content_state: Option<Map<String, Value>>,
    /// Calls attention to that.
    alert: Option<AlertSchema>,
    /// When it starts.
    starts_at: Option<String>,
    /// When it ends: phases that hang on it move with it.
    ends_at: Option<String>,
    /// How long after its end it is outdated.
    stale_after: Option<String>,
    /// All phases.
    phases: Option<Vec<PhaseSchema>>,
    /// How it ends.
    end: Option<EndSchema>,
    /// It ends by itself when nobody said anything for so long.
    on_silence: Option<String>,
    /// Its place among the app's activities.
    relevance: Option<f64>,
    /// Values of the templates' variables: all of them.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::notifications::schema::tests::{documented, taken};
    use carillon_model::live_activity::{
        ActivityChange, ActivityRequest, EndRequest, NewChannel, PhaseRequest,
    };

    #[test]
    fn the_document_has_the_fields_that_the_model_takes() {
        assert_eq!(documented::<ActivitySchema>(), taken::<ActivityRequest>());
        assert_eq!(documented::<PhaseSchema>(), taken::<PhaseRequest>());
        assert_eq!(documented::<NewChannelSchema>(), taken::<NewChannel>());
        assert_eq!(documented::<EndSchema>(), taken::<EndRequest>());
        assert_eq!(documented::<ChangeSchema>(), taken::<ActivityChange>());
    }
}
