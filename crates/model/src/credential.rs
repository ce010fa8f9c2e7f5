//! What lets an App speak to a gateway: a signing key or a certificate. The secret itself is sealed
//! and never part of these types' `Debug`.

use crate::UnixMs;
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
}

impl std::fmt::Debug for CredentialSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SigningKey { .. } => "SigningKey(secret)",
            Self::Certificate { .. } => "Certificate(secret)",
        })
    }
}
