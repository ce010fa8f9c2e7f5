//! Which core runs what: the server on one, everything else on another, so that a figure for one core is one.

use crate::exit::{Exit, Failure};

/// A core of this machine, by the kernel's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Core(usize);

/// Two cores that this process may use.
pub(super) fn pair() -> Result<(Core, Core), Failure> {
    let mut ours = linux::ours()?.into_iter().map(Core);
    match (ours.next(), ours.next()) {
        (Some(first), Some(second)) => Ok((first, second)),
        _ => Err(Failure::new(
            Exit::Unavailable,
            "this case needs two cores: one for the server, one for all else",
        )),
    }
}

impl Core {
    /// Starts something that stays on this core: it has the core of the thread that starts it.
    pub(super) fn start<T>(self, start: impl FnOnce() -> T) -> Result<T, Failure> {
        let before = linux::ours()?;
        linux::keep(None, &[self.0])?;
        let started = start();
        linux::keep(None, &before)?;
        Ok(started)
    }

    /// Moves all threads of this process here; those that they start stay here as well.
    pub(super) fn take_this_process(self) -> Result<(), Failure> {
        for thread in linux::threads() {
            linux::keep(Some(thread), &[self.0])?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Exit, Failure};
    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) fn ours() -> Result<Vec<usize>, Failure> {
        let set = sched_getaffinity(None).map_err(|error| broken(&error))?;
        Ok((0..CpuSet::MAX_CPU)
            .filter(|core| set.is_set(*core))
            .collect())
    }

    pub(super) fn keep(thread: Option<Pid>, cores: &[usize]) -> Result<(), Failure> {
        let mut set = CpuSet::new();
        for core in cores {
            set.set(*core);
        }
        match sched_setaffinity(thread, &set) {
            // A thread may have ended since it was listed.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            kept => kept.map_err(|error| broken(&error)),
        }
    }

    pub(super) fn threads() -> Vec<Pid> {
        let listed = std::fs::read_dir("/proc/self/task").into_iter().flatten();
        let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers.filter_map(Pid::from_raw).collect()
    }

    fn broken(error: &rustix::io::Errno) -> Failure {
        Failure::new(
            Exit::Unavailable,
            format!("this process cannot choose its core: {error}"),
        )
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use super::{Exit, Failure};

    pub(super) fn ours() -> Result<Vec<usize>, Failure> {
        Err(Failure::new(
            Exit::Unavailable,
            "this case needs Linux: it chooses the core",
        ))
    }

    pub(super) fn keep(_: Option<()>, _: &[usize]) -> Result<(), Failure> {
        Ok(())
    }

    pub(super) fn threads() -> Vec<()> {
        Vec::new()
    }
}
