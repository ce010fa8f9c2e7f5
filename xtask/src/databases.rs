//! Database servers that live as long as the tests: a PostgreSQL and a MariaDB on 127.0.0.1, on free ports, with data
//! that is thrown away and with TLS by a certificate authority of their own.
//!
//! Neither survives: they are stopped when this is dropped, and where the system can do it they are told when this
//! process dies. Nothing of them is durable beyond the process (no fsync): what tests kill is the server, not the machine.

mod certificates;
mod mariadb;
mod own;
mod postgres;

use std::{
    collections::VecDeque,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{args::Args, process, toolbox, workspace::Workspace};

pub(crate) use own::Own;

/// The longest from a server's start until it takes connections.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// The longest that a server may take to stop when it is asked to; then it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Servers that are started anew, each on another port: somebody may take a free one before we do.
const TRIES: u32 = 3;
/// Lines of a server's log that are shown when it does not start.
const LAST_LINES: usize = 12;
/// All of them.
const KINDS: [&Kind; 2] = [&postgres::KIND, &mariadb::KIND];
/// Whose processes they are where we are root: neither server runs as root.
const USER: &str = "nobody";

/// The servers that could be started, and why others could not.
#[derive(Debug)]
pub(crate) struct Databases {
    variables: Vec<(&'static str, String)>,
    missing: Vec<String>,
    // Stopped in this order; the folder is the last to go.
    _servers: Vec<Server>,
    _folder: Option<Folder>,
}

/// A server's process.
#[derive(Debug)]
struct Server {
    name: &'static str,
    child: Child,
    /// What asks it to stop in order.
    signal: &'static str,
}

/// The folder of their data, removed at the end.
#[derive(Debug)]
struct Folder(PathBuf);

/// What both kinds of server are.
struct Kind {
    /// For people.
    name: &'static str,
    /// On command lines.
    word: &'static str,
    /// What cannot be tested without it.
    needed_for: &'static str,
    /// The variable by which tests find it.
    variable: &'static str,
    /// Packages of Debian that have it. The daemon alone where that can be had: what would be started is not wanted.
    packages: &'static [&'static str],
    signal: &'static str,
    /// The line that says that it takes connections.
    ready: &'static str,
    /// Where its programs are.
    find: fn() -> Result<PathBuf>,
    /// Makes what it is started from, below `folder`.
    prepare: fn(&Place<'_>) -> Result<()>,
    /// How it is started on a port.
    command: fn(&Place<'_>, port: u16) -> Result<Command>,
    /// Where tests reach it, with all rights and without a password.
    url: fn(port: u16) -> String,
    /// What is added to that for a database that may be filled.
    database: &'static str,
    /// What it is started with so that nothing is lost whenever its processes are killed.
    durable: &'static [&'static str],
}

/// Where one server's things are.
struct Place<'a> {
    programs: PathBuf,
    folder: PathBuf,
    certificates: &'a Path,
}

/// `cargo xtask databases`.
pub(crate) fn run(mut args: Args) -> Result<()> {
    let setup = args.flag("--setup");
    let words = args.finish()?;
    let Some((program, arguments)) = words.split_first() else {
        bail!("name a command after `--`: it runs while the servers do");
    };
    let databases = Databases::start(&Workspace::load()?, setup);
    for what in databases.missing() {
        println!("not started: {what}");
    }
    let mut command = Command::new(program);
    command.args(arguments).envs(databases.variables());
    let what = process::line(&command);
    // No deadline: whoever typed it sees what it does.
    let status = command
        .status()
        .with_context(|| format!("cannot start `{what}`"))?;
    ensure!(status.success(), "`{what}` failed: {status}");
    Ok(())
}

// === impl Databases ===

impl Databases {
    /// Starts what can be started; with `setup`, first installs what is missing.
    pub(crate) fn start(workspace: &Workspace, setup: bool) -> Self {
        let kinds = KINDS;
        let mut started = Self {
            variables: Vec::new(),
            missing: Vec::new(),
            _servers: Vec::new(),
            _folder: None,
        };
        let prepared = Folder::make(workspace).and_then(|folder| {
            let certificates = folder.0.join("certificates");
            certificates::make(&certificates, setup)?;
            Ok((folder, certificates))
        });
        let (folder, certificates) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let missing = kinds.iter().map(|kind| kind.missing(&error));
                started.missing.extend(missing);
                return started;
            }
        };
        started.variables.push((
            "STORE_TEST_CERTIFICATES",
            certificates.display().to_string(),
        ));
        for kind in kinds {
            match kind.start(&folder, &certificates, setup) {
                Ok((server, url)) => {
                    println!("{} for tests: {url}", kind.name);
                    started.variables.push((kind.variable, url));
                    started._servers.push(server);
                }
                Err(error) => started.missing.push(kind.missing(&error)),
            }
        }
        started._folder = Some(folder);
        started
    }

    /// The variables that tests are given.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let variables = self.variables.iter();
        variables.map(|(name, value)| (*name, value.as_str()))
    }

    /// What was not started, with the reason and how to get it.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(String::as_str)
    }
}

