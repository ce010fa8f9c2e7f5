//! The faults of one life, one after the other: each begins, is met by traffic, has its height, ends; and what follows is
//! measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use crate::audience::{APPS, TROUBLED};
use crate::books::accepted::{Audience, Kind, OnUnknown};
use crate::books::{Micros, Probe};
use crate::dice::Dice;
use crate::gateway::script;
use crate::instant::now;
use crate::lock::Lock;
use crate::plan::happening::Happening;
use crate::probe::probe;
use crate::scene::{Scene, Wanted};

/// How often it is looked whether something has happened.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    pub(crate) neighbours: Vec<Probe>,
    pub(crate) recoveries: Vec<Probe>,
}

/// Lets faults happen, and measures what follows.
pub(crate) struct Trouble {
    pub(crate) scene: Arc<Scene>,
    pub(crate) probes: Arc<Mutex<Probes>>,
    /// When all provider tokens were new, in business time.
    pub(crate) renewed_at: Arc<AtomicI64>,
    pub(crate) database: PathBuf,
}

impl Trouble {
    /// First a probe of the new life, whose predecessor ended at `restarted`; then fault after fault.
    pub(crate) async fn all(
        &self,
        faults: &[Happening],
        mut dice: Dice,
        restarted: Micros,
    ) -> Result<()> {
        let app = dice.index(APPS.len()) as u32;
        let found = probe(&self.scene, app, "a restart", restarted).await?;
        self.probes.lock().recoveries.push(found);
        for fault in faults {
            self.one(*fault, &mut dice).await?;
        }
        Ok(())
    }

    async fn one(&self, fault: Happening, dice: &mut Dice) -> Result<()> {
        let gateway = &self.scene.gateway;
        match fault {
            Happening::LockedDatabase => {
                let lock = Lock::take(self.database.clone()).await?;
                sleep(Duration::from_millis(dice.between(500, 2_500))).await;
                lock.release().await?;
                gateway.note(fault, 1);
            }
            Happening::BrokenCredential | Happening::SilentApp => {
                self.trouble_one_app(fault, dice).await?;
            }
            Happening::ExpiredProviderToken => self.expire_tokens(dice).await?,
            _ => {
                let before = gateway.count(fault);
                gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
                // Where nothing meets it, the count says so at the end.
                let _ = timeout(script::LONGEST, self.until_met(fault, before)).await;
                sleep(script::lasts(fault)).await;
                gateway.culminate(fault);
                gateway.calm();
            }
        }
        if fault != Happening::ExpiredProviderToken {
            let ended = now();
            let app = match fault {
                Happening::BrokenCredential | Happening::SilentApp => TROUBLED,
                _ => dice.index(APPS.len()) as u32,
            };
            let found = probe(&self.scene, app, fault.name(), ended).await?;
            self.probes.lock().recoveries.push(found);
        }
        Ok(())
    }

    /// Every provider token in use expires while requests are in flight. Before and after it each App sends something:
    /// so all of them are in use, and all of them are renewed.
    async fn expire_tokens(&self, dice: &mut Dice) -> Result<()> {
        let fault = Happening::ExpiredProviderToken;
        let gateway = &self.scene.gateway;
        self.probe_all("in use").await?;
        gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
        sleep(script::lasts(fault)).await;
        gateway.culminate(fault);
        gateway.calm();
        let found = self.probe_all(fault.name()).await?;
        self.probes.lock().recoveries.extend(found);
        let business = now() + self.scene.ahead.get();
        self.renewed_at.store(business, Ordering::Relaxed);
        Ok(())
    }

    async fn probe_all(&self, fault: &'static str) -> Result<Vec<Probe>> {
        let from = now();
        let probes = (0..APPS.len() as u32).map(|app| probe(&self.scene, app, fault, from));
        futures_util::future::try_join_all(probes).await
    }

    /// One App is in trouble: its lane must stop, and nobody else's.
    async fn trouble_one_app(&self, fault: Happening, dice: &mut Dice) -> Result<()> {
        let gateway = &self.scene.gateway;
        let before = gateway.count(fault);
        gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
        let first = {
            let books = self.scene.books.lock();
            let first = books
                .devices
                .iter()
                .position(|device| device.app == TROUBLED);
            first.context("the troubled App has no device")? as u32
        };
        let entered = self.scene.enter(Wanted {
            app: TROUBLED,
            kind: Kind::Alert,
            on_unknown: OnUnknown::Resend,
            audience: Audience::Devices(vec![first]),
            expires_at: None,
        })?;
        self.scene.send_surely(entered).await?;
        let met = self.until_met(fault, before);
        timeout(script::LONGEST * 5, met)
            .await
            .with_context(|| format!("{} was never met", fault.name()))?;
        let others = (0..APPS.len() as u32).filter(|app| *app != TROUBLED);
        let probes = others.map(|app| probe(&self.scene, app, fault.name(), now()));
        let found = futures_util::future::try_join_all(probes).await?;
        self.probes.lock().neighbours.extend(found);
        gateway.calm();
        Ok(())
    }

    async fn until_met(&self, fault: Happening, before: u64) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        while self.scene.gateway.count(fault) == before {
            ticks.tick().await;
        }
    }
}
