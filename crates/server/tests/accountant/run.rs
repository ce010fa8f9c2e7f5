//! One run: life after life of the process under the plan's faults and load, then the books.

mod ending;
mod fleet;
mod happened;
mod life;
mod moving;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::activities;
use crate::audience::{self, APPS};
use crate::books::later::ClockMove;
use crate::books::{Books, Life, Micros, SECOND};
use crate::caller::{Caller, Up};
use crate::campaigns;
use crate::database::Database;
use crate::dice::Dice;
use crate::events;
use crate::gateway::Gateway;
use crate::hooks;
use crate::instant::{Ahead, now};
use crate::later;
use crate::load::{self, Pace};
use crate::monitors;
use crate::place::Place;
use crate::plan::Plan;
use crate::plan::happening::Happening;
use crate::receiver::Receivers;
use crate::report;
use crate::scene::Scene;
use crate::schedules;
use crate::store::Store;
use crate::subject::{Alive, Started, Subject, Wish};
use crate::trouble::{Probes, Trouble};

/// How often it is looked whether something has happened.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Provider tokens may be renewed from the age of 21 minutes, and are renewed by themselves at 45. Between these two ages
/// they may expire.
const RENEWABLE_AT: Micros = 30 * 60 * SECOND;
const RENEWABLE_UNTIL: Micros = 40 * 60 * SECOND;
/// How long before a full minute of business time a life begins.
const BEFORE_MINUTE: Micros = 2 * SECOND;
const MINUTE: Micros = 60 * SECOND;
/// How a start ends whose store somebody else has; how long it is tried again, and how often.
const TAKEN: &str = "exit status: 75";
const TAKEN_DEADLINE: Duration = Duration::from_secs(30);
const TAKEN_PAUSE: Duration = Duration::from_millis(100);
/// What the configuration says beside the sections of the gateways. Deadlines and intervals are short, so that everything
/// that happens in a day happens in a minute.
const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"
[engine]
fanout_page = 50
max_retry_after = "1s"
prune_interval = "300ms"
index_interval = "300ms"
[retention]
content = "2s"
[webhooks]
allow_private = "127.0.0.1"
deadline = "1s"
[monitors]
allow_private = "127.0.0.1"
[log]
level = "info"
"#;

/// A run in progress.
struct Run {
    plan: Plan,
    scene: Arc<Scene>,
    subject: Subject,
    up: watch::Sender<Option<Up>>,
    dice: Dice,
    began: Instant,
    lives: Vec<Life>,
    probes: Arc<Mutex<Probes>>,
    lag: Arc<AtomicI64>,
    /// Measures the lag, until everything is drained: what is asked for last may still expire until then.
    measuring: JoinSet<Result<()>>,
    is_drained: Arc<AtomicBool>,
    /// How often a life was sent to a stage again that one before it had not reached: by the stage's place.
    repeats: BTreeMap<usize, u32>,
    /// When all provider tokens were new, in business time.
    renewed_at: Arc<AtomicI64>,
}

/// What a run leaves.
pub(crate) struct Outcome {
    pub(crate) books: Books,
    /// How often the API said which kind of "come back later".
    pub(crate) refusals: BTreeMap<String, u64>,
    /// How long callers were held back because enough waited already.
    pub(crate) held: Duration,
    /// Deliveries that were still open when draining ended.
    pub(crate) open: u64,
    /// How long draining took.
    pub(crate) drained_after: Duration,
}

/// Carries out a plan in a folder of its own.
pub(crate) async fn run(plan: Plan, folder: &Path) -> Result<Outcome> {
    let bundles = APPS.map(|(_, bundle)| bundle);
    let (gateway, signing_keys) = Gateway::start(plan.seed, &bundles)?;
    std::fs::write(folder.join("ca.pem"), gateway.simulator().ca_pem())?;
    let place = match plan.store {
        Store::Sqlite => Place::Sqlite,
        store => Place::Server(Arc::new(Database::start(store, folder).await?)),
    };
    let config = format!("{}{CONFIG}", gateway.config());
    let subject = Subject::new(folder.to_owned(), config, place)?;
    let ahead = Arc::new(Ahead::default());
    let dice = Dice::for_purpose(plan.seed, "receivers");
    let receivers = Receivers::start(dice, Arc::clone(&ahead)).await?;
    let (up, is_up) = watch::channel(None);
    let scene = Arc::new(Scene {
        gateway,
        caller: Caller::new(is_up)?,
        books: Mutex::default(),
        addresses: Mutex::default(),
        accepted: AtomicU64::new(0),
        held_ms: AtomicU64::new(0),
        ahead,
        receivers,
        services: monitors::Services::start().await?,
        errands: TaskTracker::new(),
        is_over: AtomicBool::new(false),
        is_held: AtomicBool::new(false),
        only: Mutex::default(),
    });
    let dice = Dice::for_purpose(plan.seed, "faults");
    let lag = Arc::new(AtomicI64::new(0));
    let (lives, probes) = (Vec::new(), Arc::default());
    let mut run = Run {
        plan,
        scene,
        subject,
        up,
        dice,
        began: Instant::now(),
        lives,
        probes,
        lag,
        measuring: JoinSet::new(),
        is_drained: Arc::default(),
        repeats: BTreeMap::new(),
        renewed_at: Arc::new(AtomicI64::new(now())),
    };
    run.carry_out(&signing_keys).await
}

