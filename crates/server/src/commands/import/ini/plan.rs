//! What an old INI file becomes: for each key its fate, for each section an App. Reads the key files that the INI
//! file names; speaks to nobody.

use super::database::{self, OldDatabase};
use super::file::{Entry, IniFile, Section};
use super::section::{self, Reading};
use crate::commands::import::apply::PlannedApp;
use carillon_model::nearest::did_you_mean;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest id of an App.
const MAX_APP_ID: usize = 64;
/// Sections that are no App, by the names that O2's script reads.
const DATABASE: &str = "Database";
const SSL: &str = "SSL";
const SERVER: &str = "Server";

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands::import) enum Fate {
    /// It is part of what is made.
    Taken,
    /// It is not needed, and why.
    LeftOut,
    /// It keeps its section from being imported.
    Error,
}

impl Fate {
    /// Its word.
    pub(in crate::commands::import) fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::LeftOut => "left out",
            Self::Error => "error",
        }
    }
}

/// A key and its fate.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The section as written.
    pub(super) section: String,
    /// The key in lower case.
    pub(super) key: String,
    /// Its line; of a missing key the section's.
    pub(super) line: usize,
    /// What became of it.
    pub(super) fate: Fate,
    /// The same in words; never a secret.
    pub(super) what: String,
}

/// What was chosen on the command line, by section.
#[derive(Default)]
pub(super) struct Choices {
    /// Ids of Apps.
    pub(super) apps: BTreeMap<String, String>,
    /// Files of service accounts.
    pub(super) service_accounts: BTreeMap<String, PathBuf>,
}

/// The whole file.
#[derive(Default)]
pub(super) struct Plan {
    /// Every key.
    pub(super) findings: Vec<Finding>,
    /// Every App.
    pub(super) apps: Vec<PlannedApp>,
    /// Commands that bring the users over.
    pub(super) commands: Vec<String>,
    /// Where the users are.
    pub(super) database: Option<OldDatabase>,
}

impl Plan {
    fn add(&mut self, section: &Section, entry: &Entry, fate: Fate, what: impl Into<String>) {
        self.findings.push(Finding {
            section: section.name.clone(),
            key: entry.key.clone(),
            line: entry.line,
            fate,
            what: what.into(),
        });
    }
}

/// Makes it. `directory` is where the INI file is.
pub(super) fn make(file: &IniFile, directory: &Path, choices: &Choices) -> Plan {
    let mut plan = Plan::default();
    for entry in &file.defaults.entries {
        let hint = if is_known(&entry.key) {
            (Fate::Taken, "stands in for every section without it".into())
        } else {
            (Fate::LeftOut, unknown(&entry.key, section::KEYS))
        };
        plan.add(&file.defaults, entry, hint.0, hint.1);
    }
    let named = |name: &str| {
        let mut sections = file.sections.iter();
        sections.find(|section| section.name.eq_ignore_ascii_case(name))
    };
    let (server, database, ssl) = (named(SERVER), named(DATABASE), named(SSL));
    for section in &file.sections {
        let is = |other: Option<&Section>| other.is_some_and(|other| std::ptr::eq(other, section));
        if is(server) || is(database) || is(ssl) {
            continue;
        }
        if !section::KEYS
            .iter()
            .any(|key| file.get(section, key).is_some())
        {
            for entry in &section.entries {
                let what = format!(
                    "[{}] is taken for no App: it has none of {}",
                    section.name,
                    section::KEYS.join(", ")
                );
                plan.add(section, entry, Fate::LeftOut, what);
            }
            continue;
        }
        let service_account = choices.service_accounts.get(&section.name);
        let mut reading = Reading::new(file, section, directory);
        let secret = reading.app(service_account.map(PathBuf::as_path));
        plan.findings.append(&mut reading.findings);
        let app = match choices.apps.get(&section.name) {
            Some(chosen) => chosen.clone(),
            None => app_id(&section.name),
        };
        plan.apps
            .push(PlannedApp::new(section.name.clone(), app, secret));
    }
    check_ids(file, &mut plan);
    let apps: Vec<String> = plan.apps.iter().map(|app| app.app.clone()).collect();
    let old = database::Old {
        file,
        server,
        database,
        ssl,
        directory,
    };
    let (findings, commands) = old.read(&apps);
    plan.findings.extend(findings);
    plan.commands = commands;
    plan.database = old.source();
    let header_of = |name: &str| {
        let mut sections = file.sections.iter();
        let section = sections.find(|section| section.name == name);
        section.map_or(0, |section| section.line)
    };
    plan.findings
        .sort_by_key(|it| (header_of(&it.section), it.line));
    for app in &mut plan.apps {
        let mut findings = plan.findings.iter();
        if findings.any(|it| it.fate == Fate::Error && it.section == app.section) {
            app.secret = None;
        }
    }
    plan
}

/// The id of an App: the section's name in lower case, each run of characters that an id cannot have as one `-`.
pub(in crate::commands::import) fn app_id(section: &str) -> String {
    let mut id = String::new();
    for char in section.chars() {
        if char.is_ascii_alphanumeric() || matches!(char, '.' | '_' | ':' | '@') {
            id.push(char.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    id.truncate(MAX_APP_ID);
    id.truncate(id.trim_end_matches('-').len());
    id
}

/// Ids that are missing, or that two sections share.
fn check_ids(file: &IniFile, plan: &mut Plan) {
    let line_of = |name: &str| {
        let mut sections = file.sections.iter();
        let section = sections.find(|section| section.name == name);
        section.map_or(0, |section| section.line)
    };
    let mut errors = Vec::new();
    for (at, app) in plan.apps.iter().enumerate() {
        let before = plan.apps[..at].iter().find(|other| other.app == app.app);
        let choose = format!("choose one with --app '{}=ID'", app.section);
        let what = if app.app.is_empty() {
            format!("no id of an App can be made of this name: {choose}")
        } else if let Some(other) = before {
            format!(
                "[{}] in line {} has the id {} too: {choose}",
                other.section,
                line_of(&other.section),
                app.app
            )
        } else {
            continue;
        };
        errors.push(Finding {
            section: app.section.clone(),
            key: String::new(),
            line: line_of(&app.section),
            fate: Fate::Error,
            what,
        });
    }
    plan.findings.extend(errors);
}

fn is_known(key: &str) -> bool {
    [section::KEYS, database::KEYS].concat().contains(&key)
}

/// The sentence about a key that nobody knows.
pub(super) fn unknown(key: &str, known: &[&str]) -> String {
    let hint = did_you_mean(key, known.iter().copied());
    format!("an unknown key{hint}")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
