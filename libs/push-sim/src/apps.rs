//! The apps Apple knows, and their broadcast channels.
//!
//! Source for channels: "Sending channel management requests to APNs".

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::host::Environment;
use crate::phone::StoredBroadcast;

/// An app as registered in the developer portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSettings {
    /// Team the app belongs to; `None`: any team may push to it.
    pub team_id: Option<String>,
    /// Whether the broadcast capability is on.
    pub broadcast: bool,
}

impl Default for AppSettings {
    fn default() -> AppSettings {
        AppSettings {
            team_id: None,
            broadcast: true,
        }
    }
}

/// A broadcast channel.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channel {
    /// Policy 1: the newest message is kept.
    pub(crate) stores_newest: bool,
    /// Phone and app positions that follow the channel.
    pub(crate) subscribers: Vec<(u32, u16)>,
    pub(crate) stored: Option<StoredBroadcast>,
}

#[derive(Debug, Default)]
pub(crate) struct App {
    pub(crate) team_id: Option<String>,
    pub(crate) broadcast: bool,
    channels: [BTreeMap<String, Channel>; 2],
}

impl App {
    pub(crate) fn channels(&self, environment: Environment) -> &BTreeMap<String, Channel> {
        &self.channels[environment.index()]
    }

    pub(crate) fn channels_mut(
        &mut self,
        environment: Environment,
    ) -> &mut BTreeMap<String, Channel> {
        &mut self.channels[environment.index()]
    }
}

/// All apps by bundle ID.
#[derive(Debug, Default)]
pub(crate) struct Apps(HashMap<String, App>);

impl Apps {
    pub(crate) fn get(&self, bundle: &str) -> Option<&App> {
        self.0.get(bundle)
    }

    pub(crate) fn get_mut(&mut self, bundle: &str) -> Option<&mut App> {
        self.0.get_mut(bundle)
    }

    /// The app, made with defaults if Apple has not heard of it.
    pub(crate) fn entry(&mut self, bundle: &str) -> &mut App {
        self.0.entry(bundle.to_owned()).or_insert_with(|| App {
            broadcast: true,
            ..App::default()
        })
    }

    /// Registers or changes an app. Switching broadcast off destroys its channels.
    pub(crate) fn set(&mut self, bundle: &str, settings: AppSettings) {
        let app = self.entry(bundle);
        app.team_id = settings.team_id;
        app.broadcast = settings.broadcast;
        if !app.broadcast {
            app.channels = Default::default();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
