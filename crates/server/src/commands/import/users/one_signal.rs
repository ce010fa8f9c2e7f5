//! OneSignal's CSV export: its columns are known. A subscription of theirs becomes a device with the push token that
//! Apple or Google gave; what only OneSignal could push to is left out, and counted by reason.

use super::Prepare;
use super::mapping::{Device, Prepared, To};
use crate::commands::import::rows::{Row, Rows};
use crate::exit::{Exit, Failure};
use serde_json::Value;

/// Columns that are fields of a device as they are.
const FIELDS: [(&str, &str); 4] = [
    ("external_user_id", "user_id"),
    ("language", "locale"),
    ("timezone_id", "time_zone"),
    ("game_version", "app_version"),
];
/// Columns that become attributes.
const ATTRIBUTES: [(&str, &str); 3] = [
    ("id", "attributes.onesignal_id"),
    ("session_count", "attributes.session_count"),
    ("device_model", "attributes.device_model"),
];

/// Where they are in this file.
pub(super) struct Columns {
    names: Vec<String>,
    identifier: usize,
    device_type: usize,
}

impl Columns {
    /// Finds them.
    pub(super) fn new(rows: &Rows) -> Result<Self, Failure> {
        let names = rows.names.clone().unwrap_or_default();
        let find = |name: &str| {
            names.iter().position(|it| it == name).ok_or_else(|| {
                let message = format!(
                    "this is no CSV export of OneSignal: it has no column {name:?}, only {}",
                    names.join(", ")
                );
                Failure::new(Exit::Data, message)
                    .mend("for other tables use carillon import users --from FILE.csv")
            })
        };
        let (identifier, device_type) = (find("identifier")?, find("device_type")?);
        Ok(Self {
            names,
            identifier,
            device_type,
        })
    }

    fn cell<'r>(&self, cells: &'r [Option<String>], name: &str) -> Option<&'r str> {
        let at = self.names.iter().position(|it| it == name)?;
        let text = cells.get(at)?.as_deref()?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn shown(&self, name: &str) -> Option<String> {
        let at = self.names.iter().position(|it| it == name)?;
        Some(format!("column {} ({name})", at + 1))
    }
}

/// What OneSignal's numbers mean.
fn platform(device_type: &str) -> Result<(To, &'static str), &'static str> {
    match device_type {
        "0" => Ok((To::Apns, "ios")),
        "9" => Ok((To::Apns, "macos")),
        "1" => Ok((To::Fcm, "android")),
        "5" | "7" | "8" | "17" => {
            Err("a browser: the export lacks its keys, it has to subscribe again")
        }
        "11" => Err("an e-mail address"),
        "14" => Err("a telephone number"),
        "2" | "13" => Err("a device that needs Amazon's or Huawei's push service"),
        _ => Err("a kind of device that Carillon does not push to"),
    }
}

impl Prepare for Columns {
    fn prepare(&self, row: &Row) -> Prepared {
        let cells = match &row.cells {
            Ok(cells) => cells,
            Err(why) => return Prepared::Refused(why.clone()),
        };
        let device_type = self.cell(cells, "device_type").unwrap_or_default();
        let (to, platform) = match platform(device_type) {
            Ok(known) => known,
            Err(why) => return Prepared::LeftOut(why),
        };
        if matches!(
            self.cell(cells, "invalid_identifier"),
            Some("t" | "true" | "1")
        ) {
            return Prepared::LeftOut("OneSignal knows that its push token is dead");
        }
        let Some(push_token) = self.cell(cells, "identifier") else {
            return Prepared::Empty;
        };
        let mut device = Device::new(to, push_token, "auto");
        device.set("platform", platform);
        for (name, field) in FIELDS.iter().chain(&ATTRIBUTES) {
            if let Some(text) = self.cell(cells, name) {
                device.set(field, text);
            }
        }
        match self.cell(cells, "tags").map(serde_json::from_str::<Value>) {
            Some(Ok(Value::Object(tags))) => {
                for (name, value) in tags {
                    let text = match value {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    device.set(&format!("attributes.{name}"), &text);
                }
            }
            Some(_) => {
                let column = self.shown("tags").unwrap_or_default();
                return Prepared::Refused(format!("{column}: expected a JSON object"));
            }
            None => {}
        }
        device.prepared()
    }

    fn column_of(&self, pointer: &str) -> Option<String> {
        let field = pointer.trim_start_matches('/').replacen('/', ".", 1);
        let known = FIELDS
            .iter()
            .chain(&ATTRIBUTES)
            .find(|(_, it)| *it == field);
        match known {
            Some((name, _)) => self.shown(name),
            None if field.starts_with("push_tokens") => self.shown("identifier"),
            None if field.starts_with("attributes") => self.shown("tags"),
            None => None,
        }
    }

    fn push_token(&self) -> String {
        format!(
            "column {} (identifier; of which kind says column {})",
            self.identifier + 1,
            self.device_type + 1
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::sync::mpsc;

    const NAMES: &str = "id,identifier,session_count,language,timezone,game_version,device_type,tags,external_user_id,invalid_identifier";

    fn columns(names: &str) -> Result<Columns, Failure> {
        let names: Vec<String> = names.split(',').map(str::to_owned).collect();
        Columns::new(&Rows {
            width: names.len(),
            names: Some(names),
            pages: mpsc::channel(1).1,
        })
    }

    fn prepare(cells: [&str; 10]) -> Prepared {
        let cells = cells.map(|cell| Some(cell.to_owned())).to_vec();
        let columns = columns(NAMES).unwrap_or_else(|error| panic!("{error}"));
        columns.prepare(&Row {
            number: 2,
            cells: Ok(cells),
        })
    }

    #[test]
    fn a_subscription_becomes_a_device() {
        let tags = r#"{"plan":"gold","trips":"3"}"#;
        let row = [
            "u-u", "00AA", "7", "ko", "-28800", "1.2", "0", tags, "ann", "f",
        ];
        let Prepared::Device { body, .. } = prepare(row) else {
            panic!("no device");
        };
        assert_eq!(
            (&body["user_id"], &body["platform"]),
            (&json!("ann"), &json!("ios"))
        );
        let attributes =
            json!({"onesignal_id": "u-u", "session_count": 7, "plan": "gold", "trips": 3});
        assert_eq!(body["attributes"], attributes);
        assert_eq!(body["push_tokens"][0]["kind"], "alert");
        assert!(body.get("time_zone").is_none(), "an offset is no zone");
    }

    #[test]
    fn what_cannot_be_pushed_to_is_left_out_with_a_reason() {
        let of = |kind: &str, identifier: &str, tags: &str, invalid: &str| {
            prepare(["i", identifier, "", "", "", "", kind, tags, "", invalid])
        };
        assert!(matches!(of("5", "x", "", ""), Prepared::LeftOut(why) if why.contains("browser")));
        assert!(matches!(of("11", "x", "", ""), Prepared::LeftOut(why) if why.contains("mail")));
        assert!(matches!(of("1", "x", "", "t"), Prepared::LeftOut(why) if why.contains("dead")));
        assert!(matches!(of("1", "", "", ""), Prepared::Empty));
        assert!(matches!(of("1", "x", "[", ""), Prepared::Refused(why) if why.contains("(tags)")));
        let error = columns("id,token").err().unwrap();
        assert!(
            error.message.contains("\"identifier\", only id, token"),
            "{error}"
        );
    }
}
