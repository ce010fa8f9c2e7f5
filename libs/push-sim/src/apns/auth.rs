//! Who may push: provider tokens and the memory a connection has of them.
//!
//! Source: "Establishing a token-based connection to APNs" (keys, teams, ages, the 20-minute
//! rule); "Establishing a certificate-based connection to APNs" is in [`super::certificate`].

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::certificate::CertificateIdentity;
use super::provider_token::{self, Claims, VerifyingKey};
use super::push_type::bundle_of;
use super::reason::Reason;
use crate::config::{Mode, Settings};
use crate::host::Environment;

/// Oldest and newest `iat` accepted, in seconds from the simulator's clock.
const MAX_AGE_SECS: i64 = 3600;
/// Least time between two new provider tokens on one connection.
const MIN_RENEWAL_SECS: i64 = 20 * 60;
/// Provider tokens remembered by one connection, good or bad.
const MAX_REMEMBERED: usize = 64;

/// A team's signing key as Apple knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeamKey {
    /// Ten characters: `iss` of the provider tokens.
    pub team_id: String,
    /// Ten characters: `kid` of the provider tokens.
    pub key_id: String,
    /// The public half, PEM block `PUBLIC KEY`.
    pub public_key_pem: String,
    /// Bundle IDs a topic-specific key is limited to; `None`: all topics of the team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
    /// The only environment of the key; `None`: both (Apple's older keys).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Key ID of the key that may replace this one, or be replaced by it, on a live connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_key_id: Option<String>,
}

/// All keys by (team, key id).
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    keys: HashMap<(String, String), (TeamKey, VerifyingKey)>,
    /// Moves when a key is added or revoked, so that connections verify again.
    generation: u64,
}

impl KeyRing {
    pub(crate) fn add(&mut self, key: TeamKey) -> Result<(), String> {
        let verifying = VerifyingKey::from_pem(&key.public_key_pem)?;
        self.generation += 1;
        self.keys
            .insert((key.team_id.clone(), key.key_id.clone()), (key, verifying));
        Ok(())
    }

    pub(crate) fn revoke(&mut self, team_id: &str, key_id: &str) -> bool {
        self.generation += 1;
        self.keys
            .remove(&(team_id.to_owned(), key_id.to_owned()))
            .is_some()
    }

    pub(crate) fn clear(&mut self) {
        self.generation += 1;
        self.keys.clear();
    }

    pub(crate) fn list(&self) -> Vec<TeamKey> {
        let mut keys: Vec<_> = self.keys.values().map(|(key, _)| key.clone()).collect();
        keys.sort_by(|a, b| (&a.team_id, &a.key_id).cmp(&(&b.team_id, &b.key_id)));
        keys
    }

    fn get(&self, claims: &Claims) -> Option<&(TeamKey, VerifyingKey)> {
        self.keys
            .get(&(claims.team_id.clone(), claims.key_id.clone()))
    }
}

/// The sender a request was authenticated as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) team_id: Option<String>,
    /// Bundle IDs this sender is limited to.
    pub(crate) topics: Option<Vec<String>>,
}

/// What one connection remembers about its senders.
#[derive(Debug, Default)]
pub(crate) struct ConnectionAuth {
    /// The TLS client certificate, if one was shown.
    pub(crate) certificate: Option<CertificateIdentity>,
    first_sender: Option<(String, String)>,
    accepted: Vec<AcceptedToken>,
    verified: HashMap<String, (u64, Result<Claims, Reason>)>,
    expired_once: bool,
}

#[derive(Debug)]
struct AcceptedToken {
    token: String,
    issued_at: i64,
    first_seen: i64,
}

/// The outside facts an authentication depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AuthContext<'a> {
    pub(crate) keys: &'a KeyRing,
    pub(crate) settings: &'a Settings,
    pub(crate) environment: Environment,
    pub(crate) now_secs: i64,
    /// Provider tokens a script has let expire.
    pub(crate) expired: &'a HashSet<String>,
}

impl ConnectionAuth {
    pub(crate) fn with_certificate(certificate: Option<CertificateIdentity>) -> ConnectionAuth {
        ConnectionAuth {
            certificate,
            ..ConnectionAuth::default()
        }
    }

    /// The provider tokens this connection has accepted.
    pub(crate) fn accepted_tokens(&self) -> impl Iterator<Item = &str> {
        self.accepted.iter().map(|accepted| accepted.token.as_str())
    }

    /// `iat` of the one accepted last.
    pub(crate) fn newest_issued_at(&self) -> Option<i64> {
        self.accepted.last().map(|accepted| accepted.issued_at)
    }

