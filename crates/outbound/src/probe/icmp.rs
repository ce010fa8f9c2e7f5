//! Echo requests (ping), by sockets that need no privilege where the system allows them.

use std::io;
use std::net::{IpAddr, SocketAddr};

use carillon_model::monitor::{CheckResult, FaultKind};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::Attempt;
use super::connect::{Place, addresses};

const ECHO_V4: u8 = 8;
const ECHO_V6: u8 = 128;

impl Attempt<'_> {
    pub(super) async fn icmp(&self, host: &str, dice: u64) -> Result<CheckResult, CheckResult> {
        // There are no ports here; the guard is asked about the usual one.
        let place = Place::parse(host, egress_guard::HTTPS)?;
        let host = &place.host;
        let Some(address) = addresses(self, &place).await?.first().copied() else {
            return Err(CheckResult::down(FaultKind::Resolve, "it has no address"));
        };
        let socket = socket(address.ip()).map_err(|error| {
            let message = format!(
                "this machine may not send echo requests ({error}): on Linux, set net.ipv4.ping_group_range to the group that Carillon runs as"
            );
            CheckResult::unknown(FaultKind::Refused, message)
        })?;
        let sent = request(address.ip(), dice);
        let exchange = async {
            socket
                .send_to(&sent, SocketAddr::new(address.ip(), 0))
                .await?;
            let mut answer = [0; 256];
            loop {
                let (length, from) = socket.recv_from(&mut answer).await?;
                let is_ours = is_reply(&answer[..length], &sent);
                if from.ip() == address.ip() && is_ours {
                    return Ok::<_, io::Error>(());
                }
            }
        };
        timeout_at(self.deadline, exchange)
            .await
            .map_err(|_| self.too_late("no echo", host))?
            .map_err(|error| {
                let message = format!("{host} could not be reached: {error}");
                CheckResult::down(FaultKind::Connect, message).after(self.elapsed_ms())
            })?;
        Ok(CheckResult::up(Some(self.elapsed_ms())))
    }
}

fn socket(address: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

/// An echo request. Its identifier is the system's to write; the number in it is not to be guessed.
fn request(address: IpAddr, dice: u64) -> Vec<u8> {
    let kind = match address {
        IpAddr::V4(_) => ECHO_V4,
        IpAddr::V6(_) => ECHO_V6,
    };
    let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 1];
    message.extend(dice.to_be_bytes());
    message.extend([0; 24]);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// RFC 1071.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether it answers what was sent. Some systems put the IPv4 header in front.
fn is_reply(answer: &[u8], sent: &[u8]) -> bool {
    let answer = match answer.first() {
        Some(first) if first >> 4 == 4 => {
            let header = usize::from(first & 0x0F) * 4;
            answer.get(header..).unwrap_or_default()
        }
        _ => answer,
    };
    let kind = match sent.first() {
        Some(&ECHO_V4) => 0,
        _ => ECHO_V6 + 1,
    };
    answer.first() == Some(&kind) && answer.get(8..16) == sent.get(8..16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_known_by_the_number_in_them() {
        let sent = request("192.0.2.1".parse().unwrap(), 7);
        assert_eq!(checksum(&sent), 0, "with its sum, the sum is nothing");
        let mut answer = sent.clone();
        answer[0] = 0;
        assert!(is_reply(&answer, &sent) && !is_reply(&sent, &sent));
        let mut framed = vec![0x45; 20];
        framed.extend(&answer);
        assert!(is_reply(&framed, &sent));
        answer[15] ^= 1;
        assert!(!is_reply(&answer, &sent) && !is_reply(&[], &sent) && !is_reply(&[0x4F], &sent));
        let sent = request("2001:db8::1".parse().unwrap(), 7);
        let mut answer = sent.clone();
        answer[0] = 129;
        assert!(is_reply(&answer, &sent));
    }
}
