//! Carries a plan out by the API. What is there already, and the same, is left as it is.

use crate::client::{ApiClient, escape};
use crate::exit::{Exit, Failure};
use crate::output::shown;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// What an App is given to speak to its gateway.
pub(super) enum Secret {
    /// Apple's.
    SigningKey {
        /// The file's text.
        pem: Zeroizing<String>,
        /// Key ID.
        key_id: String,
        /// Team ID.
        team_id: String,
        /// Of its public half, as the server shows it.
        fingerprint: String,
        /// Environments; both where it is none.
        environments: Vec<&'static str>,
        /// The one topic.
        bundle_id: String,
    },
    /// Apple's former kind.
    Certificate {
        /// The chain, leaf first.
        chain_pem: String,
        /// Its private key.
        private_key_pem: Zeroizing<String>,
        /// The environment; what the certificate says where it is none.
        environments: Vec<&'static str>,
        /// The topic; what the certificate says where it is none.
        topics: Vec<String>,
    },
    /// Of browsers' push services.
    VapidKeys {
        /// PKCS#8.
        private_key_pem: Zeroizing<String>,
        /// Where a push service may write to.
        contact: String,
    },
    /// Google's.
    ServiceAccount {
        /// The file's text.
        json: Zeroizing<String>,
        /// The key's id in it.
        key_id: String,
        /// The project.
        project_id: String,
    },
}

/// A credential, and the App that gets it.
pub(super) struct PlannedApp {
    /// What it comes from: a section as written, or an app by its name.
    pub(super) section: String,
    /// The App's id; empty where none can be made.
    pub(super) app: String,
    /// Its credential; `None`: something of it is wrong, and it is not made.
    pub(super) secret: Option<Secret>,
    /// The credential's name.
    pub(super) credential: String,
}

impl PlannedApp {
    /// With the credential's usual name.
    pub(super) fn new(section: String, app: String, secret: Option<Secret>) -> Self {
        let credential = secret.as_ref().map_or("", name_of).to_owned();
        Self {
            section,
            app,
            secret,
            credential,
        }
    }
}

/// What became of one section's App and its credential.
pub(super) struct Made {
    section: String,
    app: String,
    state: State,
    credential: String,
    credential_state: State,
    /// Why the server did not take it.
    problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Made,
    Replaced,
    Unchanged,
    /// Only said, by a dry run.
    ToBeMade,
    /// A key of it is wrong.
    NotMade,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::ToBeMade => "to be made",
            Self::NotMade => "not made",
        }
    }
}

impl Made {
    /// What a dry run says of it.
    pub(super) fn planned(app: &PlannedApp) -> Self {
        let state = match &app.secret {
            Some(_) => State::ToBeMade,
            None => State::NotMade,
        };
        Self {
            section: app.section.clone(),
            app: app.app.clone(),
            state,
            credential: match app.secret {
                Some(_) => app.credential.clone(),
                None => String::new(),
            },
            credential_state: state,
            problem: None,
        }
    }

    /// Whether a key of it is wrong, or the server did not take it.
    pub(super) fn is_refused(&self) -> bool {
        self.state == State::NotMade || self.problem.is_some()
    }

    /// Why the server did not take it, in a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.as_ref()?;
        Some(format!("[{}]: {problem}", self.section))
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "section": self.section, "app": self.app, "state": self.state.as_str(),
            "credential": self.credential, "credential_state": self.credential_state.as_str(),
            "problem": self.problem,
        })
    }

    /// For people.
    pub(super) fn row(&self) -> Vec<String> {
        vec![
            format!("[{}]", self.section),
            self.app.clone(),
            self.state.as_str().to_owned(),
            self.credential.clone(),
            self.credential_state.as_str().to_owned(),
        ]
    }
}

/// Makes every App that has no error. One that the server refuses is told of, and the others are made.
pub(super) async fn apply(client: &ApiClient, apps: &[PlannedApp]) -> Result<Vec<Made>, Failure> {
    let mut all = Vec::new();
    for app in apps {
        let mut made = Made::planned(app);
        if let Some(secret) = &app.secret {
            (made.state, made.credential_state) = (State::NotMade, State::NotMade);
            if let Err(failure) = make(client, app, secret, &mut made).await {
                // Whatever else it is would happen to the next one too.
                if failure.exit != Exit::Data {
                    return Err(failure);
                }
                made.problem = Some(failure.message);
            }
        }
        all.push(made);
    }
    Ok(all)
}

