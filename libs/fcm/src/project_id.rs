//! Which Firebase project is sending. It becomes a part of the request's path, so nothing else may get in here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::invalid::{Invalid, quoted};

/// A Firebase (Google Cloud) project: its id, such as `pager-4f2a1`, or its number.
///
/// An id has 6 to 30 lower-case letters, digits and hyphens, begins with a letter and does not end with a hyphen; old
/// ones may stand behind a domain and a colon. A number has digits only. Source: Google Cloud, *Creating and managing
/// projects*.
///
/// ```
/// use fcm::ProjectId;
/// assert_eq!(ProjectId::new("pager-4f2a1")?.as_str(), "pager-4f2a1");
/// assert!(ProjectId::new("Pager").is_err());
/// assert!(ProjectId::new("../other").is_err());
/// # Ok::<(), fcm::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProjectId(Arc<str>);

impl ProjectId {
    /// Checks and keeps it.
    ///
    /// # Errors
    /// If it is neither an id nor a number of a project.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        let text = text.as_ref();
        let is_number =
            (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        let (domain, id) = text
            .split_once(':')
            .map_or((None, text), |(domain, id)| (Some(domain), id));
        if is_number || (is_id(id) && domain.is_none_or(is_domain)) {
            return Ok(Self(text.into()));
        }
        Err(Invalid::new(
            "project id",
            quoted(text),
            "must be 6 to 30 lower-case letters, digits and hyphens, or a project number",
            "copy it from the project settings of the Firebase console, or from project_id in the service account file",
        ))
    }

    /// The id or number.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path that messages of this project are sent to.
    pub fn send_path(&self) -> String {
        format!("/v1/projects/{}/messages:send", self.0)
    }
}

fn is_id(text: &str) -> bool {
    (6..=30).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
}

// === impl ProjectId ===

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProjectId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_numbers_and_old_ids_with_a_domain_are_taken() {
        let longest = format!("a{}", "b".repeat(29));
        for good in [
            "pager-4f2a1",
            "abcdef",
            "123456789012",
            "example.com:pager1",
            &longest,
        ] {
            assert_eq!(ProjectId::new(good).unwrap().as_str(), good);
        }
        let path = ProjectId::new("pager-4f2a1").unwrap().send_path();
        assert_eq!(path, "/v1/projects/pager-4f2a1/messages:send");
    }

    #[test]
    fn whatever_else_could_change_the_path_is_refused() {
        let long = format!("a{}", "b".repeat(30));
        for bad in [
            "",
            "abcde",
            "Pager-4f2a1",
            "1pager",
            "pager-",
            "pager_one",
            "pager/one",
            "pager one",
            "pager%2fx",
            "..",
            "pager?x=1",
            "a:pager1",
            ".com:pager1",
            "x.y:z",
            &long,
            "123456789012345678901",
        ] {
            let error = ProjectId::new(bad).unwrap_err();
            assert_eq!(error.field(), "project id", "{bad}");
        }
    }
}
