//! The database server of a run: described by whoever made it (`cargo xtask`), started here, killed with all its processes,
//! and started again on what it had on its disk.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use crate::store::Store;
use crate::way::Way;

/// The variable that describes it.
const DESCRIPTION: &str = "ACCOUNTANT_DATABASE";
/// The longest that a start may take, what it has to mend included.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// The pause before a start that failed is tried again: something of the one before may still be there.
const PAUSE: Duration = Duration::from_millis(200);

/// How it is started and reached.
#[derive(Debug)]
struct Description {
    program: String,
    arguments: Vec<String>,
    /// The line that says that it takes connections.
    ready: String,
    url: String,
    port: u16,
}

/// A database server that runs, unless it was just killed. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Database {
    description: Description,
    log: PathBuf,
    process: Mutex<Option<Child>>,
    pub(crate) way: Way,
}

impl Database {
    /// Starts the server that the environment describes.
    pub(crate) async fn start(store: Store, folder: &Path) -> Result<Self> {
        let description = Description::read(store)?;
        let address = SocketAddr::from(([127, 0, 0, 1], description.port));
        let database = Self {
            description,
            log: folder.join("database.log"),
            process: Mutex::new(None),
            way: Way::lead_to(address).await?,
        };
        database.revive().await?;
        Ok(database)
    }

    /// Where the program reaches it: by the way.
    pub(crate) fn url(&self) -> String {
        let (own, by_the_way) = (
            format!("127.0.0.1:{}", self.description.port),
            self.way.address().to_string(),
        );
        self.description.url.replace(&own, &by_the_way)
    }

    /// `kill -9` for each of its processes.
    pub(crate) async fn kill(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        let Some(child) = process.as_mut() else {
            return Ok(());
        };
        let root = child.id().context("the database has ended by itself")?;
        // Its first process first: nobody is left to tidy up after the others.
        for pid in below(root as i32)? {
            let pid = Pid::from_raw(pid).context("a process without a number")?;
            // It may just have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
        child.wait().await.context("waiting for the database")?;
        *process = None;
        Ok(())
    }

    /// Starts it unless it runs, and opens the way: whoever had closed it may have been ended before he opened it.
    pub(crate) async fn revive(&self) -> Result<()> {
        let mut process = self.process.lock().await;
        let began = Instant::now();
        while process.is_none() {
            match self.try_start().await {
                Ok(child) => *process = Some(child),
                Err(_) if began.elapsed() < READY_DEADLINE => sleep(PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        self.way.open();
        Ok(())
    }

    async fn try_start(&self) -> Result<Child> {
        let mut command = Command::new(&self.description.program);
        command
            .args(&self.description.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the database")?;
        let mut log = File::options().create(true).append(true).open(&self.log)?;
        let said = child.stderr.take().context("no log to read")?;
        let mut lines = BufReader::new(said).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                writeln!(log, "{line}")?;
                if line.contains(&self.description.ready) {
                    return Ok::<(), anyhow::Error>(());
                }
            }
            bail!("the database ended before it was ready: see database.log")
        };
        timeout(READY_DEADLINE, ready)
            .await
            .context("the database was not ready in time")??;
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = writeln!(log, "{line}");
            }
        });
        Ok(child)
    }
}

impl Description {
    fn read(store: Store) -> Result<Self> {
        let text = std::env::var(DESCRIPTION).with_context(|| {
            format!(
                "{DESCRIPTION} describes no server: `cargo xtask faults --store {}` makes one",
                store.word()
            )
        })?;
        let said: Value = serde_json::from_str(&text).context(DESCRIPTION)?;
        let word = |field: &str| {
            let word = said[field].as_str().map(str::to_owned);
            word.with_context(|| format!("{DESCRIPTION} has no {field}"))
        };
        let kind = word("store")?;
        ensure!(
            kind == store.word(),
            "{DESCRIPTION} describes a {kind}, and the store is to be on {}",
            store.word()
        );
        let arguments = said["arguments"].as_array().into_iter().flatten();
        Ok(Self {
            program: word("program")?,
            arguments: arguments
                .filter_map(|argument| argument.as_str().map(str::to_owned))
                .collect(),
            ready: word("ready")?,
            url: word("url")?,
            port: said["port"]
                .as_u64()
                .and_then(|port| u16::try_from(port).ok())
                .with_context(|| format!("{DESCRIPTION} has no port"))?,
        })
    }
}

/// A process, and all that descend from it.
fn below(root: i32) -> Result<Vec<i32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").context("cannot list processes")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // It may be gone by now.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        // After the name in parentheses, which may have anything in it: the state, and the parent.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    Ok(found)
}
