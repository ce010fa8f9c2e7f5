//! `credentials.file`: credentials whose keys are files, followed as long as the process lives.
//!
//! Whoever leads the role worker looks every now and then, and sets what has changed as the API would: checked, sealed, and
//! used by all processes from then on. So one process decides, and only that one needs the files; what happens when two see
//! different files for a while is not a question. Looking is enough: where a Secret is mounted the files are exchanged by a link.
//!
//! A file that is being written may make sense by chance, so a change is taken when two looks in a row have seen the same. What
//! makes no sense is told (log, `GET /v1/status`, doctor), and what was set before goes on being used.

use crate::commands::credential::key_id;
use crate::config;
use aws_lc_rs::digest::{Context, SHA256};
use carillon_engine::{CredentialProblem, Engine};
use carillon_model::credential::CredentialSecret;
use carillon_model::device::is_plain_name;
use carillon_model::environment::Environment;
use carillon_model::lane::Gateway;
use carillon_model::role::Role;
use carillon_ports::gateway::ClaimedFacts;
use carillon_ports::registry::Actor;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// More than any of these files has, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// A credential, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    p8: Option<PathBuf>,
    key_id: Option<String>,
    team_id: Option<String>,
    certificate: Option<PathBuf>,
    private_key: Option<PathBuf>,
    service_account: Option<PathBuf>,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    environments: Vec<Environment>,
}

/// What is to be set.
struct Given {
    gateway: Gateway,
    secret: CredentialSecret,
    claimed: ClaimedFacts,
}

/// What one look found.
struct Look {
    /// Of everything that was read, to know it again.
    digest: [u8; 32],
    /// By App and name; the error is a sentence. One for the whole file if that cannot be read.
    found: Result<Vec<Named>, String>,
}

struct Named {
    app: String,
    name: String,
    given: Result<Given, String>,
}

/// Follows the files, if there are any, until the process ends. `look` has them looked at now.
pub(crate) fn follow(engine: &Engine, config: &config::Credentials, look: Arc<Notify>) {
    let Some(file) = config.file.clone() else {
        return;
    };
    if !engine.roles().has(Role::Worker) {
        tracing::info!("credentials.file is read where the role worker is, and not here");
        return;
    }
    let (engine, interval) = (engine.clone(), config.poll_interval.duration());
    tokio::spawn(async move {
        let mut last = None;
        let mut told = Vec::new();
        // What is there at the start is whole.
        let mut is_asked = true;
        loop {
            if engine.leads(Role::Worker) {
                let file = file.clone();
                match tokio::task::spawn_blocking(move || read(&file)).await {
                    Ok(look) => {
                        let is_whole = is_asked || last == Some(look.digest);
                        last = Some(look.digest);
                        if is_whole {
                            let problems = take(&engine, look.found).await;
                            tell(&engine, &mut told, problems);
                        }
                    }
                    Err(error) => tracing::error!(%error, "reading credentials.file: {error}"),
                }
            } else {
                tell(&engine, &mut told, Vec::new());
            }
            is_asked = tokio::select! {
                () = look.notified() => true,
                () = tokio::time::sleep(interval) => false,
            };
        }
    });
}

/// Puts in the log what is new, and where it is asked for what is there.
fn tell(engine: &Engine, told: &mut Vec<CredentialProblem>, mut problems: Vec<CredentialProblem>) {
    for problem in &mut problems {
        let is_same = |known: &&CredentialProblem| {
            (&known.app, &known.credential, &known.problem)
                == (&problem.app, &problem.credential, &problem.problem)
        };
        if let Some(known) = told.iter().find(is_same) {
            problem.since = known.since;
            continue;
        }
        let of = [problem.app.as_deref(), problem.credential.as_deref()];
        let of: Vec<&str> = of.into_iter().flatten().collect();
        tracing::warn!(
            app = problem.app,
            credential = problem.credential,
            "credentials.file {}: {}; what was set before goes on being used",
            of.join("/"),
            problem.problem
        );
    }
    if problems.is_empty() && !told.is_empty() {
        tracing::info!("credentials.file: nothing is wrong any more");
    }
    engine.report_credentials(problems.clone());
    *told = problems;
}

/// Sets what is not as it is written; what cannot be set is returned.
async fn take(engine: &Engine, found: Result<Vec<Named>, String>) -> Vec<CredentialProblem> {
    let since = engine.clock().now();
    let of_file = |problem| CredentialProblem {
        app: None,
        credential: None,
        problem,
        since,
    };
    let found = match found {
        Ok(found) => found,
        Err(problem) => return vec![of_file(problem)],
    };
    let mut problems = Vec::new();
    for Named { app, name, given } in found {
        let done = match given {
            Ok(given) => set(engine, &app, &name, given).await,
            Err(problem) => Err(problem),
        };
        if let Err(problem) = done {
            problems.push(CredentialProblem {
                app: Some(app),
                credential: Some(name),
                ..of_file(problem)
            });
        }
    }
    problems
}

