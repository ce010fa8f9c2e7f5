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
    /// Taken, and yet a trigger refused to tell it. Among the good ones.
    untold: u64,
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
            untold: 0,
            kept: Vec::new(),
            keep: if output.is_json() { KEPT } else { SHOWN },
        }
    }

    /// One line of the answer: `{"line": n, …}`, with a `problem` when that line was refused, and with
    /// `triggers` when it is an event.
    pub(crate) fn add(&mut self, text: &str) {
        let Ok(result) = serde_json::from_str::<Value>(text) else {
            return;
        };
        if result
            .get("problem")
            .is_some_and(|problem| !problem.is_null())
        {
            self.bad += 1;
        } else if result.get("line").is_none() {
            return;
        } else {
            self.good += 1;
            if refusing(&result).next().is_none() {
                return;
            }
            self.untold += 1;
        }
        if self.kept.len() < self.keep {
            self.kept.push(result);
        }
    }

    /// What is printed for programs.
    fn document(&self) -> Value {
        let mut document =
            json!({ self.done: self.good, "refused": self.bad, "problems": self.kept });
        if self.untold > 0 {
            document["untold"] = json!(self.untold);
        }
        document
    }

    /// What is printed for people.
    fn lines(&self) -> Vec<String> {
        let (good, done, bad) = (self.good, self.done, self.bad);
        let mut lines = vec![format!("{good} {done}, {bad} refused")];
        if self.untold > 0 {
            lines[0].push_str(&format!(
                "; {} of the {done} not told by every trigger",
                self.untold
            ));
        }
        for result in &self.kept {
            let place = match shown(result, "/line") {
                line if line.is_empty() => String::new(),
                line => format!("line {line}: "),
            };
            let refusing = refusing(result).map(|outcome| {
                let trigger = shown(outcome, "/trigger");
                format!(
                    "  {place}trigger {trigger}: {}",
                    problems_in(outcome, "/problems")
                )
            });
            lines.extend(refusing);
            if result.get("problem").is_some() {
                // Of one bad field the detail says it all; of several only how many.
                let is_list = result.pointer("/problem/errors/1").is_some();
                lines.push(match is_list {
                    true => format!("  {place}{}", problems_in(result, "/problem/errors")),
                    false => format!("  {place}{}", shown(result, "/problem/detail")),
                });
            }
        }
        let left_out = self.bad + self.untold - self.kept.len() as u64;
        if left_out > 0 {
            lines.push(format!("  and {left_out} more; --json lists them"));
        }
        lines
    }

    /// Tells it; an error when any line was refused, or could not be told.
    pub(crate) fn tell(self, output: Output) -> anyhow::Result<()> {
        if output.is_json() {
            output.json(&self.document());
        }
        for line in self.lines() {
            output.line(line);
        }
        let failure = match (self.bad, self.untold) {
            (0, 0) => return Ok(()),
            (0, untold) => {
                let message = format!("{untold} events cannot be told by every trigger");
                Failure::new(Exit::Trouble, message).mend(
                    "mend their data, or the trigger's template, and report them again; triggers that are not named here have told theirs",
                )
            }
            (bad, _) => Failure::new(Exit::Data, format!("{bad} lines were refused"))
                .mend("mend those lines and send them again; the others are done"),
        };
        Err(failure.into())
    }
}

/// The triggers that refused to tell an event.
fn refusing(result: &Value) -> impl Iterator<Item = &Value> {
    let outcomes = result["triggers"].as_array().into_iter().flatten();
    outcomes.filter(|outcome| outcome["result"] == "refused")
}

/// Each bad field with what is wrong with it.
pub(super) fn problems_in(value: &Value, pointer: &str) -> String {
    let problems = value.pointer(pointer).and_then(Value::as_array);
    let told: Vec<_> = problems
        .into_iter()
        .flatten()
        .map(|problem| {
            format!(
                "{}: {}",
                shown(problem, "/pointer"),
                shown(problem, "/message")
            )
        })
        .collect();
    told.join("; ")
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

    #[test]
    fn every_bad_field_of_a_line_is_named() {
        let mut tally = Tally::new("registered", Output::new(false));
        tally.add(
            r#"{"line":604,"problem":{"detail":"2 fields are wrong","errors":[
                {"pointer":"/locale","message":"expected a tag"},{"pointer":"/id","message":"expected a name"}]}}"#,
        );
        assert_eq!(
            tally.lines()[1],
            "  line 604: /locale: expected a tag; /id: expected a name"
        );
    }

    #[test]
    fn an_event_that_a_trigger_cannot_tell_is_no_success() {
        let mut tally = Tally::new("taken", Output::new(true));
        tally.add(r#"{"line":1,"triggers":[{"trigger":"a","result":"sent"}]}"#);
        tally.add(
            r#"{"line":2,"triggers":[{"trigger":"a","result":"sent"},{"trigger":"b","result":"refused",
                "problems":[{"pointer":"/data/n","message":"is missing"}]}]}"#,
        );
        assert_eq!(
            tally.lines(),
            [
                "2 taken, 0 refused; 1 of the taken not told by every trigger",
                "  line 2: trigger b: /data/n: is missing"
            ]
        );
        let document = tally.document();
        assert_eq!(
            (&document["untold"], &document["problems"][0]["line"]),
            (&json!(1), &json!(2))
        );
        let error = tally.tell(Output::new(true)).unwrap_err();
        assert_eq!(crate::exit::code_of(&error), Exit::Trouble);
    }
}