async fn make(
    client: &ApiClient,
    app: &PlannedApp,
    secret: &Secret,
    made: &mut Made,
) -> Result<(), Failure> {
    made.state = put_app(client, app).await?;
    made.credential_state = put_credential(client, app, secret).await?;
    Ok(())
}

/// An App that is there keeps its name and settings: somebody may have set them since.
async fn put_app(client: &ApiClient, app: &PlannedApp) -> Result<State, Failure> {
    let path = format!("/v1/apps/{}", escape(&app.app));
    match client.get(&path).await {
        Ok(_) => return Ok(State::Unchanged),
        Err(failure) if failure.exit == Exit::NoInput => {}
        Err(failure) => return Err(failure),
    }
    client.put(&path, &json!({ "name": app.section })).await?;
    Ok(State::Made)
}

async fn put_credential(
    client: &ApiClient,
    app: &PlannedApp,
    secret: &Secret,
) -> Result<State, Failure> {
    let name = &app.credential;
    let base = format!("/v1/apps/{}/credentials", escape(&app.app));
    let there = client.list(&base, usize::MAX).await?;
    if let Some(there) = there.iter().find(|it| shown(it, "/name") == *name)
        && is_same(there, secret)
    {
        return Ok(State::Unchanged);
    }
    let answer = client
        .put(&format!("{base}/{}", escape(name)), &body(secret))
        .await?;
    Ok(match answer.status {
        201 => State::Made,
        _ => State::Replaced,
    })
}

/// The credential's name, as the documentation calls them everywhere.
fn name_of(secret: &Secret) -> &'static str {
    match secret {
        Secret::SigningKey { .. } | Secret::Certificate { .. } => "apple",
        Secret::VapidKeys { .. } => "browsers",
        Secret::ServiceAccount { .. } => "google",
    }
}

/// Whether what the server shows of a credential is what the file says.
fn is_same(there: &Value, secret: &Secret) -> bool {
    match secret {
        Secret::SigningKey {
            key_id,
            team_id,
            fingerprint,
            environments,
            bundle_id,
            ..
        } => {
            let both = || vec!["production", "sandbox"];
            let expected = match environments.is_empty() {
                true => both(),
                false => environments.clone(),
            };
            let found = there["environments"].as_array();
            let mut found: Vec<_> = found
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            found.sort_unstable();
            shown(there, "/key_id") == *key_id
                && shown(there, "/team_id") == *team_id
                && shown(there, "/fingerprint") == *fingerprint
                && there["topics"] == json!([bundle_id])
                && found == expected
        }
        // The server shows nothing by which they could be told: they are set again.
        Secret::Certificate { .. } | Secret::VapidKeys { .. } => false,
        Secret::ServiceAccount {
            key_id, project_id, ..
        } => {
            shown(there, "/kind") == "service_account"
                && shown(there, "/key_id") == *key_id
                && shown(there, "/project_id") == *project_id
        }
    }
}

fn body(secret: &Secret) -> Value {
    match secret {
        Secret::SigningKey {
            pem,
            key_id,
            team_id,
            environments,
            bundle_id,
            ..
        } => json!({
            "gateway": "apns",
            "environments": environments,
            "topics": [bundle_id],
            "signing_key": { "pem": **pem, "key_id": key_id, "team_id": team_id },
        }),
        Secret::Certificate {
            chain_pem,
            private_key_pem,
            environments,
            topics,
        } => json!({
            "gateway": "apns",
            "environments": environments,
            "topics": topics,
            "certificate": { "chain_pem": chain_pem, "private_key_pem": **private_key_pem },
        }),
        Secret::VapidKeys {
            private_key_pem,
            contact,
        } => json!({
            "gateway": "webpush",
            "vapid_keys": { "contact": contact, "private_key_pem": **private_key_pem },
        }),
        Secret::ServiceAccount { json, .. } => {
            json!({ "gateway": "fcm", "service_account": **json })
        }
    }
}
