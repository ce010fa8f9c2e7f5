//! The yardstick: nghttp2's load generator, with the same bodies, headers and concurrency as ours.
//!
//! It costs what a careful C program costs for the same exchange, without any of our duties (no store, no retry, no
//! answer read beyond its status), so a ratio to it means something on every machine.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{Measured, cases::Load, cpu};

const DEADLINE: Duration = Duration::from_secs(120);

/// As long as a provider token, as common as any: h2load puts it into the header table once, like every client.
const PROVIDER_TOKEN_BYTES: usize = 200;

/// One run against the blind gateway at `url`.
pub(crate) fn measure(program: &Path, load: Load, url: &str, scratch: &Path) -> Result<Measured> {
    let body = scratch.join(format!("body-{}.json", load.body_bytes));
    fs::write(&body, body_of(load.body_bytes))
        .with_context(|| format!("cannot write {}", body.display()))?;
    let mut h2load = Command::new(program);
    h2load
        .args(["--threads", "1", "--clients", "1"])
        .args(["--requests", &load.requests.to_string()])
        .args(["--max-concurrent-streams", &load.in_flight.to_string()])
        .arg("--data")
        .arg(&body)
        .args(headers().iter().flat_map(|header| ["--header", header]))
        .arg(format!("{url}/3/device/{}", "ab".repeat(32)));
    let finished = cpu::run(&mut h2load, DEADLINE)?;
    read(&finished.stdout, load.requests, finished.cpu_secs)
}

/// A payload of exactly that many bytes.
fn body_of(bytes: usize) -> String {
    let (start, end) = (r#"{"aps":{"alert":""#, r#""}}"#);
    format!(
        "{start}{}{end}",
        "x".repeat(bytes.saturating_sub(start.len() + end.len()))
    )
}

fn headers() -> Vec<String> {
    vec![
        format!("authorization: bearer {}", "e".repeat(PROVIDER_TOKEN_BYTES)),
        "apns-topic: com.example.app".to_owned(),
        "apns-push-type: alert".to_owned(),
        "apns-priority: 10".to_owned(),
        "apns-expiration: 0".to_owned(),
    ]
}

/// Reads its closing lines; an error unless every request was answered with success.
fn read(output: &str, requests: u64, cpu_secs: f64) -> Result<Measured> {
    let line = |start: &str| {
        output
            .lines()
            .find_map(|line| line.strip_prefix(start))
            .with_context(|| format!("h2load printed no `{start}`:\n{output}"))
    };
    let count = |text: &str, what: &str| {
        let parts = text
            .split(", ")
            .filter_map(|part| part.trim().strip_suffix(what));
        parts
            .filter_map(|number| number.trim().parse::<u64>().ok())
            .next()
    };
    let succeeded = count(line("status codes:")?, "2xx");
    ensure!(
        succeeded == Some(requests),
        "h2load: expected {requests} answers 2xx, found:\n{output}"
    );
    let rate = line("finished in ")?
        .split(", ")
        .find_map(|part| part.strip_suffix(" req/s"));
    let rate_per_sec = rate
        .and_then(|rate| rate.trim().parse().ok())
        .context("h2load printed no rate")?;
    Ok(Measured {
        n: requests,
        cpu_secs,
        rate_per_sec,
        ..Measured::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What version 1.52 prints.
    const OUTPUT: &str = "\
starting benchmark...
progress: 100% done

finished in 621.30ms, 321906.93 req/s, 12.34MB/s
requests: 200000 total, 200000 started, 200000 done, 200000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 200000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 7.82MB (8200411) total, 781.54KB (800294) headers (space savings 95.00%), 0B (0) data
";

    #[test]
    fn the_closing_lines_are_read() {
        let measured = read(OUTPUT, 200_000, 0.5).unwrap();
        assert_eq!(
            (measured.n, measured.cpu_secs, measured.rate_per_sec),
            (200_000, 0.5, 321_906.93)
        );
    }

    #[test]
    fn a_run_with_a_failed_request_does_not_count() {
        let failed = OUTPUT.replace("200000 2xx, 0 3xx, 0 4xx", "199999 2xx, 0 3xx, 1 4xx");
        assert!(
            read(&failed, 200_000, 0.5)
                .unwrap_err()
                .to_string()
                .contains("199999 2xx")
        );
        assert!(
            read("", 1, 0.5)
                .unwrap_err()
                .to_string()
                .contains("status codes:")
        );
    }

    #[test]
    fn bodies_are_as_long_as_asked_and_json() {
        for bytes in [200, 600] {
            assert_eq!(body_of(bytes).len(), bytes);
            assert!(serde_json::from_str::<serde_json::Value>(&body_of(bytes)).is_ok());
        }
    }
}
