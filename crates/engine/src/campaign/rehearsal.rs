//! What a campaign would be: whom it would reach, what some of them would get, and what is wrong. Nothing is
//! sent or stored.

use super::own;
use crate::hub::Hub;
use crate::rehearsal::{DryRunReport, dry_run};
use crate::request::{Origin, SendItem};
use crate::segment;
use crate::source;
use carillon_model::UnixMs;
use carillon_model::campaign::{CampaignPlan, CampaignRequest};
use carillon_model::expression::TagFilter;
use carillon_model::id::AppNo;
use carillon_model::list::UploadCounts;
use carillon_model::problem::FieldProblem;
use carillon_model::segment::{Estimate, SegmentDefinition};
use carillon_model::target::Target;
use carillon_ports::store::StoreError;

/// Devices for which what it says is written.
const SAMPLE: u32 = 200;

/// See the module's words.
#[derive(Clone, Debug)]
pub struct CampaignRehearsal {
    /// How it would go, with every default filled in.
    pub plan: CampaignPlan,
    /// When it would begin; `None`: at once.
    pub begins_at: Option<UnixMs>,
    /// About how many devices it would have, from a sample; also such as have no push token.
    pub audience: Option<Estimate>,
    /// Of an audience in a linked database: what became of the first rows, which were read for this.
    pub source: Option<UploadCounts>,
    /// What was found out with some of them.
    pub report: DryRunReport,
}

pub(crate) async fn rehearse(
    hub: &Hub,
    app: AppNo,
    request: CampaignRequest,
) -> Result<Result<CampaignRehearsal, Vec<FieldProblem>>, StoreError> {
    let lead_ms = hub.parts.config.campaign_lead_ms.into();
    let mut checked = match request.check(hub.parts.clock.now(), lead_ms) {
        Ok(checked) => checked,
        Err(problems) => return Ok(Err(problems)),
    };
    let problems = audience_problems(hub, app, &checked.plan.audience).await?;
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    let send_at = checked.notification.send_at.clone();
    let mut source = None;
    if let Target::Source(name) = &checked.plan.audience {
        let except_users = std::mem::take(&mut checked.notification.except_users);
        match of_source(hub, app, name, &except_users).await? {
            Ok((target, rows)) => {
                checked.notification.target = target;
                source = Some(rows);
            }
            Err(problem) => return Ok(Err(vec![problem])),
        }
    }
    let item = SendItem {
        request: checked.notification,
        idempotency: None,
        origin: Origin::default(),
    };
    let report = match dry_run::rehearse(hub, app, item, SAMPLE).await? {
        Ok(report) => report,
        Err(problems) => return Ok(Err(own(problems))),
    };
    let now = hub.parts.clock.now();
    let begins_at = send_at.and_then(|at| at.instant().ok());
    Ok(Ok(CampaignRehearsal {
        audience: estimate(hub, app, &checked.plan.audience).await?,
        plan: checked.plan,
        begins_at: begins_at.filter(|at| *at > now),
        source,
        report,
    }))
}

/// Some devices of a source as a target of their own, and what became of the rows that were read for them.
async fn of_source(
    hub: &Hub,
    app: AppNo,
    name: &str,
    except_users: &[String],
) -> Result<Result<(Target, UploadCounts), FieldProblem>, StoreError> {
    let problem = |code, message| FieldProblem::new("/audience/source", code, message);
    if let Some(unknown) = source::problem(hub, app, name, true) {
        return Ok(Err(problem(unknown.code, unknown.message)));
    }
    let (devices, rows) = match source::sample(hub, app, name).await {
        Ok(read) => read,
        Err(error) => return Ok(Err(problem("target.source_unread", error.message))),
    };
    let devices = devices.into_iter().take(SAMPLE as usize).collect();
    let mut people = hub.parts.store.people(devices).await?;
    people.retain(|person| {
        let user = person.user_id.as_ref();
        !user.is_some_and(|user| except_users.contains(user))
    });
    if people.is_empty() {
        let message = format!(
            "none of its first {} rows names a device of this App",
            rows.rows()
        );
        return Ok(Err(problem("target.source_unread", message)));
    }
    let ids = people.into_iter().map(|person| person.id).collect();
    Ok(Ok((Target::Devices(ids), rows)))
}

/// The filter of an audience as a segment; `None`: it has none that can be asked so.
fn filter(hub: &Hub, app: AppNo, audience: &Target) -> Option<SegmentDefinition> {
    let filter = match audience {
        Target::Tags(TagFilter::Expression(filter)) => filter.clone(),
        Target::Segment(name) => segment::freeze(hub, app, name).ok()?.filter,
        _ => return None,
    };
    Some(SegmentDefinition {
        filter,
        new_attributes: Vec::new(),
        description: None,
    })
}

async fn estimate(
    hub: &Hub,
    app: AppNo,
    audience: &Target,
) -> Result<Option<Estimate>, StoreError> {
    let Some(definition) = filter(hub, app, audience) else {
        return Ok(None);
    };
    Ok(segment::estimate(hub, app, &definition).await?.ok())
}

/// Attributes that look mistyped: for a stored segment that is asked when it is stored.
pub(super) async fn audience_problems(
    hub: &Hub,
    app: AppNo,
    audience: &Target,
) -> Result<Vec<FieldProblem>, StoreError> {
    let Target::Tags(TagFilter::Expression(_)) = audience else {
        return Ok(Vec::new());
    };
    let Some(definition) = filter(hub, app, audience) else {
        return Ok(Vec::new());
    };
    if definition.expression().is_err() {
        // It is told with the notification, by the rules for reading.
        return Ok(Vec::new());
    }
    let check = segment::check(hub, app, &definition).await?;
    let problems = check.problems.into_iter().map(|mut problem| {
        problem.pointer = "/audience/tags".to_owned();
        problem.message.push_str(" of a stored segment");
        problem
    });
    Ok(problems.collect())
}
