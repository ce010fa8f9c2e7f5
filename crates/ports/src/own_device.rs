//! Devices that register themselves, with an API key that everybody has: what proves that a device is
//! the one it was.
//!
//! The rule alone; keys, headers and signatures are the API's.

use crate::registry::Registered;
use carillon_model::device::DeviceRegistration;

/// A device's registration on its own behalf.
#[derive(Clone, Debug)]
pub struct OwnRegistration {
    /// What it says of itself. Its user, if there is one, was proven.
    pub device: DeviceRegistration,
    /// SHA-256 of the secret that it shows.
    pub shown: Option<[u8; 32]>,
    /// SHA-256 of a new secret, for a device that shows none.
    pub fresh: [u8; 32],
}

/// What such a registration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRegistered {
    /// The device.
    pub registered: Registered,
    /// Whether its secret is the new one now, and no longer any other.
    pub is_fresh: bool,
}

/// What came of a device's wish that it, or one of its push tokens, be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnDeletion {
    /// It is gone.
    Deleted,
    /// The device has no push token of this kind.
    NoPushToken,
    /// There is one of this id, with another secret or none.
    NotOwn,
    /// There is none.
    Unknown,
}

/// Whether who shows this secret (SHA-256) and is proven to be this user may change a device of which
/// that is stored: it knows the device's secret, or is the device's user.
#[must_use]
pub fn is_own(
    stored: (Option<[u8; 32]>, Option<&str>),
    shown: Option<[u8; 32]>,
    proven: Option<&str>,
) -> bool {
    let (hash, user) = stored;
    let same_secret = hash.is_some() && hash == shown;
    let same_user = user.is_some() && user == proven;
    same_secret || same_user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_proven_by_having_nothing() {
        let (a, b) = ([1; 32], [2; 32]);
        for (stored, shown, proven, is) in [
            ((None, None), None, None, false),
            ((None, None), Some(a), Some("ann"), false),
            ((Some(a), None), None, None, false),
            ((Some(a), None), Some(b), None, false),
            ((Some(a), None), Some(a), None, true),
            ((Some(a), Some("ann")), Some(a), Some("bob"), true),
            ((Some(a), Some("ann")), Some(b), Some("bob"), false),
            ((Some(a), Some("ann")), None, Some("ann"), true),
            ((None, Some("ann")), None, Some("ann"), true),
            ((None, Some("ann")), None, None, false),
        ] {
            assert_eq!(
                is_own(stored, shown, proven),
                is,
                "{stored:?} {shown:?} {proven:?}"
            );
        }
    }
}
