//! The faults of one life, one after the other: each begins, is met by traffic, has its height, ends; and what follows is
//! measured.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use crate::audience::{APPS, STEADFAST, TROUBLED};
use crate::books::accepted::{Audience, DeviceEntry, Gateway, Kind, OnUnknown};
use crate::books::{Micros, Probe};
use crate::dice::Dice;
use crate::gateway::script;
use crate::instant::now;
use crate::load;
use crate::lock::Lock;
use crate::place::Place;
use crate::plan::happening::Happening;
use crate::probe::probe;
use crate::scene::{Only, Restraint, Scene, Wanted};

/// How long a database is away, in milliseconds: see the configuration for how long it is waited for.
const AWAY_MS: (u64, u64) = (100, 7_000);
/// How often some devices are sent to until a fault is met, and how many.
const PROVOKE_INTERVAL: Duration = Duration::from_millis(200);
const SOME: usize = 20;
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
    pub(crate) place: Place,
    /// The folder of the run.
    pub(crate) folder: PathBuf,
    /// Nothing ends the life before all faults were there: neighbours are measured while nothing else is asked of them.
    pub(crate) is_last: bool,
}

impl Trouble {
    /// First a probe of the new life, whose predecessor ended at `restarted`; then fault after fault.
    pub(crate) async fn all(
        &self,
        faults: &[Happening],
        mut dice: Dice,
        restarted: Micros,
    ) -> Result<()> {
        let first = Gateway::ALL.map(|gateway| {
            let app = dice.index(APPS.len()) as u32;
            probe(&self.scene, (app, gateway), "a restart", restarted)
        });
        let found = futures_util::future::try_join_all(first).await?;
        self.probes.lock().recoveries.extend(found);
        // Each gateway has its own troubles at the same time.
        let (whole, single): (Vec<Happening>, Vec<Happening>) = faults
            .iter()
            .partition(|fault| Happening::OF_A_WHOLE_GATEWAY.contains(fault));
        let sides = Gateway::ALL.map(|gateway| {
            let of_it = single.iter().copied();
            let of_it = of_it.filter(move |fault| fault.side() == gateway);
            self.of_one_side(
                of_it.collect(),
                Dice::for_purpose(dice.roll(), gateway.name()),
            )
        });
        futures_util::future::try_join_all(sides).await?;
        let app = dice.index(APPS.len()) as u32;
        for fault in whole {
            self.trouble_one_gateway(fault, app, &mut dice).await?;
        }
        Ok(())
    }

    async fn of_one_side(&self, faults: Vec<Happening>, mut dice: Dice) -> Result<()> {
        for fault in faults {
            self.one(fault, &mut dice).await?;
        }
        Ok(())
    }

    async fn one(&self, fault: Happening, dice: &mut Dice) -> Result<()> {
        let gateway = &self.scene.gateway;
        match fault {
            Happening::LockedDatabase => {
                let file = self.place.file(&self.folder);
                let lock = Lock::take(file.context("there is no file to lock")?).await?;
                sleep(Duration::from_millis(dice.between(500, 2_500))).await;
                lock.release().await?;
                gateway.note(fault, 1);
            }
            Happening::DatabaseKilled
            | Happening::DatabaseUnreachable
            | Happening::DatabaseFrozen => self.trouble_database(fault, dice).await?,
            Happening::BrokenCredential | Happening::SilentApp => {
                self.trouble_one_app(fault, dice).await?;
            }
            Happening::ExpiredProviderToken => self.expire_tokens(dice).await?,
            _ => {
                let before = gateway.count(fault);
                gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
                // Where nothing meets it, the count says so at the end.
                let met = timeout(script::LONGEST, self.until_met(fault, before)).await;
                // This was its last chance.
                if met.is_err() && (self.is_last || fault == Happening::FcmQuota) {
                    // What is scripted for some seconds only is over by now.
                    gateway.calm_side(fault.side());
                    gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
                    self.provoke(fault, before).await?;
                }
                sleep(script::lasts(fault)).await;
                gateway.culminate(fault);
                gateway.calm_side(fault.side());
            }
        }
        let is_measured = !matches!(
            fault,
            // It has measured already.
            Happening::ExpiredProviderToken
                // Google's own rule: nothing for a minute.
                | Happening::FcmQuota
        );
        if is_measured {
            let app = match fault {
                Happening::BrokenCredential | Happening::SilentApp => TROUBLED,
                _ => dice.index(APPS.len()) as u32,
            };
            self.measure_recovery(fault, app).await?;
        }
        Ok(())
    }

    /// The database goes away, and is back a while later: shorter and longer than the program waits for it.
    async fn trouble_database(&self, fault: Happening, dice: &mut Dice) -> Result<()> {
        let database = self.place.database();
        let database = database.context("there is no database server")?;
        let count = match fault {
            Happening::DatabaseKilled => {
                database.kill().await?;
                1
            }
            Happening::DatabaseUnreachable => database.way.close(),
            _ => {
                database.way.freeze();
                1
            }
        };
        self.scene.gateway.note(fault, count);
        sleep(Duration::from_millis(dice.between(AWAY_MS.0, AWAY_MS.1))).await;
        database.revive().await
    }

    /// How long until the gateway of a fault that has just ended gets something new of an App.
    async fn measure_recovery(&self, fault: Happening, app: u32) -> Result<()> {
        let found = probe(&self.scene, (app, fault.side()), fault.name(), now()).await?;
        self.probes.lock().recoveries.push(found);
        Ok(())
    }

