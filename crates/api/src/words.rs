//! Words of the API for types of the model and the ports that have none of their own.

use carillon_model::delivery::{FINAL_STATES, FinalState};
use carillon_model::lane::Class;
use carillon_model::notification::Priority;
use carillon_model::push_type::OnUnknown;
use carillon_ports::registry::Scope;

pub(crate) fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Admin => "admin",
        Scope::Send => "send",
        Scope::Devices => "devices",
        Scope::Read => "read",
        Scope::Register => "register",
    }
}

pub(crate) fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::High => "high",
        Priority::Normal => "normal",
        Priority::Low => "low",
    }
}

pub(crate) fn on_unknown(on_unknown: OnUnknown) -> &'static str {
    match on_unknown {
        OnUnknown::Resend => "resend",
        OnUnknown::Drop => "drop",
    }
}

pub(crate) fn class(class: Class) -> &'static str {
    match class {
        Class::Urgent => "urgent",
        Class::Normal => "normal",
        Class::Bulk => "bulk",
    }
}

/// The rule, if the state has one.
pub(crate) fn suppressed_by(state: FinalState) -> Option<&'static str> {
    match state {
        FinalState::Suppressed(rule) => Some(rule.as_str()),
        _ => None,
    }
}

/// All states, in the order of the API: one word each, `suppressed` once.
pub(crate) fn states() -> Vec<&'static str> {
    let mut words: Vec<_> = FINAL_STATES.iter().map(|state| state.as_str()).collect();
    words.dedup();
    words
}
