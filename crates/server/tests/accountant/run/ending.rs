//! How a run ends: every fault once more, then everything drains, and the books are read and closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{LOOK_INTERVAL, Outcome, Run, check, happened};
use crate::activities;
use crate::audit;
use crate::books::{Books, Micros, SECOND};
use crate::campaigns;
use crate::events;
use crate::hooks;
use crate::instant::now;
use crate::monitors;
use crate::plan::happening::Happening;
use crate::report;
use crate::scene::Scene;
use crate::schedules;
use crate::subject::Wish;

/// The longest that reaching the number of deliveries may take after the last fault.
const LOAD_DEADLINE: Duration = Duration::from_secs(600);
/// What is added to the lag that was measured, for what cannot be measured.
const LEAST_SLACK: Micros = SECOND * 3 / 10;
/// How many last lives may end in doubt: one for each fault of a database server.
const MOST_DOUBTS: usize = 3;

/// What was found when everything had drained.
pub(super) struct Drained {
    /// Deliveries that were still open.
    open: u64,
    after: Duration,
    books: Books,
}

impl Run {
    /// The last life: every fault once more, with a probe after each; then everything drains. Where it ends in doubt there is
    /// another one, for the faults that are left.
    pub(super) async fn last_life(&mut self, mut tasks: JoinSet<Result<()>>) -> Result<Outcome> {
        let mut faults = self.plan.last_faults.clone();
        let mut doubts = 0;
        loop {
            let before = now();
            let counts = self.counts(&faults);
            self.age_tokens(&faults);
            self.approach_minute();
            let mut alive = self
                .start(&Wish::default())
                .await?
                .context("the last life ended at once")?;
            let rest = self.rest(&mut tasks, &faults, before);
            self.dice.roll();
            let ended = tokio::select! {
                status = alive.wait() => Err(status?),
                result = rest => Ok(result?),
            };
            self.up.send_replace(None);
            let status = match ended {
                Ok(drained) => {
                    let life = alive.stop().await?;
                    self.lives.push(life);
                    return self.close(drained);
                }
                Err(status) => status,
            };
            self.scene.gateway.calm();
            let life = alive.ended("by itself").await?;
            self.lives.push(life);
            // While everything drains no database is hurt any more.
            let is_excused =
                doubts < MOST_DOUBTS && !self.scene.is_over() && self.is_in_doubt(&faults)?;
            if !is_excused {
                bail!("the program ended by itself in its last life: {status}");
            }
            check(&mut tasks)?;
            doubts += 1;
            let left = faults.iter().zip(&counts).zip(self.counts(&faults));
            let left = left.filter(|((_, before), count)| **before == *count);
            faults = left.map(|((fault, _), _)| *fault).collect();
            self.tell(&format!(
                "the last life ended in doubt of a commit: {status}; another one follows, with {faults:?}"
            ));
        }
    }

    /// How often each of them has happened so far.
    fn counts(&self, faults: &[Happening]) -> Vec<u64> {
        let counts = faults.iter().map(|fault| self.scene.gateway.count(*fault));
        counts.collect()
    }

    /// Faults, one after the other; then the load comes to its end, and everything is waited for and read.
    pub(super) fn rest<'t>(
        &self,
        tasks: &'t mut JoinSet<Result<()>>,
        faults: &[Happening],
        restarted: Micros,
    ) -> impl Future<Output = Result<Drained>> + use<'t> {
        let troubles = self.troubles(faults, self.dice.clone(), restarted, true);
        let (scene, began) = (Arc::clone(&self.scene), self.began);
        let wanted = self.plan.load.deliveries;
        let drain_deadline = self.plan.drain_deadline;
        let is_drained = Arc::clone(&self.is_drained);
        async move {
            troubles.await?;
            scene.gateway.calm();
            timeout(LOAD_DEADLINE, until_accepted(&scene, wanted))
                .await
                .context("the API did not accept as much as was planned")?;
            scene.is_over.store(true, Ordering::Relaxed);
            while let Some(task) = tasks.join_next().await {
                task??;
            }
            scene.errands.close();
            scene.errands.wait().await;
            let drains = Instant::now();
            report::progress(began, "draining");
            schedules::end(&scene).await?;
            activities::end(&scene).await?;
            monitors::end(&scene).await?;
            campaigns::end(&scene, drain_deadline).await?;
            events::until_told(&scene, drain_deadline).await;
            let open = audit::drain(&scene, drain_deadline).await?;
            is_drained.store(true, Ordering::Relaxed);
            let after = drains.elapsed();
            let secs = after.as_secs_f64();
            report::progress(
                began,
                &format!("{open} deliveries open after {secs:.1} s; reading the books"),
            );
            let hooks = hooks::read(&scene, drain_deadline).await?;
            campaigns::read(&scene).await?;
            let mut books = audit::read(&scene).await?;
            books.hooks = hooks;
            Ok(Drained { open, after, books })
        }
    }

    /// Closes the books when no process runs any more.
    pub(super) fn close(&mut self, drained: Drained) -> Result<Outcome> {
        check(&mut self.measuring)?;
        let mut books = drained.books;
        books.lives = std::mem::take(&mut self.lives);
        let probes = std::mem::take(&mut *self.probes.lock());
        books.neighbours = probes.neighbours;
        books.recoveries = probes.recoveries;
        happened::enter(&mut books, &self.scene.gateway, &self.plan);
        books.slack = LEAST_SLACK + 2 * self.lag.load(Ordering::Relaxed);
        let refusals = self.scene.caller.refusals();
        Ok(Outcome {
            books,
            refusals,
            held: Duration::from_millis(self.scene.held_ms.load(Ordering::Relaxed)),
            open: drained.open,
            drained_after: drained.after,
        })
    }
}

async fn until_accepted(scene: &Scene, deliveries: u64) {
    let mut ticks = tokio::time::interval(LOOK_INTERVAL);
    while scene.accepted.load(Ordering::Relaxed) < deliveries {
        ticks.tick().await;
    }
}
