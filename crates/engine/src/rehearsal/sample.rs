//! Some of a target's devices, spread over all of them: those that were registered first are often
//! unlike those that came last.

use super::MAX_SAMPLE;
use crate::draft::Draft;
use crate::fanout::meant;
use crate::hub::Hub;
use crate::resolve::{Question, resolve};
use crate::segment::{filter_of, find_campaigns};
use carillon_model::environment::TokenEnvironment;
use carillon_model::id::{AppNo, DeviceNo, ListNo};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::Reach;
use carillon_model::target::{Audience, Target};
use carillon_ports::store::{Recipient, StoreError};

/// Places that a sample is taken from, evenly apart by the devices' numbers.
const PLACES: i64 = 10;
/// Devices that are read at once, at least.
const PAGE: u32 = 100;
/// Most pages that are read at each place: a condition may hold for few.
const PAGES: u32 = 10;

/// Some of an audience.
pub(super) struct Sample {
    /// At most as many as were asked for, ascending.
    pub(super) recipients: Vec<Recipient>,
    /// How many there are; `None`: nobody counted.
    pub(super) of: Option<u64>,
}

/// At most `most` devices of what a draft is for. Without any: what is wrong.
pub(super) async fn take(
    hub: &Hub,
    app: AppNo,
    draft: &Draft,
    most: usize,
) -> Result<Result<Sample, Vec<FieldProblem>>, StoreError> {
    if draft.target.is_fanned_out() {
        return spread(hub, app, draft, most).await;
    }
    let question = Question {
        target: &draft.target,
        reach: draft.reach,
        declared: TokenEnvironment::Auto,
        is_due: false,
    };
    let now = hub.parts.clock.now();
    let answer = resolve(hub, app, &[question], now).await?.pop();
    Ok(answer
        .unwrap_or_else(|| Ok(Vec::new()))
        .map(|all| Sample::of(all, most)))
}

impl Sample {
    fn of(all: Vec<Recipient>, most: usize) -> Self {
        Self {
            of: Some(all.len() as u64),
            recipients: thinned(all, most),
        }
    }
}

/// Every so many of them.
fn thinned(all: Vec<Recipient>, most: usize) -> Vec<Recipient> {
    let count = all.len();
    if count <= most {
        return all;
    }
    (0..most).map(|at| all[at * count / most]).collect()
}

/// The next of a list that can be reached; fewer only where there are no more, or where they stand so far
/// apart that a fan-out would make a page of them.
async fn of_list(
    hub: &Hub,
    app: AppNo,
    list: ListNo,
    reach: Reach,
    mut after: DeviceNo,
    limit: u32,
) -> Result<Vec<Recipient>, StoreError> {
    let config = &hub.parts.config;
    let mut found = Vec::new();
    for _ in 0..config.fanout_scans {
        let missing = limit - found.len() as u32;
        let store = &hub.parts.store;
        let page = store
            .list_devices(app, list, reach, after, missing, config.fanout_scan)
            .await?;
        found.extend(page.recipients);
        after = page.looked_to;
        if page.finished || found.len() as u32 >= limit {
            break;
        }
    }
    Ok(found)
}

async fn spread(
    hub: &Hub,
    app: AppNo,
    draft: &Draft,
    most: usize,
) -> Result<Result<Sample, Vec<FieldProblem>>, StoreError> {
    let (reach, target) = (draft.reach, &draft.target);
    let topic = match target {
        Target::Topic(name) => Some(name.clone()),
        _ => None,
    };
    let audience = Audience {
        target: target.clone(),
        except_users: draft.except_users.clone(),
        segment: draft.segment.clone(),
        list: draft.list,
        starts: None,
    };
    let page = async |after: i64, limit: u32| match audience.list {
        Some(list) => of_list(hub, app, list.no, reach, DeviceNo(after), limit).await,
        None => {
            let (store, topic) = (&hub.parts.store, topic.clone());
            store
                .fanout_devices(app, topic, reach, DeviceNo(after), limit)
                .await
        }
    };
    let now = hub.parts.clock.now();
    let mut segment = draft.segment.clone();
    if let Err(problems) = find_campaigns(hub, app, target, &mut segment).await? {
        return Ok(Err(problems));
    }
    let audience = Audience {
        segment,
        ..audience
    };
    let filter = match filter_of(&audience, now) {
        Ok(filter) => filter,
        Err(problem) => return Ok(Err(vec![problem])),
    };
    let meant = async |mut devices: Vec<Recipient>| {
        if let (Some(filter), Some(first)) = (&filter, devices.first()) {
            // The store asks the same devices again that this page has.
            let (after, count) = (DeviceNo(first.device.0 - 1), devices.len() as u32);
            let store = &hub.parts.store;
            let asked = store.segment_devices(app, filter.clone(), reach, after, count, count);
            devices = asked.await?.recipients;
        }
        meant(hub, &audience.except_users, devices).await
    };
    // A small audience is read whole.
    let all = page(0, MAX_SAMPLE).await?;
    if (all.len() as u32) < MAX_SAMPLE {
        return Ok(Ok(Sample::of(meant(all).await?, most)));
    }
    let first = all.first().map_or(0, |first| first.device.0);
    // How far the numbers go: found by doubling, then by halving to an eighth.
    let mut span = 1_i64;
    while !page(first.saturating_add(span), 1).await?.is_empty() {
        span = span.saturating_mul(2);
    }
    let mut known = span / 2;
    while span - known > span / 8 {
        let middle = known + (span - known) / 2;
        match page(first.saturating_add(middle), 1).await?.is_empty() {
            true => span = middle,
            false => known = middle,
        }
    }
    let mut taken: Vec<Recipient> = Vec::new();
    for place in 0..PLACES {
        let begin = first - 1 + span / PLACES * place;
        let last = taken.last().map_or(0, |last| last.device.0);
        let mut after = begin.max(last);
        // What earlier places did not have, later ones may give.
        let share = most * (place as usize + 1) / PLACES as usize;
        for _ in 0..PAGES {
            let missing = share.saturating_sub(taken.len()) as u32;
            if missing == 0 {
                break;
            }
            let limit = missing.max(PAGE);
            let found = page(after, limit).await?;
            let Some(end) = found.last() else {
                break;
            };
            after = end.device.0;
            let is_end = (found.len() as u32) < limit;
            let found = meant(found).await?;
            taken.extend(found.into_iter().take(missing as usize));
            if is_end {
                break;
            }
        }
    }
    Ok(Ok(Sample {
        recipients: taken,
        of: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::Gateway;

    #[test]
    fn a_thinned_list_is_spread_over_the_whole() {
        let recipient = |no| Recipient {
            device: DeviceNo(no),
            gateway: Gateway::Apns,
            environment: TokenEnvironment::Production,
        };
        let all: Vec<_> = (0..10).map(recipient).collect();
        let numbers = |taken: Vec<Recipient>| -> Vec<i64> {
            taken.iter().map(|taken| taken.device.0).collect()
        };
        assert_eq!(numbers(thinned(all.clone(), 3)), [0, 3, 6]);
        assert_eq!(numbers(thinned(all, 20)).len(), 10);
    }
}
