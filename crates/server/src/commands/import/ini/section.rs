//! One App's section of an old INI file: what each of its keys becomes.

use super::file::{Entry, IniFile, Section};
use super::plan::{Fate, Finding, unknown};
use crate::commands::credential;
use crate::commands::import::apply::Secret;
use carillon_model::nearest::did_you_mean;
use serde_json::Value;
use std::path::Path;
use zeroize::Zeroizing;

/// The keys of an App.
pub(super) const KEYS: &[&str] = &[
    "push_type",
    "environment",
    "bundle_id",
    "auth_key_path",
    "key_id",
    "team_id",
    "api_key",
];
/// What `environment` may say, and what it becomes.
const ENVIRONMENTS: [(&str, &str); 3] = [
    ("production", "production"),
    ("sandbox", "sandbox"),
    ("development", "sandbox"),
];
/// What to fetch where Google's service account is missing.
pub(in crate::commands::import) const FETCH: &str = "fetch a service account's key file (JSON): Firebase console, Project settings, Service accounts, \
     Generate new private key";

/// Goes through one section.
pub(super) struct Reading<'a> {
    file: &'a IniFile,
    section: &'a Section,
    directory: &'a Path,
    /// What it found.
    pub(super) findings: Vec<Finding>,
}

impl<'a> Reading<'a> {
    /// Before anything is read.
    pub(super) fn new(file: &'a IniFile, section: &'a Section, directory: &'a Path) -> Self {
        Self {
            file,
            section,
            directory,
            findings: Vec::new(),
        }
    }

    /// The App's credential, if all is there.
    pub(super) fn app(&mut self, service_account: Option<&Path>) -> Option<Secret> {
        for entry in &self.section.entries {
            if !KEYS.contains(&entry.key.as_str()) {
                self.tell(entry, Fate::LeftOut, unknown(&entry.key, KEYS));
            }
        }
        let push_type = self.required("push_type", "APNs or FCM")?;
        match push_type.value.to_ascii_lowercase().as_str() {
            "apns" => {
                self.tell(push_type, Fate::Taken, "a credential for the gateway apns");
                self.apns()
            }
            "fcm" => {
                self.tell(push_type, Fate::Taken, "a credential for the gateway fcm");
                self.fcm(service_account)
            }
            _ => {
                let hint = did_you_mean(&push_type.value, ["APNs", "FCM"]);
                let what = format!("expected APNs or FCM, found {:?}{hint}", push_type.value);
                self.tell(push_type, Fate::Error, what);
                None
            }
        }
    }

