//! A push certificate and its private key, for providers that authenticate by TLS instead of a provider token.
//!
//! It reads and checks what a certificate says about itself. It does not verify Apple's signature on it (APNs will), nor
//! read PKCS#12 files.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::certificate::X509Certificate;

use crate::environment::Environment;
use crate::topic::ApnsTopic;

/// A certificate chain and the private key of its first certificate. Clones share both; `Debug` shows neither.
///
/// ```no_run
/// # use std::time::SystemTime;
/// use apns::{ClientCertificate, Environment};
/// let certificate = ClientCertificate::from_pem(&std::fs::read("push.pem")?)?;
/// certificate.check(Environment::Production, SystemTime::now())?;
/// println!("{} is good until {:?}", certificate.subject(), certificate.not_after());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate {
    inner: Arc<Inner>,
}

struct Inner {
    chain: Vec<CertificateDer<'static>>,
    private_key: PrivateKeyDer<'static>,
    subject: Box<str>,
    uid: Option<Box<str>>,
    fingerprint: Box<str>,
    not_before_secs: u64,
    not_after_secs: u64,
    environments: Vec<Environment>,
    topics: Vec<Box<str>>,
}

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no certificate in the file.
    #[error(
        "no certificate found: expected PEM with \"BEGIN CERTIFICATE\"; export the push certificate as PEM (openssl pkcs12 -in push.p12 -nodes)"
    )]
    NoCertificate,
    /// There is no private key in the file.
    #[error(
        "no private key found: expected PEM with \"BEGIN PRIVATE KEY\", \"BEGIN EC PRIVATE KEY\" or \"BEGIN RSA PRIVATE KEY\"; export the certificate together with its key (openssl pkcs12 -in push.p12 -nodes)"
    )]
    NoPrivateKey,
    /// The private key is encrypted.
    #[error(
        "the private key is encrypted; decrypt it first (openssl pkey -in encrypted.pem -out key.pem)"
    )]
    EncryptedKey,
    /// Something cannot be read.
    #[error("the {what} cannot be read: {why}; export it again as PEM")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// The private key is not that of the certificate.
    #[error(
        "the private key does not belong to the certificate {subject}; export both together from the keychain that made the request"
    )]
    KeyMismatch {
        /// The certificate's subject.
        subject: Box<str>,
    },
    /// The certificate is for the other environment.
    #[error("the certificate {subject} is for {}, not for {wanted}; use a certificate for {wanted}, or the other environment", list(.found))]
    WrongEnvironment {
        /// The certificate's subject.
        subject: Box<str>,
        /// The environments it names.
        found: Vec<Environment>,
        /// The one that was wanted.
        wanted: Environment,
    },
    /// The certificate is no longer valid.
    #[error("the certificate {subject} expired {} days ago; create a new one in the developer portal", .ago.as_secs() / 86_400)]
    Expired {
        /// The certificate's subject.
        subject: Box<str>,
        /// How long ago.
        ago: Duration,
    },
    /// The certificate is not valid yet.
    #[error("the certificate {subject} becomes valid in {} s only; check this machine's clock", .wait.as_secs())]
    NotYetValid {
        /// The certificate's subject.
        subject: Box<str>,
        /// How long until then.
        wait: Duration,
    },
}

fn list(environments: &[Environment]) -> String {
    environments
        .iter()
        .map(|environment| environment.as_str())
        .collect::<Vec<_>>()
        .join(" and ")
}

/// Apple's extensions, all below 1.2.840.113635.100.6.3: 1 says sandbox, 2 says production, 4 lists VoIP topics, 6 lists
/// topics.
const SANDBOX: &str = "1.2.840.113635.100.6.3.1";
const PRODUCTION: &str = "1.2.840.113635.100.6.3.2";
const VOIP_TOPICS: &str = "1.2.840.113635.100.6.3.4";
const TOPICS: &str = "1.2.840.113635.100.6.3.6";
/// `UID` in a subject: the bundle id, or the MDM topic.
const UID: &str = "0.9.2342.19200300.100.1.1";

// === impl ClientCertificate ===

