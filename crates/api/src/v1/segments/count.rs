//! `POST /v1/apps/{app}/segments/{name}/count`

use super::read;
use crate::answer;
use crate::auth::Caller;
use crate::page::List;
use crate::params::{Params, PathOf, bad_cursor};
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::definitions::SEGMENTS;
use axum::extract::State;
use axum::response::Response;
use carillon_engine::segment::CountProgress;
use carillon_model::definition::Definition;
use carillon_model::id::DeviceNo;
use carillon_ports::registry::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const COUNT: List = List("cnt");

/// Query of a count.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CountParams {
    /// `next` of a count that was not complete: goes on from there.
    cursor: Option<String>,
}

/// How many devices a segment has, counted one by one.
#[derive(Serialize, ToSchema)]
#[schema(as = SegmentCount)]
pub(crate) struct CountView<'a> {
    /// The segment.
    segment: &'a str,
    /// The version that was asked.
    version: u32,
    /// How many devices it has among those that were looked at.
    count: u64,
    /// How many devices of the App were looked at.
    looked_at: u64,
    /// Whether these were all.
    complete: bool,
    /// Pass it as `cursor` to go on; null when it is complete.
    next: Option<String>,
}

problems!(GUARDED, IN_APP, READS; SEGMENT_UNKNOWN, REQUEST_CURSOR);

/// Count the devices of a segment.
///
/// Every device of the App is asked, with push tokens or without. When that takes longer than
/// `engine.segment_count`, the answer says how far it came and what to go on with: the numbers of the
/// last answer are those of all. `ago(…)` counts back from the first call, and a change of the segment
/// ends the count. Needs the scope `read` or `send`.
#[utoipa::path(
    post, path = "/v1/apps/{app}/segments/{name}/count", operation_id = "segment_count", tag = "segments",
    params(
        ("app" = String, Path, description = "Id of the App"),
        ("name" = String, Path, description = "Name of the segment"),
        CountParams,
    ),
    responses((status = 200, description = "The number, or how far it came.", body = CountView), Problems),
)]
pub(crate) async fn count(
    State(api): State<Api>,
    caller: Caller,
    PathOf((app, name)): PathOf<(String, String)>,
    Params(params): Params<CountParams>,
) -> Result<Response, Problem> {
    let app = caller.app(&app, &[Scope::Read, Scope::Send])?;
    let stored = SEGMENTS.find(&caller, app, &name)?;
    let definition = read(stored)?;
    let progress = match params.cursor.as_deref() {
        None => CountProgress::begin(api.now()),
        Some(cursor) => resume(cursor, stored)?,
    };
    let counted = api
        .engine
        .segment_count(app.no, &definition, progress)
        .await?;
    let counted = counted.map_err(Problem::invalid)?;
    answer::ok(&CountView {
        segment: &stored.name,
        version: stored.version,
        count: counted.matched,
        looked_at: counted.looked_at,
        complete: counted.finished,
        next: (!counted.finished).then(|| cursor_of(stored, &counted)),
    })
}

fn cursor_of(stored: &Definition, progress: &CountProgress) -> String {
    COUNT.cursor(format!(
        "{}.{}.{}.{}.{}.{}",
        stored.no,
        stored.version,
        progress.now,
        progress.looked_to,
        progress.looked_at,
        progress.matched
    ))
}

fn resume(cursor: &str, stored: &Definition) -> Result<CountProgress, Problem> {
    let numbers: Option<Vec<i64>> = COUNT
        .key(cursor)?
        .split('.')
        .map(|number| number.parse().ok().filter(|number| *number >= 0))
        .collect();
    let Some([no, version, now, looked_to, looked_at, matched]) = numbers.as_deref() else {
        return Err(bad_cursor(cursor));
    };
    if (*no, *version) != (stored.no.0, stored.version.into()) {
        return Err(Problem::new(
            &codes::REQUEST_CURSOR,
            format!(
                "{cursor:?} is of another segment, or of another version of {}: begin anew",
                stored.name
            ),
        ));
    }
    Ok(CountProgress {
        now: *now,
        looked_to: DeviceNo(*looked_to),
        looked_at: looked_at.unsigned_abs(),
        matched: matched.unsigned_abs(),
        finished: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::definition::DefinitionKind;
    use carillon_model::id::{AppNo, DefinitionNo};

    #[test]
    fn a_count_goes_on_only_with_what_it_counted() {
        let stored = Definition {
            no: DefinitionNo(7),
            app: AppNo(1),
            kind: DefinitionKind::Segment,
            name: "vips".into(),
            version: 3,
            body: String::new(),
            created_at: 0,
            updated_at: 0,
        };
        let progress = CountProgress {
            now: 1_800_000_000_000,
            looked_to: DeviceNo(20_000),
            looked_at: 19_000,
            matched: 12,
            finished: false,
        };
        let cursor = cursor_of(&stored, &progress);
        assert_eq!(resume(&cursor, &stored).unwrap(), progress);
        let changed = Definition {
            version: 4,
            ..stored.clone()
        };
        for (cursor, stored) in [
            (&*cursor, &changed),
            ("cnt-1.2", &stored),
            ("cnt-7.3.x.1.1.1", &stored),
        ] {
            let problem = resume(cursor, stored).unwrap_err();
            assert_eq!(problem.code().code, "request.cursor", "{cursor}");
        }
    }
}