impl Run {
    async fn carry_out(&mut self, signing_keys: &[String]) -> Result<Outcome> {
        let fates = self.first_life(signing_keys).await?;
        let mut tasks = self.start_tasks(fates);
        if !self.plan.steps.is_empty() {
            return self.split(tasks).await;
        }
        let began = Instant::now();
        let mut dice = Dice::for_purpose(self.plan.seed, "more lives");
        loop {
            let is_long = self
                .plan
                .length
                .is_some_and(|length| began.elapsed() < length);
            let life = match self.plan.lives.pop_front() {
                Some(life) => life,
                // Before they are renewed by themselves, and nobody knows when.
                None if is_long && self.token_age() > RENEWABLE_UNTIL => Plan::expiring(),
                None if is_long => Plan::deal(&mut dice, self.store()),
                None => break,
            };
            self.live(&life).await?;
            check(&mut tasks)?;
        }
        self.last_life(tasks).await
    }

    /// A quiet life, in which everybody is registered.
    async fn first_life(&mut self, signing_keys: &[String]) -> Result<audience::Fates> {
        let alive = self
            .start(&Wish::default())
            .await?
            .context("the first life ended at once")?;
        self.scene.caller.set_api_key(self.subject.admin_key()?);
        let began = Instant::now();
        let fates = audience::set_up(&self.scene, signing_keys, self.plan.load.devices).await?;
        events::set_up(&self.scene).await?;
        schedules::set_up(&self.scene).await?;
        hooks::set_up(&self.scene).await?;
        monitors::set_up(&self.scene).await?;
        let devices = self.scene.books.lock().devices.len();
        self.tell(&format!(
            "{devices} devices registered in {:.1} s",
            began.elapsed().as_secs_f64()
        ));
        self.up.send_replace(None);
        let life = alive.stop().await?;
        self.lives.push(life);
        Ok(fates)
    }

    fn start_tasks(&mut self, fates: audience::Fates) -> JoinSet<Result<()>> {
        let mut tasks = JoinSet::new();
        let pace = Arc::new(Pace::new());
        let plan = &self.plan;
        for caller in 0..plan.load.callers {
            let (scene, load, pace) = (
                Arc::clone(&self.scene),
                plan.load.clone(),
                Arc::clone(&pace),
            );
            let dice = Dice::for_purpose(plan.seed, &format!("caller {caller}"));
            tasks.spawn(async move { load::call(&scene, &load, &pace, dice).await });
        }
        let (scene, load) = (Arc::clone(&self.scene), plan.load.clone());
        tasks.spawn(async move { load::hold_back(&scene, &load).await });
        for caller in 0..events::CALLERS {
            let scene = Arc::clone(&self.scene);
            let dice = Dice::for_purpose(plan.seed, &format!("events {caller}"));
            tasks.spawn(async move { events::call(&scene, dice).await });
        }
        for caller in 0..plan.load.planners {
            let scene = Arc::clone(&self.scene);
            let dice = Dice::for_purpose(plan.seed, &format!("later {caller}"));
            tasks.spawn(async move { later::call(&scene, dice).await });
        }
        for caller in 0..plan.load.campaigners {
            let scene = Arc::clone(&self.scene);
            let dice = Dice::for_purpose(plan.seed, &format!("campaigns {caller}"));
            tasks.spawn(async move { campaigns::call(&scene, dice).await });
        }
        for caller in 0..plan.load.hosts {
            let scene = Arc::clone(&self.scene);
            let dice = Dice::for_purpose(plan.seed, &format!("activities {caller}"));
            tasks.spawn(async move { activities::call(&scene, dice).await });
        }
        for caller in 0..monitors::CALLERS {
            let scene = Arc::clone(&self.scene);
            let dice = Dice::for_purpose(plan.seed, &format!("monitors {caller}"));
            tasks.spawn(async move { monitors::call(&scene, caller, dice).await });
        }
        let (scene, dice) = (
            Arc::clone(&self.scene),
            Dice::for_purpose(plan.seed, "schedules"),
        );
        tasks.spawn(async move { schedules::call(&scene, dice).await });
        let (scene, dice) = (
            Arc::clone(&self.scene),
            Dice::for_purpose(plan.seed, "watch"),
        );
        tasks.spawn(async move { load::watch(&scene, dice).await });
        let (scene, dice) = (
            Arc::clone(&self.scene),
            Dice::for_purpose(plan.seed, "devices"),
        );
        tasks.spawn(async move { audience::live(&scene, fates, dice).await });
        let (scene, lag) = (Arc::clone(&self.scene), Arc::clone(&self.lag));
        let is_drained = Arc::clone(&self.is_drained);
        // Not one of the tasks: they are over before draining begins.
        self.measuring
            .spawn(async move { measure_lag(&scene, &lag, &is_drained).await });
        tasks
    }