/// Sets one, unless it is as it is written.
async fn set(engine: &Engine, app_id: &str, name: &str, given: Given) -> Result<(), String> {
    if !is_plain_name(name, 64) {
        return Err("expected a name of 1 to 64 characters of A-Z a-z 0-9 . _ : @ -".to_owned());
    }
    let directory = engine.directory();
    let app = directory
        .app(app_id)
        .ok_or_else(|| format!("there is no App {app_id:?}: `carillon app put {app_id}`"))?
        .no;
    let adapter = engine
        .gateway(given.gateway)
        .ok_or("this process has no adapter to its gateway")?;
    let now = engine.clock().now();
    let facts = adapter
        .inspect(&given.secret, &given.claimed, now)
        .map_err(|problems| {
            let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
            words.join("; ")
        })?;
    let secret = Zeroizing::new(given.secret.encode());
    let is_set = engine
        .pool_spec(app, name, Environment::Production)
        .is_some_and(|spec| {
            *spec.facts == facts && *Zeroizing::new(spec.secret.encode()) == *secret
        });
    if is_set {
        return Ok(());
    }
    let shown = facts.key_id.clone().unwrap_or_default();
    let fingerprint = facts.fingerprint.clone();
    let registry = engine.registry();
    let stored = async {
        let no = registry.credential_no(app, name.to_owned()).await?;
        let sealed = engine.seal_credential(no, &given.secret);
        let server = Actor {
            api_key: None,
            request_id: None,
        };
        let (name, gateway) = (name.to_owned(), given.gateway);
        registry
            .put_credential(no, app, name, gateway, facts, sealed, now, server)
            .await?;
        engine.refresh().await
    };
    stored
        .await
        .map_err(|error| format!("it cannot be stored, and is tried again: {error}"))?;
    tracing::info!(
        app = app_id,
        credential = name,
        key_id = shown,
        fingerprint,
        "credential {app_id}/{name} is what its file says now: fingerprint {fingerprint}"
    );
    Ok(())
}

/// Reads everything. It may wait for a disk.
fn read(file: &Path) -> Look {
    let mut digest = Context::new(&SHA256);
    let found = read_file(file, &mut digest).and_then(|text| {
        let written: BTreeMap<String, BTreeMap<String, toml::Table>> = toml::from_str(&text)
            .map_err(|error| {
                let line = error
                    .span()
                    .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
                format!("{}, line {line}: {}", file.display(), error.message())
            })?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let mut found = Vec::new();
        for (app, credentials) in written {
            for (name, table) in credentials {
                let given = Written::deserialize(table)
                    .map_err(|error| error.message().trim_end().to_owned())
                    .and_then(|written| given(written, directory, &mut digest));
                let app = app.clone();
                found.push(Named { app, name, given });
            }
        }
        Ok(found)
    });
    let digest = digest.finish();
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    Look {
        digest: bytes,
        found,
    }
}

/// Relative paths begin where the file is. The error is a sentence.
fn given(written: Written, directory: &Path, digest: &mut Context) -> Result<Given, String> {
    let mut read = |path: &Path| read_file(&directory.join(path), digest);
    let mut claimed = ClaimedFacts {
        environments: written.environments,
        topics: written.topics,
        team_id: written.team_id,
        key_id: None,
    };
    let (gateway, secret) = match (
        &written.p8,
        &written.certificate,
        &written.private_key,
        &written.service_account,
    ) {
        (Some(p8), None, None, None) => {
            let id = key_id(written.key_id.as_deref(), p8).map_err(|_| {
                "key_id: expected Apple's Key ID, where the file is not called AuthKey_<key id>.p8"
            })?;
            claimed.key_id = Some(id);
            let pem = read(p8)?.to_string();
            (Gateway::Apns, CredentialSecret::SigningKey { pem })
        }
        (None, Some(chain), Some(key), None) => {
            let secret = CredentialSecret::Certificate {
                chain_pem: read(chain)?.to_string(),
                private_key_pem: read(key)?.to_string(),
            };
            (Gateway::Apns, secret)
        }
        (None, None, None, Some(account)) => {
            let json = read(account)?.to_string();
            (Gateway::Fcm, CredentialSecret::ServiceAccount { json })
        }
        _ => {
            return Err(
                "expected either p8, or certificate and private_key, or service_account".to_owned(),
            );
        }
    };
    Ok(Given {
        gateway,
        secret,
        claimed,
    })
}

