//! Where a gateway is, and a proxy on the way.

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// An HTTP proxy that allows `CONNECT`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name, if it wants one.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
}

impl Host {
    /// `host:port`.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
        }
    }

    /// A sentence about the setting `name`, if nothing can be reached there.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        if self.host.is_empty() || self.port == 0 {
            return Err(format!(
                "{name}: expected host:port, found \"{}:{}\"",
                self.host, self.port
            ));
        }
        Ok(())
    }
}

impl Proxy {
    /// The same for the libraries.
    pub(crate) fn way(&self) -> apns::Proxy {
        let way = apns::Proxy::new(self.host.as_str(), self.port);
        match &self.user {
            Some(user) => way.basic_auth(user, self.password.as_deref().unwrap_or_default()),
            None => way,
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_password_is_not_shown() {
        let proxy = Proxy {
            host: "p".into(),
            port: 1,
            user: None,
            password: Some("pw".into()),
        };
        assert!(!format!("{proxy:?}").contains("pw"));
    }
}