    /// Starts the process; `None`: it ended before it was ready, as it was told to.
    async fn start(&mut self, wish: &Wish) -> Result<Option<Alive>> {
        let bugs: Vec<&str> = self.plan.bugs.iter().map(|bug| bug.as_str()).collect();
        let plant = (!bugs.is_empty()).then(|| bugs.join(","));
        let ahead = self.scene.ahead.get();
        let wish = Wish {
            plant,
            ahead,
            ..wish.clone()
        };
        self.revive_database().await?;
        match self.until_free(&wish).await? {
            Started::Ready(alive) => {
                let life = self.lives.len() as u32 + 1;
                self.up.send_replace(Some(Up {
                    life,
                    urls: vec![alive.url.clone()],
                }));
                Ok(Some(*alive))
            }
            Started::Ended(life) if wish.kill_at.is_some() || wish.has_full_disk => {
                self.lives.push(life);
                Ok(None)
            }
            Started::Ended(life) => bail!("the program ended {}", life.ending),
        }
    }

    /// Starts it. A server may not have noticed yet that the process before is gone, and keeps its lock: whoever watches
    /// over a program starts it again then.
    async fn until_free(&mut self, wish: &Wish) -> Result<Started> {
        let began = Instant::now();
        loop {
            match self.subject.start(wish).await? {
                Started::Ended(life)
                    if life.ending.ends_with(TAKEN)
                        && self.store().is_server()
                        && began.elapsed() < TAKEN_DEADLINE =>
                {
                    sleep(TAKEN_PAUSE).await;
                }
                started => return Ok(started),
            }
        }
    }

    /// The kind of store that it has now.
    fn store(&self) -> Store {
        match (self.subject.place(), self.plan.moves_to) {
            (Place::Sqlite, _) => Store::Sqlite,
            (Place::Server(_), Some(to)) => to,
            (Place::Server(_), None) => self.plan.store,
        }
    }

    /// Whoever hurt the database may have been ended before it was well again.
    async fn revive_database(&self) -> Result<()> {
        match self.subject.place().database() {
            Some(database) => database.revive().await,
            None => Ok(()),
        }
    }

    /// Lets the provider tokens come of age before a life in which they expire, by moving business time: nobody may
    /// renew a young one.
    fn age_tokens(&self, faults: &[Happening]) {
        let age = self.token_age();
        if faults.contains(&Happening::ExpiredProviderToken) && age < RENEWABLE_AT {
            self.move_clocks(RENEWABLE_AT - age);
        }
    }

    /// Lets a life begin shortly before a full minute of business time: schedules are due then.
    fn approach_minute(&self) {
        let business = now() + self.scene.ahead.get();
        let left = MINUTE - business.rem_euclid(MINUTE);
        if left > BEFORE_MINUTE {
            self.move_clocks(left - BEFORE_MINUTE);
        }
    }

    fn token_age(&self) -> Micros {
        now() + self.scene.ahead.get() - self.renewed_at.load(Ordering::Relaxed)
    }

    fn move_clocks(&self, by: Micros) {
        self.scene.ahead.grow(by);
        let ahead = self.scene.ahead.get();
        let moved = ClockMove { at: now(), ahead };
        self.scene.books.lock().clock.push(moved);
        let by = Duration::from_micros(by.unsigned_abs());
        self.scene.gateway.simulator().advance(by);
        self.scene.gateway.note(Happening::ClockAhead, 1);
    }

    fn tell(&self, text: &str) {
        report::progress(self.began, text);
    }

    /// First a probe of the new life, then fault after fault. Ended by whoever ends the life.
    fn troubles(
        &self,
        faults: &[Happening],
        dice: Dice,
        restarted: Micros,
        is_last: bool,
    ) -> impl Future<Output = Result<()>> + use<> {
        let trouble = Trouble {
            scene: Arc::clone(&self.scene),
            probes: Arc::clone(&self.probes),
            renewed_at: Arc::clone(&self.renewed_at),
            place: self.subject.place().clone(),
            folder: self.subject.folder().to_owned(),
            is_last,
        };
        let faults = faults.to_vec();
        async move { trouble.all(&faults, dice, restarted).await }
    }
}

/// How late this program and the simulator are at worst: what they note down may be so much too late.
async fn measure_lag(scene: &Scene, lag: &AtomicI64, is_drained: &AtomicBool) -> Result<()> {
    let clock = format!(
        "http://{}/v1/clock",
        scene.gateway.simulator().addresses().admin
    );
    while !is_drained.load(Ordering::Relaxed) {
        let before = now();
        sleep(LOOK_INTERVAL).await;
        let late = now() - before - LOOK_INTERVAL.as_micros() as Micros;
        lag.fetch_max(late, Ordering::Relaxed);
        let before = now();
        scene
            .caller
            .http()
            .get(&clock)
            .send()
            .await?
            .bytes()
            .await?;
        lag.fetch_max(now() - before, Ordering::Relaxed);
    }
    Ok(())
}

/// A task that has ended before the run is over has failed.
fn check(tasks: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(task) = tasks.try_join_next() {
        task??;
    }
    Ok(())
}