    /// Judges the `authorization` header of one request.
    pub(crate) fn authenticate(
        &mut self,
        header: Option<&str>,
        context: AuthContext<'_>,
    ) -> Result<Sender, Reason> {
        let mode = context.settings.mode;
        let header = header.ok_or(Reason::MissingProviderToken)?;
        let token =
            provider_token::from_header(header, mode).ok_or(Reason::InvalidProviderToken)?;
        let claims = self.verify(token, context)?;
        let age = context.now_secs - claims.issued_at;
        let expired = context.expired.contains(token);
        let wedged = context.settings.wedge_on_expiry && self.expired_once;
        if age.abs() > MAX_AGE_SECS || expired || wedged {
            self.expired_once = true;
            return Err(Reason::ExpiredProviderToken);
        }
        let key = context.keys.get(&claims).map(|(key, _)| key);
        if key
            .and_then(|key| key.environment)
            .is_some_and(|only| only != context.environment)
        {
            return Err(Reason::BadEnvironmentKeyIdInToken);
        }
        if let Some((team_id, key_id)) = &self.first_sender {
            if *team_id != claims.team_id {
                return Err(Reason::InvalidProviderToken);
            }
            if *key_id != claims.key_id && !related(context.keys, team_id, key_id, &claims.key_id) {
                return Err(Reason::UnrelatedKeyIdInToken);
            }
        }
        self.note_renewal(token, &claims, context.now_secs)?;
        if self.first_sender.is_none() {
            self.first_sender = Some((claims.team_id.clone(), claims.key_id.clone()));
        }
        Ok(Sender {
            team_id: Some(claims.team_id),
            topics: key.and_then(|key| key.topics.clone()),
        })
    }

    /// Signature and form, judged once for each distinct token on the connection.
    fn verify(&mut self, token: &str, context: AuthContext<'_>) -> Result<Claims, Reason> {
        if let Some((generation, result)) = self.verified.get(token)
            && *generation == context.keys.generation
        {
            return result.clone();
        }
        let mode = context.settings.mode;
        let result = provider_token::parse(token, mode)
            .filter(|claims| match context.keys.get(claims) {
                Some((_, key)) => key.verifies(token, claims, mode),
                None => context.settings.accept_any_key,
            })
            .ok_or(Reason::InvalidProviderToken);
        if self.verified.len() >= MAX_REMEMBERED {
            self.verified.clear();
        }
        self.verified
            .insert(token.to_owned(), (context.keys.generation, result.clone()));
        result
    }

    /// The 20-minute rule. A token is new when this connection has not accepted it before; it is
    /// too early when both its arrival and its `iat` are less than 20 minutes after the last one,
    /// so that a connection opened shortly before a regular renewal is not punished.
    fn note_renewal(&mut self, token: &str, claims: &Claims, now: i64) -> Result<(), Reason> {
        if self.accepted.iter().any(|known| known.token == token) {
            return Ok(());
        }
        if let Some(last) = self.accepted.last() {
            let arrived_early = now - last.first_seen < MIN_RENEWAL_SECS;
            let issued_early = claims.issued_at - last.issued_at < MIN_RENEWAL_SECS;
            if arrived_early && issued_early {
                return Err(Reason::TooManyProviderTokenUpdates);
            }
        }
        if self.accepted.len() >= MAX_REMEMBERED {
            self.accepted.remove(0);
        }
        self.accepted.push(AcceptedToken {
            token: token.to_owned(),
            issued_at: claims.issued_at,
            first_seen: now,
        });
        Ok(())
    }
}

fn related(keys: &KeyRing, team_id: &str, first: &str, now: &str) -> bool {
    let names = |from: &str, to: &str| {
        keys.keys
            .get(&(team_id.to_owned(), from.to_owned()))
            .is_some_and(|(key, _)| key.related_key_id.as_deref() == Some(to))
    };
    names(first, now) || names(now, first)
}

impl Sender {
    /// Whether this sender may push to a topic of an app that belongs to `app_team`.
    pub(crate) fn covers(&self, topic: &str, app_team: Option<&str>) -> bool {
        let team_fits = match (&self.team_id, app_team) {
            (Some(sender), Some(app)) => sender == app,
            _ => true,
        };
        let topic_fits = self
            .topics
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|bundle| bundle == bundle_of(topic)));
        team_fits && topic_fits
    }
}

/// Lax mode is a reading, not a licence: this is here so that both readings stay in one place.
pub(crate) fn is_lax(settings: &Settings) -> bool {
    settings.mode == Mode::Lax
}
