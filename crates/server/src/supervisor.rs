//! Tells the supervisor how the process does, where one wants to know: systemd's `Type=notify` and `WatchdogSec=`.
//!
//! A datagram of lines to the socket that `NOTIFY_SOCKET` names, as sd_notify(3) has it. Nothing waits for it, and one that
//! does not get through is told in the log: systemd then does what it does with a process that says nothing.

use carillon_engine::Engine;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// Where the supervisor hears.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    socket: Arc<UnixDatagram>,
    /// It ends a process of which it hears nothing for so long.
    patience: Option<Duration>,
}

impl Supervisor {
    /// The one that started this process. `None`: it does not want to know, or cannot be reached, which the log says.
    pub(crate) fn of_process() -> Option<Self> {
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let number = |name: &str| of(name)?.to_str()?.parse::<u64>().ok();
        let socket = of("NOTIFY_SOCKET")?;
        // Where a shell stands between, the wish is not ours to fulfil.
        let is_meant =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let patience = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && is_meant);
        match connect(&socket) {
            Ok(socket) => Some(Self {
                socket: Arc::new(socket),
                patience: patience.map(Duration::from_micros),
            }),
            Err(error) => {
                tracing::warn!(%error, "the supervisor cannot be told anything at NOTIFY_SOCKET: {error}");
                None
            }
        }
    }

    /// It serves.
    pub(crate) fn serves(&self, url: &str) {
        self.say(&format!("READY=1\nSTATUS=serves on {url}"));
    }

    /// It stops: as long as that may take, the supervisor was told by its own settings.
    pub(crate) fn stops(&self) {
        self.say("STOPPING=1\nSTATUS=stops");
    }

    /// Shows twice in its patience that this thread and the engine are not stuck, until the process ends.
    pub(crate) fn watch(&self, engine: &Engine) {
        let Some(patience) = self.patience else {
            return;
        };
        let (this, engine) = (self.clone(), engine.clone());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(patience / 2);
            loop {
                tick.tick().await;
                // Does not come back where the dispatcher hangs.
                drop(engine.status());
                this.say("WATCHDOG=1");
            }
        });
    }

    fn say(&self, lines: &str) {
        if let Err(error) = self.socket.send(lines.as_bytes()) {
            tracing::warn!(%error, "the supervisor was not told {lines:?}: {error}");
        }
    }
}

/// A path, or a name without a file, which begins with `@`.
fn connect(name: &OsStr) -> std::io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    let address = match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', abstract_name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(abstract_name)?
        }
        _ => SocketAddr::from_pathname(name)?,
    };
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn it_is_told_at_a_path_and_at_a_name_without_a_file() {
        let scratch = crate::scratch::Scratch::new("supervisor").unwrap();
        let path = scratch.path().join("notify");
        let name = format!("carillon-supervisor-{}", std::process::id());
        let mut places = vec![(
            UnixDatagram::bind(&path).unwrap(),
            path.clone().into_os_string(),
        )];
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;
            let address = SocketAddr::from_abstract_name(&name).unwrap();
            places.push((
                UnixDatagram::bind_addr(&address).unwrap(),
                format!("@{name}").into(),
            ));
        }
        for (hears, place) in places {
            hears
                .set_read_timeout(Some(Duration::from_secs(30)))
                .unwrap();
            let supervisor = Supervisor {
                socket: Arc::new(connect(&place).unwrap()),
                patience: None,
            };
            supervisor.serves("http://127.0.0.1:8600");
            supervisor.stops();
            assert_eq!(
                heard(&hears),
                "READY=1\nSTATUS=serves on http://127.0.0.1:8600"
            );
            assert_eq!(heard(&hears), "STOPPING=1\nSTATUS=stops");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(connect(path.as_os_str()).is_err(), "nobody is there");
    }
}
