//! The sound of an alert, critical ones included.

use serde::{Deserialize, Serialize};

/// A sound file in the app's bundle or `Library/Sounds`, or the system's own.
///
/// Written as a plain string unless it is critical or has a volume. Critical alerts break through silence and Focus; they need an
/// entitlement that Apple grants on request.
///
/// ```
/// use apns::payload::Sound;
/// assert_eq!(serde_json::to_string(&Sound::system())?, r#""default""#);
/// assert_eq!(
///     serde_json::to_string(&Sound::critical("siren.caf", 0.8))?,
///     r#"{"critical":1,"name":"siren.caf","volume":0.8}"#,
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct Sound {
    /// The file's name; `default` is the system's sound.
    pub name: String,
    /// Whether it sounds in spite of silence and Focus.
    pub is_critical: bool,
    /// 0.0 (silent) to 1.0 (full); only for critical sounds.
    pub volume: Option<f64>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Name(String),
    Object {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        critical: Option<u8>,
        #[serde(default = "system_name")]
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        volume: Option<f64>,
    },
}

fn system_name() -> String {
    "default".to_owned()
}

// === impl Sound ===

impl Sound {
    /// The system's sound.
    pub fn system() -> Self {
        Self::named(system_name())
    }

    /// A sound file of the app.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            is_critical: false,
            volume: None,
        }
    }

    /// A critical sound with a volume from 0.0 to 1.0.
    pub fn critical(name: impl Into<String>, volume: f64) -> Self {
        Self {
            name: name.into(),
            is_critical: true,
            volume: Some(volume),
        }
    }
}

impl From<&str> for Sound {
    fn from(name: &str) -> Self {
        Self::named(name)
    }
}

impl From<Wire> for Sound {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::Name(name) => Self::named(name),
            Wire::Object {
                critical,
                name,
                volume,
            } => Self {
                name,
                is_critical: critical.unwrap_or(0) != 0,
                volume,
            },
        }
    }
}

impl From<Sound> for Wire {
    fn from(sound: Sound) -> Self {
        if !sound.is_critical && sound.volume.is_none() {
            return Self::Name(sound.name);
        }
        Self::Object {
            critical: sound.is_critical.then_some(1),
            name: sound.name,
            volume: sound.volume,
        }
    }
}
