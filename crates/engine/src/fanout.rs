//! Fan-out: a target that is too large for one transaction becomes batches, page by page. Each page and
//! its checkpoint are one transaction, so a crash neither skips a device nor takes it twice.
//!
//! Pages go to the store only; dispatch claims them when a lane has room. So memory stays flat, however
//! large the audience. Several fan-outs take turns.

use crate::campaign;
use crate::dispatch::pause_ms;
use crate::hub::Hub;
use crate::live_activity::crowd;
use crate::moment::ms;
use crate::segment::filter_of;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::batch::BatchDevices;
use carillon_model::body::{BadgeChange, Body, LateSource};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{DeviceNo, ListNo};
use carillon_model::lane::{Class, Gateway, Lane};
use carillon_model::push_type::Reach;
use carillon_model::target::Target;
use carillon_ports::fault;
use carillon_ports::segment::SegmentFilter;
use carillon_ports::store::{
    DueFanouts, Fanout, FanoutPage, NewBatch, NotificationHead, Recipient, StoreError,
};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Most fan-outs that take turns; the others wait for their end.
const AT_ONCE: u32 = 16;
/// Work of campaigns that is brought back in one slice.
const BRING_BACK: u32 = 200;

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let config = &shared.hub.parts.config;
    let mut refusals = 0;
    loop {
        if shared.hub.is_stopping() {
            return;
        }
        match round(&shared).await {
            Ok(None) => {
                refusals = 0;
                tokio::task::yield_now().await;
            }
            Ok(Some(next)) => {
                refusals = 0;
                let longest = ms(config.fanout_interval_ms);
                let sleep = next.map_or(longest, |at| longest.min(until(&shared, at)));
                tokio::select! {
                    () = shared.hub.bells.fanout.notified() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
            }
            Err(error) => {
                if !shared.hub.store_refused("fanning out", &error) {
                    return;
                }
                refusals += 1;
                let pause = pause_ms(config.store_retry_max_ms, refusals);
                tokio::time::sleep(ms(pause)).await;
            }
        }
    }
}

/// How long it is to an instant.
fn until(shared: &Shared, at: UnixMs) -> Duration {
    let wait = at.saturating_sub(shared.hub.parts.clock.now()).max(1);
    Duration::from_millis(wait as u64)
}

/// Works on the fan-outs of which a page is due, one each in turns, until they are done. `Some`: there was
/// none, and when there will be one.
async fn round(shared: &Shared) -> Result<Option<Option<UnixMs>>, StoreError> {
    // What was put aside of campaigns that go on.
    while shared.hub.parts.store.bring_back(BRING_BACK).await? > 0 {
        shared.hub.bells.dispatch.notify_one();
        if shared.hub.is_stopping() {
            return Ok(Some(None));
        }
        tokio::task::yield_now().await;
    }
    let found = due(shared).await?;
    let mut open = found.due;
    let count = open.len() as u32;
    shared.hub.fanouts.store(count, Relaxed);
    if open.is_empty() {
        return Ok(Some(found.next));
    }
    while !open.is_empty() {
        shared.be_current().await?;
        let mut next = Vec::with_capacity(open.len());
        for fanout in open {
            if shared.hub.is_stopping() {
                return Ok(Some(None));
            }
            match fanout.campaign.clone() {
                // What is to be done next for it is read anew.
                Some(campaign) => campaign::step(shared, &fanout, &campaign).await?,
                None => next.extend(page(shared, fanout).await?),
            }
            tokio::task::yield_now().await;
        }
        // New ones join the turns at once.
        open = refill(shared, next).await?;
        shared.hub.fanouts.store(open.len() as u32, Relaxed);
    }
    Ok(None)
}

/// Fan-outs of which a page is due. After a restore campaigns rest with everything else that happens later.
async fn due(shared: &Shared) -> Result<DueFanouts, StoreError> {
    let store = &shared.hub.parts.store;
    let now = shared.hub.parts.clock.now();
    let mut found = store.fanouts(now, AT_ONCE).await?;
    let is_campaign = |fanout: &Fanout| fanout.campaign.is_some();
    if found.due.iter().any(is_campaign) && store.is_scheduler_paused().await? {
        found.due.retain(|fanout| !is_campaign(fanout));
    }
    Ok(found)
}

