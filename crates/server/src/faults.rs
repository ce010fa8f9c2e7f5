//! What happens at the named stages of the hot path, for the accountant: the process kills itself,
//! as a power cut would. Built only with the feature `faults`, which is never shipped.

use crate::exit::{Exit, Failure};
use carillon_ports::fault::{Bug, COPY_STAGES, STAGES};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

static KILL_AT: OnceLock<KillAt> = OnceLock::new();

struct KillAt {
    stage: String,
    left: AtomicU64,
}

/// Reads `CARILLON_KILL_AT="stage:count"` (die when the stage is reached for the count-th time) and
/// `CARILLON_PLANT="bug,bug"`, and installs both.
pub(crate) fn install() -> Result<(), Failure> {
    if let Ok(text) = std::env::var("CARILLON_KILL_AT") {
        let _ = KILL_AT.set(parse_kill_at(&text)?);
    }
    let bugs = match std::env::var("CARILLON_PLANT") {
        Ok(text) => parse_bugs(&text)?,
        Err(_) => Vec::new(),
    };
    carillon_ports::fault::install(reached, bugs);
    Ok(())
}

fn reached(stage: &'static str) {
    let Some(kill_at) = KILL_AT.get().filter(|kill_at| kill_at.stage == stage) else {
        return;
    };
    if kill_at.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal is on its way; nothing after this stage may happen before it arrives.
        loop {
            std::thread::park();
        }
    }
}

fn parse_kill_at(text: &str) -> Result<KillAt, Failure> {
    let parsed = text
        .rsplit_once(':')
        .filter(|(stage, _)| STAGES.contains(stage) || COPY_STAGES.contains(stage))
        .and_then(|(stage, count)| Some((stage, count.parse::<u64>().ok().filter(|n| *n > 0)?)));
    match parsed {
        Some((stage, count)) => Ok(KillAt {
            stage: stage.to_owned(),
            left: AtomicU64::new(count),
        }),
        None => Err(Failure::new(
            Exit::Usage,
            format!(
                "CARILLON_KILL_AT: expected stage:count with a stage of {}, found {text:?}",
                STAGES.join(", ")
            ),
        )),
    }
}

fn parse_bugs(text: &str) -> Result<Vec<Bug>, Failure> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            Bug::ALL
                .into_iter()
                .find(|bug| bug.as_str() == word)
                .ok_or_else(|| {
                    Failure::new(
                        Exit::Usage,
                        format!("CARILLON_PLANT: there is no bug called {word:?}"),
                    )
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stages_and_bugs() {
        let kill_at = parse_kill_at("settle.committed:3").unwrap();
        assert_eq!(
            (kill_at.stage.as_str(), kill_at.left.into_inner()),
            ("settle.committed", 3)
        );
        for bad in ["", "settle.committed", "settle.committed:0", "nowhere:1"] {
            assert!(parse_kill_at(bad).is_err(), "{bad}");
        }
        assert_eq!(
            parse_bugs("no-fence, lose-work").unwrap(),
            [Bug::NoFence, Bug::LoseWork]
        );
        assert!(parse_bugs("flea").is_err());
    }
}
