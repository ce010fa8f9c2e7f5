//! Which addresses are public: everything else is somebody's inside, and what strangers name must not lead there.
//!
//! One table, from the registries of special-purpose addresses (RFC 6890, as kept by IANA). It judges addresses, not names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not for strangers' traffic, in a word or two; `None` if it is public.
///
/// IPv4 addresses inside IPv6 ones (mapped, or behind NAT64) are judged as themselves.
///
/// ```
/// assert_eq!(egress_guard::not_public("169.254.169.254".parse()?), Some("link-local"));
/// assert_eq!(egress_guard::not_public("::ffff:127.0.0.1".parse()?), Some("loopback"));
/// assert_eq!(egress_guard::not_public("17.188.143.34".parse()?), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

/// Network, length of its prefix, what it is for.
type V4 = (Ipv4Addr, u32, &'static str);
type V6 = (Ipv6Addr, u32, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u32, what: &'static str) -> V4 {
    (Ipv4Addr::new(a, b, c, d), prefix, what)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u32, what: &'static str) -> V6 {
    (Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix, what)
}

const V4_TABLE: &[V4] = &[
    v4(0, 0, 0, 0, 8, "unspecified"),
    v4(10, 0, 0, 0, 8, "private"),
    v4(100, 64, 0, 0, 10, "carrier-grade NAT"),
    v4(127, 0, 0, 0, 8, "loopback"),
    // Also where clouds keep their metadata.
    v4(169, 254, 0, 0, 16, "link-local"),
    v4(172, 16, 0, 0, 12, "private"),
    v4(192, 0, 0, 0, 24, "protocol assignments"),
    v4(192, 0, 2, 0, 24, "documentation"),
    v4(192, 88, 99, 0, 24, "6to4 relay"),
    v4(192, 168, 0, 0, 16, "private"),
    v4(198, 18, 0, 0, 15, "benchmarking"),
    v4(198, 51, 100, 0, 24, "documentation"),
    v4(203, 0, 113, 0, 24, "documentation"),
    // A public address by its number; to machines in Azure it is the host beneath them.
    v4(168, 63, 129, 16, 32, "cloud metadata"),
    v4(224, 0, 0, 0, 4, "multicast"),
    v4(255, 255, 255, 255, 32, "broadcast"),
    v4(240, 0, 0, 0, 4, "reserved"),
];

/// Inside the part that is public by and large, 2000::/3.
const V6_TABLE: &[V6] = &[
    // Teredo, ORCHID, benchmarking and others.
    v6(0x2001, 0, 0, 23, "protocol assignments"),
    v6(0x2001, 0xdb8, 0, 32, "documentation"),
    v6(0x2002, 0, 0, 16, "6to4"),
    v6(0x3fff, 0, 0, 20, "documentation"),
];

/// Outside of it, only to say what they are.
const V6_NAMES: &[V6] = &[
    v6(0x64, 0xff9b, 1, 48, "local NAT64"),
    v6(0x100, 0, 0, 64, "discard-only"),
    v6(0xfc00, 0, 0, 7, "private"),
    v6(0xfe80, 0, 0, 10, "link-local"),
    v6(0xfec0, 0, 0, 10, "site-local"),
    v6(0xff00, 0, 0, 8, "multicast"),
];

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let is_in = |(network, prefix, _): &&V4| {
        (address.to_bits() ^ network.to_bits())
            .checked_shr(32 - prefix)
            .unwrap_or(0)
            == 0
    };
    V4_TABLE.iter().find(is_in).map(|(_, _, what)| *what)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    let is_in = |(network, prefix, _): &&V6| {
        (address.to_bits() ^ network.to_bits())
            .checked_shr(128 - prefix)
            .unwrap_or(0)
            == 0
    };
    let named = |table: &[V6]| table.iter().find(is_in).map(|(_, _, what)| *what);
    if let Some(inner) = address.to_ipv4_mapped() {
        return not_public_v4(inner);
    }
    // 64:ff9b::/96 (RFC 6052): how machines without IPv4 reach the services that have nothing else.
    let [a, b, c, d, e, f, ..] = address.segments();
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return not_public_v4(Ipv4Addr::from_bits(address.to_bits() as u32));
    }
    if a >> 13 == 1 {
        return named(V6_TABLE);
    }
    match address {
        Ipv6Addr::UNSPECIFIED => Some("unspecified"),
        Ipv6Addr::LOCALHOST => Some("loopback"),
        _ => Some(named(V6_NAMES).unwrap_or("reserved")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(text: &str) -> Option<&'static str> {
        not_public(text.parse().unwrap())
    }

    #[test]
    fn both_edges_of_every_range() {
        for (first, last, what) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "protocol assignments"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.88.99.0", "192.88.99.255", "6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "benchmarking"),
            ("198.51.100.0", "198.51.100.255", "documentation"),
            ("203.0.113.0", "203.0.113.255", "documentation"),
            ("168.63.129.16", "168.63.129.16", "cloud metadata"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.254", "reserved"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
            ("::", "::", "unspecified"),
            ("::1", "::1", "loopback"),
            ("::2", "::ffff", "reserved"),
            ("::7f00:1", "::7f00:1", "reserved"),
            (
                "64:ff9b:1::",
                "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
                "local NAT64",
            ),
            ("100::", "100::ffff:ffff:ffff:ffff", "discard-only"),
            (
                "1fff:ffff::",
                "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "reserved",
            ),
            (
                "2001::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                "protocol assignments",
            ),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                "documentation",
            ),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"),
            ("2002:7f00:1::", "2002:a9fe:a9fe::", "6to4"),
            (
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                "documentation",
            ),
            ("4000::", "fbff:ffff::", "reserved"),
            (
                "fc00::",
                "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "private",
            ),
            ("fd00:ec2::254", "fd00:ec2::254", "private"),
            (
                "fe80::",
                "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "link-local",
            ),
            (
                "fec0::",
                "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "site-local",
            ),
            (
                "ff00::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "multicast",
            ),
            ("::ffff:127.0.0.1", "::ffff:7f00:1", "loopback"),
            ("::ffff:10.0.0.1", "::ffff:10.255.255.255", "private"),
            (
                "64:ff9b::a9fe:a9fe",
                "64:ff9b::169.254.169.254",
                "link-local",
            ),
        ] {
            assert_eq!(judged(first), Some(what), "{first}");
            assert_eq!(judged(last), Some(what), "{last}");
        }
    }

    #[test]
    fn the_neighbours_of_the_ranges_are_public() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "223.255.255.255",
            "17.188.143.34",
            "142.250.74.106",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2600::",
            "2a00:1450:4001::1",
            "3fff:1000::",
            "::ffff:17.188.143.34",
            "64:ff9b::17.188.143.34",
        ] {
            assert_eq!(judged(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_disguise_of_an_ipv4_address_is_judged_as_itself(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            let expected = not_public(plain.into());
            prop_assert_eq!(not_public(plain.to_ipv6_mapped().into()), expected);
            let nat64 = Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits));
            prop_assert_eq!(not_public(nat64.into()), expected);
            // The ways that are out of use are refused whatever is inside.
            let [a, b, c, d] = plain.octets().map(u16::from);
            let six_to_four = Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1);
            prop_assert!(not_public(six_to_four.into()).is_some());
            prop_assert!(not_public(Ipv6Addr::from_bits(u128::from(bits)).into()).is_some());
        }

        #[test]
        fn it_never_knows_better_than_the_standard_library(bits: u32, bits6: u128) {
            let v4 = Ipv4Addr::from_bits(bits);
            let is_inside = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_unspecified() || v4.is_broadcast() || v4.is_documentation();
            prop_assert!(!is_inside || not_public(v4.into()).is_some());
            let v6 = Ipv6Addr::from_bits(bits6);
            let is_inside = v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!is_inside || not_public(v6.into()).is_some());
        }
    }
}
