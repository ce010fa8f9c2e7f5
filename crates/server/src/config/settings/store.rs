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
