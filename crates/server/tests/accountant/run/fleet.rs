//! Many processes on one database, two of each role: they are killed, stopped and frozen one after the other, while the others
//! go on. Whoever was given up by the others ends by itself, and is started again, as by whoever watches over a program.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use carillon_ports::fault::STAGES;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{LOOK_INTERVAL, Outcome, Run, check};
use crate::books::accepted::Gateway;
use crate::caller::{Question, Up};
use crate::instant::now;
use crate::plan::happening::Happening;
use crate::plan::steps::{Role, Step};
use crate::probe::probe;
use crate::subject::{Alive, Started, Wish};

/// Processes of each role.
const EACH: usize = 2;
/// How long they are left alone between two steps, in milliseconds.
const REST_MS: (u64, u64) = (300, 2_000);
/// The longest that a process may take to a stage; it is killed then all the same.
const STAGE_LIMIT: Duration = Duration::from_secs(15);
/// How a process ends that was given up by the others, or whose store somebody is just opening.
const GIVEN_UP: [i32; 2] = [74, 75];
/// How one ends besides that cannot start, because the database is away.
const NO_STORE: i32 = 69;
/// The pause before it is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// A place for a process.
struct Seat {
    role: Role,
    alive: Option<Alive>,
    /// Nobody is to sit there just now.
    is_away: bool,
    /// At which stage who sits there next dies.
    kill_at: Option<String>,
}

/// All of them.
struct Fleet(Vec<Seat>);

impl Run {
    /// The lives of many processes, from the first start to the end of everything.
    pub(super) async fn split(&mut self, mut tasks: JoinSet<Result<()>>) -> Result<Outcome> {
        self.approach_minute();
        let mut fleet = Fleet::new();
        self.settle(&mut fleet).await?;
        let steps = std::mem::take(&mut self.plan.steps);
        for step in steps {
            self.take(step, &mut fleet).await?;
            check(&mut tasks)?;
            let rest = self.dice.between(REST_MS.0, REST_MS.1);
            let rest = pass(Duration::from_millis(rest));
            self.beside(&mut fleet, rest).await?;
        }
        let faults = self.plan.last_faults.clone();
        let rest = self.rest(&mut tasks, &faults, now());
        let rest = self.beside(&mut fleet, rest).await?;
        self.up.send_replace(None);
        // Senders first: what others wait for is written down.
        for seat in fleet.0.iter_mut().rev() {
            if let Some(alive) = seat.alive.take() {
                let life = alive.stop().await?;
                self.lives.push(life);
            }
        }
        self.close(rest)
    }

    /// What happens in one step, and how long new work takes to the gateway from then on, while whoever is gone stays away.
    async fn take(&mut self, step: Step, fleet: &mut Fleet) -> Result<()> {
        let (happened, since, gone) = match step {
            Step::Kill { role, away } => {
                let place = self.one_of(role, fleet).await?;
                self.empty(fleet, place, true).await?;
                (role.killed(), now(), Some((place, away)))
            }
            Step::Stop { role, away } => {
                let place = self.one_of(role, fleet).await?;
                self.empty(fleet, place, false).await?;
                (Happening::GracefulStop, now(), Some((place, away)))
            }
            Step::Freeze { role, lasts } => {
                let place = self.one_of(role, fleet).await?;
                let alive = fleet.0[place].alive.as_ref();
                let pid = alive.context("nobody is there to be frozen")?.pid();
                signal(pid, rustix::process::Signal::STOP);
                let passed = self.beside(fleet, pass(lasts)).await;
                signal(pid, rustix::process::Signal::CONT);
                passed?;
                (Happening::SchedulerFrozen, now(), None)
            }
            Step::KillAt { role, stage } => {
                let died = self.die_at(role, stage, fleet).await?;
                (died.unwrap_or(role.killed()), now(), None)
            }
        };
        self.scene.gateway.note(happened, 1);
        let ends = Instant::now() + gone.map_or(Duration::ZERO, |(_, away)| away);
        if let Some((place, _)) = gone {
            fleet.0[place].is_away = true;
        }
        let app = self.dice.index(crate::audience::TROUBLED as usize) as u32;
        let scene = std::sync::Arc::clone(&self.scene);
        let lane = (app, Gateway::Apns);
        let probing = async move { probe(&scene, lane, happened.name(), since).await };
        let found = self.beside(fleet, probing).await?;
        let took = found.took.map_or(-1, |took| took / 1_000);
        self.tell(&format!(
            "{step:?}; new work was at the gateway after {took} ms"
        ));
        self.probes.lock().recoveries.push(found);
        if let Some((place, _)) = gone {
            let rest = ends.saturating_duration_since(Instant::now());
            self.beside(fleet, pass(rest)).await?;
            fleet.0[place].is_away = false;
        }
        self.settle(fleet).await
    }

