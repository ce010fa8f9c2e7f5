//! Processes of their own that a test may kill or limit: this test binary again, told by a variable
//! which part to play.

use crate::support::{accepted, beside, open, single};
use carillon_model::id::NotificationNo;
use carillon_ports::store::{HotStore, StoreError};
use carillon_store_sql::SqlStore;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PART: &str = "CARILLON_STORE_TEST_PART";
const PLACE: &str = "CARILLON_STORE_TEST_DATABASE";

/// The command that plays a part; `limit_kb`: most kilobytes of any file it writes.
pub(crate) fn command(part: &str, path: &Path, limit_kb: Option<u32>) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = match limit_kb {
        None => Command::new(program),
        Some(limit) => {
            let mut shell = Command::new("bash");
            // Beyond the limit writes fail; the signal that would come as well is ignored.
            shell.arg("-c").arg(format!(
                "trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\""
            ));
            shell.arg(program);
            shell
        }
    };
    command
        .args([
            "child::plays_its_part",
            "--exact",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PART, part)
        .env(PLACE, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

/// In a process started by [`command`] it plays that part; otherwise it plays the first one for a
/// moment, so that the parts themselves are tested too.
#[tokio::test]
async fn plays_its_part() {
    match std::env::var(PART).as_deref() {
        Ok("accept") => accept(&PathBuf::from(std::env::var(PLACE).unwrap()), i64::MAX).await,
        Ok("fill") => fill(&PathBuf::from(std::env::var(PLACE).unwrap())).await,
        Ok("squeeze") => squeeze(&PathBuf::from(std::env::var(PLACE).unwrap())).await,
        Ok("fail") => fail(&PathBuf::from(std::env::var(PLACE).unwrap())).await,
        Ok(other) => panic!("no part {other}"),
        Err(_) => {
            let (_directory, path) = crate::support::place();
            accept(&path, 3).await;
            let store = open(&path);
            let numbers = [1, 2, 3].map(NotificationNo);
            assert_eq!(crate::support::stored(&store, &numbers).await, [true; 3]);
        }
    }
}

/// Accepts one after the other and settles every second one, telling what was answered.
async fn accept(path: &Path, rounds: i64) {
    let store = open(path);
    for _ in 0..rounds {
        let no = store.next_notification();
        store.accept(vec![single(no)]).await.unwrap();
        say(&format!("accepted {no}"));
        if no.0 % 2 == 0 {
            store.settle(accepted(no.batch(0))).await.unwrap();
            say(&format!("settled {no}"));
        }
    }
    store.close().await;
}

/// Accepts until the files may not grow any more; then everything but accepting must go on.
async fn fill(path: &Path) {
    let store = open(path);
    let mut numbers = Vec::new();
    loop {
        let no = store.next_notification();
        match store
            .accept(vec![crate::support::to(
                no,
                vec![carillon_model::id::DeviceNo(1)],
                3_000,
            )])
            .await
        {
            Ok(_) => numbers.push(no),
            Err(StoreError::DiskFull) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(numbers.len() < 100_000, "the limit is not felt");
    }
    crate::full_disk::goes_on_without_room(&store, &numbers).await;
    store.close().await;
    say(&format!("filled {}", numbers.len()));
}

/// The same limit, but the probe cannot tell that it is one: any other I/O error stops everything.
async fn fail(path: &Path) {
    let store: SqlStore = open(path);
    std::fs::create_dir(beside(path, ".probe")).unwrap();
    let reason = loop {
        let no = store.next_notification();
        let item = crate::support::to(no, vec![carillon_model::id::DeviceNo(1)], 3_000);
        match store.accept(vec![item]).await {
            Ok(_) => {}
            Err(StoreError::Failed(reason)) => break reason,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(reason.contains("nothing is written any more"), "{reason}");
    assert_eq!(store.fatal().await, reason);
    let after = store.ping().await;
    assert!(matches!(after, Err(StoreError::Failed(_))), "{after:?}");
    assert!(
        store.waiting_lanes().await.is_ok(),
        "what is there can be read"
    );
    store.close().await;
    say("failed");
}

/// The limit comes while it runs, below what is there already, and goes again.
async fn squeeze(path: &Path) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let store = open(path);
    let mut numbers = Vec::new();
    for _ in 0..100 {
        let no = store.next_notification();
        store.accept(vec![single(no)]).await.unwrap();
        numbers.push(no);
    }
    let roomy = getrlimit(Resource::Fsize);
    let tight = rustix::process::Rlimit {
        current: Some(50_000),
        ..roomy
    };
    setrlimit(Resource::Fsize, tight).unwrap();
    let refused = store.accept(vec![single(store.next_notification())]).await;
    assert!(matches!(refused, Err(StoreError::DiskFull)), "{refused:?}");
    let unsettled = store.settle(accepted(numbers[0].batch(0))).await;
    assert!(
        matches!(unsettled, Err(StoreError::DiskFull)),
        "{unsettled:?}"
    );
    let there = crate::support::stored(&store, &numbers).await;
    assert!(there.into_iter().all(|there| there));
    setrlimit(Resource::Fsize, roomy).unwrap();
    for no in &numbers {
        assert_eq!(store.settle(accepted(no.batch(0))).await.unwrap(), [*no]);
    }
    let more = store.next_notification();
    store.accept(vec![single(more)]).await.unwrap();
    assert_eq!(crate::support::stored(&store, &[more]).await, [true]);
    store.close().await;
    say("squeezed");
}