async fn refill(shared: &Shared, mut open: Vec<Fanout>) -> Result<Vec<Fanout>, StoreError> {
    if (open.len() as u32) < AT_ONCE {
        for fanout in due(shared).await?.due {
            let no = fanout.notification.no;
            if !open.iter().any(|known| known.notification.no == no) {
                open.push(fanout);
            }
        }
    }
    Ok(open)
}

/// One page. Returns what is left to do.
async fn page(shared: &Shared, mut fanout: Fanout) -> Result<Option<Fanout>, StoreError> {
    let hub = &shared.hub;
    let head = &fanout.notification;
    let written = written(head);
    let starts = fanout.audience.starts.as_ref();
    let reach = starts.map_or(written.reach, |_| crowd::reach());
    let Look {
        devices,
        after,
        finished,
    } = look(hub, &fanout, reach, hub.parts.config.fanout_page).await?;
    let devices = meant(hub, &fanout.audience.except_users, devices).await?;
    let (devices, finished) = match starts {
        None => (devices, finished),
        Some(starts) => {
            let phones = crowd::phones(hub, head.app, starts, &devices, written.reach).await?;
            // Nobody is started on a channel that nothing more comes by.
            let is_over = phones.is_none();
            (phones.unwrap_or_default(), finished || is_over)
        }
    };
    let batches = batches(&fanout, &devices);
    let made = batches.len() as u32;
    let lanes: Vec<Lane> = batches.iter().map(|batch| batch.lane).collect();
    let class = head.options.class;
    let page = FanoutPage {
        notification: head.no,
        badge: written.badge,
        batches,
        after,
        finished,
        campaign: None,
        now: hub.parts.clock.now(),
    };
    let is_stored = hub.parts.store.store_fanout_page(page).await?;
    fault::stage("fanout.page_committed");
    if finished {
        // It may have been the last thing that was open.
        hub.tell();
    }
    if !is_stored {
        return Ok(None);
    }
    note_due(shared, lanes, class);
    fanout.after = after;
    fanout.next_place += made;
    Ok((!finished).then_some(fanout))
}

/// Lanes have new work in the store.
pub(crate) fn note_due(shared: &Shared, lanes: Vec<Lane>, class: Class) {
    if lanes.is_empty() {
        return;
    }
    let moment = shared.hub.moment();
    let mut core = shared.core.lock();
    for lane in lanes {
        if !shared.hub.owns(lane) {
            shared.hub.wake_others();
            continue;
        }
        let index = core.lane_index(lane, moment.at);
        let state = &mut core.lanes.all[index];
        state.gauge.mark_crowd(class);
        state.note_due(class, moment.now);
    }
    drop(core);
    shared.hub.bells.dispatch.notify_one();
}

/// How a page is found that has to look at more devices than it means.
enum By {
    Filter(SegmentFilter),
    List(ListNo),
}

/// The devices of a page, before those who are left out.
pub(crate) struct Look {
    pub(crate) devices: Vec<Recipient>,
    /// Devices up to this number are done.
    pub(crate) after: DeviceNo,
    /// Whether there are none after them.
    pub(crate) finished: bool,
}