    /// Both of the role are to die at the stage; when one has, the other is left alone.
    async fn die_at(
        &mut self,
        role: Role,
        stage: usize,
        fleet: &mut Fleet,
    ) -> Result<Option<Happening>> {
        let name = STAGES[stage];
        for place in fleet.of(role) {
            self.empty(fleet, place, false).await?;
            fleet.0[place].kill_at = Some(format!("{name}:{}", self.dice.between(1, 5)));
            self.settle(fleet).await?;
        }
        let ends = timeout(STAGE_LIMIT, async {
            loop {
                for place in fleet.of(role) {
                    if let Some(alive) = fleet.0[place].alive.as_mut()
                        && let Some(status) = alive.ended_by_itself()?
                    {
                        return Ok::<_, anyhow::Error>((place, status));
                    }
                }
                sleep(LOOK_INTERVAL).await;
            }
        });
        let died = match ends.await {
            Ok(ended) => {
                let (place, status) = ended?;
                self.note_ended(fleet, place, status).await?;
                Some(Happening::KillAt(stage))
            }
            // Nothing of the kind came by.
            Err(_) => {
                self.tell(&format!("nobody came to {name}"));
                None
            }
        };
        // Whoever would die there some time is started again, too.
        for place in fleet.of(role) {
            if fleet.0[place].kill_at.take().is_some() && fleet.0[place].alive.is_some() {
                self.empty(fleet, place, true).await?;
                self.scene.gateway.note(role.killed(), 1);
            }
        }
        self.settle(fleet).await?;
        Ok(died)
    }

    /// Starts whoever is missing.
    async fn settle(&mut self, fleet: &mut Fleet) -> Result<()> {
        for place in 0..fleet.0.len() {
            let seat = &fleet.0[place];
            if seat.alive.is_some() || seat.is_away {
                continue;
            }
            let wish = Wish {
                kill_at: seat.kill_at.clone(),
                plant: None,
                has_full_disk: false,
                ahead: self.scene.ahead.get(),
                role: Some(seat.role.word()),
            };
            match self.subject.start(&wish).await? {
                Started::Ready(alive) => fleet.0[place].alive = Some(*alive),
                Started::Ended(life) => {
                    let is_given_up = [NO_STORE]
                        .iter()
                        .chain(&GIVEN_UP)
                        .any(|code| life.ending.ends_with(&format!("status: {code}")));
                    if !is_given_up && wish.kill_at.is_none() {
                        bail!("a {} ended {}", seat.role.word(), life.ending);
                    }
                    self.lives.push(life);
                    sleep(RESTART_PAUSE).await;
                }
            }
            self.announce(fleet);
        }
        Ok(())
    }

    /// Tells callers whom they can ask.
    fn announce(&self, fleet: &Fleet) {
        let apis = fleet.of(Role::Api);
        let urls = apis.filter_map(|place| Some(fleet.0[place].alive.as_ref()?.url.clone()));
        let urls: Vec<String> = urls.collect();
        let is_new = self.up.borrow().as_ref().map(|up| &up.urls) != Some(&urls);
        if is_new {
            let life = self.lives.len() as u32 + 1;
            let up = (!urls.is_empty()).then_some(Up { life, urls });
            self.up.send_replace(up);
        }
    }

