//! How the server is put together: one long straight function that builds everything, in the order
//! in which it is needed, and the way back down.
//!
//! Threads: the API has a runtime of its own, the engine and the store have theirs inside; the caller's
//! runtime only supervises.

use crate::clock::fill_random;
use crate::config::Config;
use crate::connection::Peer;
use crate::exit::{Exit, Failure};
use crate::lifecycle::{Lifecycle, Stop};
use crate::listener::Listener;
use crate::prepared::Prepared;
use crate::seal::MasterKeys;
use crate::telemetry::Metrics;
use crate::wake::Waker;
use crate::{gauges, memory, private_file, store};
use axum_server::Handle;
use carillon_api::ApiState;
use carillon_engine::receipt::ReceiptKey;
use carillon_engine::{Engine, Instances, Parts, Receipts, Webhooks};
use carillon_model::role::Role;
use carillon_ports::clock::Clock;
use carillon_ports::instance::Presence;
use carillon_ports::registry::{Actor, ApiKey, Registry, Scope};
use carillon_ports::secret::{Place, SecretBox};
use carillon_ports::store::HotStore;
use carillon_store_sql::SqlStore;
use secrecy::SecretString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How often raw samples are folded into histograms.
const UPKEEP: Duration = Duration::from_secs(5);
/// What is left of the stop's deadline for the engine and the store when the API is cut off.
const ENGINE_SHARE: f64 = 0.4;

/// A server that serves.
pub(crate) struct Running {
    url: String,
    admin_key: Option<SecretString>,
    engine: Engine,
    store: SqlStore,
    handle: Handle<Peer>,
    api_ended: oneshot::Receiver<std::io::Result<()>>,
    stopping: Arc<AtomicBool>,
    lifecycle: Lifecycle,
    delay: Duration,
    deadline: Duration,
}

