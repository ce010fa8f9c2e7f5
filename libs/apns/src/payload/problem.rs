//! What is wrong with a payload, and where.

use std::fmt;

use serde::Serialize;

use crate::push_type::PushType;

/// One broken rule in a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) such as `/aps/alert/title`; empty for the whole body.
    pub pointer: Box<str>,
    /// Which rule: a stable word such as `alert_required`, for programs.
    pub rule: &'static str,
    /// What was expected, what was found and what to do, for people. Holds no content of the payload but key names.
    pub message: Box<str>,
}

/// A payload that APNs or the device would refuse or ignore, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadError {
    push_type: PushType,
    problems: Vec<Problem>,
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

// === impl PayloadError ===

impl PayloadError {
    pub(crate) fn new(push_type: PushType, problems: Vec<Problem>) -> Self {
        Self {
            push_type,
            problems,
        }
    }

    /// The push type the payload was checked for.
    pub fn push_type(&self) -> PushType {
        self.push_type
    }

    /// Everything that is wrong; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the payload is not fit for push type {}: ",
            self.push_type
        )?;
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for PayloadError {}
