//! Segments on SQL: pages for a fan-out, samples, counts. What an expression becomes is
//! [`compile`](compile::compile)'s business; whoever SQL cannot judge is judged by the evaluator here.

mod compile;
mod dialect;
mod found;
mod json;
mod sql;

#[cfg(test)]
mod tests;

use crate::db::{Connection, OptionalExtension, Statement, params, params_from_iter};
use crate::error::Done;
use crate::hot::{PERSON, fanout_devices, person};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::push_type::Reach;
use carillon_model::receipts::ReceiptKind;
use carillon_model::segment::{Sampling, SegmentSample};
use carillon_ports::segment::{SegmentFilter, SegmentPage, SegmentSlice};
use compile::{Plan, compile};
use sql::Param;
use std::collections::BTreeSet;

pub(crate) fn page(
    conn: &Connection,
    app: AppNo,
    filter: &SegmentFilter,
    reach: Reach,
    after: DeviceNo,
    limit: u32,
    scan: u32,
) -> Done<SegmentPage> {
    let candidates = fanout_devices(conn, app, None, reach, after, scan)?;
    let (Some(first), Some(last)) = (candidates.first(), candidates.last()) else {
        return Ok(SegmentPage {
            recipients: Vec::new(),
            looked_to: after,
            finished: true,
        });
    };
    let mut page = SegmentPage {
        recipients: Vec::new(),
        looked_to: last.device,
        finished: (candidates.len() as u32) < scan,
    };
    let (from, to) = (first.device, last.device);
    let mut asked = Asked::new(conn, filter, app)?;
    let mut candidates = candidates.into_iter().peekable();
    asked.each(from, to, |device| {
        while candidates.next_if(|to| to.device < device).is_some() {}
        if let Some(recipient) = candidates.next_if(|to| to.device == device) {
            page.recipients.push(recipient);
        }
        (page.recipients.len() as u32) < limit
    })?;
    if page.recipients.len() as u32 == limit && candidates.peek().is_some() {
        page.finished = false;
        page.looked_to = page.recipients.last().map_or(after, |last| last.device);
    }
    Ok(page)
}

pub(crate) fn slice(
    conn: &Connection,
    app: AppNo,
    filter: &SegmentFilter,
    after: DeviceNo,
    scan: u32,
) -> Done<SegmentSlice> {
    let mut bounds = conn.prepare(
        "SELECT device_no FROM devices WHERE app_no = ?1 AND device_no > ?2 ORDER BY device_no LIMIT 1 OFFSET ?3",
    )?;
    let mut at = |offset: u32| -> Done<Option<DeviceNo>> {
        let found = bounds.query_row(params![app.0, after.0, offset], |row| {
            Ok(DeviceNo(row.get(0)?))
        });
        Ok(found.optional()?)
    };
    let Some(first) = at(0)? else {
        return Ok(SegmentSlice {
            looked_at: 0,
            matched: 0,
            looked_to: after,
            finished: true,
        });
    };
    let (to, finished) = match at(scan.saturating_sub(1))? {
        Some(last) => (last, at(scan)?.is_none()),
        None => (last_device(conn, app)?.unwrap_or(first), true),
    };
    let mut asked = Asked::new(conn, filter, app)?;
    let (looked_at, matched) = asked.count(first, to)?;
    Ok(SegmentSlice {
        looked_at: looked_at.into(),
        matched: matched.into(),
        looked_to: to,
        finished,
    })
}

pub(crate) fn sample(
    conn: &Connection,
    app: AppNo,
    filter: &SegmentFilter,
    sampling: Sampling,
) -> Done<SegmentSample> {
    let mut asked = Asked::new(conn, filter, app)?;
    let places = Places::of(conn, app, sampling)?;
    let mut sample = SegmentSample {
        total: places.total,
        ranges: Vec::with_capacity(places.ranges.len()),
        is_whole: places.is_whole,
    };
    for (from, to) in places.ranges {
        sample.ranges.push(asked.count(from, to)?);
    }
    Ok(sample)
}

pub(crate) fn attribute_names(
    conn: &Connection,
    app: AppNo,
    sampling: Sampling,
    limit: u32,
) -> Done<Vec<String>> {
    let mut statement = conn.prepare(
        "SELECT attributes FROM devices INDEXED BY devices_app
         WHERE app_no = ?1 AND device_no BETWEEN ?2 AND ?3 AND attributes IS NOT NULL",
    )?;
    let mut names = BTreeSet::new();
    for (from, to) in Places::of(conn, app, sampling)?.ranges {
        let mut found = statement.query(params![app.0, from.0, to.0])?;
        while let Some(row) = found.next()? {
            let read = serde_json::from_str(row.get_ref(0)?.as_str().unwrap_or_default());
            if let Ok(serde_json::Value::Object(attributes)) = read {
                names.extend(attributes.into_iter().map(|(name, _)| name));
            }
        }
    }
    Ok(names.into_iter().take(limit as usize).collect())
}

/// Where a sample is taken.
struct Places {
    total: u64,
    is_whole: bool,
    ranges: Vec<(DeviceNo, DeviceNo)>,
}

