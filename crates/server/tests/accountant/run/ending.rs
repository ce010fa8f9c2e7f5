//! How a run ends: every fault once more, then everything drains, and the books are read and closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::{LOOK_INTERVAL, Outcome, Run, happened};
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

/// What was found when everything had drained.
pub(super) struct Drained {
    /// Deliveries that were still open.
    open: u64,
    after: Duration,
    books: Books,
}

impl Run {
    /// The last life: every fault once more, with a probe after each; then everything drains.
    pub(super) async fn last_life(&mut self, tasks: JoinSet<Result<()>>) -> Result<Outcome> {
        let before = now();
        let faults = self.plan.last_faults.clone();
        self.age_tokens(&faults);
        self.approach_minute();
        let mut alive = self
            .start(&Wish::default())
            .await?
            .context("the last life ended at once")?;
        let rest = self.rest(tasks, &faults, before);
        let drained = tokio::select! {
            status = alive.wait() => bail!("the program ended by itself in its last life: {}", status?),
            result = rest => result?,
        };
        self.up.send_replace(None);
        let life = alive.stop().await?;
        self.lives.push(life);
        self.close(drained)
    }

    /// Faults, one after the other; then the load comes to its end, and everything is waited for and read.
    pub(super) fn rest(
        &self,
        mut tasks: JoinSet<Result<()>>,
        faults: &[Happening],
        restarted: Micros,
    ) -> impl Future<Output = Result<Drained>> + use<> {
        let troubles = self.troubles(faults, self.dice.clone(), restarted);
        let (scene, began) = (Arc::clone(&self.scene), self.began);
        let wanted = self.plan.load.deliveries;
        let drain_deadline = self.plan.drain_deadline;
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
