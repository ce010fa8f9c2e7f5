//! A range of addresses in CIDR notation, for exceptions.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network: an address and the length of its prefix, or one address alone.
///
/// IPv4 addresses inside IPv6 ones (`::ffff:10.0.0.1`) are looked at as themselves, so that an exception for one is an
/// exception for the other.
///
/// ```
/// let network: egress_guard::Network = "10.1.0.0/16".parse()?;
/// assert!(network.contains("10.1.2.3".parse()?));
/// assert!(!network.contains("10.2.0.0".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is no network: expected an address, or one with the length of its prefix such as 10.0.0.0/8; {rule}"
)]
pub struct BadNetwork {
    found: Box<str>,
    rule: &'static str,
}

impl BadNetwork {
    /// The rule that it breaks.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl Network {
    /// Whether the address is one of this network's.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, plain(address)) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differs = first.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differs = first.to_bits() ^ address.to_bits();
                differs.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// The IPv4 address that an IPv6 one stands for, if it does.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

// === impl Network ===

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let first = plain(address);
        let prefix = if first.is_ipv4() { 32 } else { 128 };
        Self { first, prefix }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let wrong = |rule| BadNetwork {
            found: text.chars().take(60).collect(),
            rule,
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| wrong("the address cannot be read"))?;
        let Some(prefix) = prefix else {
            return Ok(address.into());
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .parse()
            .ok()
            .filter(|prefix| (1..=longest).contains(prefix))
            .ok_or_else(|| {
                wrong("the length of the prefix must be 1 to 32, or 1 to 128 for IPv6")
            })?;
        let network = Self {
            first: address,
            prefix,
        };
        let is_first = match address {
            IpAddr::V4(four) => four.to_bits().trailing_zeros() + u32::from(prefix) >= 32,
            IpAddr::V6(six) => six.to_bits().trailing_zeros() + u32::from(prefix) >= 128,
        };
        if !is_first {
            return Err(wrong(
                "there are bits set behind the prefix, so it says two things at once",
            ));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        match (self.first, self.prefix) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128) => Ok(()),
            (_, prefix) => write!(f, "/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_edges_of_a_network() {
        for (network, inside, outside) in [
            (
                "10.0.0.0/8",
                ["10.0.0.0", "10.255.255.255"],
                ["9.255.255.255", "11.0.0.0"],
            ),
            (
                "127.0.0.1",
                ["127.0.0.1", "::ffff:127.0.0.1"],
                ["127.0.0.2", "::1"],
            ),
            (
                "192.168.4.0/22",
                ["192.168.4.0", "192.168.7.255"],
                ["192.168.3.255", "192.168.8.0"],
            ),
            ("[::1]", ["::1", "::1"], ["::2", "127.0.0.1"]),
            ("fd00::/8", ["fd00::", "fdff:ffff::1"], ["fc00::", "fe00::"]),
            (
                "128.0.0.0/1",
                ["128.0.0.0", "255.255.255.255"],
                ["127.255.255.255", "::ffff:1.2.3.4"],
            ),
            ("2600::/128", ["2600::", "2600::"], ["2600::1", "2601::"]),
        ] {
            let network: Network = network.parse().unwrap();
            for address in inside {
                assert!(
                    network.contains(address.parse().unwrap()),
                    "{network} {address}"
                );
            }
            for address in outside {
                assert!(
                    !network.contains(address.parse().unwrap()),
                    "{network} {address}"
                );
            }
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/0",
            "::/0",
            "10.0.0.1/8",
            "fd00::1/8",
            "10/8",
            "::/129",
            "localhost",
        ] {
            let error = text.parse::<Network>().unwrap_err().to_string();
            assert!(
                error.contains(text) && error.contains("10.0.0.0/8"),
                "{error}"
            );
        }
    }
}