    /// One gateway answers nothing to anybody: the other ones must go on, also in the same App.
    async fn trouble_one_gateway(&self, fault: Happening, app: u32, dice: &mut Dice) -> Result<()> {
        // Whatever was before is over: its lanes work.
        let lanes = Gateway::ALL.map(|of| probe(&self.scene, (app, of), fault.name(), now()));
        futures_util::future::try_join_all(lanes).await?;
        let restraint = self.restrain(Only::Gateway(fault.side())).await?;
        let gateway = &self.scene.gateway;
        let before = gateway.count(fault);
        gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
        self.send_to_first((app, fault.side())).await?;
        let met = self.until_met(fault, before);
        timeout(script::LONGEST * 5, met)
            .await
            .with_context(|| format!("{} was never met", fault.name()))?;
        let others = Gateway::ALL
            .into_iter()
            .filter(|other| *other != fault.side());
        let probes = others.map(|other| probe(&self.scene, (app, other), fault.name(), now()));
        let found = futures_util::future::try_join_all(probes).await?;
        self.note_neighbours(found);
        drop(restraint);
        gateway.calm_side(fault.side());
        self.measure_recovery(fault, app).await
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
        gateway.calm_side(fault.side());
        let found = self.probe_all(fault.name()).await?;
        self.probes.lock().recoveries.extend(found);
        let business = now() + self.scene.ahead.get();
        self.renewed_at.store(business, Ordering::Relaxed);
        Ok(())
    }

    async fn probe_all(&self, fault: &'static str) -> Result<Vec<Probe>> {
        let from = now();
        let probes =
            (0..APPS.len() as u32).map(|app| probe(&self.scene, (app, Gateway::Apns), fault, from));
        futures_util::future::try_join_all(probes).await
    }

    /// One App is in trouble: its lane must stop, and nobody else's.
    async fn trouble_one_app(&self, fault: Happening, dice: &mut Dice) -> Result<()> {
        let _restraint = self.restrain(Only::App(TROUBLED)).await?;
        let gateway = &self.scene.gateway;
        let before = gateway.count(fault);
        gateway.begin(fault, APPS[TROUBLED as usize].1, dice)?;
        self.send_to_first((TROUBLED, Gateway::Apns)).await?;
        let met = self.until_met(fault, before);
        timeout(script::LONGEST * 5, met)
            .await
            .with_context(|| format!("{} was never met", fault.name()))?;
        let others = (0..APPS.len() as u32).filter(|app| *app != TROUBLED);
        let probes =
            others.map(|app| probe(&self.scene, (app, Gateway::Apns), fault.name(), now()));
        let found = futures_util::future::try_join_all(probes).await?;
        self.note_neighbours(found);
        gateway.calm_side(fault.side());
        Ok(())
    }

    /// In the last life callers ask for nothing but what is to be in trouble, from when its neighbours rest.
    async fn restrain(&self, only: Only) -> Result<Option<Restraint<'_>>> {
        if !self.is_last {
            return Ok(None);
        }
        let restraint = self.scene.restrain(only);
        load::until_neighbours_rest(&self.scene, only).await?;
        Ok(Some(restraint))
    }

    fn note_neighbours(&self, found: Vec<Probe>) {
        let found = found.into_iter().map(|probe| Probe {
            is_alone: self.is_last,
            ..probe
        });
        self.probes.lock().neighbours.extend(found);
    }

    /// Callers who are held back may ask too little of a gateway for a fault that is seldom met: sends to it until it was.
    async fn provoke(&self, fault: Happening, before: u64) -> Result<()> {
        let sending = async {
            loop {
                self.send_to_some(fault.side()).await?;
                sleep(PROVOKE_INTERVAL).await;
            }
        };
        tokio::select! {
            () = self.until_met(fault, before) => Ok(()),
            sent = sending => sent,
            () = sleep(script::LONGEST * 5) => Ok(()),
        }
    }

    /// An alert to some devices at a gateway that stay.
    async fn send_to_some(&self, gateway: Gateway) -> Result<()> {
        let app = STEADFAST as u32;
        let devices: Vec<u32> = {
            let books = self.scene.books.lock();
            let is_there = |device: &DeviceEntry| {
                let mut addresses = device.addresses.iter();
                device.app == app
                    && device.is_steady
                    && addresses.any(|at| books.addresses[*at as usize].gateway == gateway)
            };
            let all = (0u32..).zip(&books.devices);
            let there = all.filter(|(_, device)| is_there(device));
            there.map(|(place, _)| place).take(SOME).collect()
        };
        let entered = self.scene.enter(Wanted {
            app,
            kind: Kind::Alert,
            on_unknown: OnUnknown::Resend,
            audience: Audience::Devices(devices),
            expires_at: None,
            due: None,
        })?;
        self.scene.send_surely(entered).await.map(drop)
    }

    /// An alert to the first device of an App at a gateway: there is something that meets a fault.
    async fn send_to_first(&self, (app, gateway): (u32, Gateway)) -> Result<()> {
        let first = self.scene.books.lock().first_device(app, gateway);
        let entered = self.scene.enter(Wanted {
            app,
            kind: Kind::Alert,
            on_unknown: OnUnknown::Resend,
            audience: Audience::Devices(vec![first.context("nobody has such a device")?]),
            expires_at: None,
            due: None,
        })?;
        self.scene.send_surely(entered).await.map(drop)
    }

    async fn until_met(&self, fault: Happening, before: u64) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        while self.scene.gateway.count(fault) == before {
            ticks.tick().await;
        }
    }
}
