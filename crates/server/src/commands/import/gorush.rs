//! `carillon import gorush-log`: what a log of gorush's tells. It has no apps and no users, and most of its push tokens
//! have stars in them: there is a report in it, and at best a list of dead push tokens.

use super::dead_file::{self, DeadToken};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Bad lines that are told; the rest is counted.
const SHOWN: usize = 20;
/// What gateways say of push tokens whose app is gone, in lower case. Others, such as `BadDeviceToken`, may be of the other
/// environment or of another app.
const GONE: [&str; 5] = [
    "unregistered",
    "notregistered",
    "requested entity was not found",
    "registration-token-not-registered",
    "expiredtoken",
];

/// Arguments of `import gorush-log`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// gorush's access log and error log, in its text or its JSON format, oldest first; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the push tokens that are dead into this CSV file, for `import users --leave-out`; there must be none yet
    #[arg(long, value_name = "FILE")]
    dead: Option<PathBuf>,
}

/// A push, as a line tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Push {
    platform: String,
    push_token: String,
    /// Why it failed.
    error: Option<String>,
    at: String,
}

/// What the lines tell.
#[derive(Debug, Default)]
struct Report {
    lines: u64,
    /// Of something else: requests, starts, warnings.
    others: u64,
    /// By platform: succeeded, failed.
    platforms: BTreeMap<String, (u64, u64)>,
    /// Why pushes failed, by platform.
    errors: BTreeMap<(String, String), u64>,
    dead: BTreeMap<String, DeadToken>,
    /// Failures of dead push tokens that the log does not name whole.
    hidden: u64,
    bad: u64,
    problems: Vec<String>,
}

/// Does it; asks no server.
pub(super) fn run(args: &Args, output: Output) -> anyhow::Result<()> {
    let mut report = Report::default();
    for file in &args.files {
        let failed = |error: std::io::Error| Failure::io("read", file, &error);
        let name = file.display().to_string();
        if name == "-" {
            report
                .read(&name, std::io::stdin().lock())
                .map_err(failed)?;
        } else {
            let opened = std::fs::File::open(file).map_err(failed)?;
            report.read(&name, BufReader::new(opened)).map_err(failed)?;
        }
    }
    if let Some(file) = &args.dead {
        dead_file::write(file, report.dead.values())?;
    }
    report.tell(args.dead.as_deref(), output)
}

