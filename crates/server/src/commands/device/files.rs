//! Devices from files and into files.

use crate::client::{ApiClient, escape};
use crate::commands::upload;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    /// The file (.csv, .ndjson, .jsonl), or - for NDJSON from stdin
    file: PathBuf,
    /// Read it as this, whatever its name
    #[arg(long, value_parser = ["csv", "ndjson"])]
    format: Option<String>,
    /// Makes the ids of rows without one, so that the file can be sent again
    #[arg(long)]
    idempotency_key: Option<String>,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    /// The file to write (.csv, .ndjson, .jsonl), or - for NDJSON to stdout; there must be none yet
    file: PathBuf,
    /// Write it as this, whatever its name
    #[arg(long, value_parser = ["csv", "ndjson"])]
    format: Option<String>,
    /// With the addresses of devices; needs an admin key, and a safe place for the file
    #[arg(long)]
    push_tokens: bool,
}

/// Sends a file, and tells what became of its rows.
pub(super) async fn import(
    client: &ApiClient,
    app: &str,
    args: Import,
    output: Output,
) -> anyhow::Result<()> {
    let content_type = match format(&args.file, args.format.as_deref())? {
        "csv" => "text/csv",
        _ => "application/x-ndjson",
    };
    let total = std::fs::metadata(&args.file).ok();
    let total = total.filter(std::fs::Metadata::is_file);
    let bar = output.progress("bytes", total.map(|meta| meta.len()));
    let body = upload::body(&args.file, bar.clone())?;
    let headers: Vec<_> = args
        .idempotency_key
        .map(|key| ("Idempotency-Key", key))
        .into_iter()
        .collect();
    let mut tally = upload::Tally::new("registered", output);
    let each = |line: &str| tally.add(line);
    client
        .stream_lines(&import_path(app), content_type, &headers, body, each)
        .await?;
    bar.finish_and_clear();
    tally.tell(output)
}

/// Fetches all devices into a file.
pub(super) async fn export(
    client: &ApiClient,
    app: &str,
    args: Export,
    output: Output,
) -> anyhow::Result<()> {
    let format = format(&args.file, args.format.as_deref())?;
    let base = format!("/v1/apps/{}/devices", escape(app));
    let include = match args.push_tokens {
        true => "&include=push_tokens",
        false => "",
    };
    // Rows of CSV are push tokens, of which nobody knows the number.
    let total = match format {
        "csv" => None,
        _ => client.get(&format!("{base}/stats")).await?["total"].as_u64(),
    };
    let to_stdout = args.file.as_os_str() == "-";
    let failed = |error: std::io::Error| Failure::io("write", &args.file, &error);
    let mut target: Box<dyn Write + Send> = if to_stdout {
        Box::new(std::io::stdout())
    } else {
        Box::new(create(&args.file).map_err(failed)?)
    };
    let bar = output.progress(if format == "csv" { "rows" } else { "devices" }, total);
    let (mut rows, mut broken) = (0u64, None);
    let each = |chunk: &[u8]| {
        let ends = chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        rows += ends;
        bar.inc(ends);
        broken = target.write_all(chunk).err();
        broken.is_none()
    };
    let path = format!("{base}/export?format={format}{include}");
    let fetched = client.download(&path, each).await;
    bar.finish_and_clear();
    if let Some(error) = broken {
        return Err(failed(error).into());
    }
    fetched.map_err(|failure| failure.mend("what is in the file is not all: export again"))?;
    target.flush().map_err(failed)?;
    if format == "csv" {
        // The first one names the columns.
        rows = rows.saturating_sub(1);
    }
    if !to_stdout {
        let word = if format == "csv" { "rows" } else { "devices" };
        output.line(format!("{rows} {word} written to {}", args.file.display()));
        if output.is_json() {
            output.json(&json!({ "file": args.file, word: rows }));
        }
    }
    Ok(())
}

/// A new file that only its owner reads: push tokens are secrets of sorts.
fn create(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Where imports go.
pub(crate) fn import_path(app: &str) -> String {
    format!("/v1/apps/{}/devices/import", escape(app))
}

/// How a file is read: by its name, or as is said.
pub(crate) fn format(file: &Path, said: Option<&str>) -> Result<&'static str, Failure> {
    let extension = file.extension().and_then(|ext| ext.to_str());
    match said.or(extension).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => Ok("csv"),
        Some("ndjson" | "jsonl") => Ok("ndjson"),
        _ if file.as_os_str() == "-" => Ok("ndjson"),
        _ => Err(Failure::new(
            Exit::Usage,
            format!(
                "{} does not tell by its name whether it is CSV or NDJSON",
                file.display()
            ),
        )
        .mend("give --format csv or --format ndjson")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_comes_from_the_name_or_the_flag() {
        assert_eq!(format(Path::new("a.CSV"), None).unwrap(), "csv");
        assert_eq!(format(Path::new("a.jsonl"), None).unwrap(), "ndjson");
        assert_eq!(format(Path::new("-"), None).unwrap(), "ndjson");
        assert_eq!(format(Path::new("a.txt"), Some("csv")).unwrap(), "csv");
        let error = format(Path::new("a.txt"), None).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
    }

    #[test]
    fn nothing_is_written_over() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("devices.csv");
        create(&file).unwrap();
        assert!(create(&file).is_err());
    }
}
