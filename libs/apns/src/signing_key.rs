//! The `.p8` file: the key that signs provider tokens.
//!
//! It loads and checks; signing at the right times is `provider_token`'s work.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::asn1_rs::{FromDer, Integer, Sequence};
use x509_parser::x509::AlgorithmIdentifier;

use crate::invalid::{Invalid, quoted};

/// The ten characters Apple shows beside a key, and in its file name `AuthKey_<key id>.p8`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct KeyId(Arc<str>);

/// The ten characters of a developer team, from the membership page of the developer portal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct TeamId(Arc<str>);

/// A P-256 key that signs provider tokens, with the ids that go with it.
///
/// One key serves every app of its team (or those it was limited to), so make one and share it: clones share the key.
/// `Debug` shows the ids only.
#[derive(Clone)]
pub struct SigningKey {
    key_id: KeyId,
    team_id: TeamId,
    encoding: Arc<EncodingKey>,
    fingerprint: Arc<str>,
}

/// Why a `.p8` file cannot be used. Every variant says what was found and what to do; none shows key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// There is no PEM section in it.
    #[error(
        "the signing key is not PEM: expected a line \"-----BEGIN PRIVATE KEY-----\", found {found}; give the \
         AuthKey_….p8 file as Apple let you download it"
    )]
    NotPem {
        /// What was there instead, without its content.
        found: &'static str,
    },
    /// It is a PEM section of another kind.
    #[error("the signing key is {found}, not a PKCS#8 key (\"BEGIN PRIVATE KEY\"); {mend}")]
    WrongSection {
        /// The kind found.
        found: &'static str,
        /// What to do.
        mend: &'static str,
    },
    /// It is PKCS#8, but of another algorithm or curve.
    #[error(
        "the signing key is {found}; APNs signs with ECDSA on P-256 (prime256v1) only; create an APNs key in the \
         developer portal and use its .p8 file"
    )]
    WrongAlgorithm {
        /// The algorithm or curve found.
        found: Box<str>,
    },
    /// It says P-256 but cannot be used.
    #[error("the signing key is damaged: {found}; download or copy the .p8 file again")]
    Damaged {
        /// What is wrong.
        found: &'static str,
    },
    /// The key id or team id is wrong.
    #[error(transparent)]
    Id(#[from] Invalid),
}

// === impl KeyId, TeamId ===

fn ten_characters(
    field: &'static str,
    text: &str,
    mend: &'static str,
) -> Result<Arc<str>, Invalid> {
    if text.len() == 10
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    {
        return Ok(text.into());
    }
    Err(Invalid::new(
        field,
        quoted(text),
        "must be 10 capital letters and digits",
        mend,
    ))
}

macro_rules! id {
    ($name:ident, $field:literal, $mend:literal) => {
        impl $name {
            /// Checks and keeps it.
            ///
            /// # Errors
            /// If it is not ten ASCII capital letters and digits.
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                ten_characters($field, text.as_ref(), $mend).map(Self)
            }

            /// The ten characters.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<Box<str>> for $name {
            type Error = Invalid;

            fn try_from(text: Box<str>) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl From<$name> for Box<str> {
            fn from(id: $name) -> Self {
                (*id.0).into()
            }
        }
    };
}

id!(
    KeyId,
    "key id",
    "copy it from Certificates, Identifiers & Profiles > Keys, or from the name AuthKey_<key id>.p8"
);
id!(
    TeamId,
    "team id",
    "copy it from the membership page of the developer portal"
);

// === impl SigningKey ===

impl SigningKey {
    /// Loads a `.p8` file as Apple hands it out: PEM, PKCS#8, not encrypted, P-256.
    ///
    /// The key is tried once here, so a damaged one fails now and not at the first push. The key id is not inside the
    /// file; whether both ids are the right ones only APNs can tell (`403 InvalidProviderToken`).
    ///
    /// # Errors
    /// [`SigningKeyError`] says exactly what was given instead.
    pub fn from_p8(pem: &[u8], key_id: KeyId, team_id: TeamId) -> Result<Self, SigningKeyError> {
        let der = pkcs8_der(pem)?;
        check_is_p256(der.secret_pkcs8_der())?;
        let encoding = Arc::new(EncodingKey::from_ec_der(der.secret_pkcs8_der()));
        let fingerprint = fingerprint_of(PrivateKeyDer::Pkcs8(der))?.into();
        let key = Self {
            key_id,
            team_id,
            encoding,
            fingerprint,
        };
        key.sign(0).map_err(|_| SigningKeyError::Damaged {
            found: "its numbers are not a P-256 key",
        })?;
        Ok(key)
    }

    /// The key's id.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The team the key belongs to.
    pub fn team_id(&self) -> &TeamId {
        &self.team_id
    }

