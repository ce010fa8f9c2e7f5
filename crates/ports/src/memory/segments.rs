//! Segments of the fake: every device is asked by the expression's own evaluator.

use super::state::State;
use crate::segment::{SegmentFilter, SegmentPage, SegmentSlice};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::push_type::Reach;
use carillon_model::segment::{Sampling, SegmentSample};
use std::collections::BTreeSet;

impl State {
    fn numbers_after(&self, app: AppNo, after: DeviceNo) -> impl Iterator<Item = DeviceNo> {
        let of_app = self.devices.iter().filter(move |(_, row)| row.app == app);
        of_app.map(|(no, _)| *no).filter(move |no| *no > after)
    }

    fn is_meant(&self, filter: &SegmentFilter, no: DeviceNo) -> bool {
        let told = |of: NotificationNo, kind| self.has_told(no, of, kind);
        self.person(no)
            .is_some_and(|person| filter.holds(&person, told))
    }

    pub(super) fn segment_page(
        &self,
        app: AppNo,
        filter: &SegmentFilter,
        reach: Reach,
        after: DeviceNo,
        limit: u32,
        scan: u32,
    ) -> SegmentPage {
        let mut page = SegmentPage {
            recipients: Vec::new(),
            looked_to: after,
            finished: false,
        };
        let is_living = |no: &DeviceNo| self.is_within_reach(*no, reach);
        let living = self.numbers_after(app, after).filter(is_living);
        for (looked_at, no) in (0..).zip(living) {
            if looked_at == scan || page.recipients.len() == limit as usize {
                return page;
            }
            page.looked_to = no;
            if self.is_meant(filter, no) {
                page.recipients.push(self.recipient(no, reach));
            }
        }
        page.finished = true;
        page
    }

    pub(super) fn segment_slice(
        &self,
        app: AppNo,
        filter: &SegmentFilter,
        after: DeviceNo,
        scan: u32,
    ) -> SegmentSlice {
        let all: Vec<_> = self.numbers_after(app, after).collect();
        let looked: Vec<_> = all.iter().copied().take(scan as usize).collect();
        SegmentSlice {
            looked_at: looked.len() as u64,
            matched: looked
                .iter()
                .filter(|no| self.is_meant(filter, **no))
                .count() as u64,
            looked_to: looked.last().copied().unwrap_or(after),
            finished: looked.len() == all.len(),
        }
    }

    /// The devices of a sample, by range.
    fn sampled(&self, app: AppNo, sampling: Sampling) -> (bool, Vec<Vec<DeviceNo>>) {
        let all: Vec<_> = self.numbers_after(app, DeviceNo(i64::MIN)).collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else {
            return (true, Vec::new());
        };
        if all.len() <= sampling.devices as usize {
            return (true, vec![all]);
        }
        let places = sampling.places(*first, *last, all.len() as u64);
        let ranges = places.map(|(from, to)| {
            let inside = all.iter().filter(|no| (from..=to).contains(*no));
            inside.copied().collect()
        });
        (false, ranges.collect())
    }

    pub(super) fn segment_sample(
        &self,
        app: AppNo,
        filter: &SegmentFilter,
        sampling: Sampling,
    ) -> SegmentSample {
        let (is_whole, ranges) = self.sampled(app, sampling);
        let ranges = ranges.iter().map(|range| {
            let found = range.iter().filter(|no| self.is_meant(filter, **no));
            (range.len() as u32, found.count() as u32)
        });
        SegmentSample {
            total: self.numbers_after(app, DeviceNo(i64::MIN)).count() as u64,
            ranges: ranges.collect(),
            is_whole,
        }
    }

    pub(super) fn attribute_names(
        &self,
        app: AppNo,
        sampling: Sampling,
        limit: u32,
    ) -> Vec<String> {
        let (_, ranges) = self.sampled(app, sampling);
        let mut names = BTreeSet::new();
        for no in ranges.iter().flatten() {
            let person = self.person(*no);
            let read = person
                .as_ref()
                .and_then(|person| person.facts().read_attributes());
            if let Some(serde_json::Value::Object(attributes)) = read {
                names.extend(attributes.into_iter().map(|(name, _)| name));
            }
        }
        names.into_iter().take(limit as usize).collect()
    }
}
