//! Which pushes of Live Activities surely reached nobody: their activities are told by the transaction that settles them.

use crate::job::Job;
use carillon_model::delivery::{FinalState, Suppression};
use carillon_model::id::DeliveryId;
use carillon_model::lane::Class;
use carillon_ports::store::RefusedDelivery;

/// `None`: it is none, or nobody knows. That an update token died by an answer is found when the answer is settled.
pub(crate) fn refused(
    job: &Job,
    position: u16,
    state: FinalState,
    reason: &str,
) -> Option<RefusedDelivery> {
    if job.note.options.class == Class::Bulk {
        // Started on a channel with a crowd: those phones are not remembered.
        return None;
    }
    let kind = job.note.options.token_kind;
    if !kind.starts_activity() && !kind.updates_activity() {
        return None;
    }
    let is_start = kind.starts_activity();
    let is_refused = match state {
        // A try before it may have been taken.
        _ if job.work.in_doubt => false,
        FinalState::Suppressed(Suppression::PushTokenRetired) => true,
        FinalState::Rejected | FinalState::Failed | FinalState::Suppressed(_) => is_start,
        // Who cancels a start does not want another one.
        FinalState::Accepted
        | FinalState::Unknown
        | FinalState::Expired
        | FinalState::Cancelled => false,
    };
    is_refused.then(|| RefusedDelivery {
        delivery: DeliveryId {
            batch: job.work.id.batch,
            position,
        },
        device: job.devices.as_slice()[usize::from(position)],
        is_start,
        reason: reason.to_owned(),
    })
}
