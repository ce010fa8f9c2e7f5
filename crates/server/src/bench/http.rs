//! A load generator's HTTP/1.1 client: one keep-alive connection that costs next to nothing, so that
//! the generator is not what is measured. Only for our own server on this machine.

use super::server::MeasuredServer;
use crate::exit::{Exit, Failure};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// A connection.
pub(super) struct HttpConnection {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: Vec<u8>,
}

/// An answer.
pub(super) struct HttpAnswer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl HttpConnection {
    /// Connects to `host:port`.
    pub(super) async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let (reader, writer) = stream.into_split();
        Ok(Self {
            reader,
            writer,
            buffer: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends a whole request (head and body in one) and reads the whole answer; both at once, because
    /// the server streams its answer while it reads.
    pub(super) async fn call(&mut self, request: &[u8]) -> Result<HttpAnswer, Failure> {
        let Self {
            reader,
            writer,
            buffer,
        } = self;
        let (written, answer) =
            tokio::join!(writer.write_all(request), read_answer(reader, buffer));
        written.map_err(broken)?;
        answer
    }
}

/// The head of a POST, up to the value of Content-Length.
pub(super) fn post_head(path: &str, api_key: &str, content_type: &str) -> String {
    head("POST", path, api_key, content_type)
}

/// The same of any method.
fn head(method: &str, path: &str, api_key: &str, content_type: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {api_key}\r\ncontent-type: {content_type}\r\ncontent-length: "
    )
}

/// A request for each number, on so many connections at once: method, path, body, and when it is due after the first.
pub(super) async fn each(
    server: &MeasuredServer,
    connections: u64,
    count: u64,
    request: impl Fn(u64) -> (&'static str, String, String, Option<Duration>) + Clone + Send + 'static,
) -> Result<(), Failure> {
    let mut callers = JoinSet::new();
    let began = Instant::now();
    for first in 0..connections.min(count) {
        let (address, api_key) = (server.address.clone(), server.api_key.clone());
        let request = request.clone();
        callers.spawn(async move {
            let mut connection = HttpConnection::open(&address).await?;
            for number in (first..count).step_by(connections as usize) {
                let (method, path, body, due) = request(number);
                if let Some(due) = due {
                    sleep_until(began + due).await;
                }
                let head = head(method, &path, &api_key, "application/json");
                let whole = format!("{head}{}\r\n\r\n{body}", body.len());
                let answer = connection.call(whole.as_bytes()).await?;
                if !(200..300).contains(&answer.status) {
                    let text = String::from_utf8_lossy(&answer.body);
                    let what = format!("{method} {path}: {} {text}", answer.status);
                    return Err(Failure::new(Exit::Software, what));
                }
            }
            Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done.map_err(|error| Failure::new(Exit::Software, error.to_string()))??;
    }
    Ok(())
}

async fn read_answer(
    reader: &mut OwnedReadHalf,
    buffer: &mut Vec<u8>,
) -> Result<HttpAnswer, Failure> {
    let head_end = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        more(reader, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| broken("no status line"))?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|value| value.trim().parse::<usize>().ok());
    buffer.drain(..head_end);
    let body = match length {
        Some(length) => {
            while buffer.len() < length {
                more(reader, buffer).await?;
            }
            buffer.drain(..length).collect()
        }
        None if head.contains("transfer-encoding: chunked") => read_chunks(reader, buffer).await?,
        None => Vec::new(),
    };
    Ok(HttpAnswer { status, body })
}

async fn read_chunks(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let line_end = loop {
            if let Some(at) = find(buffer, b"\r\n") {
                break at;
            }
            more(reader, buffer).await?;
        };
        let size = std::str::from_utf8(&buffer[..line_end])
            .ok()
            .and_then(|text| usize::from_str_radix(text.trim(), 16).ok())
            .ok_or_else(|| broken("a chunk without a size"))?;
        let whole = line_end + 2 + size + 2;
        while buffer.len() < whole {
            more(reader, buffer).await?;
        }
        body.extend_from_slice(&buffer[line_end + 2..line_end + 2 + size]);
        buffer.drain(..whole);
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn more(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    match reader.read_buf(buffer).await.map_err(broken)? {
        0 => Err(broken("the server closed the connection")),
        _ => Ok(()),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unavailable, format!("load generator: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_lengths_and_chunks_on_one_connection() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
            let _ = stream.read(&mut request).await.unwrap();
            for part in [
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
                "c\r\n1\r\nd\r\n0\r\n\r\n",
            ] {
                stream.write_all(part.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        });
        let mut connection = HttpConnection::open(&address).await.unwrap();
        let first = connection.call(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((first.status, first.body.as_slice()), (202, &b"ok"[..]));
        let second = connection.call(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!((second.status, second.body.as_slice()), (200, &b"abcd"[..]));
        assert!(connection.call(b"x").await.is_err(), "closed");
    }
}
