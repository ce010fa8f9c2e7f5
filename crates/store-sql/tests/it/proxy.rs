//! A way to a server that can be cut at will, and at the worst moment.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

/// What happens to what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It passes.
    Open,
    /// Nobody gets in.
    Shut,
    /// The next commit is held back, and its connection cut.
    LoseCommit,
    /// The next commit is made, and its connection cut before the answer.
    LoseAnswer,
    /// The same, and then nobody gets in.
    LoseAnswerAndShut,
}

/// The way. Its threads end with their connections.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    mode: Mutex<Mode>,
    /// Theirs alone who pump: what is held here would keep a connection half open that has ended.
    open: Mutex<Vec<Weak<TcpStream>>>,
}

impl Proxy {
    /// To a port of this machine.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Open),
            open: Mutex::new(Vec::new()),
        });
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: state.clone(),
        };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                if *state.mode.lock().unwrap() == Mode::Shut {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", port)) {
                    join(&state, client, server);
                }
            }
        });
        proxy
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.state.mode.lock().unwrap() = mode;
    }

    /// Cuts every connection that there is.
    pub(crate) fn cut(&self) {
        let open = std::mem::take(&mut *self.state.open.lock().unwrap());
        for one in open.iter().filter_map(Weak::upgrade) {
            // It may be gone already.
            let _ = one.shutdown(Shutdown::Both);
        }
    }
}

fn join(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    // Small messages must not wait for each other.
    for one in [&client, &server] {
        let _ = one.set_nodelay(true);
    }
    let (client, server) = (Arc::new(client), Arc::new(server));
    let copies = (client.clone(), server.clone());
    let open = [Arc::downgrade(&client), Arc::downgrade(&server)];
    state.open.lock().unwrap().extend(open);
    let loses_answer = Arc::new(AtomicBool::new(false));
    let (there, back) = (state.clone(), state.clone());
    let loses = loses_answer.clone();
    std::thread::spawn(move || {
        pump(&client, &copies.1, |bytes| {
            let has_commit = has(bytes, b"COMMIT\0");
            let mut mode = there.mode.lock().unwrap();
            match *mode {
                Mode::LoseCommit if has_commit => {
                    *mode = Mode::Open;
                    return false;
                }
                Mode::LoseAnswer | Mode::LoseAnswerAndShut if has_commit => {
                    loses.store(true, Ordering::SeqCst);
                }
                _ => {}
            }
            true
        });
    });
    std::thread::spawn(move || {
        pump(&server, &copies.0, |bytes| {
            if !loses_answer.load(Ordering::SeqCst) || !has(bytes, b"COMMIT\0") {
                return true;
            }
            let mut mode = back.mode.lock().unwrap();
            *mode = match *mode {
                Mode::LoseAnswerAndShut => Mode::Shut,
                _ => Mode::Open,
            };
            false
        });
    });
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|found| found == wanted)
}

/// Copies until one of the two ends, or `passes` says no.
fn pump(mut from: &TcpStream, mut to: &TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer)
        && passes(&buffer[..count])
        && to.write_all(&buffer[..count]).is_ok()
    {}
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
