//! Settings of the checks. Everything has a default that works.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use egress_guard::{Exception, Guard};

use crate::config::ConfigError;
use crate::lookup::{Lookup, SystemLookup};

/// How checks are made.
#[derive(Clone)]
pub struct ProbeConfig {
    /// Where they may go. Default: every public address, at any port.
    pub guard: Guard,
    /// Where those of monitors may go that say `private_target`. Default: the same.
    pub private_guard: Guard,
    /// The name servers that are asked where a check names none, in this order. Default: none, and such checks say so.
    pub name_servers: Vec<SocketAddr>,
    /// How many answers may be judged at once that take long: those in which a regular expression goes through more than a
    /// little. Each keeps a thread busy. Default: 2.
    pub judges: usize,
    /// Certificate authorities to trust besides the public ones: PEM.
    pub extra_ca_pem: Vec<u8>,
    /// Looks names up elsewhere than at the operating system. The guard judges its answers all the same.
    pub lookup: Arc<dyn Lookup>,
}

impl ProbeConfig {
    /// Lets these places through besides, for monitors that say `private_target`: hosts, addresses and networks of one's
    /// own, as `db.internal:5432`, `127.0.0.1` or `10.1.0.0/16`.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn allow_private<S: AsRef<str>>(
        mut self,
        places: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        for place in places {
            let place: Exception = place.as_ref().parse()?;
            self.private_guard = self.private_guard.except(place);
        }
        Ok(self)
    }

    pub(super) fn guard_for(&self, is_private: bool) -> &Guard {
        match is_private {
            true => &self.private_guard,
            false => &self.guard,
        }
    }
}

// === impl ProbeConfig ===

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            guard: Guard::public().any_port(),
            private_guard: Guard::public().any_port(),
            name_servers: Vec::new(),
            judges: 2,
            extra_ca_pem: Vec::new(),
            lookup: Arc::new(SystemLookup::default()),
        }
    }
}

impl fmt::Debug for ProbeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeConfig")
            .field("guard", &self.guard)
            .field("private_guard", &self.private_guard)
            .field("name_servers", &self.name_servers)
            .field("judges", &self.judges)
            .finish_non_exhaustive()
    }
}
