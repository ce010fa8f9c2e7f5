//! Service accounts: the key files clients sign with, and what Google remembers of them.
//!
//! Source: the fields of the JSON key file that Google's console gives out.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::apns::request::encode_hex;

/// A service account to register: with the public half of its key, or with a key to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewServiceAccount {
    /// The project it belongs to and may send for.
    pub project: String,
    /// `iss` of its assertions; absent: `push@<project>.iam.gserviceaccount.com`.
    pub client_email: Option<String>,
    /// `kid` of its assertions; absent: made up.
    pub private_key_id: Option<String>,
    /// PEM block `PUBLIC KEY` (RSA); absent: a fresh pair is made, and the answer has its key file.
    pub public_key_pem: Option<String>,
    /// It has the permission `cloudmessaging.messages.create`.
    pub may_send: bool,
}

impl Default for NewServiceAccount {
    fn default() -> NewServiceAccount {
        NewServiceAccount {
            project: String::new(),
            client_email: None,
            private_key_id: None,
            public_key_pem: None,
            may_send: true,
        }
    }
}

/// A registered service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Its project.
    pub project: String,
    /// `iss` of its assertions.
    pub client_email: String,
    /// `kid` of its assertions.
    pub private_key_id: String,
    /// The JSON key file, as text, if the key was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// What Google remembers of one account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) project: String,
    pub(super) may_send: bool,
    /// Public keys (SubjectPublicKeyInfo) by key id.
    keys: BTreeMap<String, Vec<u8>>,
}

impl Account {
    /// Whether `signature` over `message` was made with the key `key_id`.
    pub(super) fn verifies(&self, key_id: &str, message: &[u8], signature: &[u8]) -> bool {
        self.keys.get(key_id).is_some_and(|spki| {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki)
                .verify(message, signature)
                .is_ok()
        })
    }
}

/// All accounts by email.
#[derive(Debug, Default)]
pub(super) struct Accounts(BTreeMap<String, Account>);

impl Accounts {
    pub(super) fn get(&self, client_email: &str) -> Option<&Account> {
        self.0.get(client_email)
    }

    /// Registers an account, or gives it one more key.
    pub(super) fn add(
        &mut self,
        new: NewServiceAccount,
        fresh: Option<FreshKey>,
        token_uri: &str,
    ) -> Result<ServiceAccount, String> {
        let project = demand_project(&new.project)?;
        let client_email = new.client_email.unwrap_or_else(|| email_of(&project));
        let (spki, key_id, private_pem) = match (&new.public_key_pem, fresh) {
            (Some(pem), _) => (spki_from_pem(pem)?, None, None),
            (None, Some(fresh)) => (fresh.spki, Some(fresh.key_id), Some(fresh.private_pem)),
            (None, None) => return Err("public_key_pem: missing".into()),
        };
        let private_key_id = new
            .private_key_id
            .or(key_id)
            .unwrap_or_else(|| key_id_of(&spki));
        let account = self
            .0
            .entry(client_email.clone())
            .or_insert_with(|| Account {
                project: project.clone(),
                may_send: true,
                keys: BTreeMap::new(),
            });
        account.project.clone_from(&project);
        account.may_send = new.may_send;
        account.keys.insert(private_key_id.clone(), spki);
        let key_file = private_pem
            .map(|pem| key_file(&project, &client_email, &private_key_id, &pem, token_uri));
        Ok(ServiceAccount {
            project,
            client_email,
            private_key_id,
            key_file,
        })
    }

    /// The account of a machine of Google's, which has no key; answers with its email.
    pub(super) fn of_machine(&mut self, project: &str) -> String {
        let client_email = format!("machine@{project}.iam.gserviceaccount.com");
        self.0
            .entry(client_email.clone())
            .or_insert_with(|| Account {
                project: project.to_owned(),
                may_send: true,
                keys: BTreeMap::new(),
            });
        client_email
    }

    /// Deletes an account; false if it was not known.
    pub(super) fn remove(&mut self, client_email: &str) -> bool {
        self.0.remove(client_email).is_some()
    }

    /// Deletes one key of an account; false if it was not known.
    pub(super) fn remove_key(&mut self, client_email: &str, key_id: &str) -> bool {
        self.0
            .get_mut(client_email)
            .is_some_and(|account| account.keys.remove(key_id).is_some())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A key pair nobody has used yet.
pub(super) struct FreshKey {
    spki: Vec<u8>,
    key_id: String,
    private_pem: String,
}

impl FreshKey {
    /// Makes an RSA key of 2048 bits. Takes a while: not to be done under a lock.
    pub(super) fn generate() -> Result<FreshKey, String> {
        let failed = |_| "no RSA key can be made on this system".to_owned();
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        let spki = public.as_ref().to_vec();
        Ok(FreshKey {
            key_id: key_id_of(&spki),
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            spki,
        })
    }
}

/// A key file for a service account that no simulator knows: for a gateway that looks at nothing,
/// whose clients want to sign all the same.
///
/// # Errors
/// A sentence, when the project is empty or no key can be made.
///
/// ```
/// let text = push_sim::service_account_json("pager-1", "https://localhost:1/token")?;
/// assert!(text.contains("push@pager-1.iam.gserviceaccount.com"));
/// # Ok::<(), String>(())
/// ```
pub fn service_account_json(project: &str, token_uri: &str) -> Result<String, String> {
    let project = demand_project(project)?;
    let fresh = FreshKey::generate()?;
    let email = email_of(&project);
    Ok(key_file(
        &project,
        &email,
        &fresh.key_id,
        &fresh.private_pem,
        token_uri,
    ))
}

fn demand_project(project: &str) -> Result<String, String> {
    let fits = !project.is_empty() && !project.contains(['/', ' ', '%', ':']);
    match fits {
        true => Ok(project.to_owned()),
        false => Err(format!("project: expected a project id, found {project:?}")),
    }
}

fn email_of(project: &str) -> String {
    format!("push@{project}.iam.gserviceaccount.com")
}

fn key_id_of(spki: &[u8]) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    encode_hex(&hash.as_ref()[..20])
}

fn spki_from_pem(pem: &str) -> Result<Vec<u8>, String> {
    let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| format!("public_key_pem: not a PEM block \"PUBLIC KEY\": {error}"))?;
    PublicKey::from_der(spki.as_ref())
        .map_err(|_| "public_key_pem: not an RSA public key".to_owned())?;
    Ok(spki.as_ref().to_vec())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

fn key_file(
    project: &str,
    client_email: &str,
    key_id: &str,
    private_pem: &str,
    token_uri: &str,
) -> String {
    let file = json!({
        "type": "service_account",
        "project_id": project,
        "private_key_id": key_id,
        "private_key": private_pem,
        "client_email": client_email,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
        "client_x509_cert_url":
            format!("https://www.googleapis.com/robot/v1/metadata/x509/{client_email}"),
        "universe_domain": "googleapis.com",
    });
    format!("{file:#}\n")
}
