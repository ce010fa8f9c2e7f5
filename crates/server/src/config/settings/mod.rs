//! Every configuration key, once: default, unit and meaning; a file for each topic, a list for each
//! section.

mod apns;
mod engine;
mod fcm;
mod monitors;
mod serving;
mod store;
mod upkeep;
mod webpush;

/// One key.
pub(crate) struct Setting {
    /// Section and name, e.g. `server.listen`.
    pub(crate) key: &'static str,
    /// Its default, as TOML. `""` for a text that is not set.
    pub(crate) default: &'static str,
    /// What it means, for the operator; lines of at most 95 characters.
    pub(crate) about: &'static str,
    /// A secret: its environment variable has a `_FILE` twin, and its value is never shown.
    pub(crate) secret: bool,
}

const fn plain(key: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default,
        about,
        secret: false,
    }
}

const fn secret(key: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default: "\"\"",
        about,
        secret: true,
    }
}

/// A section of the file.
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is about.
    pub(crate) about: &'static str,
    /// Its keys, in the order in which they are printed.
    pub(crate) settings: &'static [Setting],
}

const fn section(name: &'static str, about: &'static str, settings: &'static [Setting]) -> Section {
    Section {
        name,
        about,
        settings,
    }
}

/// All sections, in the order in which they are printed.
pub(crate) const SECTIONS: &[Section] = &[
    section(
        "server",
        "The API's listener, and how the process stops.",
        serving::SERVER,
    ),
    section("api", "Bounds and deadlines of the API.", serving::API),
    section("store", "Where everything is kept.", store::STORE),
    section(
        "secrets",
        "The key under which credentials are sealed.",
        store::SECRETS,
    ),
    section(
        "credentials",
        "Credentials whose keys are files, e.g. of a mounted Secret.",
        upkeep::CREDENTIALS,
    ),
    section("apns", "Apple's gateway.", apns::APNS),
    section(
        "fcm",
        "Google's gateway: Firebase Cloud Messaging.",
        fcm::FCM,
    ),
    section(
        "webpush",
        "The push services of browsers.",
        webpush::WEBPUSH,
    ),
    section(
        "webhooks",
        "Calls to webhook endpoints. How many run at once is in [engine].",
        engine::WEBHOOKS,
    ),
    section(
        "engine",
        "How sending works: bounds and pauses. The defaults fit; change one only for a reason.",
        engine::ENGINE,
    ),
    section(
        "sources",
        "Databases of yours: campaigns read their audiences from them, Live Activities follow their tables.",
        upkeep::SOURCES,
    ),
    section(
        "scheduler",
        "What happens later: bounds and pauses.",
        upkeep::SCHEDULER,
    ),
    section(
        "live_activities",
        "What phones show on their lock screens: pauses and budgets.",
        upkeep::LIVE_ACTIVITIES,
    ),
    section(
        "monitors",
        "Services that are watched: where checks may go, bounds and pauses.",
        monitors::MONITORS,
    ),
    section("retention", "What is deleted when.", upkeep::RETENTION),
    section("log", "Log lines.", upkeep::LOG),
    section("clock", "Business time, for trying out.", upkeep::CLOCK),
];

/// All keys, in the order in which they are printed.
pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// The key of this section and name, if there is one.
pub(crate) fn key_of(section: &str, name: &str) -> Option<&'static str> {
    let wanted = format!("{section}.{name}");
    settings()
        .map(|setting| setting.key)
        .find(|key| *key == wanted)
}

/// Name of the environment variable that overrides a key.
pub(crate) fn env_name(key: &str) -> String {
    format!("CARILLON_{}", key.replace('.', "__").to_uppercase())
}