impl Report {
    fn read(&mut self, name: &str, lines: impl BufRead) -> std::io::Result<()> {
        for (number, line) in (1..).zip(lines.split(b'\n')) {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            self.lines += 1;
            match push(&line) {
                Ok(Some(push)) => self.add(push),
                Ok(None) => self.others += 1,
                Err(why) => {
                    self.bad += 1;
                    if self.problems.len() < SHOWN {
                        self.problems.push(format!("{name} line {number}: {why}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, push: Push) {
        let is_whole = !push.push_token.is_empty() && !push.push_token.contains('*');
        let counts = self.platforms.entry(push.platform.clone()).or_default();
        let Some(error) = push.error else {
            counts.0 += 1;
            // It came alive again.
            self.dead.remove(&push.push_token);
            return;
        };
        counts.1 += 1;
        let lower = error.to_ascii_lowercase();
        let is_gone = GONE.iter().any(|words| lower.contains(words));
        let kind = match push.platform.as_str() {
            "ios" => Some("alert"),
            "android" => Some("fcm"),
            _ => None,
        };
        *self
            .errors
            .entry((push.platform, error.clone()))
            .or_default() += 1;
        match kind.filter(|_| is_gone) {
            None => {}
            Some(_) if !is_whole => self.hidden += 1,
            Some(kind) => {
                let token = DeadToken {
                    push_token: push.push_token.clone(),
                    kind,
                    failed_at: push.at,
                    reason: error,
                };
                self.dead.insert(push.push_token, token);
            }
        }
    }

    fn tell(&self, file: Option<&Path>, output: Output) -> anyhow::Result<()> {
        if output.is_json() {
            let platforms = self.platforms.iter().map(|(platform, (succeeded, failed))| {
                json!({ "platform": platform, "succeeded": succeeded, "failed": failed })
            });
            let errors = self.errors.iter().map(|((platform, error), count)| {
                json!({ "platform": platform, "error": error, "count": count })
            });
            output.json(&json!({
                "lines": self.lines, "others": self.others, "bad": self.bad, "bad_lines": self.problems,
                "platforms": platforms.collect::<Vec<_>>(), "errors": errors.collect::<Vec<_>>(),
                "dead": { "push_tokens": self.dead.len(), "not_named": self.hidden, "file": file },
            }));
        } else {
            let rows = self
                .platforms
                .iter()
                .map(|(platform, (succeeded, failed))| {
                    vec![platform.clone(), succeeded.to_string(), failed.to_string()]
                });
            output.table(&["platform", "succeeded", "failed"], rows.collect());
            let rows = self.errors.iter().map(|((platform, error), count)| {
                vec![platform.clone(), count.to_string(), error.clone()]
            });
            output.line("");
            output.table(&["platform", "failed", "because"], rows.collect());
            output.line("");
            for line in self.sentences(file) {
                output.line(line);
            }
        }
        let failed =
            |message: String, mend: &str| Err(Failure::new(Exit::Data, message).mend(mend).into());
        if self.platforms.is_empty() {
            return failed(
                format!("none of {} lines tells of a push", self.lines),
                "give gorush's access log (pushes that succeeded) and error log (those that failed)",
            );
        }
        if self.bad > 0 {
            return failed(
                format!("{} lines tell of a push and cannot be read", self.bad),
                "they are counted nowhere; the rest is",
            );
        }
        Ok(())
    }

    fn sentences(&self, file: Option<&Path>) -> Vec<String> {
        let mut lines = vec![format!(
            "{} lines, {} of them about something else; {} push tokens are dead",
            self.lines,
            self.others,
            self.dead.len()
        )];
        lines.extend(dead_file::advice(self.dead.len(), file));
        if self.hidden > 0 {
            lines.push(format!(
                "{} more failures are of dead push tokens that the log does not name: gorush writes stars into them unless \
                 log.hide_token is false",
                self.hidden
            ));
        }
        lines.extend(self.problems.iter().map(|problem| format!("  {problem}")));
        lines
    }
}

/// What a line tells of a push; `None`: it is about something else. The error is a sentence.
fn push(line: &str) -> Result<Option<Push>, String> {
    let line = without_colours(line);
    let line = line.trim();
    let mut entry: Value = serde_json::from_str(line).unwrap_or_default();
    // What logrus wraps around an entry, as JSON or as text.
    let mut at = entry["time"].as_str().unwrap_or_default().to_owned();
    let mut text = entry["msg"].as_str().map(str::to_owned);
    if text.is_none() && !entry.is_object() {
        let quoted = line.find("msg=\"").map(|begin| &line[begin + 4..]);
        let unquoted = quoted.and_then(|quoted| {
            let mut values = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
            values.next()?.ok()
        });
        at = between(line, "time=\"", "\"")
            .or_else(|| between(line, "[", "]").filter(|_| !line.starts_with('|')))
            .unwrap_or_default()
            .to_owned();
        text = Some(unquoted.unwrap_or_else(|| line.to_owned()));
    }
    if let Some(text) = &text {
        match serde_json::from_str(text) {
            Ok(inner @ Value::Object(_)) => entry = inner,
            _ => return of_text(text, at),
        }
    }
    of_entry(&entry, at)
}

fn of_entry(entry: &Value, at: String) -> Result<Option<Push>, String> {
    let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let is_failed = match entry["type"].as_str() {
        Some("failed-push") => true,
        Some("succeeded-push") => false,
        _ => return Ok(None),
    };
    let platform = field("platform");
    if platform.is_empty() {
        return Err("expected a platform".to_owned());
    }
    Ok(Some(Push {
        platform,
        push_token: field("token"),
        error: is_failed.then(|| field("error")),
        at,
    }))
}

/// `| failed-push | ios [token] | message | Error Message: reason`
fn of_text(text: &str, at: String) -> Result<Option<Push>, String> {
    let find = |word: &str| {
        let mark = format!("| {word} |");
        text.find(&mark).map(|begin| &text[begin + mark.len()..])
    };
    let (rest, is_failed) = match (find("failed-push"), find("succeeded-push")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => return Ok(None),
    };
    let form = || "expected a platform and a push token in brackets".to_owned();
    let (platform, rest) = rest.trim().split_once('[').ok_or_else(form)?;
    let (push_token, rest) = rest.split_once(']').ok_or_else(form)?;
    let platform = platform.trim();
    if platform.is_empty() || platform.contains(char::is_whitespace) {
        return Err(form());
    }
    let error = match is_failed {
        false => None,
        true => {
            let mark = "| Error Message:";
            let (_, reason) = rest
                .rsplit_once(mark)
                .ok_or_else(|| format!("expected {mark:?} and why it failed"))?;
            Some(reason.trim().to_owned())
        }
    };
    Ok(Some(Push {
        platform: platform.to_owned(),
        push_token: push_token.trim().to_owned(),
        error,
        at,
    }))
}

fn between<'t>(text: &'t str, begin: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(begin)?;
    Some(rest.split_once(end)?.0)
}

/// A terminal's colours (`ESC [ … m`) left out.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "| failed-push | ios [aabb] | Sale | today [50 %] | Error Message: Unregistered";

    fn one(line: &str) -> Push {
        push(line)
            .unwrap()
            .unwrap_or_else(|| panic!("no push: {line}"))
    }

    #[test]
    fn every_format_says_the_same() {
        let json = r#"{"type":"failed-push","platform":"ios","token":"aabb","message":"Sale","error":"Unregistered"}"#;
        let expected = |at: &str| Push {
            platform: "ios".into(),
            push_token: "aabb".into(),
            error: Some("Unregistered".into()),
            at: at.into(),
        };
        let logrus = |text: &str| {
            json!({"level": "error", "msg": text, "time": "2026-11-28T09:00:00Z"}).to_string()
        };
        for (line, at) in [
            (TEXT.to_owned(), ""),
            (json.to_owned(), ""),
            (logrus(TEXT), "2026-11-28T09:00:00Z"),
            (logrus(json), "2026-11-28T09:00:00Z"),
            (
                format!("time=\"2026-11-28T09:00:00Z\" level=error msg={TEXT:?}"),
                "2026-11-28T09:00:00Z",
            ),
            (
                format!("ERRO[2026/11/28 - 09:00:00] {TEXT}"),
                "2026/11/28 - 09:00:00",
            ),
            (
                "\u{1b}[31mERRO\u{1b}[0m[2026/11/28 - 09:00:00] |\u{1b}[97;41m failed-push \u{1b}[0m| \u{1b}[97;44mios\u{1b}[0m [aabb] | Sale | Error Message: Unregistered"
                    .to_owned(),
                "2026/11/28 - 09:00:00",
            ),
        ] {
            assert_eq!(one(&line), expected(at), "{line}");
        }
        let sent = one("INFO[2026/11/28 - 09:00:00] | succeeded-push | android [xy] Sale");
        assert_eq!((&*sent.platform, sent.error), ("android", None));
    }

    #[test]
    fn other_lines_are_about_something_else_and_broken_ones_are_bad() {
        for line in [
            r#"{"level":"info","msg":"HTTP server is running on 8088 port.","time":"2026-11-28T09:00:00Z"}"#,
            r#"{"ip":"10.0.0.1","level":"info","method":"POST","msg":"Request","path":"/api/push","status":200}"#,
            "INFO[2026/11/28 - 09:00:00] Start push notification for iOS",
        ] {
            assert_eq!(push(line), Ok(None), "{line}");
        }
        for line in [
            "| failed-push | ios aabb | Sale",
            "| failed-push | ios [aabb] | Sale",
            "| failed-push |  [aabb] | Sale | Error Message: x",
            r#"{"type":"failed-push","token":"aabb"}"#,
        ] {
            assert!(push(line).is_err(), "{line}");
        }
    }

    #[test]
    fn dead_push_tokens_are_those_that_stay_dead() {
        let line = |kind: &str, platform: &str, token: &str, error: &str| {
            json!({"type": kind, "platform": platform, "token": token, "error": error}).to_string()
        };
        let failed =
            |platform: &str, token: &str, error: &str| line("failed-push", platform, token, error);
        let log = [
            failed("ios", "aa", "Unregistered"),
            failed("ios", "bb", "BadDeviceToken"),
            failed("ios", "**********cccc**********", "Unregistered"),
            failed("ios", "", "Unregistered"),
            failed("android", "Xy", "Requested entity was not found."),
            failed("android", "Zz", "NotRegistered"),
            line("succeeded-push", "android", "Zz", ""),
            failed("huawei", "hh", "NotRegistered"),
            "nonsense".to_owned(),
        ]
        .join("\n");
        let mut report = Report::default();
        report.read("error.log", log.as_bytes()).unwrap();
        let dead: Vec<_> = report
            .dead
            .values()
            .map(|dead| (&*dead.push_token, dead.kind))
            .collect();
        assert_eq!(dead, [("Xy", "fcm"), ("aa", "alert")]);
        assert_eq!((report.hidden, report.others, report.bad), (2, 1, 0));
        assert_eq!(report.platforms["ios"], (0, 4));
        assert_eq!(report.platforms["android"], (1, 2));
        report.tell(None, Output::new(true)).unwrap();
        let nothing = Report::default().tell(None, Output::new(true)).unwrap_err();
        assert_eq!(crate::exit::code_of(&nothing), Exit::Data);
    }
}
