//! A thread with a runtime of its own, for the faces that may be called from anywhere.

use std::thread;

use tokio::task::LocalSet;

use crate::error::{Error, ErrorKind};

/// Starts a thread that runs the future which `make` makes there, and ends with it.
///
/// # Errors
/// If the operating system has no thread or no event queue to give.
pub(crate) fn start<F: Future<Output = ()>>(
    name: &str,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<(), Error> {
    let failed = |error| {
        Error::new(
            ErrorKind::Invalid,
            format!("starting the thread {name}: {error}"),
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || LocalSet::new().block_on(&runtime, make()))
        .map_err(failed)?;
    Ok(())
}
