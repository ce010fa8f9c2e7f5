//! Where everything is kept and sealed: `[store]` and `[secrets]`.

use super::{Setting, plain, secret};

/// Keys of `[store]`.
pub(super) const STORE: &[Setting] = &[
    plain(
        "store.path",
        "\"carillon-data/carillon.db\"",
        "The SQLite file. Its directory is made, and must be on a local disk.",
    ),
    plain(
        "store.url",
        "\"\"",
        "A database on a server, instead of that file: postgres://USER@HOST:PORT/DATABASE, or mysql://\nor mariadb:// likewise. Several hosts stand with commas between them; ?socket=PATH takes their\nplace. Never with a password.",
    ),
    secret(
        "store.password",
        "The database user's password, if he has one.",
    ),
    plain(
        "store.schema",
        "\"\"",
        "Schema of a PostgreSQL database that has the tables; it must exist. Empty: as the server says.",
    ),
    plain(
        "store.tls",
        "\"\"",
        "Protection of the way to the server: \"off\", \"verify-ca\" (a trusted certificate for any\nname; only PostgreSQL) or \"verify-full\". Empty: \"off\" to this machine, otherwise \"verify-full\".",
    ),
    plain(
        "store.ca_file",
        "\"\"",
        "PEM file with the certificate authorities to trust for it. Empty: the public ones.",
    ),
    plain(
        "store.certificate_file",
        "\"\"",
        "PEM chain, leaf first, that we show to the server, where it wants one.",
    ),
    plain(
        "store.key_file",
        "\"\"",
        "PEM private key of that certificate.",
    ),
    plain(
        "store.migrate",
        "true",
        "Whether a server's database is brought to the newest schema when it is opened. If not, an older\none is refused until `carillon migrate` has run.",
    ),
    plain(
        "store.connect_timeout",
        "\"10s\"",
        "Longest time until one host of the server has taken a connection.",
    ),
    plain(
        "store.statement_timeout",
        "\"30s\"",
        "Longest time of one statement on a server.",
    ),
    plain(
        "store.lock_timeout",
        "\"10s\"",
        "Longest wait of a statement on a server for another program's lock.",
    ),
    plain(
        "store.reconnect_min",
        "\"100ms\"",
        "Pause after a first failed connect to a server that went away; it doubles.",
    ),
    plain("store.reconnect_max", "\"5s\"", "Longest such pause."),
    plain(
        "store.reconnect_patience",
        "\"30s\"",
        "How long work waits for a server that went away; then it is refused (503) until it is back.",
    ),
    plain(
        "store.busy_timeout",
        "\"5s\"",
        "How long a statement waits for another program that locks the file (a copy, a shell).",
    ),
    plain(
        "store.queue_items",
        "20000",
        "Notifications, batches and the like that wait for the writer; intake beyond it gets 429.",
    ),
    plain(
        "store.queue_wait",
        "\"30s\"",
        "How long other work waits for room in that queue.",
    ),
    plain(
        "store.queue_reads",
        "4096",
        "Most reads that wait for a reader thread.",
    ),
    plain(
        "store.readers",
        "2",
        "Reader threads, at least 2: one is kept for sending.",
    ),
    plain(
        "store.cache_kib",
        "16384",
        "Page cache of the writer in KiB; each reader has an eighth of it.",
    ),
    plain(
        "store.checkpoint_pages",
        "20000",
        "Pages of 4 KiB in the write-ahead log after which they are copied into the database.",
    ),
    plain(
        "store.max_bytes",
        "0",
        "Upper bound of the database file in bytes; beyond it the disk counts as full. 0: none.",
    ),
];

/// Keys of `[secrets]`.
pub(super) const SECRETS: &[Setting] = &[
    secret(
        "secrets.master_key",
        "The master key that seals credentials: 32 bytes in base64 or hex. Several with commas\nbetween them: the first seals, all open. Better given as CARILLON_MASTER_KEY than here.",
    ),
    plain(
        "secrets.master_key_file",
        "\"\"",
        "File with the master key, mode 0600; made on the first start. Empty: \"master.key\" beside\nthe store. Also CARILLON_MASTER_KEY_FILE.",
    ),
];
