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
    /// Set a credential: Apple's signing key (.p8) or certificate, Google's service account, or VAPID
    /// keys for browsers; it is checked at once and sealed
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
    /// Ask the gateway whether it takes it: one push to a random push token in each environment, which
    /// nobody gets
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
    #[arg(long, value_name = "FILE", group = "secret", requires = "team_id")]
    p8: Option<PathBuf>,
    /// Apple's Key ID; without it taken from a file name such as AuthKey_ABC123DEFG.p8
    #[arg(long, requires = "p8")]
    key_id: Option<String>,
    /// Apple's Team ID
    #[arg(long, requires = "p8")]
    team_id: Option<String>,
    /// Certificate chain in PEM, leaf first
    #[arg(long, value_name = "FILE", group = "secret", requires = "private_key")]
    certificate: Option<PathBuf>,
    /// Private key in PEM: of the certificate, or VAPID keys that you have
    #[arg(long, value_name = "FILE", requires = "secret")]
    private_key: Option<PathBuf>,
    /// Google's key file of a service account, for FCM
    #[arg(
        long,
        value_name = "FILE",
        group = "secret",
        conflicts_with_all = ["private_key", "topics", "environments"]
    )]
    service_account: Option<PathBuf>,
    /// VAPID keys for browsers; without --private-key new ones are made
    #[arg(
        long,
        group = "secret",
        requires = "contact",
        conflicts_with_all = ["topics", "environments"]
    )]
    vapid: bool,
    /// Where browsers' push services may write to: mailto: or https:
    #[arg(long, value_name = "URL", requires = "vapid")]
    contact: Option<String>,
    /// Drop the VAPID keys used so far, which ends the subscriptions made with them
    #[arg(long, requires = "vapid")]
    drop_previous: bool,
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
                    "/gateway",
                    "/kind",
                    "/environments",
                    "/topics",
                    "/key_id",
                    "/project_id",
                    "/not_after",
                    "/updated_at",
                ]
                .map(|pointer| shown(credential, pointer))
                .to_vec()
            });
            output.table(
                &[
                    "name",
                    "gateway",
                    "kind",
                    "environments",
                    "topics",
                    "key id",
                    "project",
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
    if let Some(file) = &put.service_account {
        return Ok(json!({ "gateway": "fcm", "service_account": *read(file)? }));
    }
    if put.vapid {
        let mut keys = json!({ "contact": put.contact, "keep_previous": !put.drop_previous });
        if let Some(file) = &put.private_key {
            keys["private_key_pem"] = json!(*read(file)?);
        }
        return Ok(json!({ "gateway": "webpush", "vapid_keys": keys }));
    }
    let mut body = json!({
        "gateway": "apns",
        "environments": put.environments,
        "topics": put.topics,
    });
    match (&put.p8, &put.certificate, &put.private_key) {
        (Some(file), _, None) => {
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
        (Some(_), _, Some(_)) => {
            return Err(Failure::new(
                Exit::Usage,
                "--private-key does not go with --p8, whose file is the private key",
            )
            .mend("leave out --private-key"));
        }
        _ => {
            return Err(Failure::new(
                Exit::Usage,
                "neither a signing key, a certificate, a service account nor VAPID keys are given",
            )
            .mend(
                "for Apple give --p8 FILE --team-id ID, or --certificate FILE --private-key FILE; \
                 for Google --service-account FILE; for browsers --vapid --contact mailto:…",
            ));
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
        ("gateway", shown(credential, "/gateway")),
        ("kind", shown(credential, "/kind")),
        ("environments", shown(credential, "/environments")),
        ("topics", shown(credential, "/topics")),
        ("team id", shown(credential, "/team_id")),
        ("key id", shown(credential, "/key_id")),
        ("project", shown(credential, "/project_id")),
        ("contact", shown(credential, "/contact")),
        ("public keys", shown(credential, "/public_keys")),
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
    fn each_gateway_has_its_own_kind_of_secret() {
        use clap::Parser as _;
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            put: Put,
        }
        let of = |words: &[&str]| Only::try_parse_from([&["put", "shop", "x"], words].concat());
        let scratch = crate::scratch::Scratch::new("credential").unwrap();
        let file = scratch.path().join("account.json");
        std::fs::write(&file, "{}").unwrap();
        let file = file.display().to_string();
        let google = of(&["--service-account", &file]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            body(&google.put).unwrap(),
            json!({ "gateway": "fcm", "service_account": "{}" })
        );
        let contact = ["--vapid", "--contact", "mailto:push@example.com"];
        let browsers = of(&contact).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            body(&browsers.put).unwrap(),
            json!({ "gateway": "webpush", "vapid_keys":
                { "contact": "mailto:push@example.com", "keep_previous": true } })
        );
        for wrong in [
            &["--vapid"][..],
            &["--contact", "mailto:push@example.com"],
            &["--service-account", "a.json", "--p8", "b.p8"],
            &["--service-account", "a.json", "--topic", "com.example.shop"],
        ] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
        let nothing = of(&[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(body(&nothing.put).unwrap_err().exit, Exit::Usage);
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
