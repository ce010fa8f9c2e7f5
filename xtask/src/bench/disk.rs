//! The disk that a benchmark stands on: it must be one, and its fsync time belongs beside every figure.
//!
//! On a file system in memory a commit costs nothing and the figures would be a lie, so that is refused.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// Writes for one probe, and the bytes of each: a small group commit.
const WRITES: usize = 200;
const WRITE_BYTES: usize = 4096;

/// What the probe showed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Disk {
    pub(crate) file_system: String,
    pub(crate) fsync_p50_ms: f64,
    pub(crate) fsync_p99_ms: f64,
}

/// Measures the disk of `folder`.
pub(crate) fn probe(folder: &Path) -> Result<Disk> {
    let full = folder
        .canonicalize()
        .with_context(|| format!("cannot find {}", folder.display()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .context("the benchmark needs Linux (/proc/self/mountinfo)")?;
    let file_system = file_system(&mounts, &full).context("no mount holds the data folder")?;
    refuse_memory(file_system, &full)?;

    let path = full.join("fsync-probe");
    let mut file =
        File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let block = [0x5a; WRITE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let started = Instant::now();
        file.write_all(&block)
            .and_then(|()| file.sync_data())
            .context("cannot write the probe")?;
        times.push(started.elapsed());
    }
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    times.sort_unstable();
    let at = |share: usize| millis(times[(times.len() - 1) * share / 100]);
    Ok(Disk {
        file_system: file_system.to_owned(),
        fsync_p50_ms: at(50),
        fsync_p99_ms: at(99),
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn refuse_memory(file_system: &str, folder: &Path) -> Result<()> {
    if matches!(file_system, "tmpfs" | "ramfs" | "devtmpfs") {
        bail!(
            "{} is in memory ({file_system}), where a commit costs nothing: give a folder on a disk with --data",
            folder.display()
        );
    }
    Ok(())
}

/// The type of the file system of the longest mount point above `path`.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        Some((left.split(' ').nth(4)?, right.split(' ').next()?))
    });
    // A later line of equal length lies over the earlier one.
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    above
        .max_by_key(|(point, _)| point.len())
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 21 0:20 / /tmp rw - tmpfs tmpfs rw
23 22 254:1 / /tmp/disk rw shared:1 - xfs /dev/vdb rw
";

    #[test]
    fn the_nearest_mount_tells_the_file_system() {
        for (path, expected) in [
            ("/data", "ext4"),
            ("/tmp/x", "tmpfs"),
            ("/tmp/disk/x", "xfs"),
            ("/tmpx", "ext4"),
        ] {
            assert_eq!(
                file_system(MOUNTS, Path::new(path)),
                Some(expected),
                "{path}"
            );
        }
    }

    #[test]
    fn memory_is_refused() {
        assert!(
            refuse_memory("tmpfs", Path::new("/tmp"))
                .unwrap_err()
                .to_string()
                .contains("--data")
        );
        assert!(refuse_memory("ext4", Path::new("/tmp")).is_ok());
    }
}
