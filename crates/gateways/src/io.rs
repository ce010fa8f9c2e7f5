//! The I/O threads: each runs a current-thread runtime on which the pools given to it live.

use carillon_ports::upkeep::Upkeep;
use std::future::Future;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

type Task = Pin<Box<dyn Future<Output = ()>>>;
/// Makes a task on the thread it is to live on.
type Job = Box<dyn FnOnce() -> Task + Send>;

/// Pools that may be waiting to be opened on a thread. Opening is rare and takes microseconds.
const JOBS: usize = 1_024;

/// A fixed number of I/O threads. When this is dropped each ends after the last pool on it.
pub(crate) struct IoThreads {
    threads: Vec<mpsc::Sender<Job>>,
}

impl IoThreads {
    /// Starts `count` threads, named after the gateway they serve.
    pub(crate) fn start(gateway: &str, count: usize, upkeep: Upkeep) -> Result<Self, String> {
        let threads = (0..count)
            .map(|number| start_one(format!("{gateway}-io-{number}"), upkeep))
            .collect::<Result<_, _>>()?;
        Ok(Self { threads })
    }

    /// Runs a task on the thread that belongs to `owner`: the same one each time. `false`: the thread is gone, or has
    /// more to open than can be.
    pub(crate) fn spawn<F: Future<Output = ()> + 'static>(
        &self,
        owner: i64,
        job: impl FnOnce() -> F + Send + 'static,
    ) -> bool {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(owner);
        let at = hash as usize % self.threads.len();
        self.threads[at]
            .try_send(Box::new(|| Box::pin(job())))
            .is_ok()
    }
}

fn start_one(name: String, upkeep: Upkeep) -> Result<mpsc::Sender<Job>, String> {
    let (jobs, mut inbox) = mpsc::channel::<Job>(JOBS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("an I/O thread cannot start: {error}"))?;
    std::thread::Builder::new()
        .name(name)
        .spawn(move || {
            let local = LocalSet::new();
            let opening = async {
                while let Some(job) = inbox.recv().await {
                    tokio::task::spawn_local(job());
                }
            };
            local.block_on(&runtime, async {
                tokio::select! {
                    never = upkeep.run() => never,
                    () = opening => {}
                }
            });
            // No more pools will come; those there are finish what they owe.
            runtime.block_on(local);
        })
        .map_err(|error| format!("an I/O thread cannot start: {error}"))?;
    Ok(jobs)
}