impl ClientCertificate {
    /// Loads a PEM file that holds the certificate (and any intermediates after it) and its private key, in any order.
    /// The key may be PKCS#8, SEC1 or PKCS#1.
    ///
    /// # Errors
    /// [`CertificateError`], except for environment and validity, which [`check`](Self::check) looks at.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateError> {
        Self::from_pem_pair(pem, pem)
    }

    /// As [`from_pem`](Self::from_pem), with certificate and private key in two files.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_pem_pair(
        certificates: &[u8],
        private_key: &[u8],
    ) -> Result<Self, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| damaged("certificate's PEM", error))?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let private_key = match PrivateKeyDer::from_pem_slice(private_key) {
            Ok(key) => key,
            Err(_)
                if contains(private_key, b"BEGIN ENCRYPTED PRIVATE KEY")
                    || contains(private_key, b"Proc-Type: 4,ENCRYPTED") =>
            {
                return Err(CertificateError::EncryptedKey);
            }
            Err(rustls_pki_types::pem::Error::NoItemsFound) => {
                return Err(CertificateError::NoPrivateKey);
            }
            Err(error) => return Err(damaged("private key's PEM", error)),
        };
        Self::from_der(chain, private_key)
    }

    /// Takes a chain and key already decoded.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        private_key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, parsed) =
            X509Certificate::from_der(first).map_err(|error| damaged("certificate", error))?;
        let subject: Box<str> = parsed
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .map_or_else(|| parsed.subject().to_string(), str::to_owned)
            .into();
        check_key_matches(&parsed, &private_key, &subject)?;
        let uid: Option<Box<str>> = parsed
            .subject()
            .iter_attributes()
            .find(|attribute| attribute.attr_type().to_id_string() == UID)
            .and_then(|attribute| attribute.as_str().ok())
            .map(Into::into);
        let (mut environments, mut topics) = (Vec::new(), Vec::new());
        for extension in parsed.extensions() {
            match extension.oid.to_id_string().as_str() {
                SANDBOX => environments.push(Environment::Sandbox),
                PRODUCTION => environments.push(Environment::Production),
                TOPICS | VOIP_TOPICS => strings(extension.value, &mut topics),
                _ => {}
            }
        }
        environments.sort_unstable();
        if topics.is_empty() {
            topics.extend(uid.clone());
        }
        let secs =
            |time: &x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        let fingerprint = fingerprint(parsed.public_key().raw).into();
        let not_before_secs = secs(&parsed.validity().not_before);
        let not_after_secs = secs(&parsed.validity().not_after);
        Ok(Self {
            inner: Arc::new(Inner {
                chain,
                private_key,
                subject,
                uid,
                fingerprint,
                not_before_secs,
                not_after_secs,
                environments,
                topics,
            }),
        })
    }

    /// Whether it can be used in this environment at this time. A certificate that names no environment passes.
    ///
    /// # Errors
    /// [`CertificateError::Expired`], [`NotYetValid`](CertificateError::NotYetValid) or
    /// [`WrongEnvironment`](CertificateError::WrongEnvironment).
    pub fn check(&self, environment: Environment, now: SystemTime) -> Result<(), CertificateError> {
        let subject = || self.inner.subject.clone();
        if let Ok(ago) = now.duration_since(self.not_after())
            && !ago.is_zero()
        {
            return Err(CertificateError::Expired {
                subject: subject(),
                ago,
            });
        }
        if let Ok(wait) = self.not_before().duration_since(now)
            && !wait.is_zero()
        {
            return Err(CertificateError::NotYetValid {
                subject: subject(),
                wait,
            });
        }
        let found = &self.inner.environments;
        if !found.is_empty() && !found.contains(&environment) {
            return Err(CertificateError::WrongEnvironment {
                subject: subject(),
                found: found.clone(),
                wanted: environment,
            });
        }
        Ok(())
    }

    /// Whether the certificate lists this topic. One that lists none is taken to cover every topic of its UID.
    pub fn covers(&self, topic: &ApnsTopic) -> bool {
        self.inner
            .topics
            .iter()
            .any(|listed| **listed == *topic.as_str())
    }

    /// The common name of the subject, such as `Apple Push Services: net.example.pager`.
    pub fn subject(&self) -> &str {
        &self.inner.subject
    }

    /// The UID of the subject: the bundle id, or for MDM the topic.
    pub fn uid(&self) -> Option<&str> {
        self.inner.uid.as_deref()
    }

    /// The first 16 hexadecimal digits of the SHA-256 of its public key (SubjectPublicKeyInfo): to tell two apart.
    pub fn fingerprint(&self) -> &str {
        &self.inner.fingerprint
    }

    /// The first moment of its validity.
    pub fn not_before(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.inner.not_before_secs)
    }

    /// The last moment of its validity; warn some weeks before.
    pub fn not_after(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.inner.not_after_secs)
    }

    /// The environments it names; a universal certificate names both, an old one may name none.
    pub fn environments(&self) -> &[Environment] {
        &self.inner.environments
    }

    /// The topics it lists, or its UID if it lists none.
    pub fn topics(&self) -> &[Box<str>] {
        &self.inner.topics
    }

    /// The chain, its own certificate first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.inner.chain
    }

    /// The private key. A secret: give it to TLS and nothing else.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        self.inner.private_key.clone_key()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("subject", &self.inner.subject)
            .field("environments", &self.inner.environments)
            .field("topics", &self.inner.topics)
            .field("not_after_secs", &self.inner.not_after_secs)
            .finish_non_exhaustive()
    }
}

