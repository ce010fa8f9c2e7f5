//! Segments: what is frozen of one when a notification is accepted, what is wrong with one that is to
//! be stored, how many devices one has.

use crate::hub::Hub;
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::expression::{Expression, Vocabulary};
use carillon_model::id::{AppNo, DeviceNo, NotificationNo};
use carillon_model::nearest::did_you_mean;
use carillon_model::problem::FieldProblem;
use carillon_model::segment::{Estimate, FrozenSegment, Sampling, SegmentDefinition};
use carillon_model::target::{Audience, Target};
use carillon_ports::segment::SegmentFilter;
use carillon_ports::store::StoreError;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Most names of attributes that are kept of a sample, and of campaigns of which one may have been meant.
const MAX_NAMES: u32 = 1_000;

/// What is to be said of a segment that is to be stored or asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentCheck {
    /// Why it is refused.
    pub problems: Vec<FieldProblem>,
    /// What may not be meant, and is taken all the same.
    pub warnings: Vec<FieldProblem>,
}

/// An exact count, as far as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountProgress {
    /// The instant that `ago(…)` counts back from, the same to the end.
    pub now: UnixMs,
    /// Devices up to this number were looked at.
    pub looked_to: DeviceNo,
    /// How many devices were looked at.
    pub looked_at: u64,
    /// For how many of them it holds.
    pub matched: u64,
    /// Whether there are none left.
    pub finished: bool,
}

impl CountProgress {
    /// Nothing was counted yet.
    #[must_use]
    pub fn begin(now: UnixMs) -> Self {
        Self {
            now,
            looked_to: DeviceNo(0),
            looked_at: 0,
            matched: 0,
            finished: false,
        }
    }
}

/// A stored segment, read. `None` for what only a newer server can have written.
#[must_use]
pub fn read(stored: &Definition) -> Option<SegmentDefinition> {
    serde_json::from_str(&stored.body).ok()
}

/// A segment as it is now, for a notification that is accepted now. The problem points to the target.
pub(crate) fn freeze(hub: &Hub, app: AppNo, name: &str) -> Result<FrozenSegment, FieldProblem> {
    let kind = DefinitionKind::Segment;
    let directory = hub.directory.load();
    let problem = |message| FieldProblem::new("/target/segment", "target.unknown_segment", message);
    let Some(stored) = directory.definition(app, kind, name) else {
        let known = directory.definitions(app, kind);
        let hint = did_you_mean(name, known.map(|(known, _)| &*known.name));
        return Err(problem(format!(
            "expected the name of a segment of this App, found {name:?}{hint}"
        )));
    };
    match read(stored) {
        Some(definition) => Ok(FrozenSegment {
            version: stored.version,
            filter: definition.filter,
            campaigns: BTreeMap::new(),
        }),
        None => Err(problem(format!(
            "this server cannot read the segment {name:?}: a newer one wrote it"
        ))),
    }
}

/// The campaigns that an expression asks about; or what is wrong with their names, with places in its text.
async fn campaigns(
    hub: &Hub,
    app: AppNo,
    expression: &Expression,
) -> Result<Result<BTreeMap<String, NotificationNo>, Vec<FieldProblem>>, StoreError> {
    let store = &hub.parts.store;
    let (mut known, mut problems) = (BTreeMap::new(), Vec::new());
    for (_, name, line, column) in expression.campaigns() {
        if known.contains_key(&name) {
            continue;
        }
        if let Some(no) = store.campaign_named(app, name.clone()).await? {
            known.insert(name, no);
            continue;
        }
        let names = store.campaign_names(app, MAX_NAMES).await?;
        let hint = did_you_mean(&name, names.iter().map(String::as_str));
        let message =
            format!("expected the name of a campaign whose record is kept, found {name:?}{hint}");
        let problem = FieldProblem::new("/filter", "segment.unknown_campaign", message);
        problems.push(problem.at(line, column));
    }
    Ok(if problems.is_empty() {
        Ok(known)
    } else {
        Err(problems)
    })
}