/// Builds everything and starts serving; ready when it returns. The first start's admin key is in its
/// file by then, if there is to be one: who sees that the server is ready may read it.
pub(crate) async fn start(
    config: &Config,
    lifecycle: &Lifecycle,
    admin_key_file: Option<&Path>,
) -> Result<Running, Failure> {
    let metrics = Metrics::install()?;

    // The port first: a busy one must not touch the store, and neither must what is wrong with the settings: the first
    // start's admin key would be lost with it.
    let listener = Listener::bind(&config.server)?;
    let url = listener.url();
    let prepared = Prepared::of(config)?;

    let store = {
        let config = config.store.clone();
        tokio::task::spawn_blocking(move || store::open(&config))
            .await
            .map_err(|error| {
                Failure::new(Exit::Software, format!("opening the store: {error}"))
            })??
    };
    let hot: Arc<dyn HotStore> = Arc::new(store.clone());
    let registry: Arc<dyn Registry> = Arc::new(store.clone());

    let clock = prepared.clock;

    let master_keys = Arc::new(match prepared.master_keys {
        Some(keys) => keys,
        None => {
            let file = config.master_key_file();
            // Beside a file that is the store it is there by now.
            store::make_directory(&file)?;
            let (keys, made) = MasterKeys::from_file(&file)?;
            if made {
                refuse_new_key_over_old_secrets(&*registry, &file).await?;
                tracing::info!(file = %file.display(), "made a master key: keep a copy of {} apart from the database's backups", file.display());
            }
            keys
        }
    });
    check_master_key(&*registry, &master_keys).await?;
    let secrets: Arc<dyn SecretBox> = master_keys.clone();

    let admin_key = if config.server.roles.has(Role::Api) {
        first_admin_key(&*registry, &*clock, admin_key_file).await?
    } else {
        None
    };

    let webhooks = Webhooks {
        store: Arc::new(store.clone()),
        sender: prepared.webhooks,
    };
    let receipts = Receipts {
        store: Arc::new(store.clone()),
        receipt_key: {
            let is_shared = config.store.server().is_some();
            receipt_key(&*registry, &*secrets, &*clock, is_shared).await?
        },
    };

    let waker = match config.store.server() {
        Some(_) => Waker::bind(config, listener.address(), receipts.receipt_key.wake_word()),
        // Nobody shares a file.
        None => None,
    };
    let instances = Instances {
        store: Arc::new(store.clone()),
        wake_up: waker.as_ref().map(Waker::wake_up),
        presence: Presence {
            name: own_name(),
            roles: config.server.roles,
            address: url.clone(),
            wake_address: waker
                .as_ref()
                .map(|waker| waker.address.clone())
                .unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    };
    let engine = Engine::start(
        Parts {
            store: hot,
            registry: registry.clone(),
            gateways: prepared.gateways,
            clock: clock.clone(),
            secrets,
            webhooks,
            receipts,
            instances,
            sources: prepared.sources,
            checker: prepared.checker,
            config: config.engine.clone(),
        },
        memory::UPKEEP,
    )
    .await
    .map_err(|error| store::failed("start the engine", &error))?;
    if let Some(waker) = &waker {
        waker.listen(&engine).map_err(|error| {
            Failure::new(Exit::Software, format!("listening for wake-ups: {error}"))
        })?;
    }

    let stopping = Arc::new(AtomicBool::new(false));
    let router = carillon_api::router(ApiState {
        engine: engine.clone(),
        random: Arc::new(fill_random),
        metrics: {
            let (engine, metrics) = (engine.clone(), metrics.clone());
            Arc::new(move || {
                gauges::record(&engine);
                metrics.render()
            })
        },
        readiness: {
            let stopping = stopping.clone();
            Arc::new(move || {
                if stopping.load(Ordering::Relaxed) {
                    Err("the server is stopping".to_owned())
                } else {
                    Ok(())
                }
            })
        },
        master_keys,
        limits: config.api.limits(),
        version: env!("CARGO_PKG_VERSION"),
    });

    let handle = Handle::new();
    let (ended, api_ended) = oneshot::channel();
    serve_api(
        config.server.threads,
        listener,
        router,
        handle.clone(),
        ended,
    )?;

    supervise(&engine, &store, lifecycle, metrics);
    tracing::info!(
        url,
        "carillon {} serves on {url}",
        env!("CARGO_PKG_VERSION")
    );
    Ok(Running {
        url,
        admin_key,
        engine,
        store,
        handle,
        api_ended,
        stopping,
        lifecycle: lifecycle.clone(),
        delay: config.stop_delay(),
        deadline: config.stop_deadline(),
    })
}

impl Running {
    /// Where clients reach it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What it runs.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The admin API key, if it was made by this start.
    pub(crate) fn admin_key(&self) -> Option<&SecretString> {
        self.admin_key.as_ref()
    }

    /// Serves until a stop is asked for, then winds down.
    pub(crate) async fn until_stopped(mut self) -> Stop {
        let lifecycle = self.lifecycle.clone();
        let ended_early = tokio::select! {
            () = lifecycle.asked() => false,
            _ = &mut self.api_ended => true,
        };
        if ended_early {
            lifecycle.fail(Exit::Software, "the API's listener ended by itself");
        }
        let deadline = self.deadline;
        lifecycle
            .wind_down(deadline, self.wind_down(ended_early))
            .await
    }

    /// First the API (nothing new comes in, requests that are begun are answered), then the engine
    /// (what is in flight is answered, the rest goes back to the store), then the store.
    async fn wind_down(self, api_has_ended: bool) -> bool {
        let begun = tokio::time::Instant::now();
        self.stopping.store(true, Ordering::Relaxed);
        let mut clean = true;
        if !api_has_ended {
            // Whoever looks at /readyz sends no more; whoever does not look so soon is still answered.
            tokio::time::sleep(self.delay).await;
            let for_api = self.deadline.mul_f64(1.0 - ENGINE_SHARE);
            let for_api = for_api.saturating_sub(begun.elapsed());
            let asked = tokio::time::Instant::now();
            self.handle.graceful_shutdown(Some(for_api));
            let open = self.handle.connection_count();
            let ended = tokio::time::timeout(for_api + Duration::from_millis(500), self.api_ended);
            let in_time = ended.await.is_ok() && asked.elapsed() < for_api;
            if !in_time {
                tracing::warn!(
                    connections = open,
                    "requests were cut off after {for_api:?}"
                );
            }
            clean &= in_time;
        }
        let for_engine = self.deadline.saturating_sub(begun.elapsed()).mul_f64(0.9);
        let asked = tokio::time::Instant::now();
        let report = self.engine.stop(for_engine).await;
        // The engine waits for answers until four fifths of its time are over; what has none by then
        // it records as in doubt, which is honest, and not clean.
        let waited_to_the_end = asked.elapsed() >= for_engine.mul_f64(0.79);
        clean &= report.is_clean() && !waited_to_the_end;
        tracing::info!(
            given_back = report.given_back,
            unanswered = report.unanswered,
            unsettled = report.unsettled,
            "the engine stopped: {} given back, {} without an answer, {} outcomes not stored",
            report.given_back,
            report.unanswered,
            report.unsettled,
        );
        if let Err(error) = self.engine.leave().await {
            tracing::warn!(%error, "the other processes were not told of the stop: they will notice");
        }
        self.store.close().await;
        clean
    }
}

/// What people know this process by: the machine's name and the process' number.
fn own_name() -> String {
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy();
    format!("{machine}:{}", std::process::id())
}

/// The API on threads of its own.
fn serve_api(
    threads: usize,
    listener: Listener,
    router: axum::Router,
    handle: Handle<Peer>,
    ended: oneshot::Sender<std::io::Result<()>>,
) -> Result<(), Failure> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
        set => set,
    };
    let broken =
        |error: std::io::Error| Failure::new(Exit::Software, format!("the API's threads: {error}"));
    // One thread needs no work stealing, which costs more than it gives there.
    let runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("carillon-api")
            .on_thread_park(memory::on_park)
            .enable_all()
            .build()
    }
    .map_err(broken)?;
    std::thread::Builder::new()
        .name("carillon-api".to_owned())
        .spawn(move || {
            let result = runtime.block_on(async {
                tokio::select! {
                    result = listener.serve(router, handle) => result,
                    never = memory::UPKEEP.run() => never,
                }
            });
            if let Err(error) = &result {
                tracing::error!("the API's listener failed: {error}");
            }
            // Nobody listens any more when the process is leaving.
            let _ = ended.send(result);
            runtime.shutdown_background();
        })
        .map_err(broken)?;
    Ok(())
}

