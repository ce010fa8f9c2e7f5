//! Sealing of secrets at rest.

use crate::registry::Sealed;

/// Where a secret stands: part of what is authenticated, so that a sealed value cannot be moved to
/// another row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table, e.g. `credentials`.
    pub table: &'a str,
    /// Column, e.g. `secret`.
    pub column: &'a str,
    /// Key of the row, e.g. the credential's number.
    pub row: &'a str,
}

impl<'a> Place<'a> {
    /// The secret of a credential; `row` is its number in decimal. What is sealed there is
    /// [`carillon_model::credential::CredentialSecret::encode`].
    #[must_use]
    pub fn credential(row: &'a str) -> Self {
        Self {
            table: "credentials",
            column: "secret",
            row,
        }
    }

    /// The secret of a definition; `row` is its number in decimal.
    #[must_use]
    pub fn definition(row: &'a str) -> Self {
        Self {
            table: "definitions",
            column: "secret",
            row,
        }
    }

    /// A provider token; `row` is the name that [`crate::registry::Registry::provider_token`] takes.
    #[must_use]
    pub fn provider_token(row: &'a str) -> Self {
        Self {
            table: "provider_tokens",
            column: "secret",
            row,
        }
    }
}

/// Seals and opens secrets under the master key.
pub trait SecretBox: Send + Sync + 'static {
    /// Seals.
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Sealed;
    /// Opens. The error is a sentence: wrong master key, moved or damaged value.
    fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, String>;
}
