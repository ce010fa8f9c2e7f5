//! Types of single settings: durations and addresses as people write them.

use carillon_model::UnixMs;
use carillon_store_sql::{StoreUrl, TlsMode};
use serde::de::{Deserialize, Deserializer, Error as _};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration such as `"30s"` or `"1h30m"`; with a minus sign in front where that makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(i64);

impl Span {
    /// In milliseconds.
    pub(crate) fn ms(self) -> i64 {
        self.0
    }

    /// As a duration; nothing when negative.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(self.0.max(0) as u64)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (sign, length) = match text.strip_prefix('-') {
            Some(length) => (-1, length),
            None => (1, text.as_str()),
        };
        carillon_model::duration::parse_ms(length)
            .map(|ms| Self(ms * sign))
            .map_err(D::Error::custom)
    }
}

/// An instant as RFC 3339 writes it, in Unix milliseconds.
pub(super) fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<UnixMs>, D::Error> {
    let text = String::deserialize(from)?;
    let instant = text.parse::<jiff::Timestamp>();
    let instant = instant.map(|instant| Some(instant.as_millisecond()));
    instant.map_err(|_| {
        let expected = "expected an instant such as \"2026-12-01T16:00:00+09:00\"";
        D::Error::custom(format!("{expected}, found {text:?}"))
    })
}

/// Where the store is.
pub(super) fn store_url<'de, D: Deserializer<'de>>(from: D) -> Result<Option<StoreUrl>, D::Error> {
    let text = String::deserialize(from)?;
    StoreUrl::parse(&text).map(Some).map_err(D::Error::custom)
}

/// How the way to a database server is protected.
pub(super) fn tls_mode<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TlsMode>, D::Error> {
    match String::deserialize(from)?.as_str() {
        "off" => Ok(Some(TlsMode::Off)),
        "verify-ca" => Ok(Some(TlsMode::VerifyCa)),
        "verify-full" => Ok(Some(TlsMode::VerifyFull)),
        other => Err(D::Error::custom(format!(
            "expected \"off\", \"verify-ca\" or \"verify-full\", found {other:?}"
        ))),
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected host:port, e.g. \"127.0.0.1:8443\", found {text:?}");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let plain = host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(&b));
        let port = port.parse().ok().filter(|port| *port != 0);
        match port {
            Some(port) if !host.is_empty() && plain => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Several values with commas between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Several<T>(pub(crate) Vec<T>);

impl<T: FromStr<Err: fmt::Display>> FromStr for Several<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        let entries = text.split(',').map(str::trim);
        entries.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let name: Endpoint = "api.push.apple.com:443".parse().unwrap();
        assert_eq!((name.host.as_str(), name.port), ("api.push.apple.com", 443));
        let v6: Endpoint = "[::1]:9".parse().unwrap();
        assert_eq!(v6.to_string(), "[::1]:9");
        for bad in [
            "",
            "host",
            "host:",
            "host:0",
            "host:70000",
            ":1",
            "https://host:1",
            "a b:1",
        ] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn several_stand_between_commas() {
        let two: Several<Endpoint> = "a.example:1, [::1]:2".parse().unwrap();
        let hosts: Vec<_> = two.0.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["a.example:1", "[::1]:2"]);
        assert!("a.example:1,".parse::<Several<Endpoint>>().is_err());
    }
}
