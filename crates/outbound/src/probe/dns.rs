//! Questions to name servers (RFC 1035): one question by UDP, and by TCP where the answer does not fit.
//!
//! It asks recursive servers, follows nothing itself and checks no signatures.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use carillon_model::monitor::{CheckResult, DnsCheck, FaultKind, RecordType};
use egress_guard::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout_at;

use super::Attempt;
use super::connect::{Place, addresses, connected};

/// Most bytes of an answer by UDP: what is told to the server (RFC 6891 recommends no more).
const MAX_UDP: u16 = 1_232;
/// Most answers that are read.
const MAX_ANSWERS: u16 = 200;
/// Most steps from one part of a name to the next.
const MAX_JUMPS: usize = 64;

/// An answer, read.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    is_cut: bool,
    code: u8,
    records: Vec<String>,
}

/// A name server, and what it is called in sentences.
struct NameServer {
    address: SocketAddr,
    /// Nobody who may ask this machine's learns where it is, unless they may also speak to it.
    is_hidden: bool,
}

impl fmt::Display for NameServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_hidden {
            true => f.write_str("this machine's name server"),
            false => write!(f, "the name server {}", self.address),
        }
    }
}

impl Attempt<'_> {
    pub(super) async fn dns(
        &self,
        check: &DnsCheck,
        dice: u64,
    ) -> Result<CheckResult, CheckResult> {
        let servers = match check.server_address() {
            Some(server) => {
                let place = Place::parse(&shown_host(server), server.port())?;
                addresses(self, &place).await?
            }
            None => self.inner.config.name_servers.clone(),
        };
        let Some(address) = servers.first().copied() else {
            return Err(CheckResult::unknown(
                FaultKind::Refused,
                "no name server is known here: name one in check.dns.server",
            ));
        };
        let server = NameServer {
            address,
            is_hidden: check.server.is_none() && self.is_inside(address.ip()),
        };
        let id = (dice & 0xFFFF) as u16;
        let question = question(check, id);
        let mut reply = self.ask(&server, &question, check, id).await?;
        if reply.is_cut {
            reply = self.ask_by_tcp(&server, &question, check, id).await?;
        }
        let failed = |what: &str| {
            let message = format!("{server} answers {what} for {}", check.name);
            CheckResult::down(FaultKind::Records, message).after(self.elapsed_ms())
        };
        let is_hidden = |record: &str| {
            let address = record.parse::<IpAddr>();
            address.is_ok_and(|address| self.is_inside(address))
        };
        match reply.code {
            // 3: there is no such name, which is an answer without records.
            0 | 3 => Ok(check.judge(&reply.records, is_hidden, self.elapsed_ms())),
            2 => Err(failed("SERVFAIL (it could not find out)")),
            5 => Err(failed("REFUSED (it does not answer us)")),
            code => Err(failed(&format!("with code {code}"))),
        }
    }

    /// Whether the guard lets this check go nowhere near.
    fn is_inside(&self, address: IpAddr) -> bool {
        let host = Host::from(address);
        self.guard.check_address(&host, None, address).is_err()
    }

    fn broke_off(&self, server: &NameServer, error: &dyn fmt::Display) -> CheckResult {
        let message = format!("{server} could not be asked: {error}");
        CheckResult::down(FaultKind::Connect, message).after(self.elapsed_ms())
    }

    async fn ask(
        &self,
        server: &NameServer,
        question: &[u8],
        check: &DnsCheck,
        id: u16,
    ) -> Result<Reply, CheckResult> {
        let own: SocketAddr = match server.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let exchange = async {
            let socket = UdpSocket::bind(own).await?;
            // Only what comes from there is heard.
            socket.connect(server.address).await?;
            socket.send(question).await?;
            let mut answer = [0; MAX_UDP as usize];
            loop {
                let length = socket.recv(&mut answer).await?;
                // What answers another question is not for us.
                if let Some(reply) = read(&answer[..length], check, id) {
                    return Ok::<_, std::io::Error>(reply);
                }
            }
        };
        timeout_at(self.deadline, exchange)
            .await
            .map_err(|_| self.too_late("no answer", server))?
            .map_err(|error| self.broke_off(server, &error))
    }

    async fn ask_by_tcp(
        &self,
        server: &NameServer,
        question: &[u8],
        check: &DnsCheck,
        id: u16,
    ) -> Result<Reply, CheckResult> {
        let mut stream = match check.server {
            Some(_) => {
                let place = Place::parse(&shown_host(server.address), server.address.port())?;
                connected(self, &place).await?
            }
            None => timeout_at(self.deadline, TcpStream::connect(server.address))
                .await
                .map_err(|_| self.too_late("no connection", server))?
                .map_err(|error| self.broke_off(server, &error))?,
        };
        let exchange = async {
            let length = u16::try_from(question.len()).unwrap_or(0);
            let framed = [&length.to_be_bytes()[..], question].concat();
            stream.write_all(&framed).await?;
            let length = stream.read_u16().await?;
            let mut answer = vec![0; usize::from(length)];
            stream.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout_at(self.deadline, exchange)
            .await
            .map_err(|_| self.too_late("no whole answer", server))?
            .map_err(|error| self.broke_off(server, &error))?;
        read(&answer, check, id).ok_or_else(|| self.broke_off(server, &"its answer cannot be read"))
    }
}

