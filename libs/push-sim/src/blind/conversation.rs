//! One connection of the blind gateway, from hand-shake to end, on its own thread.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ServerConnection;

use super::BlindConfig;
use super::answer::Template;
use super::frames::{Event, Frames};

/// Receive window for the connection and for each stream.
const WINDOW: u32 = 16 << 20;
/// Bytes of bodies after which the connection's window is topped up.
const WINDOW_STEP: u32 = 1 << 20;
const READ_BYTES: usize = 64 * 1024;

struct Answers {
    out: Vec<u8>,
    template: Template,
    number: u64,
}

impl Answers {
    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = payload.len() as u32;
        self.out.extend_from_slice(&length.to_be_bytes()[1..]);
        self.out.extend_from_slice(&[kind, flags]);
        self.out.extend_from_slice(&stream.to_be_bytes());
        self.out.extend_from_slice(payload);
    }

    /// 200 with the next number.
    fn accept(&mut self, stream: u32) {
        self.number += 1;
        self.template.write(&mut self.out, stream, self.number);
    }
}

struct Line {
    tcp: TcpStream,
    tls: ServerConnection,
}

impl Line {
    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !out.is_empty() {
            self.tls.writer().write_all(out)?;
            out.clear();
        }
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Waits until the other side has sent something, at most until `due`.
    fn readable(&self, due: Instant) -> io::Result<bool> {
        let wait = due.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: wait.as_secs().cast_signed(),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.tcp, PollFlags::IN)];
        Ok(poll(&mut fds, Some(&timeout))? > 0)
    }
}

/// Serves until the other side closes.
pub(super) fn hold(
    tcp: TcpStream,
    mut tls: ServerConnection,
    config: &BlindConfig,
    requests: &AtomicU64,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    tls.set_buffer_limit(None);
    let mut line = Line { tcp, tls };
    let mut frames = Frames::new();
    let mut answers = Answers {
        out: Vec::with_capacity(READ_BYTES),
        template: Template::of(config.answer),
        number: 0,
    };
    let mut waiting: VecDeque<(Instant, u32)> = VecDeque::new();
    let mut buffer = vec![0; READ_BYTES];
    answers.frame(4, 0, 0, &settings(config.max_streams));
    answers.frame(8, 0, 0, &(WINDOW - 65_535).to_be_bytes());
    loop {
        let may_read = match waiting.front() {
            Some((due, _)) => line.readable(*due)?,
            None => true,
        };
        if may_read {
            let n = line.tcp.read(&mut buffer)?;
            if n == 0 {
                return Ok(());
            }
            let arrived = Instant::now();
            let mut left = false;
            let mut complete = 0;
            let mut input = &buffer[..n];
            while !input.is_empty() {
                line.tls.read_tls(&mut input)?;
                line.tls.process_new_packets().map_err(io::Error::other)?;
                take_plaintext(&mut line.tls, &mut frames, |event| match event {
                    Event::Request(stream) => {
                        complete += 1;
                        if config.delay.is_zero() && !config.separate_records {
                            answers.accept(stream);
                        } else {
                            waiting.push_back((arrived + config.delay, stream));
                        }
                    }
                    Event::Settings => answers.frame(4, 1, 0, &[]),
                    Event::Ping(payload) => answers.frame(6, 1, 0, &payload),
                    Event::Goaway => left = true,
                })?;
            }
            requests.fetch_add(complete, Ordering::Relaxed);
            if let Some(bytes) = frames.take_window(WINDOW_STEP) {
                answers.frame(8, 0, 0, &bytes.to_be_bytes());
            }
            if left && waiting.is_empty() {
                return line.flush(&mut answers.out);
            }
        }
        line.flush(&mut answers.out)?;
        answer_due(&mut line, &mut answers, &mut waiting, config)?;
    }
}

fn answer_due(
    line: &mut Line,
    answers: &mut Answers,
    waiting: &mut VecDeque<(Instant, u32)>,
    config: &BlindConfig,
) -> io::Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    let now = Instant::now();
    while let Some((due, stream)) = waiting.front().copied()
        && due <= now
    {
        waiting.pop_front();
        answers.accept(stream);
        if config.separate_records {
            line.flush(&mut answers.out)?;
        }
    }
    line.flush(&mut answers.out)
}

fn take_plaintext(
    tls: &mut ServerConnection,
    frames: &mut Frames,
    mut on: impl FnMut(Event),
) -> io::Result<()> {
    let mut reader = tls.reader();
    loop {
        let n = match reader.fill_buf() {
            Ok(chunk) => {
                frames.read(chunk, &mut on);
                chunk.len()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if n == 0 {
            return Ok(());
        }
        reader.consume(n);
    }
}

fn settings(max_streams: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in [(3_u16, max_streams), (4, WINDOW)] {
        payload.extend_from_slice(&id.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    payload
}
