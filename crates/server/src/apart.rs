//! A thread with a runtime of its own, for calls to places that users name: handshakes with strangers' servers have no
//! business on the thread that sends pushes.

use crate::exit::{Exit, Failure};
use crate::memory;
use std::future::Future;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// See the module's words. It ends when this is dropped.
pub(crate) struct Apart {
    handle: Handle,
    _ends: oneshot::Sender<()>,
}

impl Apart {
    /// Starts a thread of this name, at most 15 bytes.
    pub(crate) fn start(name: &str) -> Result<Self, Failure> {
        let broken = |error: std::io::Error| {
            Failure::new(Exit::Software, format!("the thread {name}: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(broken)?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        never = memory::UPKEEP.run() => never,
                        // Ends when the sender is dropped.
                        _ = ended => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(broken)?;
        Ok(Self {
            handle,
            _ends: ends,
        })
    }

    /// Runs something there. Whoever does not wait any more does not want it done either.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        AbortOnDropHandle::new(self.handle.spawn(work)).await
    }
}