/// Follows the parts that may fail, and keeps the histograms small.
fn supervise(engine: &Engine, store: &SqlStore, lifecycle: &Lifecycle, metrics: Metrics) {
    tokio::spawn({
        let (engine, lifecycle) = (engine.clone(), lifecycle.clone());
        async move {
            let reason = engine.failed().await;
            lifecycle.abort(Exit::Software, format!("the engine cannot go on: {reason}"));
        }
    });
    tokio::spawn({
        let (store, lifecycle) = (store.clone(), lifecycle.clone());
        async move {
            let reason = store.fatal().await;
            lifecycle.abort(Exit::Io, format!("the store cannot go on: {reason}"));
        }
    });
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            metrics.upkeep();
        }
    });
}

/// On the first start there is no API key at all: makes one that may do everything.
async fn first_admin_key(
    registry: &dyn Registry,
    clock: &dyn Clock,
    file: Option<&Path>,
) -> Result<Option<SecretString>, Failure> {
    let failed = |error| store::failed("read the API keys", &error);
    if !registry.api_keys().await.map_err(failed)?.is_empty() {
        return Ok(None);
    }
    make_admin_key(registry, clock, "first start", file)
        .await
        .map(Some)
}

/// Makes an API key that may do everything, and stores its hash. Its file comes first: a key of which
/// only the hash is left is of no use to anybody.
pub(crate) async fn make_admin_key(
    registry: &dyn Registry,
    clock: &dyn Clock,
    name: &str,
    file: Option<&Path>,
) -> Result<SecretString, Failure> {
    let scopes = vec![Scope::Admin];
    let made = carillon_api::api_key::generate(&scopes, &fill_random);
    if let Some(file) = file {
        private_file::write(file, &made.secret)?;
    }
    let now = clock.now();
    let key = ApiKey {
        no: carillon_model::id::ApiKeyNo(0),
        id: carillon_model::id::public("key", now, (clock.random() >> 2) as i64),
        name: name.to_owned(),
        app: None,
        scopes,
        hint: made.hint,
        hash: made.hash,
        created_at: now,
        revoked_at: None,
    };
    let server = Actor {
        api_key: None,
        request_id: None,
    };
    registry.put_api_key(key, server).await.map_err(|error| {
        if let Some(file) = file {
            // It was made a moment ago, and opens nothing.
            let _ = std::fs::remove_file(file);
        }
        store::failed("store the API key", &error)
    })?;
    Ok(SecretString::from(made.secret))
}

