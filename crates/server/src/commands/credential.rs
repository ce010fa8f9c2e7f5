//! `carillon credential put|list|delete|probe`.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set a signing key (.p8) or a certificate; it is checked at once and sealed
    Put(Box<Put>),
    /// The credentials of an App
    List {
        /// The App
        app: String,
    },
    /// Delete one
    Delete {
        /// The App
        app: String,
        /// Its name
        name: String,
    },
    /// Ask the gateway whether it takes it: one push to a random push token in each environment
    Probe {
        /// The App
        app: String,
        /// Its name
        name: String,
    },
}

#[derive(Debug, clap::Args)]
struct Put {
    /// The App
    app: String,
    /// Its name
    name: String,
    /// Apple's signing key file
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "certificate",
        requires = "team_id"
    )]
    p8: Option<PathBuf>,
    /// Apple's Key ID; without it taken from a file name such as AuthKey_ABC123DEFG.p8
    #[arg(long, requires = "p8")]
    key_id: Option<String>,
    /// Apple's Team ID
    #[arg(long, requires = "p8")]
    team_id: Option<String>,
    /// Certificate chain in PEM, leaf first
    #[arg(long, value_name = "FILE", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    private_key: Option<PathBuf>,
    /// Bundle id it may send to; the first is the default (repeat for several)
    #[arg(long = "topic", value_name = "BUNDLE_ID")]
    topics: Vec<String>,
    /// Environment it is for; default both, or what the certificate says
    #[arg(long = "environment", value_parser = ["production", "sandbox"])]
    environments: Vec<String>,
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    match args.command {
        Command::Put(put) => {
            let body = body(&put)?;
            let answer = client.put(&path(&put.app, Some(&put.name)), &body).await?;
            if output.is_json() {
                output.json(&answer.body);
            } else {
                let done = if answer.status == 201 {
                    "set"
                } else {
                    "replaced"
                };
                output.line(format!("{} is {done}", put.name));
                tell(output, &answer.body);
                output.note(format!(
                    "try it with: carillon credential probe {} {}",
                    put.app, put.name
                ));
            }
        }
        Command::List { app } => {
            let all = client.list(&path(&app, None), usize::MAX).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let rows = all.iter().map(|credential| {
                [
                    "/name",
                    "/kind",
                    "/environments",
                    "/topics",
                    "/key_id",
                    "/not_after",
                    "/updated_at",
                ]
                .map(|pointer| shown(credential, pointer))
                .to_vec()
            });
            output.table(
                &[
                    "name",
                    "kind",
                    "environments",
                    "topics",
                    "key id",
                    "ends",
                    "set",
                ],
                rows.collect(),
            );
        }
        Command::Delete { app, name } => {
            client.delete(&path(&app, Some(&name))).await?;
            output.line(format!("{name} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": name }));
            }
        }
        Command::Probe { app, name } => {
            let report = probe(&client, &app, &name).await?;
            if output.is_json() {
                output.json(&report);
            }
            for line in probe_lines(&report) {
                output.line(line);
            }
            if report["ok"] != json!(true) {
                return Err(Failure::new(
                    Exit::Trouble,
                    format!("the gateway does not take {name}"),
                )
                .into());
            }
        }
    }
    Ok(())
}

/// Asks the server to try a credential.
pub(crate) async fn probe(client: &ApiClient, app: &str, name: &str) -> Result<Value, Failure> {
    let path = format!("{}/probe", path(app, Some(name)));
    Ok(client.call(reqwest::Method::POST, &path, None).await?.body)
}

/// A probe's report for people.
pub(crate) fn probe_lines(report: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for result in report["results"].as_array().into_iter().flatten() {
        let mark = if result["ok"] == json!(true) {
            "ok "
        } else {
            "BAD"
        };
        let words = match shown(result, "/gateway/reason") {
            reason if reason.is_empty() => String::new(),
            reason => format!(" [{} {reason}]", shown(result, "/gateway/status")),
        };
        lines.push(format!(
            "{mark} {}: {}{words}",
            shown(result, "/environment"),
            shown(result, "/meaning")
        ));
        let mend = shown(result, "/mend");
        if !mend.is_empty() {
            lines.push(format!("    what to do: {mend}"));
        }
    }
    lines
}

fn path(app: &str, name: Option<&str>) -> String {
    let mut path = format!("/v1/apps/{}/credentials", escape(app));
    if let Some(name) = name {
        path.push('/');
        path.push_str(&escape(name));
    }
    path
}

fn body(put: &Put) -> Result<Value, Failure> {
    let mut body = json!({
        "gateway": "apns",
        "environments": put.environments,
        "topics": put.topics,
    });
    match (&put.p8, &put.certificate, &put.private_key) {
        (Some(file), _, _) => {
            body["signing_key"] = json!({
                "pem": *read(file)?,
                "key_id": key_id(put.key_id.as_deref(), file)?,
                "team_id": put.team_id,
            });
        }
        (None, Some(chain), Some(key)) => {
            body["certificate"] = json!({
                "chain_pem": *read(chain)?,
                "private_key_pem": *read(key)?,
            });
        }
        _ => {
            return Err(Failure::new(
                Exit::Usage,
                "neither a signing key nor a certificate is given",
            )
            .mend("give --p8 FILE --team-id ID, or --certificate FILE --private-key FILE"));
        }
    }
    Ok(body)
}

/// The Key ID as given, or from the name that Apple gives the file: `AuthKey_<key id>.p8`.
pub(crate) fn key_id(given: Option<&str>, file: &Path) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given.to_owned());
    }
    file.file_stem()
        .and_then(|stem| stem.to_str()?.strip_prefix("AuthKey_"))
        .map(str::to_owned)
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("{} does not tell its Key ID by its name", file.display()),
            )
            .mend("give --key-id: it stands beside the key in Apple's developer portal")
        })
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| Failure::io("read", file, &error))
}

fn tell(output: Output, credential: &Value) {
    output.facts(&[
        ("name", shown(credential, "/name")),
        ("kind", shown(credential, "/kind")),
        ("environments", shown(credential, "/environments")),
        ("topics", shown(credential, "/topics")),
        ("team id", shown(credential, "/team_id")),
        ("key id", shown(credential, "/key_id")),
        ("ends", shown(credential, "/not_after")),
        ("fingerprint", shown(credential, "/fingerprint")),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_come_from_apples_file_names() {
        let file = Path::new("/keys/AuthKey_ABC123DEFG.p8");
        assert_eq!(key_id(None, file).unwrap(), "ABC123DEFG");
        assert_eq!(key_id(Some("XYZ"), file).unwrap(), "XYZ");
        assert_eq!(
            key_id(None, Path::new("key.p8")).unwrap_err().exit,
            Exit::Usage
        );
    }

    #[test]
    fn a_report_names_environment_words_and_mend() {
        let report = json!({"ok": false, "results": [
            {"environment": "sandbox", "ok": false, "meaning": "No.", "mend": "Set it.", "gateway": {"status": 403, "reason": "InvalidProviderToken"}},
        ]});
        assert_eq!(
            probe_lines(&report),
            [
                "BAD sandbox: No. [403 InvalidProviderToken]",
                "    what to do: Set it."
            ]
        );
    }
}
