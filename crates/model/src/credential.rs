//! What lets an App speak to a gateway: a signing key or a certificate. The secret itself is sealed
//! and never part of these types' `Debug`.

use crate::UnixMs;
use crate::codec::{Reader, Unreadable, put_bytes};
use crate::environment::Environment;
use crate::id::{AppNo, CredentialNo};
use crate::lane::Gateway;
use serde::{Deserialize, Serialize};

/// A credential as stored, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its number.
    pub no: CredentialNo,
    /// Whose.
    pub app: AppNo,
    /// Name, unique in the App: 1 to 64 characters (see [`crate::device::is_plain_name`]).
    pub name: String,
    /// For which gateway.
    pub gateway: Gateway,
    /// What may be shown of it.
    pub facts: CredentialFacts,
    /// Rises with every change; pools of an older version are drained.
    pub version: u32,
    /// When it was first set.
    pub created_at: UnixMs,
    /// When it was last set.
    pub updated_at: UnixMs,
}

/// What may be shown of a credential. Stored as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialFacts {
    /// Signing key or certificate.
    pub kind: CredentialKind,
    /// Environments it may be used in.
    pub environments: Vec<Environment>,
    /// Bundle ids it may send to; the first is the default topic.
    pub topics: Vec<String>,
    /// Apple's Team ID (signing keys).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Apple's Key ID (signing keys).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// When it ends (certificates).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixMs>,
    /// Firebase project it sends for (service accounts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Account's address (service accounts), or the contact that push services are told (VAPID keys).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Application server keys as browsers take them (VAPID keys): base64url, the current one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<String>,
    /// Short hash of the public half, to tell two apart.
    pub fingerprint: String,
}

/// Kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// `.p8`: provider tokens are signed with it.
    SigningKey,
    /// Certificate and private key for mutual TLS.
    Certificate,
    /// Google service account: access tokens are got with it.
    ServiceAccount,
    /// VAPID keys: what says to a browser's push service who is pushing.
    VapidKeys,
}

/// The secret half of a credential, in the clear: only in memory, wiped when dropped by whoever
/// sealed or used it.
#[derive(Clone)]
pub enum CredentialSecret {
    /// PEM of a `.p8`.
    SigningKey {
        /// PKCS#8 PEM text.
        pem: String,
    },
    /// PEM of certificate chain and private key.
    Certificate {
        /// Chain, leaf first.
        chain_pem: String,
        /// Private key.
        private_key_pem: String,
    },
    /// A service account's file.
    ServiceAccount {
        /// The file's JSON text.
        json: String,
    },
    /// VAPID keys.
    VapidKeys {
        /// Private keys as PKCS#8 PEM, the current one first. Older ones go on serving the subscriptions
        /// that were made with them.
        pems: Vec<String>,
        /// `mailto:` or `https:` address that push services may write to.
        contact: String,
    },
}

impl std::fmt::Debug for CredentialSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SigningKey { .. } => "SigningKey(secret)",
            Self::Certificate { .. } => "Certificate(secret)",
            Self::ServiceAccount { .. } => "ServiceAccount(secret)",
            Self::VapidKeys { .. } => "VapidKeys(secret)",
        })
    }
}

const VERSION: u8 = 1;

impl CredentialSecret {
    /// The form that is sealed. Wipe it after use.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        match self {
            Self::SigningKey { pem } => {
                out.push(1);
                put_bytes(&mut out, pem.as_bytes());
            }
            Self::Certificate {
                chain_pem,
                private_key_pem,
            } => {
                out.push(2);
                put_bytes(&mut out, chain_pem.as_bytes());
                put_bytes(&mut out, private_key_pem.as_bytes());
            }
            Self::ServiceAccount { json } => {
                out.push(3);
                put_bytes(&mut out, json.as_bytes());
            }
            Self::VapidKeys { pems, contact } => {
                out.push(4);
                put_bytes(&mut out, contact.as_bytes());
                for pem in pems {
                    put_bytes(&mut out, pem.as_bytes());
                }
            }
        }
        out
    }

    /// Reads the sealed form back.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut reader = Reader::new("credential secret", VERSION, bytes)?;
        match reader.byte()? {
            1 => Ok(Self::SigningKey {
                pem: reader.text()?.to_owned(),
            }),
            2 => Ok(Self::Certificate {
                chain_pem: reader.text()?.to_owned(),
                private_key_pem: reader.text()?.to_owned(),
            }),
            3 => Ok(Self::ServiceAccount {
                json: reader.text()?.to_owned(),
            }),
            4 => {
                let contact = reader.text()?.to_owned();
                let mut pems = Vec::new();
                while !reader.is_empty() {
                    pems.push(reader.text()?.to_owned());
                }
                Ok(Self::VapidKeys { pems, contact })
            }
            _ => Err(reader.error("unknown kind of credential")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_read_back_and_stay_out_of_debug() {
        let key = CredentialSecret::SigningKey { pem: "key".into() };
        assert_eq!(key.encode(), [1, 1, 3, b'k', b'e', b'y']);
        let certificate = CredentialSecret::Certificate {
            chain_pem: "chain".into(),
            private_key_pem: "key".into(),
        };
        let account = CredentialSecret::ServiceAccount {
            json: "{key\"}".into(),
        };
        let vapid = CredentialSecret::VapidKeys {
            pems: vec!["key".into(), "older key".into()],
            contact: "mailto:a@example.com".into(),
        };
        for secret in [key, certificate, account, vapid] {
            let read = CredentialSecret::decode(&secret.encode()).unwrap();
            assert_eq!(read.encode(), secret.encode());
            assert!(!format!("{read:?}").contains("key\""));
        }
        assert!(CredentialSecret::decode(&[1, 9]).is_err(), "unknown kind");
        assert!(CredentialSecret::decode(&[1, 1, 9]).is_err(), "cut short");
    }
}