/// The name under which the key of receipt tokens is kept, in the place where provider tokens are: like
/// those it is one sealed value of the whole installation. Theirs have another form: team and key id.
const RECEIPT_KEY: &str = "carillon:receipts";

/// What receipt tokens are authenticated with: made once and sealed, so that what pushes carried stays good
/// over restarts.
async fn receipt_key(
    registry: &dyn Registry,
    secrets: &dyn SecretBox,
    clock: &dyn Clock,
    is_shared: bool,
) -> Result<ReceiptKey, Failure> {
    let failed = |error| store::failed("read the key of receipts", &error);
    let place = || Place::provider_token(RECEIPT_KEY);
    let mut bytes = Zeroizing::new([0; 32]);
    fill_random(&mut *bytes);
    let sealed = secrets.seal(place(), &*bytes);
    let name = || RECEIPT_KEY.to_owned();
    // Whoever starts first makes it, and all have the same.
    let first = registry.first_provider_token(name(), sealed.clone(), clock.now());
    let stored = first.await.map_err(failed)?;
    if stored == sealed {
        return Ok(ReceiptKey::new(&bytes));
    }
    let why = match secrets.open(place(), &stored).map(Zeroizing::new) {
        Ok(plain) if plain.len() == 32 => {
            bytes.copy_from_slice(&plain);
            return Ok(ReceiptKey::new(&bytes));
        }
        Ok(_) => "it has the wrong length".to_owned(),
        Err(why) => why,
    };
    if is_shared {
        return Err(Failure::new(
            Exit::Config,
            format!("the key of receipts in the store cannot be opened ({why}): the processes that share the store have not the same master key"),
        )
        .mend("give every process the same secrets.master_key or a copy of the same key file"));
    }
    tracing::warn!(
        why,
        "the key of receipts cannot be opened ({why}): a new one is made, and what pushes carried so far is refused"
    );
    let put = registry.put_provider_token(name(), sealed, clock.now());
    put.await.map_err(failed)?;
    Ok(ReceiptKey::new(&bytes))
}

/// A fresh master key beside a store that has sealed secrets means that the old key file is lost or
/// elsewhere: better to say so now than at the first push.
async fn refuse_new_key_over_old_secrets(
    registry: &dyn Registry,
    file: &Path,
) -> Result<(), Failure> {
    let directory = registry
        .directory()
        .await
        .map_err(|error| store::failed("read the credentials", &error))?;
    if directory.credentials.is_empty() {
        return Ok(());
    }
    // The file was made a moment ago by this process; nothing is sealed with it.
    let _ = std::fs::remove_file(file);
    Err(Failure::new(
        Exit::Config,
        format!(
            "the store has {} sealed credentials, and the master key file {} is not there",
            directory.credentials.len(),
            file.display()
        ),
    )
    .mend("put the file back, or name it in secrets.master_key_file"))
}

/// Whether the configured master key opens what is stored; tried on one credential.
async fn check_master_key(registry: &dyn Registry, keys: &MasterKeys) -> Result<(), Failure> {
    let directory = registry
        .directory()
        .await
        .map_err(|error| store::failed("read the credentials", &error))?;
    let Some((credential, sealed)) = directory.credentials.first() else {
        return Ok(());
    };
    let row = credential.no.to_string();
    keys.open(carillon_ports::secret::Place::credential(&row), sealed)
        .map(|plain| drop(zeroize::Zeroizing::new(plain)))
        .map_err(|why| {
            Failure::new(Exit::Config, why)
                .mend("give the master key with which this store was used before (secrets.master_key_file)")
        })
}
