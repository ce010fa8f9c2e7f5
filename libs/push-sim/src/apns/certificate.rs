//! What a provider certificate allows, read from Apple's private extensions.
//!
//! Source: "Establishing a certificate-based connection to APNs" and certificates in the wild:
//! 1.2.840.113635.100.6.3.1 marks sandbox, …6.3.2 production, …6.3.6 lists topics as a sequence of
//! (UTF8String, SEQUENCE OF UTF8String) pairs; the subject's UID is the bundle ID.

use x509_parser::der_parser::asn1_rs::{FromDer, Header, Tag};
use x509_parser::prelude::X509Certificate;

use super::push_type::bundle_of;
use crate::host::Environment;

const SANDBOX: &str = "1.2.840.113635.100.6.3.1";
const PRODUCTION: &str = "1.2.840.113635.100.6.3.2";
const TOPICS: &str = "1.2.840.113635.100.6.3.6";
const USER_ID: &str = "0.9.2342.19200300.100.1.1";

/// A client certificate in Apple's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateIdentity {
    /// The bundle ID in the subject.
    pub(crate) bundle: Option<String>,
    /// Topics listed; for a certificate without the list, the bundle ID alone.
    pub(crate) topics: Vec<String>,
    environments: Vec<Environment>,
    not_after_secs: i64,
}

impl CertificateIdentity {
    /// Reads a certificate; one that cannot be read allows nothing.
    pub(crate) fn from_der(der: &[u8]) -> CertificateIdentity {
        let nothing = CertificateIdentity {
            bundle: None,
            topics: Vec::new(),
            environments: Vec::new(),
            not_after_secs: i64::MAX,
        };
        let Ok((_, cert)) = X509Certificate::from_der(der) else {
            return nothing;
        };
        let bundle = cert
            .subject()
            .iter_attributes()
            .find(|attribute| attribute.attr_type().to_id_string() == USER_ID)
            .and_then(|attribute| attribute.as_str().ok())
            .map(str::to_owned);
        let mut identity = CertificateIdentity {
            not_after_secs: cert.validity().not_after.timestamp(),
            topics: bundle.clone().into_iter().collect(),
            bundle,
            ..nothing
        };
        for extension in cert.extensions() {
            match extension.oid.to_id_string().as_str() {
                SANDBOX => identity.environments.push(Environment::Sandbox),
                PRODUCTION => identity.environments.push(Environment::Production),
                TOPICS => {
                    if let Some(topics) = parse_topics(extension.value) {
                        identity.topics = topics;
                    }
                }
                _ => {}
            }
        }
        identity
    }

    /// Whether this is a certificate for pushing at all, at this moment.
    pub(crate) fn is_valid(&self, now_secs: i64) -> bool {
        !self.topics.is_empty() && now_secs <= self.not_after_secs
    }

    pub(crate) fn is_for(&self, environment: Environment) -> bool {
        self.environments.contains(&environment)
    }

    /// The topic of a request without `apns-topic`: only where one app's plain topic is listed.
    pub(crate) fn default_topic(&self) -> Option<&str> {
        match self.topics.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether the certificate belongs to the app with this bundle ID.
    pub(crate) fn covers_bundle(&self, bundle: &str) -> bool {
        self.topics.iter().any(|listed| bundle_of(listed) == bundle)
    }
}

/// The strings directly inside the outer sequence; the inner sequences (kinds) are skipped.
fn parse_topics(der: &[u8]) -> Option<Vec<String>> {
    let (content, outer) = Header::from_der(der).ok()?;
    if outer.tag() != Tag::Sequence {
        return None;
    }
    let mut rest = content.get(..outer.length().definite().ok()?)?;
    let mut topics = Vec::new();
    while !rest.is_empty() {
        let (after, header) = Header::from_der(rest).ok()?;
        let length = header.length().definite().ok()?;
        let value = after.get(..length)?;
        if header.tag() == Tag::Utf8String {
            topics.push(String::from_utf8(value.to_vec()).ok()?);
        }
        rest = &after[length..];
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_the_outer_strings() {
        let der = b"\x30\x13\x0c\x05a.b.c\x30\x05\x0c\x03app\x0c\x01x\x30\x00";
        assert_eq!(parse_topics(der).unwrap(), ["a.b.c", "x"]);
        assert_eq!(parse_topics(b"\x0c\x01x"), None);
        assert_eq!(parse_topics(b"\x30\x09\x0c\x50x"), None);
    }

    #[test]
    fn garbage_allows_nothing() {
        let identity = CertificateIdentity::from_der(b"garbage");
        assert!(!identity.is_valid(0));
        assert!(!identity.covers_bundle("net.example.pager"));
    }
}