fn shown_host(server: SocketAddr) -> String {
    match server {
        SocketAddr::V4(server) => server.ip().to_string(),
        SocketAddr::V6(server) => format!("[{}]", server.ip()),
    }
}

fn question(check: &DnsCheck, id: u16) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    // Recursion is desired; one question, and one extension that says how long an answer may be.
    out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1]);
    put_name(&mut out, &check.name);
    out.extend(check.record.code().to_be_bytes());
    out.extend([0, 1]);
    out.extend([0, 0, 41]);
    out.extend(MAX_UDP.to_be_bytes());
    out.extend([0; 6]);
    out
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        // Labels are at most 63 bytes, which the definition has checked.
        out.push(u8::try_from(label.len()).unwrap_or(63));
        out.extend(label.as_bytes());
    }
    out.push(0);
}

/// Reads an answer to this question; `None`: it is none, or cannot be read.
fn read(message: &[u8], check: &DnsCheck, id: u16) -> Option<Reply> {
    let mut reader = Wire { message, at: 0 };
    let found = reader.u16()?;
    let flags = reader.u16()?;
    let [questions, answers, _, _] = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
    if found != id || flags & 0x8000 == 0 || questions > 1 {
        return None;
    }
    if questions == 1 {
        let name = reader.name()?;
        let is_ours = name.eq_ignore_ascii_case(check.name.trim_end_matches('.'));
        if !is_ours || reader.u16()? != check.record.code() {
            return None;
        }
        reader.u16()?;
    }
    let mut reply = Reply {
        is_cut: flags & 0x0200 != 0,
        code: (flags & 0x000F) as u8,
        records: Vec::new(),
    };
    for _ in 0..answers.min(MAX_ANSWERS) {
        let record = reader.record(check.record);
        match record {
            Some(Some(record)) => reply.records.push(record),
            Some(None) => {}
            // What was cut off is asked for again by TCP; else it is no answer.
            None if reply.is_cut => break,
            None => return None,
        }
    }
    Some(reply)
}

/// A message of the protocol, read from the front.
struct Wire<'a> {
    message: &'a [u8],
    at: usize,
}

