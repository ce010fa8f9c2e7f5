//! The `apns-topic` header and the bundle id it is made from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::invalid::{Invalid, quoted};
use crate::push_type::PushType;

/// An app's bundle id, such as `net.example.pager`: what topics and broadcast paths are made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct BundleId(Arc<str>);

/// What `apns-topic` says: a bundle id with the suffix of the push type, or for MDM the UID of the certificate.
///
/// Never shortened to "topic" here: a topic is what people subscribe to.
///
/// ```
/// use apns::{ApnsTopic, BundleId, PushType};
/// let pager = BundleId::new("net.example.pager")?;
/// let topic = ApnsTopic::for_bundle(&pager, PushType::Voip)?;
/// assert_eq!(topic.as_str(), "net.example.pager.voip");
/// assert!(topic.fits(PushType::Voip));
/// assert!(!topic.fits(PushType::LiveActivity));
/// # Ok::<(), apns::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct ApnsTopic {
    text: Arc<str>,
    header: HeaderValue,
}

/// The longest bundle id or topic taken, in bytes. Apple names no number; App Store Connect stops at 155.
const MAX_BYTES: usize = 255;

/// What every MDM topic begins with.
const MDM_PREFIX: &str = "com.apple.mgmt.";

// === impl BundleId ===

