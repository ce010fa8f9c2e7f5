//! The store moves from its file to a server, while nobody runs and everybody goes on asking.

use std::process::Output;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use carillon_ports::fault::COPY_STAGES;

use super::Run;
use crate::database::Database;
use crate::place::Place;
use crate::plan::happening::Happening;
use crate::subject::{Started, Wish};

impl Run {
    /// Copies the file, at the second try if the first one dies at a stage, and has the store on the server from then on.
    pub(super) async fn move_store(&mut self, dies: Option<usize>) -> Result<()> {
        let to = self.plan.moves_to.context("the plan moves nowhere")?;
        let database = Arc::new(Database::start(to, self.subject.folder()).await?);
        let url = database.url();
        let here = self.subject.place().clone();
        let there = Place::Server(database);
        if let Some(stage) = dies {
            let stage = COPY_STAGES[stage];
            // In the middle of the tables.
            let count = if stage == "copy.rows_committed" { 8 } else { 1 };
            let copied = self.subject.copy_to(&url, Some(format!("{stage}:{count}")));
            let copied = copied.await?;
            ensure!(
                copied.status.to_string().contains("signal: 9"),
                "copying was to die at {stage}: {}",
                said(&copied)
            );
            self.scene.gateway.note(Happening::CopyKilled, 1);
            self.tell(&format!("copying died at {stage}"));
            // Half a store is none.
            self.subject.settle_in(there.clone())?;
            self.must_not_start("a store that is half copied").await?;
            self.subject.settle_in(here)?;
        }
        let copied = self.subject.copy_to(&url, None).await?;
        ensure!(copied.status.success(), "copying: {}", said(&copied));
        self.scene.gateway.note(Happening::StoreMoved, 1);
        let report: serde_json::Value =
            serde_json::from_slice(&copied.stdout).context("what copying printed")?;
        self.tell(&format!("{} rows moved to {}", report["rows"], to.word()));
        self.must_not_start("the file that was moved").await?;
        self.subject.settle_in(there)
    }

    async fn must_not_start(&mut self, what: &str) -> Result<()> {
        match self.subject.start(&Wish::default()).await? {
            Started::Ended(life) if !life.ending.contains("signal") => Ok(()),
            Started::Ended(life) => bail!("on {what} the program ended {}", life.ending),
            Started::Ready(_) => bail!("the program runs on {what}"),
        }
    }
}

fn said(copied: &Output) -> String {
    let text = String::from_utf8_lossy(&copied.stderr);
    format!("{} {}", copied.status, text.trim())
}
