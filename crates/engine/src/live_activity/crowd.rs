//! The phones of an audience that are started on a channel. The fan-out goes through the audience's devices page by page, each
//! page with its checkpoint in one transaction; here is which phones a page means.

use crate::hub::Hub;
use crate::request::Origin;
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::target::ActivityStart;
use carillon_ports::store::{Recipient, StoreError};

impl Origin {
    /// What a fan-out starts on its phones; `environment` is where the channel is. `None`: it is no Live Activity's.
    pub(crate) fn starts(&self, environment: TokenEnvironment) -> Option<ActivityStart> {
        self.activity.as_ref().map(|step| ActivityStart {
            id: step.id.clone(),
            attributes_type: step.attributes_type.clone(),
            environment,
        })
    }
}

/// By what a device belongs to an audience: any push token of its own. Its push-to-start token is kept apart from it.
pub(crate) fn reach() -> Reach {
    let is_own = |kind: &TokenKind| !kind.starts_activity() && !kind.updates_activity();
    Reach::any(TokenKind::ALL.into_iter().filter(is_own))
}

/// Where the phones of these devices are started, ascending. `None`: the activity is over.
pub(crate) async fn phones(
    hub: &Hub,
    app: AppNo,
    starts: &ActivityStart,
    devices: &[Recipient],
    reach: Reach,
) -> Result<Option<Vec<Recipient>>, StoreError> {
    let store = &hub.parts.store;
    let stored = store.live_activity(app, starts.id.clone()).await?;
    if stored.is_none_or(|stored| stored.state.is_over()) {
        return Ok(None);
    }
    let devices: Vec<DeviceNo> = devices.iter().map(|one| one.device).collect();
    if devices.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let of_type = starts.attributes_type.clone();
    let startable = store.startable(devices, of_type).await?;
    let mut addresses: Vec<DeviceNo> = startable.iter().map(|one| one.push_token_of).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let mut phones = store.recipients(addresses, reach).await?;
    let channel = starts.environment.known();
    phones.retain(|phone| {
        let is_anywhere = !phone.gateway.has_environments() || channel.is_none();
        is_anywhere
            || phone
                .environment
                .known()
                .is_none_or(|own| Some(own) == channel)
    });
    Ok(Some(phones))
}
