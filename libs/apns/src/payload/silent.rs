//! The bodies of pushes that show nothing themselves: they wake the app or one of its extensions.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::problem::PayloadError;
use super::{Payload, flag};
use crate::push_type::PushType;

/// Adds to a body with keys of the caller's own what all of them have.
macro_rules! with_custom_keys {
    ($name:ident, $push_type:expr) => {
        impl $name {
            /// Adds a key of your own at the top level.
            #[must_use]
            pub fn custom(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
                self.custom.insert(key.into(), value.into());
                self
            }

            /// Writes and checks it.
            ///
            /// # Errors
            /// With every rule it breaks, its size included.
            pub fn to_payload(&self) -> Result<Payload, PayloadError> {
                Payload::of($push_type, self)
            }
        }
    };
}

macro_rules! without_custom_keys {
    ($name:ident, $push_type:expr) => {
        impl $name {
            /// Writes and checks it.
            ///
            /// # Errors
            /// With every rule it breaks, its size included.
            pub fn to_payload(&self) -> Result<Payload, PayloadError> {
                Payload::of($push_type, self)
            }
        }
    };
}

/// Wakes the app in the background: `content-available` and nothing else in `aps`.
///
/// Expect two or three an hour, and none after the user has force-quit the app.
///
/// ```
/// use apns::payload::BackgroundPayload;
/// let payload = BackgroundPayload::default().custom("sync", "inbox").to_payload()?;
/// assert_eq!(payload.body(), r#"{"aps":{"content-available":1},"sync":"inbox"}"#);
/// # Ok::<(), apns::PayloadError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BackgroundPayload {
    #[serde(default)]
    aps: BackgroundAps,
    /// Your keys.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct BackgroundAps {
    #[serde(with = "flag")]
    content_available: bool,
}

impl Default for BackgroundAps {
    fn default() -> Self {
        Self {
            content_available: true,
        }
    }
}

/// Announces a call: free JSON, up to 5120 bytes, without `aps`.
///
/// The app must report every one as an incoming call at once, or iOS ends it. Put a call id and the time of sending in, and let
/// the app check both: a call may ring late even with expiration 0.
///
/// ```
/// use apns::payload::VoipPayload;
/// let payload = VoipPayload::default().custom("call", "c-17").custom("sent_at", 1_700_000_000).to_payload()?;
/// assert_eq!(payload.body(), r#"{"call":"c-17","sent_at":1700000000}"#);
/// # Ok::<(), apns::PayloadError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VoipPayload {
    /// Your keys.
    pub custom: Map<String, Value>,
}

/// Updates a watchOS complication: free JSON, 50 a day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ComplicationPayload {
    /// Your keys.
    pub custom: Map<String, Value>,
}

/// Asks a location push service extension where the device is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LocationPayload {
    #[serde(default)]
    aps: Map<String, Value>,
    /// Your keys.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

/// Wakes a Push to Talk app: its keys say who is talking.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PushToTalkPayload {
    #[serde(default)]
    aps: PushToTalkAps,
    /// Your keys.
    #[serde(flatten)]
    pub custom: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct PushToTalkAps {
    #[serde(
        rename = "ptt-push-type",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    ptt_push_type: Option<String>,
}

/// Tells a File Provider extension that a container changed.
///
/// ```
/// use apns::payload::FileProviderPayload;
/// let payload = FileProviderPayload::new("NSFileProviderWorkingSetContainerItemIdentifier").domain("work").to_payload()?;
/// assert_eq!(
///     payload.body(),
///     r#"{"container-identifier":"NSFileProviderWorkingSetContainerItemIdentifier","domain":"work"}"#,
/// );
/// # Ok::<(), apns::PayloadError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileProviderPayload {
    /// The container that changed.
    pub container_identifier: String,
    /// The domain it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// Tells a managed device to ask its MDM server for commands: the PushMagic of the device and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MdmPayload {
    /// The PushMagic that the device reported when it was enrolled.
    pub mdm: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Changed {
    content_changed: bool,
}

impl Default for Changed {
    fn default() -> Self {
        Self {
            content_changed: true,
        }
    }
}

/// Reloads an app's controls (iOS 18).
///
/// ```
/// let payload = apns::payload::ControlsPayload::default().to_payload()?;
/// assert_eq!(payload.body(), r#"{"aps":{"content-changed":true}}"#);
/// # Ok::<(), apns::PayloadError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlsPayload {
    #[serde(default)]
    aps: Changed,
}

/// Reloads an app's widgets, within a budget of the device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WidgetsPayload {
    #[serde(default)]
    aps: Changed,
}

with_custom_keys!(BackgroundPayload, PushType::Background);
with_custom_keys!(VoipPayload, PushType::Voip);
with_custom_keys!(ComplicationPayload, PushType::Complication);
with_custom_keys!(LocationPayload, PushType::Location);
with_custom_keys!(PushToTalkPayload, PushType::PushToTalk);
without_custom_keys!(FileProviderPayload, PushType::FileProvider);
without_custom_keys!(MdmPayload, PushType::Mdm);
without_custom_keys!(ControlsPayload, PushType::Controls);
without_custom_keys!(WidgetsPayload, PushType::Widgets);

impl PushToTalkPayload {
    /// Marks it as an update of the talk service, not a talk (reported by Apple's engineers, not in the reference).
    #[must_use]
    pub fn service_update(mut self) -> Self {
        self.aps.ptt_push_type = Some("service-update".to_owned());
        self
    }
}

impl FileProviderPayload {
    /// Names the container that changed.
    pub fn new(container_identifier: impl Into<String>) -> Self {
        Self {
            container_identifier: container_identifier.into(),
            domain: None,
        }
    }

    /// Names the domain it is in.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }
}

impl MdmPayload {
    /// Takes the device's PushMagic.
    pub fn new(push_magic: impl Into<String>) -> Self {
        Self {
            mdm: push_magic.into(),
        }
    }
}