    fn apns(&mut self) -> Option<Secret> {
        let environments = self.environments();
        let bundle_id = self.required("bundle_id", "the app's bundle id");
        if let Some(entry) = bundle_id {
            self.tell(entry, Fate::Taken, format!("the topic {}", entry.value));
        }
        let path = self.required("auth_key_path", "the path of Apple's .p8 file");
        let key_id = self.key_id(path);
        let team_id = self.required("team_id", "Apple's Team ID");
        let team = team_id.and_then(|entry| {
            let read = apns::TeamId::new(&entry.value);
            self.judged(entry, "Apple's Team ID", read)
        });
        if let Some(entry) = self.optional("api_key") {
            let what = "APNs has no such key; delete this secret with the old file";
            self.tell(entry, Fate::LeftOut, what);
        }
        let entry = path?;
        let file = self.directory.join(&entry.value);
        let pem = match std::fs::read_to_string(&file) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => {
                let what = format!(
                    "cannot read {}: {error}; a relative path begins where the INI file is",
                    file.display()
                );
                self.tell(entry, Fate::Error, what);
                return None;
            }
        };
        // The key itself is judged whatever its ids are.
        let placeholder = |text: &str| (apns::KeyId::new(text).ok(), apns::TeamId::new(text).ok());
        let (some_key_id, some_team_id) = placeholder("AAAAAAAAAA");
        let ids = (
            key_id.clone().or(some_key_id)?,
            team.clone().or(some_team_id)?,
        );
        let key = match apns::SigningKey::from_p8(pem.as_bytes(), ids.0, ids.1) {
            Ok(key) => key,
            Err(error) => {
                let what = format!("{}: {error}", file.display());
                self.tell(entry, Fate::Error, what);
                return None;
            }
        };
        self.tell(entry, Fate::Taken, "the signing key, sealed by the server");
        Some(Secret::SigningKey {
            fingerprint: key.fingerprint().to_owned(),
            pem,
            key_id: key_id?.as_str().to_owned(),
            team_id: team?.as_str().to_owned(),
            environments: environments?,
            bundle_id: bundle_id?.value.clone(),
        })
    }

    /// Empty: both. `None`: a mistake.
    fn environments(&mut self) -> Option<Vec<&'static str>> {
        let Some(entry) = self.optional("environment") else {
            let what = "missing: the credential serves production and sandbox";
            self.missing("environment", Fate::LeftOut, what);
            return Some(Vec::new());
        };
        let known = ENVIRONMENTS
            .iter()
            .find(|(word, _)| entry.value.eq_ignore_ascii_case(word));
        let Some((_, environment)) = known else {
            let words = ENVIRONMENTS.map(|(word, _)| word);
            let hint = did_you_mean(&entry.value, words);
            let what = format!(
                "expected one of {}, found {:?}{hint}",
                words.join(", "),
                entry.value
            );
            self.tell(entry, Fate::Error, what);
            return None;
        };
        self.tell(
            entry,
            Fate::Taken,
            format!("the credential's environment {environment}"),
        );
        Some(vec![environment])
    }

    /// As it says, or from the name that Apple gives the file.
    fn key_id(&mut self, path: Option<&Entry>) -> Option<apns::KeyId> {
        if let Some(entry) = self.optional("key_id") {
            return self.judged(entry, "Apple's Key ID", apns::KeyId::new(&entry.value));
        }
        let of_name = path.and_then(|path| credential::key_id(None, Path::new(&path.value)).ok());
        match of_name.and_then(|text| apns::KeyId::new(text).ok()) {
            Some(id) => {
                let what = format!("{}, from the name of the .p8 file", id.as_str());
                self.missing("key_id", Fate::Taken, what);
                Some(id)
            }
            None => {
                let what = "missing: expected Apple's Key ID, which stands beside the key in the developer portal";
                self.missing("key_id", Fate::Error, what);
                None
            }
        }
    }

    fn fcm(&mut self, service_account: Option<&Path>) -> Option<Secret> {
        for (key, what) in [
            ("environment", "FCM has no environments"),
            (
                "bundle_id",
                "a service account sends to every app of its Firebase project",
            ),
            ("auth_key_path", "Apple's, and this App speaks to FCM"),
            ("key_id", "Apple's, and this App speaks to FCM"),
            ("team_id", "Apple's, and this App speaks to FCM"),
        ] {
            if let Some(entry) = self.optional(key) {
                self.tell(entry, Fate::LeftOut, what);
            }
        }
        let legacy = self.optional("api_key");
        let Some(path) = service_account else {
            let give = format!(
                "then add --service-account '{}=FILE.json'",
                self.section.name
            );
            match legacy {
                Some(entry) => {
                    let what = format!(
                        "a legacy FCM server key: Google switched off the API that took it (/fcm/send) in 2024, and \
                         HTTP v1 with a service account replaced it; {FETCH}; {give}"
                    );
                    self.tell(entry, Fate::Error, what);
                }
                None => {
                    let what =
                        format!("missing, and FCM takes a service account now; {FETCH}; {give}");
                    self.missing("api_key", Fate::Error, what);
                }
            }
            return None;
        };
        if let Some(entry) = legacy {
            let what = format!(
                "a legacy FCM server key; the service account {} takes its place",
                path.display()
            );
            self.tell(entry, Fate::LeftOut, what);
        }
        match read_service_account(path) {
            Ok(secret) => Some(secret),
            Err(what) => {
                self.missing("--service-account", Fate::Error, what);
                None
            }
        }
    }

    fn judged<T>(
        &mut self,
        entry: &Entry,
        what: &str,
        read: Result<T, impl std::fmt::Display>,
    ) -> Option<T> {
        match read {
            Ok(id) => {
                self.tell(entry, Fate::Taken, format!("{what} {}", entry.value));
                Some(id)
            }
            Err(error) => {
                self.tell(entry, Fate::Error, error.to_string());
                None
            }
        }
    }

    /// A value that must be there.
    fn required(&mut self, key: &str, expected: &str) -> Option<&'a Entry> {
        let entry = self.optional(key);
        let is_told = self.findings.iter().any(|it| it.key == key);
        if entry.is_none() && !is_told {
            self.missing(key, Fate::Error, format!("missing: expected {expected}"));
        }
        entry
    }

    /// A value on one line that says something. What is wrong with it otherwise is told.
    fn optional(&mut self, key: &str) -> Option<&'a Entry> {
        let entry = self.file.get(self.section, key)?;
        if entry.value.contains('\n') {
            let what = format!(
                "expected a value on one line, found {} to {}: lines that are indented deeper than their key go on with \
                 its value",
                entry.line, entry.last_line
            );
            self.tell(entry, Fate::Error, what);
            return None;
        }
        if entry.value.is_empty() {
            return None;
        }
        if entry.has_bare_percent {
            let what =
                "a % stands alone in it and is taken as it is; Python's ConfigParser wants %%";
            self.tell(entry, Fate::LeftOut, what);
        }
        let comment = [" ;", " #", "\t;", "\t#"];
        if comment.iter().any(|mark| entry.value.contains(mark)) {
            let what = "what looks like a comment behind the value is a part of it, as in Python: give it a line of its own";
            self.tell(entry, Fate::LeftOut, what);
        }
        Some(entry)
    }

    fn tell(&mut self, entry: &Entry, fate: Fate, what: impl Into<String>) {
        self.add(&entry.key, entry.line, fate, what.into());
    }

    /// About a key that is not there, or says nothing.
    fn missing(&mut self, key: &str, fate: Fate, what: impl Into<String>) {
        let line = self.file.get(self.section, key).map(|entry| entry.line);
        self.add(key, line.unwrap_or(self.section.line), fate, what.into());
    }

    fn add(&mut self, key: &str, line: usize, fate: Fate, what: String) {
        self.findings.push(Finding {
            section: self.section.name.clone(),
            key: key.to_owned(),
            line,
            fate,
            what,
        });
    }
}

/// The file that Google gives; what is in it is the server's to judge.
fn read_service_account(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    service_account(text).ok_or_else(|| {
        format!(
            "{}: expected a service account's key file (JSON with type \"service_account\", project_id and \
             private_key_id); {FETCH}",
            path.display()
        )
    })
}

/// A service account's key file, by its text.
pub(in crate::commands::import) fn service_account(text: String) -> Option<Secret> {
    let json = Zeroizing::new(text);
    let account: Value = serde_json::from_str(&json).ok()?;
    let field = |name: &str| account[name].as_str().map(str::to_owned);
    let (key_id, project_id) = (field("private_key_id")?, field("project_id")?);
    (account["type"] == "service_account").then_some(Secret::ServiceAccount {
        json,
        key_id,
        project_id,
    })
}
