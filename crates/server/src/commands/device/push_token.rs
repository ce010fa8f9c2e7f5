//! Push tokens on the command line.

use crate::exit::{Exit, Failure};
use serde_json::{Value, json};
use std::path::Path;

/// `HEX`, `kind=token`, `webpush={…}` or `webpush=@file`.
pub(super) fn read(text: &str, environment: &str) -> Result<Value, Failure> {
    let (kind, token) = match text.split_once('=') {
        Some((kind, token)) if kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            (kind, token)
        }
        _ => ("alert", text),
    };
    match kind {
        "webpush" => {
            let json = match token.strip_prefix('@') {
                None => token.to_owned(),
                Some(file) => std::fs::read_to_string(file).map_err(|error| {
                    Failure::io("read the subscription", Path::new(file), &error)
                })?,
            };
            let subscription: Value = serde_json::from_str(&json).map_err(|_| {
                Failure::new(Exit::Usage, "--push-token webpush=…: expected the subscription's JSON")
                    .mend("give it as JSON.stringify(subscription) writes it, or @ and a file that has it")
            })?;
            Ok(json!({ "kind": kind, "subscription": subscription }))
        }
        "fcm" => Ok(json!({ "kind": kind, "token": token })),
        _ => Ok(json!({ "kind": kind, "token": token, "environment": environment })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_tokens_may_name_their_kind() {
        let read = |text| read(text, "auto").unwrap();
        assert_eq!(
            read("voip=00aa"),
            json!({"kind": "voip", "token": "00aa", "environment": "auto"})
        );
        assert_eq!(read("00aa")["kind"], json!("alert"));
        assert_eq!(read("fcm=a:b=c"), json!({"kind": "fcm", "token": "a:b=c"}));
        assert_eq!(
            read("webpush={\"endpoint\":\"x\"}"),
            json!({"kind": "webpush", "subscription": {"endpoint": "x"}})
        );
    }

    #[test]
    fn a_subscription_may_stand_in_a_file() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("subscription.json");
        std::fs::write(&file, "{\"endpoint\":\"x\"}").unwrap();
        let read_back = read(&format!("webpush=@{}", file.display()), "auto").unwrap();
        assert_eq!(read_back["subscription"]["endpoint"], "x");
        assert_eq!(read("webpush=no", "auto").unwrap_err().exit, Exit::Usage);
        assert!(read("webpush=@/nowhere/at/all", "auto").is_err());
    }
}