// === impl Kind ===

impl Kind {
    fn missing(&self, error: &anyhow::Error) -> String {
        format!(
            "{} ({error:#}; get it by `cargo xtask test --setup`)",
            self.needed_for
        )
    }

    fn place<'a>(&self, folder: &Folder, certificates: &'a Path, setup: bool) -> Result<Place<'a>> {
        let programs = match (self.find)() {
            Ok(programs) => programs,
            Err(_) if setup => {
                toolbox::debian(self.packages)?;
                (self.find)()?
            }
            Err(error) => return Err(error),
        };
        let place = Place {
            programs,
            folder: folder.0.join(self.name.to_lowercase()),
            certificates,
        };
        fs::create_dir(&place.folder)
            .with_context(|| format!("cannot make {}", place.folder.display()))?;
        give_away(&place.folder)?;
        (self.prepare)(&place)?;
        Ok(place)
    }

    fn start(&self, folder: &Folder, certificates: &Path, setup: bool) -> Result<(Server, String)> {
        let place = self.place(folder, certificates, setup)?;
        let mut tries = 1;
        loop {
            let port = free_port()?;
            let log = place.folder.join("log.txt");
            match Server::start(self, (self.command)(&place, port)?, &log) {
                Ok(server) => return Ok((server, (self.url)(port))),
                Err(_) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

// === impl Server ===

impl Server {
    /// Starts it and waits until it takes connections.
    fn start(kind: &Kind, mut command: Command, log: &Path) -> Result<Self> {
        let mut copy =
            fs::File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", kind.name))?;
        let mut server = Self {
            name: kind.name,
            child,
            signal: kind.signal,
        };
        let output = server.child.stderr.take().context("no log to read")?;
        let (lines, said) = mpsc::sync_channel(LAST_LINES);
        // Ends with the server. What it says goes to the file, and to us until it is ready.
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let _ = writeln!(copy, "{line}");
                let _ = lines.send(line);
            }
        });
        let deadline = Instant::now() + START_DEADLINE;
        let mut last = VecDeque::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match said.recv_timeout(left) {
                Ok(line) if line.contains(kind.ready) => return Ok(server),
                Ok(line) => last.push_back(line),
                Err(why) => {
                    let last: Vec<String> = last.into();
                    bail!("{} did not start ({why}): {}", kind.name, last.join(" | "));
                }
            }
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
    }

    fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let asked = process::run(
            Command::new("kill").args([self.signal, &self.child.id().to_string()]),
            STOP_DEADLINE,
        );
        if asked.is_err() {
            self.child.kill()?;
        }
        process::wait(&mut self.child, self.name, STOP_DEADLINE)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("stopping {}: {error:#}", self.name);
        }
    }
}

// === impl Folder ===

