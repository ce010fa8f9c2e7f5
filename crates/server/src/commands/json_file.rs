//! Definitions that people keep as JSON files: read, and named by their files.

use crate::exit::{Exit, Failure};
use serde_json::Value;
use std::path::Path;

/// The JSON object in a file, or in stdin for `-`.
pub(super) fn read(file: &Path) -> Result<Value, Failure> {
    let failed = |error: std::io::Error| Failure::io("read", file, &error);
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(failed)?
    } else {
        std::fs::read_to_string(file).map_err(failed)?
    };
    match serde_json::from_str(&text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(Failure::new(
            Exit::Data,
            format!("{}: expected a JSON object", file.display()),
        )),
        Err(error) => Err(Failure::new(
            Exit::Data,
            format!("{}: not JSON: {error}", file.display()),
        )),
    }
}

/// The name that was given, or the file's without its ending.
pub(super) fn name(given: Option<String>, file: &Path) -> Result<String, Failure> {
    let of_file = || {
        let stem = file.file_stem().filter(|stem| *stem != "-")?;
        stem.to_str().map(str::to_owned)
    };
    given
        .or_else(of_file)
        .ok_or_else(|| Failure::new(Exit::Usage, "it has no name").mend("say which with --name"))
}

/// A JSON object given as an argument.
pub(super) fn object(flag: &str, text: Option<&str>) -> Result<Option<Value>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(Some(value)),
        Ok(_) => Err(Failure::new(
            Exit::Usage,
            format!("{flag}: expected a JSON object"),
        )),
        Err(error) => Err(
            Failure::new(Exit::Usage, format!("{flag}: not JSON: {error}"))
                .mend("put single quotes round it for the shell"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_name() {
        let of = |given: Option<&str>, file: &str| name(given.map(str::to_owned), Path::new(file));
        assert_eq!(of(None, "templates/hello.json").unwrap(), "hello");
        assert_eq!(of(Some("x"), "hello.json").unwrap(), "x");
        assert_eq!(of(Some("x"), "-").unwrap(), "x");
        assert_eq!(of(None, "-").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(object("--data", None).unwrap(), None);
        assert!(object("--data", Some("{\"a\":1}")).unwrap().is_some());
        for bad in ["[1]", "{a}"] {
            let error = object("--data", Some(bad)).unwrap_err();
            assert!(error.message.contains("--data"), "{error}");
        }
        let missing = read(Path::new("no such file")).unwrap_err();
        assert_eq!(missing.exit, Exit::NoInput);
    }
}
