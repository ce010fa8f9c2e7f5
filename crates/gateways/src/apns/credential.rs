//! Signing keys and certificates: checked when they are set, and made into what a connection shows.

use super::words;
use crate::wall::{system_time, unix_ms};
use apns::{ClientCertificate, KeyId, ProviderTokens, SigningKey, TeamId};
use carillon_model::UnixMs;
use carillon_model::credential::{CredentialFacts, CredentialKind, CredentialSecret};
use carillon_model::environment::Environment;
use carillon_model::problem::FieldProblem;
use carillon_ports::gateway::{ClaimedFacts, PoolSpec, ProviderTokenVault};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

// === Checking ===

/// See [`carillon_ports::gateway::Gateway::inspect`].
pub(super) fn inspect(
    secret: &CredentialSecret,
    claimed: &ClaimedFacts,
    now: UnixMs,
) -> Result<CredentialFacts, Vec<FieldProblem>> {
    match secret {
        CredentialSecret::SigningKey { pem } => inspect_key(pem, claimed),
        CredentialSecret::Certificate {
            chain_pem,
            private_key_pem,
        } => inspect_certificate(chain_pem, private_key_pem, claimed, now),
        CredentialSecret::ServiceAccount { .. } | CredentialSecret::VapidKeys { .. } => {
            Err(vec![FieldProblem::new("", "credential.gateway", FOREIGN)])
        }
    }
}

/// Said of another gateway's credential.
const FOREIGN: &str = "APNs takes a signing key (.p8) or a certificate: set one of them, or name the gateway that this credential is for";

fn inspect_key(pem: &str, claimed: &ClaimedFacts) -> Result<CredentialFacts, Vec<FieldProblem>> {
    let mut problems = topic_problems(&claimed.topics);
    if claimed.topics.is_empty() {
        problems.push(FieldProblem::new(
            "/topics",
            "credential.topics",
            "expected at least one bundle id: a signing key does not name its apps",
        ));
    }
    let mut id = |field: &str, text: Option<&String>| {
        let text = text.map_or("", String::as_str);
        let checked = match field {
            "key_id" => KeyId::new(text).map(|_| ()),
            _ => TeamId::new(text).map(|_| ()),
        };
        if let Err(error) = checked {
            let message = format!(
                "found {}; {}; {}",
                error.found(),
                error.rule(),
                error.mend()
            );
            problems.push(FieldProblem::new(
                format!("/signing_key/{field}"),
                "credential.id",
                message,
            ));
        }
    };
    id("key_id", claimed.key_id.as_ref());
    id("team_id", claimed.team_id.as_ref());
    // The ids have been judged; the key is, whatever they are.
    let (key_id, team_id) =
        ids(claimed.key_id.as_deref(), claimed.team_id.as_deref()).unwrap_or_else(placeholder_ids);
    match SigningKey::from_p8(pem.as_bytes(), key_id, team_id) {
        Err(error) => {
            problems.push(FieldProblem::new(
                "/signing_key/pem",
                "credential.signing_key",
                error.to_string(),
            ));
            Err(problems)
        }
        Ok(_) if !problems.is_empty() => Err(problems),
        Ok(key) => Ok(CredentialFacts {
            kind: CredentialKind::SigningKey,
            environments: or_both(&claimed.environments),
            topics: claimed.topics.clone(),
            team_id: claimed.team_id.clone(),
            key_id: claimed.key_id.clone(),
            not_after: None,
            project_id: None,
            contact: None,
            public_keys: Vec::new(),
            fingerprint: key.fingerprint().to_owned(),
        }),
    }
}

fn ids(key_id: Option<&str>, team_id: Option<&str>) -> Option<(KeyId, TeamId)> {
    Some((KeyId::new(key_id?).ok()?, TeamId::new(team_id?).ok()?))
}

#[expect(clippy::expect_used, reason = "two constants that are ten digits")]
fn placeholder_ids() -> (KeyId, TeamId) {
    ids(Some("0000000000"), Some("0000000000")).expect("ten digits")
}