/// A short hash of a SubjectPublicKeyInfo.
pub(crate) fn fingerprint(spki: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    hash.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn damaged(what: &'static str, error: impl fmt::Display) -> CertificateError {
    CertificateError::Damaged {
        what,
        why: error.to_string().into(),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Compares public keys, which is all that "belongs to" means.
fn check_key_matches(
    certificate: &X509Certificate<'_>,
    private_key: &PrivateKeyDer<'static>,
    subject: &str,
) -> Result<(), CertificateError> {
    let loaded = rustls::crypto::aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(private_key.clone_key())
        .map_err(|error| damaged("private key", error))?;
    match loaded.public_key() {
        Some(public_key) if public_key.as_ref() != certificate.public_key().raw => {
            Err(CertificateError::KeyMismatch {
                subject: subject.into(),
            })
        }
        _ => Ok(()),
    }
}

/// Every topic in Apple's topics extension: a SEQUENCE in which each UTF8String topic is followed by a SEQUENCE of words
/// ("app", "voip") that say what the topic is for, and that are no topics.
fn strings(der: &[u8], out: &mut Vec<Box<str>>) {
    let Ok((_, outer)) = Any::from_der(der) else {
        return;
    };
    let single = [outer.clone()];
    let items: Box<dyn Iterator<Item = Any<'_>>> = if outer.header.tag() == Tag::Sequence {
        let mut rest = outer.data;
        Box::new(std::iter::from_fn(move || {
            let (left, item) = Any::from_der(rest).ok()?;
            rest = left;
            Some(item)
        }))
    } else {
        Box::new(single.into_iter())
    };
    for item in items.filter(|item| item.header.tag() == Tag::Utf8String) {
        if let Ok(text) = std::str::from_utf8(item.data)
            && !out.iter().any(|known| **known == *text)
        {
            out.push(text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair};

    use super::*;

    const NOW_SECS: u64 = 1_700_000_000;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(NOW_SECS)
    }

    /// DER of a string or of a sequence, short form.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    fn apple(last: u64, content: Vec<u8>) -> CustomExtension {
        CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 6, 3, last], content)
    }

    fn certificate(extensions: Vec<CustomExtension>) -> (String, KeyPair) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Apple Push Services: net.example.pager");
        params.distinguished_name.push(
            DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]),
            "net.example.pager",
        );
        params.not_before = rcgen::date_time_ymd(2023, 1, 1);
        params.not_after = rcgen::date_time_ymd(2024, 1, 1);
        params.custom_extensions = extensions;
        let key = KeyPair::generate().unwrap();
        (params.self_signed(&key).unwrap().pem(), key)
    }

    fn null() -> Vec<u8> {
        vec![5, 0]
    }

    #[test]
    fn everything_a_certificate_says_is_read() {
        let list = der(
            0x30,
            &[
                der(0x0c, b"net.example.pager"),
                der(0x30, &der(0x0c, b"app")),
                der(0x0c, b"net.example.pager.voip"),
                der(0x30, &der(0x0c, b"voip")),
            ]
            .concat(),
        );
        let (pem, key) = certificate(vec![apple(1, null()), apple(2, null()), apple(6, list)]);
        let both = format!("{}{pem}", key.serialize_pem());
        let certificate = ClientCertificate::from_pem(both.as_bytes()).unwrap();
        assert_eq!(
            certificate.subject(),
            "Apple Push Services: net.example.pager"
        );
        assert_eq!(certificate.uid(), Some("net.example.pager"));
        assert_eq!(certificate.environments(), Environment::ALL);
        assert_eq!(
            certificate.topics(),
            ["net.example.pager".into(), "net.example.pager.voip".into()]
        );
        assert_eq!(
            certificate.not_after(),
            UNIX_EPOCH + Duration::from_secs(1_704_067_200)
        );
        assert_eq!(certificate.chain().len(), 1);
        for environment in Environment::ALL {
            certificate.check(environment, now()).unwrap();
        }
        assert!(certificate.covers(&ApnsTopic::new("net.example.pager.voip").unwrap()));
        assert!(!certificate.covers(&ApnsTopic::new("net.example.pager.complication").unwrap()));
        let shown = format!("{certificate:?}");
        assert!(
            shown.contains("pager") && !shown.contains("chain") && !shown.contains("key"),
            "{shown}"
        );
    }

    #[test]
    fn without_a_list_the_uid_is_the_topic_and_a_voip_list_counts() {
        let (pem, key) = certificate(vec![]);
        let plain =
            ClientCertificate::from_pem_pair(pem.as_bytes(), key.serialize_pem().as_bytes())
                .unwrap();
        assert_eq!(plain.topics(), ["net.example.pager".into()]);
        plain.check(Environment::Sandbox, now()).unwrap();
        let (pem, key) = certificate(vec![apple(4, der(0x0c, b"net.example.pager.voip"))]);
        let voip = ClientCertificate::from_pem_pair(pem.as_bytes(), key.serialize_pem().as_bytes())
            .unwrap();
        assert_eq!(voip.topics(), ["net.example.pager.voip".into()]);
    }

    #[test]
    fn wrong_environment_and_wrong_time_are_named() {
        let (pem, key) = certificate(vec![apple(1, null())]);
        let sandbox =
            ClientCertificate::from_pem_pair(pem.as_bytes(), key.serialize_pem().as_bytes())
                .unwrap();
        sandbox.check(Environment::Sandbox, now()).unwrap();
        let error = sandbox
            .check(Environment::Production, now())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("is for sandbox, not for production"),
            "{error}"
        );
        let later = UNIX_EPOCH + Duration::from_secs(1_704_067_200 + 3 * 86_400);
        let error = sandbox
            .check(Environment::Sandbox, later)
            .unwrap_err()
            .to_string();
        assert!(error.contains("expired 3 days ago"), "{error}");
        let error = sandbox
            .check(Environment::Sandbox, UNIX_EPOCH)
            .unwrap_err()
            .to_string();
        assert!(error.contains("clock"), "{error}");
    }

    #[test]
    fn every_wrong_file_is_called_by_its_name() {
        let (pem, key) = certificate(vec![]);
        let key_pem = key.serialize_pem();
        let other_key = KeyPair::generate().unwrap().serialize_pem();
        let load = |certificates: &str, key: &str| {
            ClientCertificate::from_pem_pair(certificates.as_bytes(), key.as_bytes())
                .unwrap_err()
                .to_string()
        };
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let table = [
            (load("", &key_pem), "no certificate found"),
            (load(&key_pem, &key_pem), "no certificate found"),
            (load(&pem, ""), "no private key found"),
            (load(&pem, &pem), "no private key found"),
            (load(&pem, encrypted), "decrypt it first"),
            (
                load(&pem, &other_key),
                "does not belong to the certificate Apple Push Services",
            ),
            (
                load(
                    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                    &key_pem,
                ),
                "cannot be read",
            ),
            (
                load(
                    "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n",
                    &key_pem,
                ),
                "cannot be read",
            ),
        ];
        for (message, expected) in table {
            assert!(
                message.contains(expected),
                "expected {expected:?} in {message:?}"
            );
        }
    }
}
