//! The program under test, as a process: `carillon serve` with a data folder of its own, started again and again.
//!
//! Ready means that it said so on its standard output. Nothing here sleeps until something may have happened.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::books::{Life, Micros};
use crate::instant::now;
use crate::place::{FILE, Place};

const BINARY: &str = env!("CARGO_BIN_EXE_carillon");
/// The configuration, in the folder of the run.
const CONFIG: &str = "carillon.toml";
/// The longest that moving the store may take.
const COPY_DEADLINE: Duration = Duration::from_secs(180);
/// The longest that a start may take on a busy machine, rescue not included (it goes on in the background).
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// The longest that a graceful stop may take: the program's own deadline, and some time to be late.
const STOP_DEADLINE: Duration = Duration::from_secs(40);
/// How often memory is looked at. The kernel keeps the peak, so only the last look matters.
const MEMORY_INTERVAL: Duration = Duration::from_millis(200);
/// How much the files may still grow in a life with a full disk, in KiB.
const FULL_DISK_ROOM_KIB: u64 = 256;

/// The program, and where it keeps its data.
#[derive(Debug)]
pub(crate) struct Subject {
    folder: PathBuf,
    /// What its configuration says wherever its store is.
    config: String,
    place: Place,
    lives: u32,
}

/// What is special about one life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// `stage:count`
    pub(crate) kill_at: Option<String>,
    /// Names of bugs, with commas.
    pub(crate) plant: Option<String>,
    pub(crate) has_full_disk: bool,
    /// How far its clock is ahead.
    pub(crate) ahead: Micros,
    /// What it does, if it is not everything.
    pub(crate) role: Option<&'static str>,
}

/// A life.
#[derive(Debug)]
pub(crate) struct Alive {
    child: Child,
    pid: i32,
    pub(crate) url: String,
    ready_after: Micros,
    peak_kib: Arc<AtomicU64>,
    watcher: JoinHandle<()>,
}

/// What came of a start.
#[derive(Debug)]
pub(crate) enum Started {
    Ready(Box<Alive>),
    /// It ended before it was ready.
    Ended(Life),
}

impl Subject {
    /// Writes the configuration into `folder`.
    pub(crate) fn new(folder: PathBuf, config: String, place: Place) -> Result<Self> {
        let mut subject = Self {
            folder,
            config,
            place: Place::Sqlite,
            lives: 0,
        };
        subject.settle_in(place)?;
        Ok(subject)
    }

    /// Has its store somewhere else from the next start on.
    pub(crate) fn settle_in(&mut self, place: Place) -> Result<()> {
        let config = format!("{}{}", self.config, place.config());
        std::fs::write(self.folder.join(CONFIG), config)
            .context("cannot write the configuration")?;
        self.place = place;
        Ok(())
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Moves the store from its file to a database. Ends by itself at a stage of copying, if there is one.
    pub(crate) async fn copy_to(&self, url: &str, kill_at: Option<String>) -> Result<Output> {
        let mut command = self.bare(Command::new(BINARY));
        command
            .args(["--json", "store", "copy", "--config", CONFIG, "--to", url])
            .arg("--from")
            .arg(format!("sqlite:{FILE}"))
            .envs(kill_at.map(|kill_at| ("CARILLON_KILL_AT", kill_at)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(COPY_DEADLINE, command.output()).await;
        output
            .context("copying took too long")?
            .context("cannot copy")
    }

    /// The admin API key, which the first start has written.
    pub(crate) fn admin_key(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.admin_key_file());
        Ok(text
            .context("cannot read the admin API key")?
            .trim()
            .to_owned())
    }

    fn admin_key_file(&self) -> PathBuf {
        self.folder.join("admin-key")
    }

    /// Starts it and waits until it is ready, or has ended.
    pub(crate) async fn start(&mut self, wish: &Wish) -> Result<Started> {
        self.lives += 1;
        let log = self.log(wish.role);
        let log = std::fs::File::create(&log)
            .with_context(|| format!("cannot make {}", log.display()))?;
        let mut command = self.command(wish);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let started = now();
        let mut child = command.spawn().context("cannot start the program")?;
        let pid = child.id().context("the program has no process id")? as i32;
        let peak_kib = Arc::new(AtomicU64::new(0));
        let watcher = tokio::spawn(watch_memory(pid, Arc::clone(&peak_kib)));
        let mut lines = BufReader::new(child.stdout.take().context("no output to read")?).lines();
        let line = timeout(READY_DEADLINE, lines.next_line()).await;
        let line = line.with_context(|| format!("life {} was not ready in time", self.lives))??;
        let mut alive = Alive {
            child,
            pid,
            url: String::new(),
            ready_after: now() - started,
            peak_kib,
            watcher,
        };
        let Some(line) = line else {
            let life = alive.ended("before it was ready").await?;
            return Ok(Started::Ended(life));
        };
        let said: serde_json::Value =
            serde_json::from_str(&line).with_context(|| format!("the program said: {line}"))?;
        alive.url = said["url"]
            .as_str()
            .with_context(|| format!("no url in: {line}"))?
            .to_owned();
        // Whatever it says later is read, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Started::Ready(Box::new(alive)))
    }

    /// What the newest life has told, where one process does everything.
    pub(crate) fn told(&self) -> Result<String> {
        let log = self.log(None);
        std::fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))
    }

