//! `carillon identity-key put|list|delete`.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The App
    #[arg(long, global = true, default_value = "")]
    app: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Set one; give exactly one of the files
    Put {
        /// Its name: what a user_token may give as kid
        name: String,
        /// File with the shared secret for HS256; an end of line at its end does not count
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// PEM file with the public key for ES256
        #[arg(long, value_name = "FILE")]
        public_key_file: Option<PathBuf>,
    },
    /// All of the App, never the keys themselves
    List,
    /// Delete one: what it signed is not taken from then on
    Delete {
        /// Its name
        name: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let base = format!(
        "/v1/apps/{}/identity-keys",
        escape(super::required_app(&args.app)?)
    );
    match args.command {
        Command::Put {
            name,
            secret_file,
            public_key_file,
        } => {
            let body = body(secret_file.as_deref(), public_key_file.as_deref())?;
            let path = format!("{base}/{}", escape(&name));
            let answer = client.put(&path, &body).await?;
            if output.is_json() {
                output.json(&answer.body);
            }
            let done = if answer.status == 201 {
                "set"
            } else {
                "changed"
            };
            output.line(format!("{name} is {done}"));
            output.facts(&[
                ("algorithm", shown(&answer.body, "/algorithm")),
                ("fingerprint", shown(&answer.body, "/fingerprint")),
            ]);
        }
        Command::List => {
            let all = client.list(&base, usize::MAX).await?;
            if output.is_json() {
                output.json(&json!({ "data": all }));
            }
            let rows = all.iter().map(|key| {
                ["/name", "/algorithm", "/fingerprint", "/updated_at"]
                    .map(|pointer| shown(key, pointer))
                    .to_vec()
            });
            output.table(&["name", "algorithm", "fingerprint", "set"], rows.collect());
        }
        Command::Delete { name } => {
            client.delete(&format!("{base}/{}", escape(&name))).await?;
            output.line(format!("{name} is deleted"));
            if output.is_json() {
                output.json(&json!({ "deleted": name }));
            }
        }
    }
    Ok(())
}

fn body(secret: Option<&Path>, public_key: Option<&Path>) -> Result<Value, Failure> {
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path);
        text.map_err(|error| Failure::io("read the identity key", path, &error))
    };
    match (secret, public_key) {
        (Some(path), None) => {
            let text = read(path)?;
            let secret = text.trim_end_matches(['\r', '\n']);
            Ok(json!({ "algorithm": "HS256", "secret": secret }))
        }
        (None, Some(path)) => Ok(json!({ "algorithm": "ES256", "public_key": read(path)? })),
        _ => Err(Failure::new(
            Exit::Usage,
            "expected exactly one of --secret-file and --public-key-file",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_the_algorithm() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("key");
        std::fs::write(&file, "secret \r\n").unwrap();
        let read = body(Some(&file), None).unwrap();
        assert_eq!(read, json!({"algorithm": "HS256", "secret": "secret "}));
        let read = body(None, Some(&file)).unwrap();
        assert_eq!(read["algorithm"], "ES256");
        for (secret, public_key) in [(None, None), (Some(&*file), Some(&*file))] {
            assert_eq!(body(secret, public_key).unwrap_err().exit, Exit::Usage);
        }
    }
}
