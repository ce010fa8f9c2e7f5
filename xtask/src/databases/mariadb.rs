//! How a MariaDB for tests is made: an empty data folder, three users who come in three ways, as on PostgreSQL.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{Kind, Place, certificates::CLIENT, give_away, programs, unprivileged};
use crate::process;

/// A database that nobody else fills.
const DATABASE: &str = "carillon";
const DEADLINE: Duration = Duration::from_secs(120);

pub(super) const KIND: Kind = Kind {
    name: "MariaDB",
    word: "mariadb",
    needed_for: "the store on MariaDB",
    variable: "STORE_TEST_MARIADB",
    packages: &["mariadb-server-core", "mariadb-client-core"],
    signal: "-TERM",
    ready: "ready for connections.",
    find,
    prepare,
    command,
    url: |port| format!("mariadb://carillon@127.0.0.1:{port}/"),
    database: DATABASE,
    // What is written at a commit is the system's by then; only a page may be half written.
    durable: &["--innodb-doublewrite=ON"],
};

fn find() -> Result<PathBuf> {
    programs(
        &["mariadbd"],
        &[
            "/usr/sbin",
            "/usr/local/sbin",
            "/opt/homebrew/opt/mariadb*/bin",
            "/usr/local/opt/mariadb*/bin",
        ],
    )
}

fn prepare(place: &Place<'_>) -> Result<()> {
    let install = programs(
        &["mariadb-install-db"],
        &[
            "/usr/bin",
            "/opt/homebrew/opt/mariadb*/bin",
            "/usr/local/opt/mariadb*/bin",
        ],
    )?;
    let mut install = unprivileged(&install.join("mariadb-install-db"))?;
    install
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ])
        .arg(option("datadir", &place.folder.join("data")))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    process::run(&mut install, DEADLINE)?;

    for file in ["ca.pem", "server.pem", "server.key"] {
        let to = place.folder.join(file);
        fs::copy(place.certificates.join(file), &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
    }
    let users = format!(
        "CREATE DATABASE IF NOT EXISTS {DATABASE};\n\
         CREATE USER IF NOT EXISTS carillon@'127.0.0.1';\n\
         GRANT ALL PRIVILEGES ON *.* TO carillon@'127.0.0.1' WITH GRANT OPTION;\n\
         CREATE USER IF NOT EXISTS carillon_password@'127.0.0.1' IDENTIFIED BY 'open sesame';\n\
         GRANT ALL PRIVILEGES ON *.* TO carillon_password@'127.0.0.1';\n\
         CREATE USER IF NOT EXISTS {CLIENT}@'127.0.0.1' REQUIRE SUBJECT '/CN={CLIENT}';\n\
         GRANT ALL PRIVILEGES ON *.* TO {CLIENT}@'127.0.0.1';\n"
    );
    fs::write(place.folder.join("users.sql"), users).context("cannot write users.sql")?;
    give_away(&place.folder)
}

fn command(place: &Place<'_>, port: u16) -> Result<Command> {
    let mut server = unprivileged(&place.programs.join("mariadbd"))?;
    let at = |name: &str, file: &str| option(name, &place.folder.join(file));
    server
        .arg("--no-defaults")
        .arg(at("datadir", "data"))
        .arg(at("socket", "socket"))
        .arg(at("pid-file", "pid"))
        .arg(at("init-file", "users.sql"))
        .arg(at("ssl-ca", "ca.pem"))
        .arg(at("ssl-cert", "server.pem"))
        .arg(at("ssl-key", "server.key"))
        .arg(format!("--port={port}"))
        .args([
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--max-connections=300",
            "--max-allowed-packet=64M",
            "--performance-schema=OFF",
            // Written at each commit, and left to the system to bring to the disk.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=OFF",
            // Tests make and drop many tables.
            "--innodb-file-per-table=OFF",
        ]);
    Ok(server)
}

fn option(name: &str, path: &std::path::Path) -> String {
    format!("--{name}={}", path.display())
}
