//! What is wrong with a message, and where.

use std::fmt;

use serde::Serialize;

/// One broken rule in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) such as `/android/ttl`; empty for the whole message.
    pub pointer: Box<str>,
    /// Which rule: a stable word such as `wrong_type`, for programs.
    pub rule: &'static str,
    /// What was expected, what was found and what to do, for people. Holds no content of the message but key names.
    pub message: Box<str>,
}

/// A message that FCM or the device would refuse or ignore, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageError {
    problems: Vec<Problem>,
}

// === impl Problem ===

impl Problem {
    pub(crate) fn new(
        pointer: impl Into<Box<str>>,
        rule: &'static str,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            rule,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

// === impl MessageError ===

impl MessageError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Everything that is wrong; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is not fit for FCM: ")?;
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for MessageError {}
