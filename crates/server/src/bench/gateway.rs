//! The blind gateway: answers everything with success, in the words of one gateway, and looks at nothing.

use super::process::Process;
use crate::exit::{Exit, Failure};
use crate::scratch::Scratch;
use push_sim::{BlindAnswer, BlindConfig, BlindServer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a gateway may take until it listens.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Whose success it answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Answers {
    /// Apple's
    #[default]
    Apns,
    /// Google's
    Fcm,
    /// A browser's push service's
    Webpush,
}

impl Answers {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::Webpush => "webpush",
        }
    }

    fn answer(self) -> BlindAnswer {
        match self {
            Self::Apns => BlindAnswer::Apns,
            Self::Fcm => BlindAnswer::Fcm,
            Self::Webpush => BlindAnswer::WebPush,
        }
    }
}

/// Where access tokens for a blind FCM come from, in this process: asked once in a run.
pub(super) struct PlaceOfTokens(BlindServer);

impl PlaceOfTokens {
    /// One whose tokens have so many characters.
    pub(super) fn start(length: u16) -> Result<Self, Failure> {
        let config = BlindConfig {
            answer: BlindAnswer::AccessToken { length },
            ..BlindConfig::default()
        };
        BlindServer::start(config).map(Self).map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                format!("the blind token endpoint cannot start: {error}"),
            )
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    pub(super) fn ca_pem(&self) -> &str {
        self.0.ca_pem()
    }
}

/// One in this process.
pub(crate) struct InProcess {
    server: BlindServer,
    ca_file: PathBuf,
    _scratch: Scratch,
}

impl InProcess {
    /// Starts it; its certificate authority is in a file while it runs.
    pub(crate) fn start(
        listen: SocketAddr,
        delay: Duration,
        answers: Answers,
    ) -> Result<Self, Failure> {
        let scratch = Scratch::new("blind")
            .map_err(|error| Failure::io("make a directory in", &std::env::temp_dir(), &error))?;
        let server = BlindServer::start(BlindConfig {
            bind: listen.ip(),
            port: listen.port(),
            delay,
            answer: answers.answer(),
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

/// One in a process of its own.
#[derive(Debug)]
pub(super) struct OwnProcess {
    process: Process,
    pub(super) url: String,
    pub(super) ca_file: PathBuf,
}

impl OwnProcess {
    /// Apple's, which answers so much later.
    pub(super) async fn start(delay: Duration) -> Result<Self, Failure> {
        Self::with(delay, Answers::Apns).await
    }

    /// Any, which answers at once.
    pub(super) async fn answering(answers: Answers) -> Result<Self, Failure> {
        Self::with(Duration::ZERO, answers).await
    }

    async fn with(delay: Duration, answers: Answers) -> Result<Self, Failure> {
        let delay = format!("{}ms", delay.as_millis());
        let args = [
            "simulate",
            "--blind",
            "--listen",
            "127.0.0.1:0",
            "--delay",
            &delay,
            "--answers",
            answers.as_str(),
        ];
        let process = Process::start(&args, &[], READY_WITHIN).await?;
        let text = |name: &str| process.said[name].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            url: text("apns_url"),
            ca_file: text("ca_file").into(),
            process,
        })
    }

    /// `host:port`.
    pub(super) fn address(&self) -> &str {
        self.url.trim_start_matches("https://")
    }

    /// Its CPU time so far, in seconds.
    pub(super) fn cpu_secs(&self) -> f64 {
        self.process.cpu_secs()
    }
}
