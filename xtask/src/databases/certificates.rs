//! Certificates for tests: an authority, what the servers show, what a client shows, and an authority that signed nothing.
//!
//! Made by the tool `openssl`, for a few days. What tests read is in one folder: `ca.pem`, `client.pem`, `client.key`,
//! `stranger.pem`; the servers' are `server.pem` and `server.key`.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{process, toolbox};

const DEADLINE: Duration = Duration::from_secs(60);

/// The database user that a client's certificate is for.
pub(super) const CLIENT: &str = "carillon_certificate";

const EXTENSIONS: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
";

/// Makes `folder` and fills it.
pub(super) fn make(folder: &Path, setup: bool) -> Result<()> {
    if process::find("openssl").is_none() {
        ensure!(setup, "`openssl` is not on the path");
        toolbox::debian(&["openssl"])?;
    }
    fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(folder.join("openssl.cnf"), EXTENSIONS).context("cannot write openssl.cnf")?;
    for name in ["ca", "stranger"] {
        key(folder, name)?;
        let subject = format!("/CN={name} of tests");
        let authority = format!(
            "req -x509 -new -config openssl.cnf -extensions authority -sha256 -days 7 -key {name}.key -out {name}.pem -subj"
        );
        openssl(folder, &authority, &[&subject])?;
    }
    signed(folder, "server", "/CN=localhost")?;
    signed(folder, "client", &format!("/CN={CLIENT}"))
}

/// A certificate by our authority.
fn signed(folder: &Path, name: &str, subject: &str) -> Result<()> {
    key(folder, name)?;
    let request =
        format!("req -new -config openssl.cnf -sha256 -key {name}.key -out {name}.csr -subj");
    openssl(folder, &request, &[subject])?;
    let sign = format!(
        "x509 -req -sha256 -days 7 -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
         -extfile openssl.cnf -extensions {name} -out {name}.pem"
    );
    openssl(folder, &sign, &[])
}

fn key(folder: &Path, name: &str) -> Result<()> {
    let key = format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {name}.key");
    openssl(folder, &key, &[])
}

/// Words, and more that may have spaces.
fn openssl(folder: &Path, words: &str, more: &[&str]) -> Result<()> {
    let mut openssl = Command::new("openssl");
    openssl
        .args(words.split_whitespace())
        .args(more)
        .current_dir(folder)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    process::run(&mut openssl, DEADLINE)
}
