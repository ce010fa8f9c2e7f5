//! What the program calls: webhooks and call-outs arrive here, and are answered as a test says.

use crate::support::until;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A call as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) timestamp: String,
    pub(crate) signature: String,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the receiver does with a call; after the last one it takes everything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// 200, with this body.
    Says(&'static str),
    /// Says nothing, ever.
    Silence,
}

/// What came, and what is to be said.
#[derive(Default)]
pub(crate) struct Desk {
    pub(crate) calls: Vec<Call>,
    pub(crate) replies: VecDeque<Reply>,
    /// Connections without an answer.
    silent: Vec<TcpStream>,
}

/// A receiver on a port of its own.
#[derive(Clone)]
pub(crate) struct Receiver {
    port: u16,
    pub(crate) desk: Arc<Mutex<Desk>>,
}

impl Receiver {
    pub(crate) fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let desk = Arc::new(Mutex::new(Desk {
            replies: replies.iter().copied().collect(),
            ..Desk::default()
        }));
        let of_thread = Arc::clone(&desk);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let desk = Arc::clone(&of_thread);
                std::thread::spawn(move || drop(take(stream, &desk)));
            }
        });
        Self { port, desk }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.desk.lock().unwrap().calls.clone()
    }

    /// Waits for so many calls.
    pub(crate) fn until(&self, count: usize) -> Vec<Call> {
        until("a call", || self.calls().len() >= count);
        self.calls()
    }
}

/// One connection, one call.
fn take(stream: TcpStream, desk: &Mutex<Desk>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut call = Call::default();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match &*name.to_ascii_lowercase() {
            "webhook-id" => call.id = value.into(),
            "webhook-timestamp" => call.timestamp = value.into(),
            "webhook-signature" => call.signature = value.into(),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    call.body.resize(length, 0);
    reader.read_exact(&mut call.body)?;
    let mut desk = desk.lock().unwrap();
    desk.calls.push(call);
    match desk.replies.pop_front().unwrap_or(Reply::Status(204)) {
        Reply::Silence => desk.silent.push(stream),
        Reply::Status(status) => write!(
            &stream,
            "HTTP/1.1 {status} Whatever\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )?,
        Reply::Says(body) => write!(
            &stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?,
    }
    Ok(())
}