    /// The first 16 hexadecimal digits of the SHA-256 of its public half (SubjectPublicKeyInfo): to tell two keys apart.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Signs a JWT issued at this Unix second: ES256, header `alg` and `kid`, claims `iss` and `iat`, nothing else.
    pub(crate) fn sign(&self, issued_at_secs: u64) -> Result<String, jsonwebtoken::errors::Error> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            iat: u64,
        }
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(self.key_id.as_str().to_owned());
        let claims = Claims {
            iss: self.team_id.as_str(),
            iat: issued_at_secs,
        };
        jsonwebtoken::encode(&header, &claims, &self.encoding)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("key_id", &self.key_id.as_str())
            .field("team_id", &self.team_id.as_str())
            .finish_non_exhaustive()
    }
}

fn fingerprint_of(key: PrivateKeyDer<'static>) -> Result<String, SigningKeyError> {
    let damaged = || SigningKeyError::Damaged {
        found: "its numbers are not a P-256 key",
    };
    let key = rustls::crypto::aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| damaged())?;
    let public_key = key.public_key().ok_or_else(damaged)?;
    Ok(crate::certificate::fingerprint(&public_key))
}

/// The DER of the one `PRIVATE KEY` section, or what is there instead.
fn pkcs8_der(pem: &[u8]) -> Result<PrivatePkcs8KeyDer<'static>, SigningKeyError> {
    let label = first_label(pem)?;
    let wrong = |found, mend| Err(SigningKeyError::WrongSection { found, mend });
    match label {
        "PRIVATE KEY" => {}
        "EC PRIVATE KEY" | "EC PARAMETERS" => {
            return wrong(
                "a SEC1 key (\"BEGIN EC PRIVATE KEY\")",
                "give the .p8 file itself, or convert it: openssl pkcs8 -topk8 -nocrypt",
            );
        }
        "ENCRYPTED PRIVATE KEY" => {
            return wrong(
                "an encrypted key",
                "decrypt it first: openssl pkcs8 -in encrypted.p8 -out AuthKey.p8",
            );
        }
        "RSA PRIVATE KEY" => {
            return wrong(
                "an RSA key",
                "create an APNs key in the developer portal and use its .p8 file",
            );
        }
        "CERTIFICATE" => {
            return wrong(
                "a certificate",
                "load it as a client certificate, or create an APNs key (.p8) in the developer portal",
            );
        }
        "PUBLIC KEY" => return wrong("a public key", "give the private key, the .p8 file itself"),
        _ => {
            return wrong(
                "a PEM section of another kind",
                "give the AuthKey_….p8 file from Apple",
            );
        }
    }
    PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| SigningKeyError::Damaged {
        found: "its PEM text is cut short or not base64",
    })
}

/// What the first `-----BEGIN …-----` line announces.
fn first_label(pem: &[u8]) -> Result<&str, SigningKeyError> {
    if pem.iter().all(u8::is_ascii_whitespace) {
        return Err(SigningKeyError::NotPem {
            found: "an empty file",
        });
    }
    let Ok(text) = std::str::from_utf8(pem) else {
        return Err(SigningKeyError::NotPem {
            found: if pem[0] == 0x30 {
                "binary data, perhaps a DER or .p12 file"
            } else {
                "binary data"
            },
        });
    };
    text.split_once("-----BEGIN ")
        .and_then(|(_, rest)| rest.split_once("-----"))
        .map(|(label, _)| label)
        .ok_or(SigningKeyError::NotPem {
            found: "text without it",
        })
}

