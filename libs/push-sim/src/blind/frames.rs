//! Just enough of HTTP/2 framing to know when a request is complete (RFC 9113, section 4.1).

/// Length of the client's connection preface.
const PREFACE: usize = 24;
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;

/// What the other side did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A request is complete.
    Request(u32),
    /// SETTINGS to acknowledge.
    Settings,
    /// PING to acknowledge, with its payload.
    Ping([u8; 8]),
    /// The other side is leaving.
    Goaway,
}

/// Reads frames from pieces of any size and skips every payload but that of PING.
#[derive(Debug)]
pub(super) struct Frames {
    preface_left: usize,
    header: [u8; HEADER],
    have: usize,
    payload_left: usize,
    ping: [u8; 8],
    /// Bytes of DATA payload since they were last taken.
    data_bytes: u32,
}

impl Frames {
    pub(super) fn new() -> Frames {
        Frames {
            preface_left: PREFACE,
            header: [0; HEADER],
            have: 0,
            payload_left: 0,
            ping: [0; 8],
            data_bytes: 0,
        }
    }

    /// Bytes of DATA payload received, once they are worth a WINDOW_UPDATE.
    pub(super) fn take_window(&mut self, at_least: u32) -> Option<u32> {
        (self.data_bytes >= at_least).then(|| std::mem::take(&mut self.data_bytes))
    }

    pub(super) fn read(&mut self, mut input: &[u8], mut on: impl FnMut(Event)) {
        let skipped = self.preface_left.min(input.len());
        self.preface_left -= skipped;
        input = &input[skipped..];
        while !input.is_empty() {
            if self.payload_left == 0 || self.have < HEADER {
                let n = (HEADER - self.have).min(input.len());
                self.header[self.have..self.have + n].copy_from_slice(&input[..n]);
                self.have += n;
                input = &input[n..];
                if self.have < HEADER {
                    return;
                }
                let [a, b, c, ..] = self.header;
                self.payload_left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                if self.header[3] == DATA {
                    self.data_bytes += self.payload_left as u32;
                }
            }
            let n = self.payload_left.min(input.len());
            if self.header[3] == PING {
                self.ping.rotate_left(n.min(8));
                let kept = n.min(8);
                self.ping[8 - kept..].copy_from_slice(&input[n - kept..n]);
            }
            self.payload_left -= n;
            input = &input[n..];
            if self.payload_left == 0 {
                self.have = 0;
                if let Some(event) = self.finished() {
                    on(event);
                }
            }
        }
    }

    fn finished(&self) -> Option<Event> {
        let [_, _, _, kind, flags, s0, s1, s2, s3] = self.header;
        match kind {
            DATA | HEADERS if flags & END_STREAM != 0 => Some(Event::Request(
                u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
            )),
            SETTINGS if flags & ACK == 0 => Some(Event::Settings),
            PING if flags & ACK == 0 => Some(Event::Ping(self.ping)),
            GOAWAY => Some(Event::Goaway),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = vec![b'p'; PREFACE];
        bytes.extend([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 3, HEADERS, 4, 0, 0, 0, 1, 7, 7, 7]);
        bytes.extend([0, 0, 2, DATA, 1, 0, 0, 0, 1, 9, 9]);
        bytes.extend([0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend([0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]);
        bytes.extend([0, 0, 1, HEADERS, 5, 0, 0, 0, 3, 7]);
        bytes.extend([0, 0, 0, DATA, 1, 0, 0, 0, 5]);
        bytes.extend([0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn every_way_of_cutting_the_bytes_reads_the_same() {
        let expected = [
            Event::Settings,
            Event::Request(1),
            Event::Ping([1, 2, 3, 4, 5, 6, 7, 8]),
            Event::Request(3),
            Event::Request(5),
            Event::Goaway,
        ];
        let sample = sample();
        for size in 1..=sample.len() {
            let mut frames = Frames::new();
            let mut events = Vec::new();
            for piece in sample.chunks(size) {
                frames.read(piece, |event| events.push(event));
            }
            assert_eq!(events, expected, "pieces of {size}");
            assert_eq!(frames.take_window(1), Some(2));
        }
    }
}
