//! How a PostgreSQL for tests is made: a cluster of its own, three users who come in three ways.
//!
//! `carillon` may do everything and needs no password; `carillon_password` needs one (`open sesame`); and
//! [`CLIENT`] needs TLS with a client's certificate.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{Kind, Place, certificates::CLIENT, give_away, programs, unprivileged};
use crate::process;

const DEADLINE: Duration = Duration::from_secs(120);

pub(super) const KIND: Kind = Kind {
    name: "PostgreSQL",
    word: "postgres",
    needed_for: "the store on PostgreSQL",
    variable: "STORE_TEST_POSTGRES",
    packages: &["postgresql"],
    // A fast shutdown: connections are ended.
    signal: "-INT",
    ready: "database system is ready to accept connections",
    find,
    prepare,
    command,
    url: |port| format!("postgres://carillon@127.0.0.1:{port}/postgres"),
    database: "",
    // What is written at a commit is the system's by then; only a page may be half written.
    durable: &["-c", "full_page_writes=on"],
};

fn find() -> Result<PathBuf> {
    programs(
        &["initdb", "postgres"],
        &[
            "/usr/lib/postgresql/*/bin",
            "/usr/pgsql-*/bin",
            "/opt/homebrew/opt/postgresql*/bin",
            "/usr/local/opt/postgresql*/bin",
        ],
    )
}

fn prepare(place: &Place<'_>) -> Result<()> {
    let data = place.folder.join("data");
    let mut initdb = unprivileged(&place.programs.join("initdb"))?;
    initdb
        .args([
            "--auth=trust",
            "--username=carillon",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ])
        .arg("--pgdata")
        .arg(&data)
        .stdout(Stdio::null());
    process::run(&mut initdb, DEADLINE)?;

    for file in ["ca.pem", "server.pem", "server.key"] {
        let to = data.join(file);
        fs::copy(place.certificates.join(file), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
        give_away(&to)?;
        only_for_its_user(&to)?;
    }
    let rules = format!(
        "local all all trust\n\
         hostssl all {CLIENT} 127.0.0.1/32 cert\n\
         host all {CLIENT} 127.0.0.1/32 reject\n\
         host all carillon_password 127.0.0.1/32 scram-sha-256\n\
         host all carillon 127.0.0.1/32 trust\n"
    );
    fs::write(data.join("pg_hba.conf"), rules).context("cannot write pg_hba.conf")?;

    // Before it listens: a server for one user reads statements, one a line.
    let mut single = unprivileged(&place.programs.join("postgres"))?;
    single.arg("--single").arg("-D").arg(&data).arg("postgres");
    let statements = format!(
        "CREATE ROLE carillon_password LOGIN CREATEDB PASSWORD 'open sesame'\n\
         CREATE ROLE {CLIENT} LOGIN CREATEDB\n\
         GRANT CREATE ON DATABASE postgres TO carillon_password, {CLIENT}\n"
    );
    let file = place.folder.join("users.txt");
    fs::write(&file, statements).context("cannot write users.txt")?;
    let status = single
        .stdin(fs::File::open(&file).context("cannot read users.txt")?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start PostgreSQL for one user")?;
    ensure!(
        status.success(),
        "making users in PostgreSQL failed: {status}"
    );
    Ok(())
}

fn command(place: &Place<'_>, port: u16) -> Result<Command> {
    let mut postgres = unprivileged(&place.programs.join("postgres"))?;
    postgres.arg("-D").arg(place.folder.join("data"));
    let settings = [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", place.folder.display()),
        "max_connections=300".into(),
        "ssl=on".into(),
        "ssl_cert_file=server.pem".into(),
        "ssl_key_file=server.key".into(),
        "ssl_ca_file=ca.pem".into(),
        "fsync=off".into(),
        "full_page_writes=off".into(),
    ];
    for setting in settings {
        postgres.arg("-c").arg(setting);
    }
    Ok(postgres)
}

fn only_for_its_user(file: &std::path::Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot change {}", file.display()))?;
    }
    Ok(())
}