impl Wire<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.message.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(bytes.try_into().ok()?))
    }

    /// A name, which may go on elsewhere in the message.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let (mut at, mut end) = (self.at, None);
        for _ in 0..MAX_JUMPS {
            let length = usize::from(*self.message.get(at)?);
            match length {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    return Some(name);
                }
                1..64 => {
                    let label = self.message.get(at + 1..at + 1 + length)?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.extend(label.iter().map(|b| char::from(*b)));
                    at += 1 + length;
                }
                192.. => {
                    let low = usize::from(*self.message.get(at + 1)?);
                    end = end.or(Some(at + 2));
                    at = ((length & 0x3F) << 8) | low;
                }
                _ => return None,
            }
        }
        None
    }

    /// The next record: what it says, if it is of this type.
    fn record(&mut self, wanted: RecordType) -> Option<Option<String>> {
        self.name()?;
        let kind = self.u16()?;
        let class = self.u16()?;
        self.take(4)?;
        let length = usize::from(self.u16()?);
        let end = self.at.checked_add(length)?;
        self.message.get(self.at..end)?;
        let is_wanted = kind == wanted.code() && class == 1;
        let said = if is_wanted {
            self.said(wanted, end)?
        } else {
            String::new()
        };
        self.at = end;
        Some(is_wanted.then_some(said))
    }

    fn said(&mut self, wanted: RecordType, end: usize) -> Option<String> {
        Some(match wanted {
            RecordType::A => {
                let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
                Ipv4Addr::from(bytes).to_string()
            }
            RecordType::Aaaa => {
                let bytes: [u8; 16] = self.take(16)?.try_into().ok()?;
                Ipv6Addr::from(bytes).to_string()
            }
            RecordType::Cname | RecordType::Ns => self.name()?,
            RecordType::Mx => format!("{} {}", self.u16()?, self.name()?),
            RecordType::Txt => {
                let mut text = Vec::new();
                while self.at < end {
                    let length = usize::from(*self.take(1)?.first()?);
                    text.extend_from_slice(self.take(length)?);
                }
                String::from_utf8_lossy(&text).into_owned()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> DnsCheck {
        serde_json::from_str(json).unwrap()
    }

    /// The head of an answer with so many records, and its question.
    fn head(check: &DnsCheck, flags: u16, answers: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34];
        message.extend(flags.to_be_bytes());
        message.extend([0, 1]);
        message.extend(answers.to_be_bytes());
        message.extend([0, 0, 0, 0]);
        put_name(&mut message, &check.name);
        message.extend(check.record.code().to_be_bytes());
        message.extend([0, 1]);
        message
    }

    /// A record whose name is that of the question.
    fn put_record(message: &mut Vec<u8>, kind: u16, data: &[u8]) {
        message.extend([0xC0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }

    #[test]
    fn questions_as_the_wire_has_them() {
        let asked = question(&check(r#"{"name":"a.bc.","type":"AAAA"}"#), 0x1234);
        let mut expected = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        expected.extend(b"\x01a\x02bc\x00\x00\x1c\x00\x01");
        expected.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        assert_eq!(asked, expected);
    }

    #[test]
    fn answers_are_read() {
        let mx = check(r#"{"name":"a.example","type":"MX"}"#);
        let mut message = head(&mx, 0x8180, 3);
        put_record(&mut message, 5, b"\x01b\xC0\x0E");
        put_record(&mut message, 15, b"\x00\x0A\x04mail\xC0\x0E");
        put_record(&mut message, 15, b"\x00\x14\xC0\x0C");
        let reply = read(&message, &mx, 0x1234).unwrap();
        let expected = ["10 mail.example", "20 a.example"];
        assert_eq!(
            (reply.code, reply.is_cut, &reply.records[..]),
            (0, false, &expected.map(str::to_owned)[..])
        );
        for (json, data, expected) in [
            (r#"{"name":"a"}"#, &b"\xC0\x00\x02\x01"[..], "192.0.2.1"),
            (
                r#"{"name":"a","type":"AAAA"}"#,
                &[32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                "2001:db8::1",
            ),
            (r#"{"name":"a","type":"TXT"}"#, b"\x03v=1\x02 b", "v=1 b"),
            (r#"{"name":"a","type":"NS"}"#, b"\x02ns\xC0\x0C", "ns.a"),
        ] {
            let check = check(json);
            let mut message = head(&check, 0x8180, 1);
            put_record(&mut message, check.record.code(), data);
            assert_eq!(read(&message, &check, 0x1234).unwrap().records, [expected]);
        }
    }

    #[test]
    fn what_is_not_for_us_or_cannot_be_read_is_no_answer() {
        let a = check(r#"{"name":"a.example"}"#);
        let good = head(&a, 0x8183, 0);
        assert_eq!(read(&good, &a, 0x1234).map(|reply| reply.code), Some(3));
        assert_eq!(read(&good, &a, 0x1235), None, "another id");
        assert_eq!(read(&head(&a, 0x0100, 0), &a, 0x1234), None, "a question");
        let other = check(r#"{"name":"b.example"}"#);
        assert_eq!(read(&good, &other, 0x1234), None, "another name");
        // A name that goes on at itself for ever, and records that are longer than the message.
        let mut circle = head(&a, 0x8180, 1);
        let at = u8::try_from(circle.len()).unwrap();
        circle.extend([0xC0, at, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&circle, &a, 0x1234), None);
        let mut long = head(&a, 0x8180, 1);
        put_record(&mut long, 1, &[1, 2, 3, 4]);
        for end in 0..long.len() {
            assert_eq!(read(&long[..end], &a, 0x1234), None, "{end}");
        }
        let cut = head(&a, 0x8380, 9);
        assert!(read(&cut, &a, 0x1234).unwrap().is_cut);
    }
}