impl Folder {
    /// Below the folder for temporary files: the servers' user may not be able to reach the target folder.
    fn make(workspace: &Workspace) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("carillon-tests-{}-{count}", std::process::id());
        let mut folder = std::env::temp_dir().join(name);
        if folder.starts_with(&workspace.root) {
            // A tree of temporary files inside the repository would be looked at by other tasks.
            folder = workspace
                .target
                .join(folder.file_name().unwrap_or_default());
        }
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("removing {}: {error}", self.0.display());
        }
    }
}

// === helpers ===

/// A program that runs as the servers' user and is told to stop when we die, where the system can do it.
fn unprivileged(program: &Path) -> Result<Command> {
    let Some(setpriv) = process::find("setpriv") else {
        ensure!(
            !is_root()?,
            "`setpriv` is not on the path, and the server does not run as root"
        );
        return Ok(Command::new(program));
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM"]);
    if is_root()? {
        let of = |what: &str| process::output(Command::new("id").args([what, USER]));
        command.arg("--reuid").arg(of("-u")?.trim());
        command.arg("--regid").arg(of("-g")?.trim());
        command.arg("--clear-groups");
    }
    command.arg(program);
    Ok(command)
}

/// Makes a folder or file the property of the servers' user, where that is not us.
fn give_away(path: &Path) -> Result<()> {
    if !is_root()? {
        return Ok(());
    }
    process::run(
        Command::new("chown").args(["-R", USER]).arg(path),
        STOP_DEADLINE,
    )
}

fn is_root() -> Result<bool> {
    let user = process::output(Command::new("id").arg("-u"))?;
    Ok(user.trim() == "0")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// The folder that has all of these programs: on the path, or one of `others`, where `*` stands for anything; of
/// several the last.
fn programs(names: &[&str], others: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_the_path = std::env::split_paths(&path);
    let elsewhere = others.iter().flat_map(|pattern| matching(pattern));
    on_the_path
        .chain(elsewhere)
        .find(|folder| names.iter().all(|name| folder.join(name).is_file()))
        .with_context(|| format!("no folder has {}", names.join(" and ")))
}

fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let (before, after) = part.split_once('*').unwrap_or((part, ""));
        let fits = |name: &OsStr| {
            let name = name.to_string_lossy();
            name.starts_with(before) && name.ends_with(after) && name.len() >= part.len() - 1
        };
        found = if part.contains('*') {
            let below = found.iter().filter_map(|folder| fs::read_dir(folder).ok());
            let entries = below.flatten().flatten();
            let mut names: Vec<PathBuf> = entries
                .filter(|entry| fits(&entry.file_name()))
                .map(|entry| entry.path())
                .collect();
            names.sort();
            names.reverse();
            names
        } else {
            found.iter().map(|folder| folder.join(part)).collect()
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_start_says_why_and_is_gone() {
        let kind = Kind {
            ready: "ready",
            // A job in the background is born deaf to SIGINT, and the stand-in would be too.
            signal: "-TERM",
            ..postgres::KIND
        };
        let log = std::env::temp_dir().join(format!("xtask-{}-log.txt", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such port >&2"]);
        let error = Server::start(&kind, command, &log).unwrap_err();
        assert!(error.to_string().contains("no such port"), "{error}");
        let mut command = Command::new("sh");
        command.args(["-c", "echo now ready >&2; exec sleep 600"]);
        let mut server = Server::start(&kind, command, &log).unwrap();
        server.stop().unwrap();
        assert!(server.child.try_wait().unwrap().is_some());
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn programs_are_looked_for_in_order() {
        assert!(programs(&["sh"], &[]).is_ok());
        let bin = programs(&["sh", "no-such-program"], &["/b*n", "/usr/b*"]).unwrap_err();
        assert!(bin.to_string().contains("sh and no-such-program"), "{bin}");
        assert!(matching("/us*/bin").contains(&PathBuf::from("/usr/bin")));
        assert!(matching("/no-such-folder/*/bin").is_empty());
    }
}
