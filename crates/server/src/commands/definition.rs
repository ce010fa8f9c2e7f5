//! What the commands of everything that is defined by name have in common: list, show, put and delete.

use super::json_file;
use crate::client::{ApiClient, escape};
use crate::exit::Failure;
use crate::output::{Output, shown};
use serde_json::{Value, json};
use std::path::Path;

/// The definitions of one kind of an App, at its server.
pub(super) struct Definitions<'a> {
    pub(super) client: &'a ApiClient,
    pub(super) app: &'a str,
    /// As the API calls them: `segments`.
    pub(super) noun: &'static str,
    pub(super) output: Output,
}

impl Definitions<'_> {
    /// Where all of them are.
    pub(super) fn all(&self) -> String {
        format!("/v1/apps/{}/{}", escape(self.app), self.noun)
    }

    /// Where one of them is.
    pub(super) fn one(&self, name: &str) -> String {
        format!("{}/{}", self.all(), escape(name))
    }

    /// A table of all.
    pub(super) async fn list(
        &self,
        heads: &[&str],
        row: impl Fn(&Value) -> Vec<String>,
    ) -> Result<(), Failure> {
        let all = self.client.list(&self.all(), usize::MAX).await?;
        if self.output.is_json() {
            self.output.json(&json!({ "data": all }));
        }
        self.output.table(heads, all.iter().map(row).collect());
        Ok(())
    }

    /// What was stored, so that it can go into a file and back. `query` may ask for another version.
    pub(super) async fn show(&self, name: &str, query: &str) -> anyhow::Result<()> {
        let path = format!("{}{query}", self.one(name));
        let stored = self.client.get(&path).await?;
        if self.output.is_json() {
            self.output.json(&stored);
        } else {
            let text = serde_json::to_string_pretty(&stored["definition"])?;
            self.output.text(&text);
        }
        Ok(())
    }

    /// Stores what a file says, under its name or the file's. Returns the name, and what is stored.
    pub(super) async fn put_file(
        &self,
        name: Option<String>,
        file: &Path,
    ) -> anyhow::Result<(String, Value)> {
        let definition = json_file::read(file)?;
        let name = json_file::name(name, file)?;
        let stored = self.put(&name, &definition).await?;
        Ok((name, stored))
    }

    /// Stores one, and tells a program what is stored.
    pub(super) async fn put(&self, name: &str, definition: &Value) -> Result<Value, Failure> {
        let stored = self.client.put(&self.one(name), definition).await?.body;
        let version = shown(&stored, "/version");
        let state = match &*shown(&stored, "/state") {
            "" => String::new(),
            state => format!(", {state}"),
        };
        self.output
            .line(format!("{name} is stored, version {version}{state}"));
        if self.output.is_json() {
            self.output.json(&stored);
        }
        Ok(stored)
    }

    pub(super) async fn delete(&self, name: &str) -> Result<(), Failure> {
        self.client.delete(&self.one(name)).await?;
        self.output.line(format!("{name} is deleted"));
        if self.output.is_json() {
            self.output.json(&json!({ "deleted": name }));
        }
        Ok(())
    }
}
