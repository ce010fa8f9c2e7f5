//! The first book: whom the API knows, and what it accepted.

use std::collections::BTreeMap;

use super::Micros;
use super::later::Planned;

/// An App of the run.
#[derive(Clone, Debug)]
pub(crate) struct AppEntry {
    /// Its id at the API.
    pub(crate) id: String,
}

/// A kind of push token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Alert,
    Voip,
    /// Of a Live Activity, or by which a phone starts some.
    Activity,
}

/// Whose service a push token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Gateway {
    Apns,
    Fcm,
    WebPush,
}

impl Gateway {
    pub(crate) const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::WebPush];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::WebPush => "webpush",
        }
    }
}

/// A push token that was registered.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// Whose: the place in [`super::Books::devices`].
    pub(crate) device: u32,
    pub(crate) gateway: Gateway,
    /// What it is for: calls and Live Activities are Apple's only.
    pub(crate) kind: Kind,
    /// As the simulator calls it: Apple's in hexadecimal, Google's registration token, the end of a browser's endpoint.
    pub(crate) text: String,
    /// As it is registered, where that is another text: a browser's whole subscription.
    pub(crate) subscription: Option<serde_json::Value>,
    /// Where it lives.
    pub(crate) is_sandbox: bool,
    /// Since when the gateway says that it is dead, Unix milliseconds, where it says so with a time.
    pub(crate) dead_since_ms: Option<i64>,
}

/// A device that was registered.
#[derive(Clone, Debug)]
pub(crate) struct DeviceEntry {
    pub(crate) app: u32,
    /// Its id at the API.
    pub(crate) id: String,
    /// The user to whom it belongs, a number.
    pub(crate) user: u32,
    /// The topic that it is subscribed to, a number.
    pub(crate) topic: u32,
    /// The time zone that it says it is in, a number.
    pub(crate) zone: u32,
    /// Its current push tokens: places in [`super::Books::addresses`].
    pub(crate) addresses: Vec<u32>,
    /// Each time it was registered, oldest first.
    pub(crate) registered: Vec<Call>,
    /// When it was deleted, if it was.
    pub(crate) deleted: Option<Call>,
    /// Whether its phone was there, with these push tokens, all the time: every fan-out must reach it.
    pub(crate) is_steady: bool,
    /// It only keeps a push token of a Live Activity, and the API does not name it.
    pub(crate) is_nameless: bool,
}

/// A call to the API: it took effect somewhere between these two instants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Before it was first sent.
    pub(crate) sent: Micros,
    /// When its answer had been read.
    pub(crate) answered: Micros,
}

/// What is to become of a delivery of which nobody knows whether the gateway took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnknown {
    Resend,
    Drop,
}

/// Whom a notification is for.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// These devices, ascending.
    Devices(Vec<u32>),
    /// Every device of these users, ascending, of the App.
    Users(Vec<u32>),
    /// Every device of the App that is subscribed to this topic, with a push token of the kind.
    Topic(u32),
    /// Every device of the App with a push token of the kind.
    All,
}

impl Audience {
    /// Whether a device of the App belongs to it, whatever it can receive. Lists name theirs one by one.
    pub(crate) fn has(&self, device: &DeviceEntry) -> bool {
        match self {
            Self::Users(users) => users.binary_search(&device.user).is_ok(),
            Self::Topic(topic) => device.topic == *topic,
            Self::Devices(_) | Self::All => true,
        }
    }
}

/// A notification that was asked for. Its place in the book is the number in its payload.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) app: u32,
    pub(crate) kind: Kind,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) audience: Audience,
    /// After this instant it must not be written.
    pub(crate) expires_at: Option<Micros>,
    /// When it is to be sent, if not at once.
    pub(crate) planned: Option<Planned>,
    /// How far business time was ahead of the books' when it was entered: the gateway is told business time.
    pub(crate) ahead: Micros,
    /// Before it was first sent.
    pub(crate) sent: Micros,
    /// The 202: id and instant. `None`: the API refused it for good.
    pub(crate) accepted: Option<(String, Micros)>,
    /// The codes with which the API refused it for good.
    pub(crate) refused: Option<String>,
    /// Whether it was asked to be cancelled, whatever came of that: its fan-out may have ended on its way.
    pub(crate) is_cancel_asked: bool,
    /// The acknowledged cancel (200), if there was one.
    pub(crate) cancelled: Option<Cancelled>,
    /// What the store said of it before the end, when all of it was final.
    pub(crate) sightings: Vec<Sighting>,
}

/// A cancel that was acknowledged with 200.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cancelled {
    /// When the answer had been read.
    pub(crate) at: Micros,
    /// Deliveries of which the answer says that they will never be sent.
    pub(crate) not_sent: u64,
}

/// A notification seen with every delivery final.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    /// When the answer had been read.
    pub(crate) at: Micros,
    /// How many deliveries were in which state, by the API's words.
    pub(crate) counts: BTreeMap<String, u64>,
}

impl DeviceEntry {
    /// The last registration.
    pub(crate) fn last_registered(&self) -> Option<Call> {
        self.registered.last().copied()
    }
}
