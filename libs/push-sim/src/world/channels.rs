//! Broadcast channels and the phones that follow them.

use std::collections::BTreeMap;

use super::State;
use crate::apns::broadcast;
use crate::apns::request::PushRequest;
use crate::apps::Apps;
use crate::host::Environment;
use crate::live_activity;
use crate::phone::{Effect, MAX_CHANNEL_STORED_SECS, Moment, StoredBroadcast};

/// Subscribes an app on a phone to a channel.
pub(super) fn follow(
    apps: &mut Apps,
    bundle: &str,
    environment: Environment,
    channel: &str,
    phone: u32,
    app: u16,
) {
    let channel = apps
        .get_mut(bundle)
        .and_then(|settings| settings.channels_mut(environment).get_mut(channel));
    if let Some(channel) = channel
        && !channel.subscribers.contains(&(phone, app))
    {
        channel.subscribers.push((phone, app));
    }
}

/// Fans a broadcast out to its subscribers, and keeps it if the channel's policy says so.
pub(super) fn publish(
    state: &mut State,
    request: &PushRequest<'_>,
    broadcast: &broadcast::Broadcast,
    moment: Moment,
) -> BTreeMap<Effect, u64> {
    let mut effects = BTreeMap::new();
    let Some(channel) = state.apps.get_mut(&broadcast.bundle).and_then(|app| {
        app.channels_mut(request.environment)
            .get_mut(&broadcast.channel)
    }) else {
        return effects;
    };
    let Some(aps) = live_activity::aps_of(request.body) else {
        effects.insert(Effect::Unreadable, 1);
        return effects;
    };
    for subscriber in &channel.subscribers {
        let effect = state
            .phones
            .broadcast(*subscriber, &broadcast.channel, &aps, moment);
        *effects.entry(effect).or_default() += 1;
    }
    if channel.stores_newest {
        let longest = moment.now_ms.div_euclid(1000) + MAX_CHANNEL_STORED_SECS;
        let until_secs = broadcast.expiration.min(longest);
        channel.stored = Some(StoredBroadcast { aps, until_secs });
    }
    effects
}

/// A phone that comes online gets the newest message of every channel it follows.
pub(super) fn catch_up(state: &mut State, phone: u32, moment: Moment) -> Vec<Effect> {
    let mut effects = Vec::new();
    for (app, bundle, environment, channel) in state.phones.followed_channels(phone) {
        let stored = state
            .apps
            .get(&bundle)
            .and_then(|settings| settings.channels(environment).get(&channel)?.stored.clone());
        if let Some(stored) = stored
            && stored.until_secs > moment.now_ms.div_euclid(1000)
        {
            effects.push(
                state
                    .phones
                    .broadcast((phone, app), &channel, &stored.aps, moment),
            );
        }
    }
    effects
}
