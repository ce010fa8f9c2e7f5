//! Every configuration key, once: default, unit and meaning.

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

/// All keys, in the order in which they are printed.
pub(crate) const SETTINGS: &[Setting] = &[
    plain(
        "server.mode",
        "\"production\"",
        "\"production\", or \"development\": the latter allows a moved clock.",
    ),
    plain(
        "server.listen",
        "\"127.0.0.1:8600\"",
        "Address and port of the API. Port 0 takes a free one and prints it.",
    ),
    plain(
        "server.tls_certificate_file",
        "\"\"",
        "PEM chain, leaf first, to serve the API over TLS. Empty: plain HTTP, e.g. behind a proxy.",
    ),
    plain(
        "server.tls_private_key_file",
        "\"\"",
        "PEM private key of that certificate.",
    ),
    plain(
        "server.threads",
        "0",
        "Threads that serve the API. 0: half of the machine's cores, at least one.",
    ),
    plain(
        "server.header_timeout",
        "\"10s\"",
        "How long a client may take to send a request's head.",
    ),
    plain(
        "server.stop_deadline",
        "\"25s\"",
        "How long a graceful stop may take; what is unanswered then is recorded as in doubt.\nKeep it below the time after which your supervisor kills (Kubernetes: 30 s).",
    ),
    plain(
        "store.path",
        "\"carillon-data/carillon.db\"",
        "The SQLite file. Its directory is made, and must be on a local disk.",
    ),
    secret(
        "secrets.master_key",
        "The master key that seals credentials: 32 bytes in base64 or hex. Several with commas\nbetween them: the first seals, all open. Better given as CARILLON_MASTER_KEY than here.",
    ),
    plain(
        "secrets.master_key_file",
        "\"\"",
        "File with the master key, mode 0600; made on the first start. Empty: \"master.key\" beside\nthe store. Also CARILLON_MASTER_KEY_FILE.",
    ),
    plain(
        "apns.production",
        "\"api.push.apple.com:443\"",
        "Apple's production host. Port 2197 works as well where 443 is blocked.",
    ),
    plain(
        "apns.sandbox",
        "\"api.sandbox.push.apple.com:443\"",
        "Apple's sandbox host.",
    ),
    plain(
        "apns.production_channels",
        "\"api-manage-broadcast.push.apple.com:2196\"",
        "Where broadcast channels are managed, production.",
    ),
    plain(
        "apns.sandbox_channels",
        "\"api-manage-broadcast.sandbox.push.apple.com:2195\"",
        "Where broadcast channels are managed, sandbox.",
    ),
    plain(
        "apns.ca_file",
        "\"\"",
        "PEM file with further certificate authorities to trust for these hosts (simulator, proxy).",
    ),
    plain(
        "apns.proxy",
        "\"\"",
        "HTTP proxy, host:port, through which Apple is reached (CONNECT).",
    ),
    plain("apns.proxy_user", "\"\"", "The proxy's user name."),
    secret("apns.proxy_password", "The proxy's password."),
    plain(
        "retention.content",
        "\"7d\"",
        "How long a notification's content is kept after its last delivery is final.",
    ),
    plain(
        "retention.records",
        "\"30d\"",
        "How long the records (deliveries, attempts, events, counters) are kept.",
    ),
    plain(
        "log.format",
        "\"text\"",
        "\"text\" for people, \"json\" for machines. Both go to stderr.",
    ),
    plain(
        "log.level",
        "\"info\"",
        "error, warn, info, debug, trace; also by part: \"warn,carillon_engine=debug\".",
    ),
    plain(
        "clock.offset",
        "\"0s\"",
        "Development only: business time starts so far from the machine's, e.g. \"30d\" or \"-1h\".",
    ),
    plain(
        "clock.speed",
        "1.0",
        "Development only: business time runs so many times as fast.",
    ),
];

/// Sections in the order in which they are printed, with what they are about.
const SECTIONS: &[(&str, &str)] = &[
    ("server", "The API's listener, and how the process stops."),
    ("store", "Where everything is kept."),
    ("secrets", "The key under which credentials are sealed."),
    ("apns", "Apple's gateway."),
    ("engine", "How sending works."),
    ("retention", "What is deleted when."),
    ("log", "Log lines."),
    ("clock", "Business time, for trying out."),
];

/// Name of the environment variable that overrides a key.
pub(crate) fn env_name(key: &str) -> String {
    format!("CARILLON_{}", key.replace('.', "__").to_uppercase())
}

/// The commented configuration with every default.
pub(crate) fn example() -> String {
    let mut out = String::from(
        "# Carillon's configuration: every key with its default. What you do not need, leave out.\n\
         #\n\
         # Every key can also be set in the environment: [server] listen is CARILLON_SERVER__LISTEN.\n\
         # Secrets can be read from a file: CARILLON_APNS__PROXY_PASSWORD_FILE names it.\n\
         # Durations are texts such as \"500ms\", \"30s\", \"15m\", \"2h\", \"7d\" or \"1h30m\".\n\
         # Check a file with: carillon config check carillon.toml\n",
    );
    for (section, about) in SECTIONS {
        out.push_str(&format!("\n# {about}\n[{section}]\n"));
        for setting in SETTINGS {
            let Some(name) = setting
                .key
                .strip_prefix(section)
                .and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            out.push('\n');
            for line in setting.about.lines() {
                out.push_str(&format!("# {line}\n"));
            }
            if setting.secret {
                out.push_str(&format!(
                    "# A secret: also from the file named by {}_FILE.\n",
                    env_name(setting.key)
                ));
            }
            out.push_str(&format!("{name} = {}\n", setting.default));
        }
    }
    out
}
