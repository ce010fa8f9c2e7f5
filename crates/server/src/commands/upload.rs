//! Streaming a file of lines to the server, and telling what became of each line.

use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::AsyncReadExt as _;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Bad lines that are printed for people; the rest is counted.
const SHOWN: usize = 20;
/// Bad lines that are printed for programs.
const KEPT: usize = 10_000;

/// The file (or stdin for `-`) as a streaming body; the bar follows the bytes.
pub(crate) fn body(file: &Path, bar: ProgressBar) -> Result<reqwest::Body, Failure> {
    let failed = |error: std::io::Error| Failure::io("read", file, &error);
    let source: std::fs::File = if file.as_os_str() == "-" {
        #[cfg(unix)]
        {
            use std::os::fd::AsFd as _;
            std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(failed)?
                .into()
        }
        #[cfg(not(unix))]
        return Err(Failure::new(
            Exit::Usage,
            "reading from stdin works on Unix only",
        ));
    } else {
        std::fs::File::open(file).map_err(failed)?
    };
    let reader = tokio::fs::File::from_std(source);
    let stream = futures_util::stream::try_unfold((reader, bar), |(mut reader, bar)| async move {
        let mut chunk = vec![0; CHUNK];
        let read = reader.read(&mut chunk).await?;
        bar.inc(read as u64);
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then_some((bytes::Bytes::from(chunk), (reader, bar))))
    });
    Ok(reqwest::Body::wrap_stream(stream))
}

/// What became of the lines, counted while the answer comes in.
pub(crate) struct Tally {
    done: &'static str,
    good: u64,
    bad: u64,
    kept: Vec<Value>,
    keep: usize,
}

impl Tally {
    /// `done` is the word for a good line. For people only the first bad lines are kept.
    pub(crate) fn new(done: &'static str, output: Output) -> Self {
        Self {
            done,
            good: 0,
            bad: 0,
            kept: Vec::new(),
            keep: if output.is_json() { KEPT } else { SHOWN },
        }
    }

    /// One line of the answer: `{"line": n, …}`, with a `problem` when that line was refused.
    pub(crate) fn add(&mut self, text: &str) {
        let Ok(result) = serde_json::from_str::<Value>(text) else {
            return;
        };
        if result
            .get("problem")
            .is_some_and(|problem| !problem.is_null())
        {
            self.bad += 1;
            if self.kept.len() < self.keep {
                self.kept.push(result);
            }
        } else if result.get("line").is_some() {
            self.good += 1;
        }
    }

    /// Tells it; an error when any line was refused.
    pub(crate) fn tell(self, output: Output) -> anyhow::Result<()> {
        let Self {
            done,
            good,
            bad,
            kept,
            ..
        } = self;
        if output.is_json() {
            output.json(&json!({ done: good, "refused": bad, "problems": kept }));
        }
        output.line(format!("{good} {done}, {bad} refused"));
        for result in &kept {
            let place = match shown(result, "/line") {
                line if line.is_empty() => String::new(),
                line => format!("line {line}: "),
            };
            output.line(format!("  {place}{}", shown(result, "/problem/detail")));
        }
        if bad > kept.len() as u64 {
            output.line(format!(
                "  and {} more; --json lists them",
                bad - kept.len() as u64
            ));
        }
        if bad == 0 {
            return Ok(());
        }
        Err(
            Failure::new(Exit::Data, format!("{bad} lines were refused"))
                .mend("mend those lines and send them again; the others are done")
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_bad_ones_kept() {
        let mut tally = Tally::new("accepted", Output::new(true));
        tally.add(r#"{"line":1,"id":"ntf_1"}"#);
        tally.add(r#"{"line":2,"problem":{"detail":"no"}}"#);
        tally.add("");
        assert_eq!((tally.good, tally.bad, tally.kept.len()), (1, 1, 1));
        let error = tally.tell(Output::new(true)).unwrap_err();
        assert_eq!(crate::exit::code_of(&error), Exit::Data);
    }
}