fn inspect_certificate(
    chain_pem: &str,
    private_key_pem: &str,
    claimed: &ClaimedFacts,
    now: UnixMs,
) -> Result<CredentialFacts, Vec<FieldProblem>> {
    let mut problems = topic_problems(&claimed.topics);
    let certificate =
        ClientCertificate::from_pem_pair(chain_pem.as_bytes(), private_key_pem.as_bytes())
            .map_err(|error| {
                use apns::CertificateError::{EncryptedKey, KeyMismatch, NoPrivateKey};
                let field = match error {
                    NoPrivateKey | EncryptedKey | KeyMismatch { .. } => "private_key_pem",
                    _ => "chain_pem",
                };
                vec![FieldProblem::new(
                    format!("/certificate/{field}"),
                    "credential.certificate",
                    error.to_string(),
                )]
            })?;
    let environments = match (certificate.environments(), &*claimed.environments) {
        ([], claimed) => or_both(claimed),
        (named, []) => Environment::ALL
            .into_iter()
            .filter(|environment| named.contains(&words::environment(*environment)))
            .collect(),
        (_, claimed) => claimed.to_vec(),
    };
    for environment in &environments {
        let Err(error) = certificate.check(words::environment(*environment), system_time(now))
        else {
            continue;
        };
        let pointer = match error {
            apns::CertificateError::WrongEnvironment { .. } => "/environments",
            _ => "/certificate/chain_pem",
        };
        let problem = FieldProblem::new(pointer, "credential.certificate", error.to_string());
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    for (at, topic) in claimed.topics.iter().enumerate() {
        if !certificate
            .topics()
            .iter()
            .any(|listed| **listed == **topic)
        {
            let message = format!(
                "the certificate {} does not list this topic: leave topics out, or use one of {}",
                certificate.subject(),
                certificate.topics().join(", ")
            );
            problems.push(FieldProblem::new(
                format!("/topics/{at}"),
                "credential.topics",
                message,
            ));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let listed = || {
        certificate
            .topics()
            .iter()
            .map(|topic| topic.to_string())
            .collect()
    };
    Ok(CredentialFacts {
        kind: CredentialKind::Certificate,
        environments,
        topics: if claimed.topics.is_empty() {
            listed()
        } else {
            claimed.topics.clone()
        },
        team_id: None,
        key_id: None,
        not_after: Some(unix_ms(certificate.not_after())),
        project_id: None,
        contact: None,
        public_keys: Vec::new(),
        fingerprint: certificate.fingerprint().to_owned(),
    })
}

fn topic_problems(topics: &[String]) -> Vec<FieldProblem> {
    let bad = |(at, topic): (usize, &String)| {
        let error = apns::BundleId::new(topic).err()?;
        let message = format!(
            "found {}; {}; {}",
            error.found(),
            error.rule(),
            error.mend()
        );
        Some(FieldProblem::new(
            format!("/topics/{at}"),
            "credential.topics",
            message,
        ))
    };
    topics.iter().enumerate().filter_map(bad).collect()
}

fn or_both(environments: &[Environment]) -> Vec<Environment> {
    if environments.is_empty() {
        Environment::ALL.to_vec()
    } else {
        environments.to_vec()
    }
}

// === Use ===

/// The provider tokens of every signing key in use: all pools of a key share one, whatever App, environment or version
/// of the credential they belong to, because Apple counts new tokens by key.
#[derive(Default)]
pub(super) struct TokenBooks {
    open: Mutex<HashMap<Name, ProviderTokens>>,
}

/// Team, key and public half: a key id typed wrong at first must not keep the wrong key.
type Name = (String, String, String);

impl TokenBooks {
    /// What a connection of this pool shows; the error is a sentence.
    pub(super) fn credential(&self, spec: &PoolSpec) -> Result<apns::Credential, String> {
        match &*spec.secret {
            CredentialSecret::SigningKey { pem } => {
                let (key_id, team_id) =
                    ids(spec.facts.key_id.as_deref(), spec.facts.team_id.as_deref())
                        .ok_or("the credential has no key id or team id: set it again")?;
                let key = SigningKey::from_p8(pem.as_bytes(), key_id, team_id)
                    .map_err(|error| error.to_string())?;
                Ok(self.tokens(key, spec.provider_tokens.clone()).into())
            }
            CredentialSecret::Certificate {
                chain_pem,
                private_key_pem,
            } => ClientCertificate::from_pem_pair(chain_pem.as_bytes(), private_key_pem.as_bytes())
                .map(Into::into)
                .map_err(|error| error.to_string()),
            CredentialSecret::ServiceAccount { .. } | CredentialSecret::VapidKeys { .. } => {
                Err(FOREIGN.to_owned())
            }
        }
    }

    fn tokens(
        &self,
        key: SigningKey,
        vault: Option<Arc<dyn ProviderTokenVault>>,
    ) -> ProviderTokens {
        let name = (
            key.team_id().as_str().to_owned(),
            key.key_id().as_str().to_owned(),
            key.fingerprint().to_owned(),
        );
        let mut open = self.open.lock();
        if let Some(tokens) = open.get(&name) {
            return tokens.clone();
        }
        // Keys that nothing uses any more are wiped; their last token stays in the vault.
        open.retain(|_, tokens| tokens.handles() > 1);
        let tokens = restored(key, vault);
        open.insert(name, tokens.clone());
        tokens
    }
}

fn restored(key: SigningKey, vault: Option<Arc<dyn ProviderTokenVault>>) -> ProviderTokens {
    let Some(vault) = vault else {
        return ProviderTokens::new(key);
    };
    let tokens = match vault.load() {
        None => ProviderTokens::new(key),
        Some((jwt, _)) => ProviderTokens::seeded(key.clone(), &jwt).unwrap_or_else(|error| {
            tracing::warn!(key_id = %key.key_id(), %error, "stored provider token is not used");
            ProviderTokens::new(key)
        }),
    };
    tokens.on_issue(move |token| {
        let issued_at = UnixMs::try_from(token.issued_at_secs())
            .unwrap_or(0)
            .saturating_mul(1_000);
        vault.store(token.jwt(), issued_at);
    })
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
