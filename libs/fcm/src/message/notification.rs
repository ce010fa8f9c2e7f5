//! What is shown on every platform, and the label for analytics.

use serde::{Deserialize, Serialize};

/// `notification`: what is shown, whatever the platform. Platforms may override it text by text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notification {
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// An `https` URL of a JPEG, PNG or BMP, at most 1 MB on Android; iOS needs a service extension to show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// `fcm_options`, of the message or of Android.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Names the message in Google's analytics: 1 to 50 letters, digits and `-_.~%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analytics_label: Option<String>,
}

impl Notification {
    /// With a title and a text.
    pub fn new(title: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            title: Some(title.into()),
            body: Some(body.into()),
            image: None,
        }
    }
}

impl Options {
    /// With a label.
    pub fn label(label: impl Into<String>) -> Self {
        Self {
            analytics_label: Some(label.into()),
        }
    }
}