/// Finds the campaigns that a segment of a notification asks about. One that is not kept any more is a problem: nobody
/// can tell any more to whom `not opened('it')` would go.
pub(crate) async fn find_campaigns(
    hub: &Hub,
    app: AppNo,
    target: &Target,
    segment: &mut Option<FrozenSegment>,
) -> Result<Result<(), Vec<FieldProblem>>, StoreError> {
    let Some(frozen) = segment else {
        return Ok(Ok(()));
    };
    // What cannot be read is told by who asks it.
    let Ok(expression) = Expression::parse_in(&frozen.filter, &Vocabulary::SEGMENT) else {
        return Ok(Ok(()));
    };
    let found = campaigns(hub, app, &expression).await?;
    Ok(found
        .map(|known| {
            let numbers = known.into_iter().map(|(name, no)| (name, no.0));
            frozen.campaigns = numbers.collect();
        })
        .map_err(|problems| {
            let name = match target {
                Target::Segment(name) => &**name,
                _ => "",
            };
            let of_segment = |problem: FieldProblem| {
                let message = format!("the segment {name:?}: {}", problem.message);
                FieldProblem::new("/target/segment", problem.code, message)
            };
            problems.into_iter().map(of_segment).collect()
        }))
}

/// What an audience asks of its devices, as of `now`.
pub(crate) fn filter_of(
    audience: &Audience,
    now: UnixMs,
) -> Result<Option<SegmentFilter>, FieldProblem> {
    let Some(expression) = audience.filter()? else {
        return Ok(None);
    };
    let campaigns = audience
        .segment
        .iter()
        .flat_map(|segment| &segment.campaigns);
    let campaigns = campaigns.map(|(name, no)| (name.clone(), NotificationNo(*no)));
    let filter = SegmentFilter::new(expression, now);
    Ok(Some(filter.about(campaigns.collect())))
}

/// What is to be said of a definition.
pub(crate) async fn check(
    hub: &Hub,
    app: AppNo,
    definition: &SegmentDefinition,
) -> Result<SegmentCheck, StoreError> {
    let mut check = SegmentCheck {
        problems: definition.problems(),
        warnings: Vec::new(),
    };
    let Ok(expression) = definition.expression() else {
        return Ok(check);
    };
    let found = campaigns(hub, app, &expression).await?;
    check.problems.extend(found.err().unwrap_or_default());
    if !expression.fields_of("attributes").is_empty() {
        let config = &hub.parts.config;
        let sampling = Sampling {
            ranges: config.segment_places,
            devices: config.segment_names_sample,
            random: hub.parts.clock.random(),
        };
        let registry = &hub.parts.registry;
        let known = registry.attribute_names(app, sampling, MAX_NAMES).await?;
        for finding in definition.attribute_findings(&known) {
            if finding.is_mistyped {
                check.problems.push(finding.problem);
            } else {
                check.warnings.push(finding.problem);
            }
        }
    }
    Ok(check)
}

/// How many devices a definition means, about.
pub(crate) async fn estimate(
    hub: &Hub,
    app: AppNo,
    definition: &SegmentDefinition,
) -> Result<Result<Estimate, Vec<FieldProblem>>, StoreError> {
    let expression = match definition.expression() {
        Ok(expression) => expression,
        Err(problem) => return Ok(Err(vec![problem])),
    };
    let config = &hub.parts.config;
    let sampling = Sampling {
        ranges: config.segment_places,
        devices: config.segment_sample,
        random: hub.parts.clock.random(),
    };
    let known = match campaigns(hub, app, &expression).await? {
        Ok(known) => known,
        Err(problems) => return Ok(Err(problems)),
    };
    let filter = SegmentFilter::new(expression, hub.parts.clock.now()).about(known);
    let registry = &hub.parts.registry;
    let sample = registry.sample_segment(app, filter, sampling).await?;
    Ok(Ok(Estimate::of(&sample)))
}

/// Counts on, at most until the deadline, in slices between which others get their turn.
pub(crate) async fn count(
    hub: &Hub,
    app: AppNo,
    definition: &SegmentDefinition,
    mut progress: CountProgress,
) -> Result<Result<CountProgress, Vec<FieldProblem>>, StoreError> {
    let expression = match definition.expression() {
        Ok(expression) => expression,
        Err(problem) => return Ok(Err(vec![problem])),
    };
    let known = match campaigns(hub, app, &expression).await? {
        Ok(known) => known,
        Err(problems) => return Ok(Err(problems)),
    };
    let filter = SegmentFilter::new(expression, progress.now).about(known);
    let config = &hub.parts.config;
    let end = Instant::now() + Duration::from_millis(config.segment_count_ms.into());
    let registry = &hub.parts.registry;
    while !progress.finished {
        let (after, scan) = (progress.looked_to, config.segment_slice);
        let slice = registry
            .count_segment(app, filter.clone(), after, scan)
            .await?;
        progress.looked_to = slice.looked_to;
        progress.looked_at += slice.looked_at;
        progress.matched += slice.matched;
        progress.finished = slice.finished;
        if Instant::now() >= end {
            break;
        }
    }
    Ok(Ok(progress))
}