    fn log(&self, role: Option<&str>) -> PathBuf {
        let role = role.map(|role| format!("-{role}")).unwrap_or_default();
        self.folder
            .join(format!("life-{:03}{role}.log", self.lives))
    }

    /// In its folder, with nothing of our environment that would change it.
    fn bare(&self, mut command: Command) -> Command {
        command
            .current_dir(&self.folder)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)));
        command
    }

    fn command(&self, wish: &Wish) -> Command {
        let command = if wish.has_full_disk {
            // The signal is ignored, so that the write fails as it does on a full disk.
            let mut command = Command::new("bash");
            command
                .arg("-c")
                .arg(r#"trap "" XFSZ; ulimit -f "$1"; shift; exec "$@""#)
                .arg("bash");
            command.arg(self.room_kib().to_string()).arg(BINARY);
            command
        } else {
            Command::new(BINARY)
        };
        let mut command = self.bare(command);
        command
            .args(["--json", "serve", "--config", CONFIG])
            .arg("--admin-key-file")
            .arg(self.admin_key_file())
            .args(wish.role.iter().flat_map(|role| ["--roles", role]));
        if wish.ahead > 0 {
            let offset = format!("{}ms", wish.ahead / 1000);
            command
                .env("CARILLON_SERVER__MODE", "development")
                .env("CARILLON_CLOCK__OFFSET", offset);
        }
        for (name, value) in [
            ("CARILLON_KILL_AT", &wish.kill_at),
            ("CARILLON_PLANT", &wish.plant),
        ] {
            command.envs(value.as_ref().map(|value| (name, value)));
        }
        command
    }

    /// How large files may get when the disk is full: hardly larger than the largest is.
    fn room_kib(&self) -> u64 {
        let Some(database) = self.place.file(&self.folder) else {
            return FULL_DISK_ROOM_KIB;
        };
        let wal = database.with_extension("db-wal");
        let sizes = [database, wal].map(|file| file.metadata().map_or(0, |meta| meta.len()));
        sizes.into_iter().max().unwrap_or(0) / 1024 + FULL_DISK_ROOM_KIB
    }
}

impl Alive {
    /// Waits until it ends by itself.
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus> {
        self.child
            .wait()
            .await
            .context("cannot wait for the program")
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// How it ended, if it has.
    pub(crate) fn ended_by_itself(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot look at the program")
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) -> Result<Life> {
        self.signal(rustix::process::Signal::KILL)?;
        self.ended("killed").await
    }

    /// SIGTERM, and the wait for the end.
    pub(crate) async fn stop(mut self) -> Result<Life> {
        self.signal(rustix::process::Signal::TERM)?;
        if timeout(STOP_DEADLINE, self.child.wait()).await.is_err() {
            self.signal(rustix::process::Signal::KILL)?;
            bail!(
                "the program had not stopped {} s after SIGTERM",
                STOP_DEADLINE.as_secs()
            );
        }
        self.ended("stopped").await
    }

    fn signal(&self, signal: rustix::process::Signal) -> Result<()> {
        let pid = rustix::process::Pid::from_raw(self.pid).context("no process id")?;
        // It may just have ended by itself: its status says how.
        let _ = rustix::process::kill_process(pid, signal);
        Ok(())
    }

    /// Notes down a life that is over.
    pub(crate) async fn ended(&mut self, how: &str) -> Result<Life> {
        let status = self.wait().await?;
        self.watcher.abort();
        Ok(Life {
            ready_after: self.ready_after,
            peak_kib: self.peak_kib.load(Ordering::Relaxed),
            ending: format!("{how}: {status}"),
        })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

async fn watch_memory(pid: i32, peak_kib: Arc<AtomicU64>) {
    let mut ticks = tokio::time::interval(MEMORY_INTERVAL);
    loop {
        ticks.tick().await;
        let Some(kib) = peak_of(pid) else { return };
        peak_kib.fetch_max(kib, Ordering::Relaxed);
    }
}

/// `VmHWM` in KiB; `None`: there is no such process any more.
fn peak_of(pid: i32) -> Option<u64> {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
