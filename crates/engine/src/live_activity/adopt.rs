//! Live Activities that an app started and that nobody declared: where their App allows it, they are carried from their first
//! token on, for whoever has the phone, until the back end declares them.
//!
//! A publishable key makes rows here, so a recipient has at most as many of them as a phone shows.

use super::{ActivityRefusal, OpenActivity, ToldToken, recipient};
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::device::is_plain_name;
use carillon_model::id::AppNo;
use carillon_model::live_activity::{ActivityRequest, EndRequest, Recipient, Run, StartBy};
use carillon_model::problem::FieldProblem;
use carillon_ports::live_activity::ActivityClaim;
use carillon_ports::registry::Device;
use carillon_ports::store::StoreError;
use serde_json::{Map, Value};

/// Longest id.
const MAX_ID: usize = 128;

impl Shared {
    /// The activity that a phone tells of with its first token. It is not stored yet.
    pub(super) async fn adopted(
        &self,
        app: AppNo,
        id: &str,
        device: &Device,
        told: &ToldToken,
        now: UnixMs,
    ) -> Result<Result<OpenActivity, ActivityRefusal>, StoreError> {
        let directory = self.hub.directory.load();
        let settings = directory
            .app_by_no(app)
            .map(|app| app.settings.live_activities);
        if !settings.is_some_and(|settings| settings.adopt) || !is_plain_name(id, MAX_ID) {
            return Ok(Err(ActivityRefusal::Unknown));
        }
        let Some(content_state) = object(told.content_state.as_ref()) else {
            let problem = FieldProblem::new(
                "/content_state",
                "live_activity.content_state",
                "expected what the phone shows, because nobody declared this activity: with it, it is carried from here on",
            );
            return Ok(Err(ActivityRefusal::Invalid(vec![problem])));
        };
        let request = ActivityRequest {
            recipient: match &device.registration.user_id {
                Some(user) => Recipient::User(user.clone()),
                None => Recipient::Device(device.id.clone()),
            },
            attributes_type: told.attributes_type.clone(),
            attributes: object(told.attributes.as_ref()).unwrap_or_default(),
            content_state,
            alert: None,
            start: StartBy::App,
            starts_at: None,
            ends_at: None,
            stale_after: None,
            phases: Vec::new(),
            end: EndRequest::default(),
            on_silence: None,
            relevance: None,
            frequent: false,
            android: false,
            data: Map::new(),
        };
        let checked = match request.plan(now) {
            Ok(checked) => checked,
            Err(problems) => return Ok(Err(ActivityRefusal::Invalid(problems))),
        };
        let most = self.hub.parts.config.live_activities.most_on_a_phone;
        let store = &self.hub.parts.store;
        let of = vec![recipient(&checked.plan)];
        let of_type = request.attributes_type.clone();
        let running = store.live_activities_of(app, of, of_type, most.into());
        if running.await?.len() >= usize::from(most) {
            let problem = FieldProblem::new(
                "",
                "live_activity.too_many",
                format!(
                    "expected at most {most} Live Activities of this type that run for one recipient, found as many: tell the end of one, or declare this one"
                ),
            );
            return Ok(Err(ActivityRefusal::Invalid(vec![problem])));
        }
        Ok(Ok(OpenActivity {
            id: id.to_owned(),
            claim: ActivityClaim::New,
            declared_at: now,
            is_adopted: true,
            request,
            plan: checked.plan,
            warnings: checked.warnings,
            run: Run::new(now),
            told: Vec::new(),
            refused: Vec::new(),
            unchanged: None,
        }))
    }
}

fn object(value: Option<&Value>) -> Option<Map<String, Value>> {
    value.and_then(Value::as_object).cloned()
}