/// Reads the algorithm out of the PKCS#8 shell (RFC 5208): version, algorithm, key.
fn check_is_p256(der: &[u8]) -> Result<(), SigningKeyError> {
    let damaged = |_| SigningKeyError::Damaged {
        found: "it is not PKCS#8",
    };
    let (_, shell) = Sequence::from_der(der).map_err(damaged)?;
    let (rest, _version) = Integer::from_der(&shell.content).map_err(damaged)?;
    let (_, algorithm) =
        AlgorithmIdentifier::from_der(rest).map_err(|_| SigningKeyError::Damaged {
            found: "its algorithm cannot be read",
        })?;
    let curve = algorithm
        .parameters
        .as_ref()
        .and_then(|any| any.clone().oid().ok());
    let found = match (algorithm.algorithm.to_id_string().as_str(), curve) {
        ("1.2.840.10045.2.1", Some(curve)) => match curve.to_id_string().as_str() {
            "1.2.840.10045.3.1.7" => return Ok(()),
            "1.3.132.0.34" => "an EC key on P-384".into(),
            "1.3.132.0.35" => "an EC key on P-521".into(),
            "1.3.132.0.10" => "an EC key on secp256k1".into(),
            other => format!("an EC key on the curve {other}").into(),
        },
        ("1.2.840.10045.2.1", None) => "an EC key without a named curve".into(),
        ("1.2.840.113549.1.1.1", _) => "an RSA key".into(),
        ("1.3.101.112", _) => "an Ed25519 key".into(),
        (other, _) => format!("a key of the algorithm {other}").into(),
    };
    Err(SigningKeyError::WrongAlgorithm { found })
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{KeyPair, PublicKeyData};

    use super::*;

    /// The public example key of RFC 7515 A.3 as a .p8 file (V1). Never for production.
    pub(crate) fn v1_p8() -> String {
        use base64::Engine;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let part = |text| URL_SAFE_NO_PAD.decode(text).unwrap();
        let mut der =
            hex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420");
        der.extend(part("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"));
        der.extend(hex("a14403420004"));
        der.extend(part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"));
        der.extend(part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
        assert_eq!(der.len(), 138);
        pem("PRIVATE KEY", &STANDARD.encode(der))
    }

    pub(crate) fn v1_key() -> SigningKey {
        SigningKey::from_p8(v1_p8().as_bytes(), key_id(), team_id()).unwrap()
    }

    fn key_id() -> KeyId {
        KeyId::new("ABC123DEFG").unwrap()
    }

    fn team_id() -> TeamId {
        TeamId::new("DEF123GHIJ").unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    }

    fn pem(label: &str, base64: &str) -> String {
        let lines: Vec<&str> = base64
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    fn load(pem: &str) -> SigningKeyError {
        SigningKey::from_p8(pem.as_bytes(), key_id(), team_id()).unwrap_err()
    }

    #[test]
    fn every_wrong_file_is_called_by_its_name() {
        let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)
            .unwrap()
            .serialize_pem();
        let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519)
            .unwrap()
            .serialize_pem();
        let good = v1_p8();
        let cut = good.replace("-----END PRIVATE KEY-----", "");
        // One bit of the public half flipped: well-formed, and not a key.
        let mut damaged = good.clone();
        let at = damaged.rfind("\n-----END").unwrap() - 6;
        damaged.replace_range(at..=at, if &damaged[at..=at] == "A" { "B" } else { "A" });
        let rsa = pem("PRIVATE KEY", "MBwCAQAwDQYJKoZIhvcNAQEBBQAECDAGAgEAAgEA");
        let some = |label| pem(label, "AAAA");
        let table = [
            ("", "an empty file"),
            ("  \n", "an empty file"),
            ("hello", "found text without it"),
            (&cut, "cut short or not base64"),
            (&damaged, "not a P-256 key"),
            (&p384, "P-384"),
            (&ed25519, "Ed25519"),
            (&rsa, "an RSA key; APNs signs with ECDSA"),
            (&some("EC PRIVATE KEY"), "SEC1"),
            (&some("ENCRYPTED PRIVATE KEY"), "decrypt it first"),
            (&some("RSA PRIVATE KEY"), "an RSA key"),
            (&some("CERTIFICATE"), "a certificate"),
            (&some("PUBLIC KEY"), "a public key"),
            (&some("X509 CRL"), "of another kind"),
            (&some("PRIVATE KEY"), "not PKCS#8"),
        ];
        for (file, expected) in table {
            let message = load(file).to_string();
            assert!(
                message.contains(expected),
                "expected {expected:?} in {message:?}"
            );
        }
        let binary = SigningKey::from_p8(&[0x30, 0x82, 0xff], key_id(), team_id()).unwrap_err();
        assert!(binary.to_string().contains(".p12"), "{binary}");
    }

    #[test]
    fn windows_line_ends_and_a_comment_before_the_key_are_fine() {
        let file = format!("Bag Attributes: none\r\n{}", v1_p8().replace('\n', "\r\n"));
        SigningKey::from_p8(file.as_bytes(), key_id(), team_id()).unwrap();
    }

    #[test]
    fn ids_have_ten_capital_letters_and_digits() {
        for bad in [
            "",
            "ABC123DEF",
            "ABC123DEFGH",
            "abc123defg",
            "ABC-123-DE",
            "ÄBC123DEF",
        ] {
            let error = KeyId::new(bad).unwrap_err();
            assert_eq!(
                (error.field(), error.rule()),
                ("key id", "must be 10 capital letters and digits")
            );
            assert_eq!(TeamId::new(bad).unwrap_err().field(), "team id");
        }
    }

    #[test]
    fn the_fingerprint_is_that_of_the_public_half() {
        let key = KeyPair::generate().unwrap();
        let load = |key_id| {
            let pem = key.serialize_pem();
            SigningKey::from_p8(pem.as_bytes(), KeyId::new(key_id).unwrap(), team_id()).unwrap()
        };
        let expected = crate::certificate::fingerprint(&key.subject_public_key_info());
        assert_eq!(load("ABC123DEFG").fingerprint(), expected);
        assert_eq!(load("XXXXXXXXXX").fingerprint(), expected);
        assert_ne!(v1_key().fingerprint(), expected);
    }

    #[test]
    fn debug_shows_no_key() {
        let text = format!("{:?}", v1_key());
        assert_eq!(
            text,
            r#"SigningKey { key_id: "ABC123DEFG", team_id: "DEF123GHIJ", .. }"#
        );
    }
}
