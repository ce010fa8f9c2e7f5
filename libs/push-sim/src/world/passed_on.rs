//! What Google passes on to Apple for a Live Activity, to the phone that shows it.
//!
//! Google finds the app, Apple the activity: of the app's two addresses the registration token is judged in [`crate::fcm`],
//! the other one here.

use std::sync::Arc;

use super::World;
use super::channels::follow;
use crate::apns::push_type::{PushTokenKind, PushType};
use crate::host::Environment;
use crate::phone::{Effect, Push, TokenState};

/// A push that Google took and passes on.
#[derive(Debug)]
pub(crate) struct PassedOn {
    /// The app that the registration token is of.
    pub(crate) bundle: String,
    pub(crate) push_token: Vec<u8>,
    pub(crate) payload: Arc<[u8]>,
    /// Unix seconds.
    pub(crate) expiration: Option<i64>,
    pub(crate) record: u64,
    /// Otherwise it is only judged.
    pub(crate) deliver: bool,
}

/// Why Apple refused it: status and reason.
pub(crate) type AppleRefused = (u16, &'static str);

impl World {
    /// Takes it to the phone. Google knows in which environment an app was built; here the push token says it.
    pub(crate) fn pass_on(&self, passed: PassedOn) -> Result<Option<Effect>, AppleRefused> {
        let moment = self.moment();
        let apns_id = self.next_uuid();
        let mut state = self.0.state.lock();
        let found = [Environment::Production, Environment::Sandbox]
            .into_iter()
            .find_map(|environment| {
                let target = state.phones.find(&passed.push_token, environment)?;
                Some((target, environment))
            });
        let Some((target, environment)) = found else {
            return Err((400, "BadDeviceToken"));
        };
        match target.state {
            TokenState::Live => {}
            TokenState::Unregistered { .. } => return Err((410, "Unregistered")),
            TokenState::Expired => return Err((410, "ExpiredToken")),
        }
        let is_of_activities = matches!(
            target.kind,
            PushTokenKind::LiveActivityStart | PushTokenKind::LiveActivityUpdate
        );
        if !is_of_activities || state.phones.bundle(target) != passed.bundle {
            return Err((400, "DeviceTokenNotForTopic"));
        }
        if !passed.deliver {
            return Ok(None);
        }
        let push = Push {
            record: passed.record,
            apns_id,
            push_type: PushType::LiveActivity,
            expiration: passed.expiration,
            collapse_id: None,
            payload: passed.payload,
        };
        let (effect, channel) = state.phones.deliver(target, push, moment);
        if let Some(channel) = channel {
            let (phone, app) = (target.phone, target.app);
            let apps = &mut state.apps;
            follow(apps, &passed.bundle, environment, &channel, phone, app);
        }
        Ok(Some(effect))
    }
}
