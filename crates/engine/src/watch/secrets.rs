//! What opens a heartbeat, and what opens one incident to one person. Both name what they are for and are authenticated by
//! a key of this installation, so that reading one asks no store and none is kept in a table.

use super::plans::Monitor;
use crate::engine::Engine;
use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carillon_model::UnixMs;
use carillon_model::definition::Definition;
use carillon_model::id::{AppNo, DefinitionNo};
use std::sync::Arc;

/// So much of the HMAC: 96 bits, of which nobody can try many.
const TAG: usize = 12;
const VERSION: u8 = 1;
/// Of a heartbeat's secret: version and monitor.
const HEARTBEAT: usize = 1 + 8;
/// Of a link: version, App, monitor, incident, expiry; the user follows.
const LINK: usize = 1 + 8 + 8 + 4 + 8;
/// Most characters of either that are looked at.
const MAX_TEXT: usize = 512;

/// What a link to an incident lets do: see it, and act on it as this user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentLink {
    /// Whose.
    pub app: AppNo,
    /// The incident's monitor.
    pub monitor: DefinitionNo,
    /// Its number.
    pub incident: u32,
    /// Who acts.
    pub user: String,
    /// Until when it is good.
    pub until: UnixMs,
}

/// The keys of both.
#[derive(Clone)]
pub(crate) struct WatchKeys {
    heartbeats: hmac::Key,
    links: hmac::Key,
}

impl WatchKeys {
    pub(crate) fn new(receipts: &crate::receipt::ReceiptKey) -> Self {
        Self {
            heartbeats: receipts.derived(b"carillon heartbeats"),
            links: receipts.derived(b"carillon incident links"),
        }
    }

