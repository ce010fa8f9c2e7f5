//! What may be declared, and changed while phones show it; and whose phones may tell of it.

use super::doors::{Edit, invalid};
use super::{ActivityAnswer, ActivityRefusal, OpenActivity, ToldToken};
use carillon_model::UnixMs;
use carillon_model::live_activity::{ActivityRequest, ActivityState, Plan, Recipient, Run};
use carillon_ports::live_activity::ActivityClaim;
use carillon_ports::registry::Device;

/// One that is declared for the first time.
pub(super) fn declared(
    id: &str,
    request: &ActivityRequest,
    now: UnixMs,
) -> Result<Edit, ActivityRefusal> {
    let checked = request.plan(now).map_err(ActivityRefusal::Invalid)?;
    if checked.plan.ends_at.is_some_and(|at| at <= now) {
        return Err(invalid(
            "/ends_at",
            "live_activity.over",
            "expected an instant in the future: this activity would be over before anybody saw it",
        ));
    }
    let mut run = Run::new(now);
    run.want_channel(&checked.plan, now);
    let open = OpenActivity {
        id: id.to_owned(),
        claim: ActivityClaim::New,
        declared_at: now,
        request: request.clone(),
        plan: checked.plan,
        warnings: checked.warnings,
        run,
        told: Vec::new(),
        is_adopted: false,
        refused: Vec::new(),
        unchanged: None,
    };
    Ok(Edit::Step(Box::new(open), true))
}

/// One that is there already.
pub(super) fn declared_again(
    open: OpenActivity,
    request: &ActivityRequest,
    now: UnixMs,
) -> Result<Edit, ActivityRefusal> {
    let mut open = going(Some(open))?;
    if open.request == *request && !open.is_adopted {
        return Ok(Edit::Same(ActivityAnswer {
            is_new: false,
            warnings: open.warnings,
        }));
    }
    replan(&mut open, request.clone(), now)?;
    open.is_adopted = false;
    Ok(Edit::Step(Box::new(open), false))
}

pub(super) fn going(open: Option<OpenActivity>) -> Result<OpenActivity, ActivityRefusal> {
    let open = open.ok_or(ActivityRefusal::Unknown)?;
    if open.run.state.is_over() {
        return Err(ActivityRefusal::Over(open.run.state));
    }
    Ok(open)
}

pub(super) fn replan(
    open: &mut OpenActivity,
    request: ActivityRequest,
    now: UnixMs,
) -> Result<(), ActivityRefusal> {
    let checked = request
        .plan(open.declared_at)
        .map_err(ActivityRefusal::Invalid)?;
    if open.run.state != ActivityState::Planned {
        let (old, new) = (&open.plan, &checked.plan);
        // What a phone told of one that nobody had declared is not the back end's word.
        let is_free = open.is_adopted;
        for (is_same, pointer) in [
            (
                is_free || is_same_phone(&old.recipient, &new.recipient),
                "/recipient",
            ),
            (
                old.attributes_type == new.attributes_type,
                "/attributes_type",
            ),
            (old.android == new.android, "/android"),
            (is_free || old.attributes == new.attributes, "/attributes"),
            (is_free || old.start == new.start, "/start"),
        ] {
            if !is_same {
                return Err(invalid(
                    pointer,
                    "live_activity.fixed",
                    "expected what it was started with: phones show it already; end it and declare another one",
                ));
            }
        }
    }
    if open.run.channel.is_some() && open.plan.recipient != checked.plan.recipient {
        return Err(invalid(
            "/recipient",
            "live_activity.fixed",
            "expected the same recipient: its channel is made, or being made; end it and declare another one",
        ));
    }
    open.run.replan(&open.plan, &checked.plan, now);
    open.run.want_channel(&checked.plan, now);
    (open.request, open.plan, open.warnings) = (request, checked.plan, checked.warnings);
    Ok(())
}

/// Whether those who show it are the same: an update token may be another one of the same phone.
fn is_same_phone(old: &Recipient, new: &Recipient) -> bool {
    let both = (old, new);
    old == new || matches!(both, (Recipient::PushToken(_), Recipient::PushToken(_)))
}

/// Whether a device may tell of an activity: it is the recipient's.
pub(super) fn is_recipient(plan: &Plan, device: &Device) -> Result<(), ActivityRefusal> {
    let is_its = match &plan.recipient {
        Recipient::User(user) => device.registration.user_id.as_ref() == Some(user),
        Recipient::Device(id) => device.id == *id,
        Recipient::Channel(_) | Recipient::NewChannel(_) | Recipient::PushToken(_) => false,
    };
    if is_its {
        Ok(())
    } else {
        Err(ActivityRefusal::NotRecipient)
    }
}

pub(super) fn is_welcome(
    plan: &Plan,
    device: &Device,
    told: &ToldToken,
) -> Result<(), ActivityRefusal> {
    is_recipient(plan, device)?;
    if told.attributes_type != plan.attributes_type {
        let message = format!(
            "expected a token of an activity of type {:?}, found one of {:?}",
            plan.attributes_type, told.attributes_type
        );
        return Err(invalid(
            "/attributes_type",
            "live_activity.attributes_type",
            message,
        ));
    }
    Ok(())
}
