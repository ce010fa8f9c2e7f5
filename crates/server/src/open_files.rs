//! The process' limit of open files, raised as far as connections need it. A listener that takes the
//! last one would starve the store and the way to Apple.

/// Open files for everything but connections to the API: store, backups, connections to Apple, logs.
const RESERVE: usize = 512;

/// Raises the limit for so many connections to the API. Returns how many of them it has room for.
pub(crate) fn make_room(connections: usize) -> usize {
    let (soft, hard) = limits();
    let wanted = connections.saturating_add(RESERVE);
    let raised = wanted.min(hard);
    let limit = if raised > soft && raise(raised) {
        raised
    } else {
        soft
    };
    let fits = fitting(connections, limit);
    if fits < connections {
        tracing::warn!(
            "server.connections is {connections}, and the process may open {limit} files: {fits} connections are admitted at once. Raise the limit (ulimit -Hn, LimitNOFILE) to {wanted}, or lower server.connections"
        );
    }
    fits
}

/// Connections that fit under a limit: at least a few, whatever else is open.
fn fitting(connections: usize, limit: usize) -> usize {
    let others = RESERVE.min(limit / 2);
    connections.min(limit.saturating_sub(others)).max(1)
}

#[cfg(unix)]
fn limits() -> (usize, usize) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let count = |limit: Option<u64>| {
        limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        })
    };
    (count(limit.current), count(limit.maximum))
}

#[cfg(unix)]
fn raise(to: usize) -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit {
        current: Some(to as u64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).is_ok()
}

#[cfg(not(unix))]
fn limits() -> (usize, usize) {
    (usize::MAX, usize::MAX)
}

#[cfg(not(unix))]
fn raise(_: usize) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        for (connections, limit, fits) in [
            (4_096, usize::MAX, 4_096),
            (4_096, 4_608, 4_096),
            (4_096, 4_607, 4_095),
            (4_096, 1_024, 512),
            (4_096, 256, 128),
            (100, 1_024, 100),
            (1, 0, 1),
        ] {
            assert_eq!(
                fitting(connections, limit),
                fits,
                "{connections} of {limit}"
            );
        }
    }

    #[test]
    fn what_is_asked_for_fits_when_the_system_allows_it() {
        let (_, hard) = limits();
        let connections = 64;
        assert_eq!(make_room(connections), fitting(connections, hard));
    }
}