    fn heartbeat(&self, no: DefinitionNo, created_at: UnixMs, serial: u32) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(no.0.to_be_bytes());
        let tag = self.heartbeat_tag(&bytes, created_at, serial);
        bytes.extend(tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// What changes with each secret of a monitor is authenticated and not told.
    fn heartbeat_tag(&self, plain: &[u8], created_at: UnixMs, serial: u32) -> [u8; TAG] {
        let mut signed = plain.to_vec();
        signed.extend(created_at.to_be_bytes());
        signed.extend(serial.to_be_bytes());
        tag(&self.heartbeats, &signed)
    }

    /// The monitor that a heartbeat's secret names, as `find` knows it; `None`: it is none of ours, whatever is wrong.
    pub(super) fn read_heartbeat(
        &self,
        text: &str,
        find: impl FnOnce(DefinitionNo) -> Option<Arc<Monitor>>,
    ) -> Option<Arc<Monitor>> {
        let bytes = decoded(text)?;
        let (plain, found) = bytes.split_at_checked(HEARTBEAT)?;
        if plain[0] != VERSION {
            return None;
        }
        let no = DefinitionNo(i64::from_be_bytes(plain[1..].try_into().ok()?));
        let monitor = find(no).filter(|monitor| monitor.is_heartbeat())?;
        let serial = monitor.definition.heartbeat_serial;
        let expected = self.heartbeat_tag(plain, monitor.created_at, serial);
        constant_time::verify_slices_are_equal(found, &expected).ok()?;
        Some(monitor)
    }

    pub(crate) fn link(&self, link: &IncidentLink) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(link.app.0.to_be_bytes());
        bytes.extend(link.monitor.0.to_be_bytes());
        bytes.extend(link.incident.to_be_bytes());
        bytes.extend(link.until.to_be_bytes());
        bytes.extend(link.user.as_bytes());
        let tag = tag(&self.links, &bytes);
        bytes.extend(tag);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read_link(&self, text: &str, now: UnixMs) -> Option<IncidentLink> {
        let bytes = decoded(text)?;
        let (plain, found) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        constant_time::verify_slices_are_equal(found, &tag(&self.links, plain)).ok()?;
        let (fixed, user) = plain.split_at_checked(LINK)?;
        if fixed[0] != VERSION {
            return None;
        }
        let number = |at: usize| Some(i64::from_be_bytes(fixed.get(at..at + 8)?.try_into().ok()?));
        let link = IncidentLink {
            app: AppNo(number(1)?),
            monitor: DefinitionNo(number(9)?),
            incident: u32::from_be_bytes(fixed[17..21].try_into().ok()?),
            until: number(21)?,
            user: String::from_utf8(user.to_vec()).ok()?,
        };
        (link.until > now).then_some(link)
    }
}

fn tag(key: &hmac::Key, plain: &[u8]) -> [u8; TAG] {
    let mut out = [0; TAG];
    out.copy_from_slice(&hmac::sign(key, plain).as_ref()[..TAG]);
    out
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl Engine {
    /// The secret of a heartbeat's URL. Another one after the definition's `heartbeat_serial` rises, and of a monitor that was
    /// deleted and made again. Of a definition that is no heartbeat it opens nothing.
    #[must_use]
    pub fn heartbeat_secret(&self, monitor: &Definition) -> String {
        let read = Monitor::read(monitor, None);
        let serial = read.map_or(0, |read| read.definition.heartbeat_serial);
        let keys = &self.shared().hub.watching.keys;
        keys.heartbeat(monitor.no, monitor.created_at, serial)
    }

    /// A link's token: what stands after [`INCIDENT_LINK_PATH`]. The engine itself makes the links of its pages; this is for
    /// who tests what a link leads to.
    ///
    /// [`INCIDENT_LINK_PATH`]: carillon_model::monitor::INCIDENT_LINK_PATH
    #[must_use]
    pub fn incident_link(&self, link: &IncidentLink) -> String {
        self.shared().hub.watching.keys.link(link)
    }

    /// Reads a link's token. `None`: it is none of this installation's, or its time is over.
    #[must_use]
    pub fn read_incident_link(&self, token: &str) -> Option<IncidentLink> {
        let hub = &self.shared().hub;
        hub.watching.keys.read_link(token, hub.parts.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::ReceiptKey;
    use carillon_model::definition::DefinitionKind;
    use serde_json::json;

    fn keys(byte: u8) -> WatchKeys {
        WatchKeys::new(&ReceiptKey::new(&[byte; 32]))
    }

    fn monitor(check: serde_json::Value, serial: u32, created_at: UnixMs) -> Arc<Monitor> {
        let mut body = json!({"check": check});
        if serial > 0 {
            body["heartbeat_serial"] = serial.into();
        }
        let definition = Definition {
            no: DefinitionNo(7),
            app: AppNo(3),
            kind: DefinitionKind::Monitor,
            name: "backup".into(),
            version: 1,
            body: body.to_string(),
            created_at,
            updated_at: created_at,
        };
        Arc::new(Monitor::read(&definition, None).unwrap())
    }

    #[test]
    fn a_heartbeats_secret_opens_its_monitor_until_it_is_changed() {
        let beats = || json!({"heartbeat": {"period": "1d"}});
        let text = keys(1).heartbeat(DefinitionNo(7), 5, 0);
        assert_eq!(text.len(), 28);
        let opens = |keys: WatchKeys, text: &str, known: Arc<Monitor>| {
            let found = keys.read_heartbeat(text, |no| (no == known.no).then_some(known));
            found.is_some()
        };
        assert!(opens(keys(1), &text, monitor(beats(), 0, 5)));
        assert!(
            !opens(keys(2), &text, monitor(beats(), 0, 5)),
            "of another house"
        );
        assert!(!opens(keys(1), &text, monitor(beats(), 1, 5)), "changed");
        assert!(!opens(keys(1), &text, monitor(beats(), 0, 6)), "made again");
        let tcp = json!({"tcp": {"host": "a.example", "port": 1}});
        assert!(!opens(keys(1), &text, monitor(tcp, 0, 5)), "no heartbeat");
        for bad in ["", "A", "é", &"A".repeat(28), &"A".repeat(10_000)] {
            assert!(!opens(keys(1), bad, monitor(beats(), 0, 5)), "{bad}");
        }
    }

    #[test]
    fn a_link_is_one_persons_for_one_incident_and_ends() {
        let link = IncidentLink {
            app: AppNo(3),
            monitor: DefinitionNo(7),
            incident: 2,
            user: "ánn".into(),
            until: 1_000,
        };
        let text = keys(1).link(&link);
        assert_eq!(keys(1).read_link(&text, 999), Some(link));
        assert_eq!(keys(1).read_link(&text, 1_000), None, "its time is over");
        assert_eq!(keys(2).read_link(&text, 0), None, "of another house");
        for at in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert_eq!(keys(1).read_link(&bent, 0), None, "{at}");
        }
        for bad in ["", "A", "é", &"A".repeat(60), &"A".repeat(10_000)] {
            assert_eq!(keys(1).read_link(bad, 0), None, "{bad}");
        }
    }
}