    /// Ends whoever sits there.
    async fn empty(&mut self, fleet: &mut Fleet, place: usize, is_killed: bool) -> Result<()> {
        let alive = fleet.0[place].alive.take();
        self.announce(fleet);
        if let Some(alive) = alive {
            let life = match is_killed {
                true => alive.kill().await?,
                false => alive.stop().await?,
            };
            self.lives.push(life);
        }
        Ok(())
    }

    /// Does something while all that end are started again.
    async fn beside<T>(
        &mut self,
        fleet: &mut Fleet,
        what: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            error = self.tend(fleet) => Err(error),
            done = what => done,
        }
    }

    /// Starts whoever was given up by the others. Ends when one ends in any other way.
    async fn tend(&mut self, fleet: &mut Fleet) -> anyhow::Error {
        loop {
            for place in 0..fleet.0.len() {
                let Some(alive) = fleet.0[place].alive.as_mut() else {
                    continue;
                };
                let noted = match alive.ended_by_itself() {
                    Ok(None) => continue,
                    Ok(Some(status)) => self.note_ended(fleet, place, status).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = noted {
                    return error;
                }
            }
            if let Err(error) = self.settle(fleet).await {
                return error;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn note_ended(
        &mut self,
        fleet: &mut Fleet,
        place: usize,
        status: ExitStatus,
    ) -> Result<()> {
        let seat = &mut fleet.0[place];
        let word = seat.role.word();
        let mut alive = seat.alive.take().context("nobody ended")?;
        let life = alive.ended("by itself").await?;
        let is_given_up = status.code().is_some_and(|code| GIVEN_UP.contains(&code));
        let is_to_die = seat.kill_at.take().is_some();
        self.tell(&format!("a {word} ended {}", life.ending));
        self.lives.push(life);
        self.announce(fleet);
        if !is_given_up && !is_to_die {
            bail!("a {word} ended by itself: {status}");
        }
        Ok(())
    }

    /// Somebody of a role: the one that leads, where one does and the API knows it.
    async fn one_of(&mut self, role: Role, fleet: &mut Fleet) -> Result<usize> {
        let any = self.dice.index(EACH);
        let mut places = fleet.of(role);
        let any = places.nth(any).context("a role without a place")?;
        if !role.has_leader() {
            return Ok(any);
        }
        let began = Instant::now();
        let scene = std::sync::Arc::clone(&self.scene);
        while began.elapsed() < STAGE_LIMIT {
            let scene = std::sync::Arc::clone(&scene);
            let asking = async move { scene.caller.ask(&Question::get("/v1/status")).await };
            let status = self.beside(fleet, asking).await?.success()?;
            let instances = status["instances"].as_array().into_iter().flatten();
            let leaders = instances.filter(|instance| {
                let leads = instance["leads"].as_array().into_iter().flatten();
                leads.into_iter().any(|leads| *leads == role.word())
            });
            let pids: Vec<i32> = leaders
                .filter_map(|leader| leader["name"].as_str()?.rsplit_once(':')?.1.parse().ok())
                .collect();
            let sits = |place: &usize| {
                let alive = fleet.0[*place].alive.as_ref();
                alive.is_some_and(|alive| pids.contains(&alive.pid()))
            };
            if let Some(place) = fleet.of(role).find(sits) {
                return Ok(place);
            }
            sleep(LOOK_INTERVAL).await;
        }
        bail!("no {} leads", role.word())
    }
}

impl Fleet {
    fn new() -> Self {
        let each = Role::ALL.into_iter().flat_map(|role| [role; EACH]);
        let seats = each.map(|role| Seat {
            role,
            alive: None,
            is_away: false,
            kill_at: None,
        });
        Self(seats.collect())
    }

    /// The places of a role.
    fn of(&self, role: Role) -> impl Iterator<Item = usize> + use<> {
        let place = Role::ALL.iter().position(|of| *of == role).unwrap_or(0);
        place * EACH..(place + 1) * EACH
    }
}

async fn pass(time: Duration) -> Result<()> {
    sleep(time).await;
    Ok(())
}

fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may just have ended.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
