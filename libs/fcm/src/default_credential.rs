//! Application default credentials: where a program finds out who it is, in Google's order. A file that is named, else
//! gcloud's own file, else the metadata server.
//!
//! It reads no environment variables: the caller passes what they say.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::access_token::{AccessTokenError, AccessTokens};
use crate::metadata::MetadataServer;
use crate::oauth::OAuth;
use crate::project_id::ProjectId;
use crate::service_account::{ServiceAccount, ServiceAccountError};

/// The largest file that is read. Google's have below 3 KiB.
const MAX_BYTES: u64 = 64 * 1024;

/// gcloud's file in its folder.
const GCLOUD_FILE: &str = "application_default_credentials.json";

/// Who a program is.
#[derive(Debug, Clone)]
pub enum DefaultCredential {
    /// A service account's file.
    ServiceAccount(ServiceAccount),
    /// Whatever the machine in Google's cloud is.
    Metadata(MetadataServer),
}

/// Why a file that is there cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct CredentialFileError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error("cannot be read: {0}")]
    Unreadable(Box<str>),
    #[error("is larger than 64 KiB; this is not a credential")]
    TooLarge,
    #[error(transparent)]
    ServiceAccount(#[from] ServiceAccountError),
}

impl DefaultCredential {
    /// Looks where Google's own programs look. `named` is what `GOOGLE_APPLICATION_CREDENTIALS` says, if it is set: then
    /// that file counts and no other. `gcloud_folder` is gcloud's configuration folder, usually `.config/gcloud` in the
    /// user's home.
    ///
    /// ```
    /// use fcm::DefaultCredential;
    /// let found = DefaultCredential::find(None, None)?;
    /// assert!(matches!(found, DefaultCredential::Metadata(_)));
    /// # Ok::<(), fcm::CredentialFileError>(())
    /// ```
    ///
    /// # Errors
    /// If there is a file and it cannot be used. It is never passed over for the next place: a program that sends as
    /// somebody else than it was told is worse than one that does not start.
    pub fn find(
        named: Option<&Path>,
        gcloud_folder: Option<&Path>,
    ) -> Result<Self, CredentialFileError> {
        if let Some(path) = named {
            return Self::from_file(path);
        }
        match gcloud_folder.map(|folder| folder.join(GCLOUD_FILE)) {
            Some(path) if path.exists() => Self::from_file(&path),
            _ => Ok(Self::Metadata(MetadataServer::new())),
        }
    }

    /// Reads a credential's file.
    ///
    /// # Errors
    /// If it cannot be read, or is not a service account's.
    pub fn from_file(path: &Path) -> Result<Self, CredentialFileError> {
        let refused = |why| CredentialFileError {
            path: path.to_owned(),
            why,
        };
        let mut text = String::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        match read {
            Err(error) => Err(refused(Why::Unreadable(error.to_string().into()))),
            Ok(bytes) if bytes as u64 > MAX_BYTES => Err(refused(Why::TooLarge)),
            Ok(_) => ServiceAccount::from_json(&text)
                .map(Self::ServiceAccount)
                .map_err(|error| refused(error.into())),
        }
    }

    /// The project it belongs to; asks the metadata server if need be.
    ///
    /// # Errors
    /// If the metadata server does not say.
    pub async fn project_id(&self) -> Result<ProjectId, AccessTokenError> {
        match self {
            Self::ServiceAccount(account) => Ok(account.project_id().clone()),
            Self::Metadata(server) => server.project_id().await,
        }
    }

    /// Its access tokens.
    pub fn into_tokens(self) -> AccessTokens {
        match self {
            Self::ServiceAccount(account) => AccessTokens::new(OAuth::new(account)),
            Self::Metadata(server) => AccessTokens::new(server),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service_account::tests::test_file;

    #[test]
    fn a_named_file_counts_then_gclouds_then_the_metadata_server() {
        let folder = tempfile::tempdir().unwrap();
        let find = |named: Option<&str>| {
            let named = named.map(|name| folder.path().join(name));
            DefaultCredential::find(named.as_deref(), Some(folder.path()))
        };
        assert!(matches!(
            find(None).unwrap(),
            DefaultCredential::Metadata(_)
        ));

        // A person's login is there, and it is said that it will not do.
        let login = folder.path().join(GCLOUD_FILE);
        std::fs::write(&login, r#"{"type":"authorized_user"}"#).unwrap();
        let error = find(None).unwrap_err().to_string();
        assert!(
            error.contains(GCLOUD_FILE) && error.contains("a person's login"),
            "{error}"
        );

        std::fs::write(folder.path().join("account.json"), test_file().to_string()).unwrap();
        let DefaultCredential::ServiceAccount(account) = find(Some("account.json")).unwrap() else {
            panic!()
        };
        assert_eq!(account.project_id().as_str(), "demo-proj");

        let error = find(Some("gone.json")).unwrap_err().to_string();
        assert!(error.contains("gone.json: cannot be read"), "{error}");
        std::fs::write(folder.path().join("large.json"), vec![b' '; 70_000]).unwrap();
        let error = find(Some("large.json")).unwrap_err().to_string();
        assert!(error.contains("64 KiB"), "{error}");
    }
}
