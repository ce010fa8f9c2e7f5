//! The blind gateway: answers 200 to everything and looks at nothing.

use crate::exit::{Exit, Failure};
use crate::scratch::Scratch;
use push_sim::{BlindConfig, BlindServer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One in this process.
pub(crate) struct InProcess {
    server: BlindServer,
    ca_file: PathBuf,
    _scratch: Scratch,
}

impl InProcess {
    /// Starts it; its certificate authority is in a file while it runs.
    pub(crate) fn start(listen: SocketAddr, delay: Duration) -> Result<Self, Failure> {
        let scratch = Scratch::new("blind")
            .map_err(|error| Failure::io("make a directory in", &std::env::temp_dir(), &error))?;
        let server = BlindServer::start(BlindConfig {
            bind: listen.ip(),
            port: listen.port(),
            delay,
            ..BlindConfig::default()
        })
        .map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                format!("the blind gateway cannot listen on {listen}: {error}"),
            )
        })?;
        let ca_file = scratch.path().join("ca.pem");
        std::fs::write(&ca_file, server.ca_pem())
            .map_err(|error| Failure::io("write", &ca_file, &error))?;
        Ok(Self {
            server,
            ca_file,
            _scratch: scratch,
        })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.server.address())
    }

    /// What its clients have to trust.
    pub(crate) fn ca_file(&self) -> &Path {
        &self.ca_file
    }
}