impl Places {
    fn of(conn: &Connection, app: AppNo, sampling: Sampling) -> Done<Self> {
        let total: i64 = conn
            .prepare_cached("SELECT count(*) FROM devices WHERE app_no = ?1")?
            .query_row([app.0], |row| row.get(0))?;
        let total = total.unsigned_abs();
        let ends = (first_device(conn, app)?, last_device(conn, app)?);
        let (Some(first), Some(last)) = ends else {
            return Ok(Self {
                total: 0,
                is_whole: true,
                ranges: Vec::new(),
            });
        };
        let is_whole = total <= u64::from(sampling.devices);
        let ranges = if is_whole {
            vec![(first, last)]
        } else {
            sampling.places(first, last, total).collect()
        };
        Ok(Self {
            total,
            is_whole,
            ranges,
        })
    }
}

fn first_device(conn: &Connection, app: AppNo) -> Done<Option<DeviceNo>> {
    end_device(conn, app, "min")
}

fn last_device(conn: &Connection, app: AppNo) -> Done<Option<DeviceNo>> {
    end_device(conn, app, "max")
}

fn end_device(conn: &Connection, app: AppNo, which: &str) -> Done<Option<DeviceNo>> {
    let sql = format!("SELECT {which}(device_no) FROM devices WHERE app_no = ?1");
    let found: Option<i64> = conn
        .prepare_cached(&sql)?
        .query_row([app.0], |row| row.get(0))?;
    Ok(found.map(DeviceNo))
}

/// A filter ready to be asked of ranges of an App's devices.
struct Asked<'a> {
    filter: &'a SegmentFilter,
    app: AppNo,
    plan: Plan,
    /// What the evaluator asks of what devices told, in the order of its columns.
    told: Vec<(NotificationNo, ReceiptKind)>,
    /// Devices for which it may hold, with what the evaluator needs where SQL does not decide.
    devices: Statement<'a>,
    /// How many there are.
    all: Statement<'a>,
    /// For how many it holds, where SQL decides.
    matched: Option<Statement<'a>>,
}

/// Columns of [`PERSON`].
const PERSON_COLUMNS: usize = 12;

impl<'a> Asked<'a> {
    /// Prepared anew each time: every segment has a text of its own, and would push the statements of
    /// sending out of the cache.
    fn new(conn: &'a Connection, filter: &'a SegmentFilter, app: AppNo) -> Done<Self> {
        let mut plan = compile(filter, conn.dialect());
        let told = if plan.is_exact() {
            Vec::new()
        } else {
            filter.asks()
        };
        for (no, kind) in &told {
            let column = compile::told(*no, *kind);
            plan.bounds.under = std::mem::take(&mut plan.bounds.under)
                .then_raw(", ")
                .then(column);
        }
        let range = "FROM devices d INDEXED BY devices_app WHERE d.app_no = ? AND d.device_no BETWEEN ? AND ?";
        let over = &plan.bounds.over.text;
        let columns = if plan.is_exact() {
            "d.device_no".to_owned()
        } else {
            format!("{PERSON}, {}", plan.bounds.under.text)
        };
        let devices = format!("SELECT {columns} {range} AND {over} ORDER BY d.device_no");
        let matched = plan
            .is_exact()
            .then(|| conn.prepare(&format!("SELECT count(*) {range} AND {over}")));
        Ok(Self {
            filter,
            app,
            devices: conn.prepare(&devices)?,
            all: conn.prepare(&format!("SELECT count(*) {range}"))?,
            matched: matched.transpose()?,
            plan,
            told,
        })
    }

    /// Numbers of devices for which it holds, ascending, until `visit` says no.
    fn each(
        &mut self,
        from: DeviceNo,
        to: DeviceNo,
        mut visit: impl FnMut(DeviceNo) -> bool,
    ) -> Done<()> {
        let is_exact = self.plan.is_exact();
        let range = self.range(from, to);
        let under = self.plan.bounds.under.params.iter().filter(|_| !is_exact);
        let over = &self.plan.bounds.over.params;
        let params = params_from_iter(under.chain(&range).chain(over));
        let mut found = self.devices.query(params)?;
        while let Some(row) = found.next()? {
            let is_meant = is_exact || row.get(PERSON_COLUMNS)? || {
                let mut answers = Vec::with_capacity(self.told.len());
                for at in 0..self.told.len() {
                    answers.push(row.get::<_, bool>(PERSON_COLUMNS + 1 + at)?);
                }
                let told = |no, kind| {
                    let at = self.told.iter().position(|asked| *asked == (no, kind));
                    at.is_some_and(|at| answers[at])
                };
                self.filter.holds(&person(row)?, told)
            };
            if is_meant && !visit(DeviceNo(row.get(0)?)) {
                break;
            }
        }
        Ok(())
    }

    /// How many devices there are in a range, and for how many of them it holds.
    fn count(&mut self, from: DeviceNo, to: DeviceNo) -> Done<(u32, u32)> {
        let range = self.range(from, to);
        let all = self
            .all
            .query_row(params_from_iter(&range), |row| row.get(0))?;
        if let Some(matched) = &mut self.matched {
            let params = params_from_iter(range.iter().chain(&self.plan.bounds.over.params));
            return Ok((all, matched.query_row(params, |row| row.get(0))?));
        }
        let mut matched = 0;
        self.each(from, to, |_| {
            matched += 1;
            true
        })?;
        Ok((all, matched))
    }

    fn range(&self, from: DeviceNo, to: DeviceNo) -> [Param; 3] {
        [self.app.0, from.0, to.0].map(Param::Integer)
    }
}
