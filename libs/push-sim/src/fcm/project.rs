//! Projects: whether they may send at all, their credentials for other services, their quota and
//! their topics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::quota::Bucket;

/// The state of a project's APNs credential, which Google needs for iPhones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApnsCredentials {
    /// Apple takes it.
    #[default]
    Good,
    /// Apple refuses it, or there is none: 401 `THIRD_PARTY_AUTH_ERROR` with
    /// `InvalidProviderToken`.
    Refused,
    /// Good for the other environment only: `BadEnvironmentKeyInToken`.
    WrongEnvironment,
}

/// How Google says that the app is gone from an iPhone. Both are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IosDeath {
    /// 404 with `UNREGISTERED`.
    #[default]
    NotFound,
    /// 400 with `INVALID_ARGUMENT` and Apple's own 410 in the details.
    ApnsError,
}

/// A project as set up in Google's consoles. Projects of phones and of service accounts are known
/// by themselves.
///
/// ```
/// use push_sim::{ApnsCredentials, ProjectSettings};
/// let settings = ProjectSettings {
///     apns_credentials: ApnsCredentials::Refused,
///     ..ProjectSettings::default()
/// };
/// assert!(settings.api_enabled);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProjectSettings {
    /// "Firebase Cloud Messaging API" is enabled; else 403 `SERVICE_DISABLED`.
    pub api_enabled: bool,
    /// State of its APNs credential.
    pub apns_credentials: ApnsCredentials,
    /// How a removed app on an iPhone is told.
    pub ios_death: IosDeath,
}

impl Default for ProjectSettings {
    fn default() -> ProjectSettings {
        ProjectSettings {
            api_enabled: true,
            apns_credentials: ApnsCredentials::Good,
            ios_death: IosDeath::NotFound,
        }
    }
}

/// A project.
#[derive(Debug, Default)]
pub(super) struct Project {
    pub(super) settings: ProjectSettings,
    pub(super) quota: Bucket,
    /// Phones by topic.
    pub(super) topics: HashMap<String, BTreeSet<u32>>,
}

/// All projects by id.
#[derive(Debug, Default)]
pub(super) struct Projects(BTreeMap<String, Project>);

impl Projects {
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Project> {
        self.0.get_mut(id)
    }

    /// The project, made with defaults if Google has not heard of it.
    pub(super) fn entry(&mut self, id: &str) -> &mut Project {
        self.0.entry(id.to_owned()).or_default()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
