//! The visible part of an alert: its texts, plain or localised.

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What the `alert` key holds: title, subtitle and body, each as plain text or as a key into the app's strings file.
///
/// A localised text replaces the plain one of the same place. With a body and nothing else it is written as a plain JSON string,
/// which APNs reads the same and is shorter; both forms are read.
///
/// ```
/// use apns::payload::Alert;
/// let alert = Alert::new("db-3 down").body("no heartbeat for 90 s");
/// assert_eq!(
///     serde_json::to_string(&alert)?,
///     r#"{"title":"db-3 down","body":"no heartbeat for 90 s"}"#,
/// );
/// assert_eq!(serde_json::to_string(&Alert::from("db-3 down"))?, r#""db-3 down""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alert {
    /// The first line, in bold.
    pub title: Option<String>,
    /// The line below it.
    pub subtitle: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// A launch image or storyboard to show when the app is opened from here.
    pub launch_image: Option<String>,
    /// Localised title: a key of the app's strings file.
    pub title_loc_key: Option<String>,
    /// What fills the `%@` of the localised title, in order.
    pub title_loc_args: Vec<String>,
    /// Localised subtitle.
    pub subtitle_loc_key: Option<String>,
    /// What fills the localised subtitle.
    pub subtitle_loc_args: Vec<String>,
    /// Localised body.
    pub loc_key: Option<String>,
    /// What fills the localised body.
    pub loc_args: Vec<String>,
}

// === impl Alert ===

impl Alert {
    /// An alert with a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: Some(title.into()),
            ..Self::default()
        }
    }

    /// Sets the subtitle.
    #[must_use]
    pub fn subtitle(mut self, subtitle: impl Into<String>) -> Self {
        self.subtitle = Some(subtitle.into());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets the launch image.
    #[must_use]
    pub fn launch_image(mut self, name: impl Into<String>) -> Self {
        self.launch_image = Some(name.into());
        self
    }

    /// Takes the title from the app's strings file.
    #[must_use]
    pub fn localized_title<A: Into<String>>(
        mut self,
        key: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        self.title_loc_key = Some(key.into());
        self.title_loc_args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the subtitle from the app's strings file.
    #[must_use]
    pub fn localized_subtitle<A: Into<String>>(
        mut self,
        key: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        self.subtitle_loc_key = Some(key.into());
        self.subtitle_loc_args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Takes the body from the app's strings file.
    #[must_use]
    pub fn localized_body<A: Into<String>>(
        mut self,
        key: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        self.loc_key = Some(key.into());
        self.loc_args = args.into_iter().map(Into::into).collect();
        self
    }

    fn texts(&self) -> [(&'static str, &Option<String>); 7] {
        [
            ("title", &self.title),
            ("subtitle", &self.subtitle),
            ("body", &self.body),
            ("launch-image", &self.launch_image),
            ("title-loc-key", &self.title_loc_key),
            ("subtitle-loc-key", &self.subtitle_loc_key),
            ("loc-key", &self.loc_key),
        ]
    }

    fn lists(&self) -> [(&'static str, &Vec<String>); 3] {
        [
            ("title-loc-args", &self.title_loc_args),
            ("subtitle-loc-args", &self.subtitle_loc_args),
            ("loc-args", &self.loc_args),
        ]
    }
}

impl From<&str> for Alert {
    fn from(body: &str) -> Self {
        Self::default().body(body)
    }
}

impl From<String> for Alert {
    fn from(body: String) -> Self {
        Self::default().body(body)
    }
}

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = self
            .texts()
            .into_iter()
            .filter_map(|(key, text)| text.as_ref().map(|text| (key, text)));
        let lists = self
            .lists()
            .into_iter()
            .filter(|(_, list)| !list.is_empty());
        let count = texts.clone().count() + lists.clone().count();
        if let (1, Some(body)) = (count, &self.body) {
            return serializer.serialize_str(body);
        }
        let mut map = serializer.serialize_map(Some(count))?;
        for (key, text) in texts {
            map.serialize_entry(key, text)?;
        }
        for (key, list) in lists {
            map.serialize_entry(key, list)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Alert {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Alert;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an object")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Alert, E> {
                Ok(text.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Alert, A::Error> {
                let mut alert = Alert::default();
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "title" => alert.title = map.next_value()?,
                        "subtitle" => alert.subtitle = map.next_value()?,
                        "body" => alert.body = map.next_value()?,
                        "launch-image" => alert.launch_image = map.next_value()?,
                        "title-loc-key" => alert.title_loc_key = map.next_value()?,
                        "title-loc-args" => alert.title_loc_args = map.next_value()?,
                        "subtitle-loc-key" => alert.subtitle_loc_key = map.next_value()?,
                        "subtitle-loc-args" => alert.subtitle_loc_args = map.next_value()?,
                        "loc-key" => alert.loc_key = map.next_value()?,
                        "loc-args" => alert.loc_args = map.next_value()?,
                        _ => drop(map.next_value::<de::IgnoredAny>()?),
                    }
                }
                Ok(alert)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
