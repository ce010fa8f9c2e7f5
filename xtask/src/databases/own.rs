//! A server that somebody else starts, kills and starts again: made here, and described in an environment variable.

use std::net::TcpListener;

use anyhow::{Context, Result};
use serde_json::json;

use super::{Folder, KINDS, Kind, certificates};
use crate::workspace::Workspace;

/// Ports that no system gives to outgoing connections by itself: one is needed again and again, whenever it is started anew.
const PORTS: std::ops::Range<u32> = 15_000..30_000;
/// The variable that describes it.
const DESCRIPTION: &str = "ACCOUNTANT_DATABASE";

/// A server that does not run yet. Whoever starts it ends it; its data go with this.
#[derive(Debug)]
pub(crate) struct Own {
    description: String,
    _folder: Folder,
}

impl Own {
    /// The words for all kinds there are.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.word)
    }

    /// Makes one of the kind with this word, whose commits survive whenever its processes are killed. With `setup`, first
    /// installs what is missing.
    pub(crate) fn make(workspace: &Workspace, word: &str, setup: bool) -> Result<Self> {
        let kind = KINDS.into_iter().find(|kind| kind.word == word);
        let kind = kind.with_context(|| format!("there is no database server called {word}"))?;
        kind.own(workspace, setup)
            .with_context(|| format!("cannot make a {}", kind.name))
    }

    /// What the environment of whoever starts it says.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        (DESCRIPTION, &self.description)
    }
}

impl Kind {
    fn own(&self, workspace: &Workspace, setup: bool) -> Result<Own> {
        let folder = Folder::make(workspace)?;
        let certificates = folder.0.join("certificates");
        certificates::make(&certificates, setup)?;
        let place = self.place(&folder, &certificates, setup)?;
        let port = kept_port()?;
        let mut command = (self.command)(&place, port)?;
        command.args(self.durable);
        let text = |word: &std::ffi::OsStr| {
            let word = word.to_str().context("a path that is no text")?;
            Ok(word.to_owned())
        };
        let arguments = command.get_args().map(text).collect::<Result<Vec<_>>>()?;
        let description = json!({
            "store": self.word,
            "name": self.name,
            "url": format!("{}{}", (self.url)(port), self.database),
            "port": port,
            "program": text(command.get_program())?,
            "arguments": arguments,
            "ready": self.ready,
        });
        Ok(Own {
            description: description.to_string(),
            _folder: folder,
        })
    }
}

/// A free port; each process looks for its own somewhere else.
fn kept_port() -> Result<u16> {
    let count = PORTS.end - PORTS.start;
    let first = std::process::id().wrapping_mul(7) % count;
    (0..count)
        .filter_map(|at| u16::try_from(PORTS.start + (first + at) % count).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port")
}
