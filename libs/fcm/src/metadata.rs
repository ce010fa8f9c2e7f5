//! Access tokens from the metadata server: what a machine in Google's cloud gets instead of a file.
//!
//! It speaks plain HTTP within the machine's own network, so this does: one GET for each question, HTTP/1.0 so that the
//! answer ends with the connection. Source: Google Cloud, *About VM metadata* and *Authenticate workloads*.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::access_token::{
    AccessTokenError, AccessTokenErrorKind, Fetching, Grant, Moment, TokenSource,
};
use crate::oauth::read_grant;
use crate::project_id::ProjectId;
use crate::service_account::ServiceAccount;

/// The most that is read of an answer.
const MAX_BYTES: u64 = 64 * 1024;

/// How often a question is asked before it counts as unanswered.
const TRIES: u32 = 3;

/// Google's metadata server.
///
/// ```no_run
/// # async fn example() -> Result<(), fcm::AccessTokenError> {
/// use fcm::{AccessTokens, MetadataServer};
/// let metadata = MetadataServer::new();
/// let project_id = metadata.project_id().await?;
/// let tokens = AccessTokens::new(metadata);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct MetadataServer {
    host: Box<str>,
    port: u16,
    scope: Box<str>,
    timeout: Duration,
}

/// An answer's status and body.
struct Told {
    status: u16,
    is_googles: bool,
    body: Bytes,
}

impl Default for MetadataServer {
    fn default() -> Self {
        Self::new()
    }
}

impl MetadataServer {
    /// How long one try may take, if nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(3);

    /// Where Google has it.
    pub fn new() -> Self {
        Self::at("metadata.google.internal", 80)
    }

    /// Elsewhere: what `GCE_METADATA_HOST` says, or a simulator.
    pub fn at(host: impl Into<Box<str>>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            scope: ServiceAccount::SCOPE.into(),
            timeout: Self::TIMEOUT,
        }
    }

    /// Other scopes, with commas between them.
    #[must_use]
    pub fn scopes(mut self, scopes: impl Into<Box<str>>) -> Self {
        self.scope = scopes.into();
        self
    }

    /// How long one try may take; there are up to three.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The project that this machine belongs to.
    ///
    /// # Errors
    /// If there is no metadata server, or it does not say.
    pub async fn project_id(&self) -> Result<ProjectId, AccessTokenError> {
        let told = self.ask("/computeMetadata/v1/project/project-id").await?;
        if told.status != 200 {
            return Err(refused(told.status));
        }
        let text = String::from_utf8_lossy(&told.body);
        ProjectId::new(text.trim()).map_err(|error| {
            AccessTokenError::new(AccessTokenErrorKind::Configuration, error.to_string())
        })
    }

    async fn grant(&self) -> Result<Grant, AccessTokenError> {
        let path = format!(
            "/computeMetadata/v1/instance/service-accounts/default/token?scopes={}",
            self.scope
        );
        let told = self.ask(&path).await?;
        if told.status == 200 {
            read_grant(&told.body)
        } else {
            Err(refused(told.status))
        }
    }

    /// Asks, up to three times while there is no answer.
    async fn ask(&self, path: &str) -> Result<Told, AccessTokenError> {
        let unreachable = |text: &str| {
            let detail = format!("the metadata server {}:{}: {text}", self.host, self.port);
            AccessTokenError::new(AccessTokenErrorKind::Unreachable, detail)
        };
        let mut last = unreachable("not asked");
        for _ in 0..TRIES {
            match tokio::time::timeout(self.timeout, self.ask_once(path)).await {
                Ok(Ok(Some(told))) if told.is_googles => return Ok(told),
                Ok(Ok(Some(_))) => {
                    return Err(unreachable("something else than Google's answers there"));
                }
                Ok(Ok(None)) => last = unreachable("its answer is not HTTP"),
                Ok(Err(error)) => last = unreachable(&error.to_string()),
                Err(_) => last = unreachable("no answer in time"),
            }
        }
        Err(last)
    }

    async fn ask_once(&self, path: &str) -> std::io::Result<Option<Told>> {
        let mut stream = TcpStream::connect((&*self.host, self.port)).await?;
        // A scope is put into a line of the request, so nothing that ends one may be in it.
        let path: String = path.chars().filter(char::is_ascii_graphic).collect();
        let question = format!(
            "GET {path} HTTP/1.0\r\nHost: {}\r\nMetadata-Flavor: Google\r\n\r\n",
            self.host
        );
        stream.write_all(question.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
        Ok(read_answer(&answer))
    }
}

/// Reads an HTTP/1 answer that ended with its connection.
fn read_answer(answer: &[u8]) -> Option<Told> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let status = match words.next()? {
        "HTTP/1.0" | "HTTP/1.1" => words.next()?.parse().ok()?,
        _ => return None,
    };
    let is_googles = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| {
            name.eq_ignore_ascii_case("metadata-flavor") && value.trim() == "Google"
        });
    Some(Told {
        status,
        is_googles,
        body: Bytes::copy_from_slice(&answer[end + 4..]),
    })
}

fn refused(status: u16) -> AccessTokenError {
    let kind = match status {
        404 => AccessTokenErrorKind::Account,
        429 | 500..=599 => AccessTokenErrorKind::Busy,
        _ => AccessTokenErrorKind::Configuration,
    };
    let hint = if status == 404 {
        ": this machine has no service account"
    } else {
        ""
    };
    AccessTokenError::new(kind, format!("the metadata server answered {status}{hint}"))
}

// === impl TokenSource ===

impl TokenSource for MetadataServer {
    fn fetch(&self, _now: Moment) -> Fetching<'_> {
        Box::pin(self.grant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_other_things_are_not() {
        let told =
            read_answer(b"HTTP/1.1 200 OK\r\nmetadata-flavor: Google\r\n\r\nbody\r\n\r\nmore")
                .unwrap();
        assert_eq!((told.status, told.is_googles), (200, true));
        assert_eq!(told.body, "body\r\n\r\nmore");
        let told = read_answer(b"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\n").unwrap();
        assert_eq!(
            (told.status, told.is_googles, told.body.len()),
            (404, false, 0)
        );
        for other in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1\r\n\r\n",
            b"\xff\r\n\r\n",
        ] {
            assert!(read_answer(other).is_none(), "{other:?}");
        }
    }
}