impl BundleId {
    /// Checks and keeps a bundle id.
    ///
    /// # Errors
    /// If it is empty, longer than 255 bytes, or holds anything but ASCII letters, digits, `.`, `-` and `_`.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        check("bundle id", text.as_ref())?;
        Ok(Self(text.as_ref().into()))
    }

    /// The bundle id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check(field: &'static str, text: &str) -> Result<(), Invalid> {
    const MEND: &str =
        "copy the bundle id from the app's target in Xcode, such as net.example.pager";
    if text.is_empty() {
        return Err(Invalid::new(
            field,
            "an empty value",
            "must not be empty",
            MEND,
        ));
    }
    if text.len() > MAX_BYTES {
        return Err(Invalid::new(
            field,
            format!("{} bytes", text.len()),
            "at most 255 bytes are taken",
            MEND,
        ));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !text.bytes().all(legal) {
        return Err(Invalid::new(
            field,
            quoted(text),
            "may hold only ASCII letters, digits, '.', '-' and '_'",
            MEND,
        ));
    }
    Ok(())
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BundleId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<Box<str>> for BundleId {
    type Error = Invalid;

    fn try_from(text: Box<str>) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<BundleId> for Box<str> {
    fn from(bundle_id: BundleId) -> Self {
        (*bundle_id.0).into()
    }
}

// === impl ApnsTopic ===

impl ApnsTopic {
    /// Takes a whole topic as it stands.
    ///
    /// # Errors
    /// As [`BundleId::new`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        let text = text.as_ref();
        check("apns-topic", text)?;
        let header = HeaderValue::from_str(text).map_err(|_| {
            Invalid::new(
                "apns-topic",
                quoted(text),
                "must fit an HTTP header",
                "use the bundle id",
            )
        })?;
        Ok(Self {
            text: text.into(),
            header,
        })
    }

    /// The topic of an app for a push type: bundle id and suffix.
    ///
    /// # Errors
    /// For [`PushType::Mdm`], whose topic is no bundle id but the UID of the push certificate: use
    /// [`new`](Self::new). And if the whole grows longer than 255 bytes.
    pub fn for_bundle(bundle_id: &BundleId, push_type: PushType) -> Result<Self, Invalid> {
        if push_type == PushType::Mdm {
            return Err(Invalid::new(
                "apns-topic",
                quoted(bundle_id.as_str()),
                "an MDM topic is the UID in the subject of the MDM push certificate",
                "take the topic from the certificate (com.apple.mgmt.…)",
            ));
        }
        Self::new(format!("{bundle_id}{}", push_type.topic_suffix()))
    }

    /// The topic.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this topic can belong to a push type: it ends in the type's suffix, and for a type without a suffix it
    /// does not end in the suffix of another.
    pub fn fits(&self, push_type: PushType) -> bool {
        if push_type == PushType::Mdm {
            return self.text.starts_with(MDM_PREFIX);
        }
        match push_type.topic_suffix() {
            "" => {
                !self.text.starts_with(MDM_PREFIX)
                    && PushType::ALL.iter().all(|other| {
                        let suffix = other.topic_suffix();
                        suffix.is_empty() || !self.text.ends_with(suffix)
                    })
            }
            suffix => self
                .text
                .strip_suffix(suffix)
                .is_some_and(|bundle_id| !bundle_id.is_empty()),
        }
    }

    /// The value for `apns-topic`; shares its bytes.
    pub fn header_value(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for ApnsTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApnsTopic({})", self.text)
    }
}

impl fmt::Display for ApnsTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ApnsTopic {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<Box<str>> for ApnsTopic {
    type Error = Invalid;

    fn try_from(text: Box<str>) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<ApnsTopic> for Box<str> {
    fn from(topic: ApnsTopic) -> Self {
        (*topic.text).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_fits_its_own_push_type_and_only_those_with_the_same_suffix() {
        let bundle_id = BundleId::new("net.example.pager").unwrap();
        for push_type in PushType::ALL {
            let topic = match push_type {
                PushType::Mdm => ApnsTopic::new("com.apple.mgmt.External.0d9c").unwrap(),
                other => ApnsTopic::for_bundle(&bundle_id, other).unwrap(),
            };
            for other in PushType::ALL {
                let same = other == push_type
                    || (other != PushType::Mdm
                        && push_type != PushType::Mdm
                        && other.topic_suffix() == push_type.topic_suffix());
                assert_eq!(topic.fits(other), same, "{topic} for {other}");
            }
        }
    }

    #[test]
    fn the_suffixes_are_those_of_apple() {
        let bundle_id = BundleId::new("net.example.pager").unwrap();
        let table = [
            (PushType::Alert, "net.example.pager"),
            (PushType::Background, "net.example.pager"),
            (PushType::Location, "net.example.pager.location-query"),
            (PushType::Voip, "net.example.pager.voip"),
            (PushType::Complication, "net.example.pager.complication"),
            (
                PushType::FileProvider,
                "net.example.pager.pushkit.fileprovider",
            ),
            (
                PushType::LiveActivity,
                "net.example.pager.push-type.liveactivity",
            ),
            (PushType::PushToTalk, "net.example.pager.voip-ptt"),
            (PushType::Controls, "net.example.pager.push-type.controls"),
            (PushType::Widgets, "net.example.pager.push-type.widgets"),
        ];
        for (push_type, topic) in table {
            assert_eq!(
                ApnsTopic::for_bundle(&bundle_id, push_type)
                    .unwrap()
                    .as_str(),
                topic
            );
        }
        assert!(ApnsTopic::for_bundle(&bundle_id, PushType::Mdm).is_err());
    }

    #[test]
    fn what_could_leave_a_header_or_a_path_is_refused() {
        for bad in [
            "",
            "net example",
            "net/../x",
            "net.exämple",
            "a\r\nb",
            &"a".repeat(256),
        ] {
            assert!(BundleId::new(bad).is_err(), "{bad:?}");
            assert!(ApnsTopic::new(bad).is_err(), "{bad:?}");
        }
        assert!(!ApnsTopic::new(".voip").unwrap().fits(PushType::Voip));
    }

    #[test]
    fn json_is_the_text() {
        let topic = ApnsTopic::new("net.example.pager.voip").unwrap();
        let json = serde_json::to_string(&topic).unwrap();
        assert_eq!(json, r#""net.example.pager.voip""#);
        assert_eq!(serde_json::from_str::<ApnsTopic>(&json).unwrap(), topic);
        assert!(serde_json::from_str::<BundleId>(r#""a b""#).is_err());
    }
}