/// At most `limit` of the next devices.
pub(crate) async fn look(
    hub: &Hub,
    fanout: &Fanout,
    reach: Reach,
    limit: u32,
) -> Result<Look, StoreError> {
    let (head, audience, store) = (&fanout.notification, &fanout.audience, &hub.parts.store);
    let config = &hub.parts.config;
    let mut look = Look {
        devices: Vec::new(),
        after: fanout.after,
        finished: true,
    };
    if hub.directory.load().app_by_no(head.app).is_none() {
        return Ok(look);
    }
    // All pages ask as of one instant.
    let filter = match filter_of(audience, head.begins_at()) {
        Ok(filter) => filter,
        // It was read when it was accepted; what cannot be read any more means nobody.
        Err(problem) => {
            let no = head.no;
            tracing::error!(notification = %no, %problem, "the audience of notification {no} cannot be read: {problem}");
            return Ok(look);
        }
    };
    let by = match (filter, audience.list) {
        (Some(filter), _) => Some(By::Filter(filter)),
        (None, list) => list.map(|list| By::List(list.no)),
    };
    let Some(by) = by else {
        let topic = match &audience.target {
            Target::Topic(name) => Some(name.clone()),
            _ => None,
        };
        look.devices = store
            .fanout_devices(head.app, topic, reach, fanout.after, limit)
            .await?;
        look.finished = (look.devices.len() as u32) < limit;
        look.after = look.devices.last().map_or(look.after, |last| last.device);
        return Ok(look);
    };
    // Where few are meant, a page looks further, so that batches do not become tiny ones.
    for _ in 0..config.fanout_scans {
        let missing = limit - look.devices.len() as u32;
        let (app, scan) = (head.app, config.fanout_scan);
        let page = match &by {
            By::Filter(filter) => {
                store.segment_devices(app, filter.clone(), reach, look.after, missing, scan)
            }
            By::List(list) => store.list_devices(app, *list, reach, look.after, missing, scan),
        };
        let page = page.await?;
        look.devices.extend(page.recipients);
        (look.after, look.finished) = (page.looked_to, page.finished);
        if look.finished || look.devices.len() as u32 >= limit || hub.is_stopping() {
            break;
        }
    }
    Ok(look)
}

/// Some devices without those whose users are left out.
pub(crate) async fn meant(
    hub: &Hub,
    except_users: &[String],
    devices: Vec<Recipient>,
) -> Result<Vec<Recipient>, StoreError> {
    if devices.is_empty() || except_users.is_empty() {
        return Ok(devices);
    }
    let numbers = devices.iter().map(|recipient| recipient.device).collect();
    let people = hub.parts.store.people(numbers).await?;
    let is_meant = |recipient: &Recipient| {
        let at = people.binary_search_by_key(&recipient.device, |person| person.device);
        let Ok(at) = at else {
            return false;
        };
        let person = &people[at];
        let is_left_out = |user: &String| except_users.contains(user);
        !person.user_id.as_ref().is_some_and(is_left_out)
    };
    Ok(devices.into_iter().filter(is_meant).collect())
}

/// What a fan-out needs to know of what it says.
pub(crate) struct Written {
    /// By what its devices are reached: the gateways that it is written for.
    pub(crate) reach: Reach,
    /// What becomes of badge counters.
    pub(crate) badge: Option<BadgeChange>,
}

pub(crate) fn written(head: &NotificationHead) -> Written {
    let Ok(body) = Body::decode(&head.payload) else {
        return Written {
            reach: Reach::only(head.options.token_kind),
            badge: None,
        };
    };
    let badge = match &body {
        Body::Ready(_) => None,
        // What cannot be read counts nothing, and fails when it is sent, with the reason.
        Body::Late(late) => serde_json::from_slice::<LateSource>(&late.source)
            .ok()
            .and_then(|source| source.badge),
    };
    Written {
        reach: head.options.reach(body.gateways()),
        badge,
    }
}

/// The batches of a page: one for each lane.
pub(crate) fn batches(fanout: &Fanout, devices: &[Recipient]) -> Vec<NewBatch> {
    let head = &fanout.notification;
    let mut lanes: Vec<((Gateway, TokenEnvironment), Vec<DeviceNo>)> = Vec::new();
    for recipient in devices {
        let to = (recipient.gateway, recipient.environment);
        match lanes.iter_mut().find(|(of, _)| *of == to) {
            Some((_, of_lane)) => of_lane.push(recipient.device),
            None => lanes.push((to, vec![recipient.device])),
        }
    }
    let mut batches = Vec::new();
    for ((gateway, environment), of_lane) in lanes {
        batches.push(NewBatch {
            no: head.no.batch(fanout.next_place + batches.len() as u32),
            devices: BatchDevices::new(of_lane),
            lane: Lane {
                app: head.app,
                gateway,
                environment,
            },
            class: head.options.class,
            hot: false,
        });
    }
    batches
}