/// The text of a file, counted into the digest, as is that it cannot be read.
fn read_file(path: &Path, digest: &mut Context) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
    digest.update(path.as_os_str().as_encoded_bytes());
    digest.update(&[0, u8::from(read.is_ok())]);
    digest.update(&(text.len() as u64).to_le_bytes());
    digest.update(text.as_bytes());
    match read {
        Ok(_) if text.len() as u64 <= MOST_BYTES => Ok(text),
        Ok(_) => Err(format!(
            "{}: expected at most {MOST_BYTES} bytes",
            path.display()
        )),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(crate::scratch::Scratch);

    impl Folder {
        fn new() -> Self {
            Self(crate::scratch::Scratch::new("credential-files").unwrap())
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).unwrap();
        }

        fn look(&self) -> Look {
            read(&self.0.path().join("credentials.toml"))
        }

        /// What is wrong with the only credential, or with all of it.
        fn problem(&self, text: &str) -> String {
            self.write("credentials.toml", text);
            match self.look().found {
                Ok(mut found) => found.remove(0).given.err().unwrap(),
                Err(problem) => problem,
            }
        }
    }

    #[test]
    fn each_kind_of_secret_is_read_from_beside_the_file() {
        let folder = Folder::new();
        for name in [
            "AuthKey_ABC123DEFG.p8",
            "chain.pem",
            "key.pem",
            "google.json",
        ] {
            folder.write(name, name);
        }
        folder.write(
            "credentials.toml",
            "[shop.apple]\np8 = \"AuthKey_ABC123DEFG.p8\"\nteam_id = \"DEF123GHIJ\"\ntopics = [\"com.example.shop\"]\n\
             environments = [\"sandbox\"]\n[shop.old]\ncertificate = \"chain.pem\"\nprivate_key = \"key.pem\"\n\
             [\"my.kiosk\".google]\nservice_account = \"google.json\"\n",
        );
        let found = folder.look().found.unwrap();
        let names: Vec<_> = found.iter().map(|it| (&*it.app, &*it.name)).collect();
        assert_eq!(
            names,
            [("my.kiosk", "google"), ("shop", "apple"), ("shop", "old")]
        );
        let given: Vec<Given> = found.into_iter().map(|it| it.given.unwrap()).collect();
        assert!(
            matches!(&given[0].secret, CredentialSecret::ServiceAccount { json } if json == "google.json")
        );
        assert_eq!(given[1].claimed.key_id.as_deref(), Some("ABC123DEFG"));
        assert_eq!(given[1].claimed.team_id.as_deref(), Some("DEF123GHIJ"));
        assert_eq!(given[1].claimed.environments, [Environment::Sandbox]);
        assert_eq!(given[1].claimed.topics, ["com.example.shop"]);
        assert!(
            matches!(&given[2].secret, CredentialSecret::Certificate { chain_pem, private_key_pem }
            if chain_pem == "chain.pem" && private_key_pem == "key.pem")
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_what_is_secret() {
        let folder = Folder::new();
        folder.write("key.p8", "secret");
        folder.write("long.p8", &"x".repeat(1 << 21));
        for (text, part) in [
            ("[shop.apple", "line 1"),
            ("[shop]\np8 = \"key.p8\"", "line 2"),
            ("[shop.apple]\np8 = \"key.p8\"", "key_id"),
            ("[shop.apple]\np8 = \"none.p8\"\nkey_id = \"A\"", "none.p8"),
            ("[shop.apple]\np8 = \"long.p8\"\nkey_id = \"A\"", "at most"),
            ("[shop.apple]\np9 = \"key.p8\"", "unknown field `p9`"),
            ("[shop.apple]\ncertificate = \"key.p8\"", "private_key"),
            (
                "[shop.apple]\np8 = \"key.p8\"\nservice_account = \"key.p8\"",
                "either",
            ),
        ] {
            let problem = folder.problem(text);
            assert!(problem.contains(part), "{part}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
        std::fs::remove_file(folder.0.path().join("credentials.toml")).unwrap();
        assert!(folder.look().found.is_err());
    }

    #[test]
    fn a_look_is_known_again_by_everything_that_it_read() {
        let folder = Folder::new();
        folder.write("key.p8", "one");
        let text = "[shop.apple]\np8 = \"key.p8\"\nkey_id = \"A\"\n";
        folder.write("credentials.toml", text);
        let first = folder.look().digest;
        assert_eq!(folder.look().digest, first);
        folder.write("key.p8", "two");
        let second = folder.look().digest;
        assert_ne!(second, first);
        folder.write("credentials.toml", &text.replace("\"A\"", "\"B\""));
        assert_ne!(folder.look().digest, second);
        std::fs::remove_file(folder.0.path().join("key.p8")).unwrap();
        assert_ne!(folder.look().digest, second);
    }
}
