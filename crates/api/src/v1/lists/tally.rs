//! The rows of an upload, looked up and counted.

use super::names::Name;
use crate::problem::Problem;
use crate::state::Api;
use crate::stream::with_patience;
use carillon_model::id::{AppNo, DeviceNo};
use carillon_model::list::{DeviceSet, UploadCounts};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::TokenKind;
use carillon_ports::list::DeviceNames;
use serde::Serialize;
use utoipa::ToSchema;

/// Most lines of each kind that are named in an answer.
const NAMED: usize = 100;

/// A row that cannot be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ListBadLine)]
pub(crate) struct BadLine {
    /// The number of its line, from 1.
    pub(crate) line: u64,
    /// What was expected, and found.
    pub(crate) message: String,
}

/// What an upload came to, so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) devices: DeviceSet,
    pub(crate) counts: UploadCounts,
    pub(crate) unknown_lines: Vec<u64>,
    pub(crate) bad_lines: Vec<BadLine>,
}

impl Tally {
    /// Looks up the rows of a group, and counts them in their order.
    pub(crate) async fn add(
        &mut self,
        api: &Api,
        app: AppNo,
        kind: TokenKind,
        group: Vec<(u64, Result<Name, String>)>,
    ) -> Result<(), Problem> {
        let (mut ids, mut users, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
        for (_, name) in &group {
            match name {
                Ok(Name::Device(id)) => ids.push(id.clone()),
                Ok(Name::User(user)) => users.push(user.clone()),
                Ok(Name::PushToken(bytes)) => tokens.push(bytes.clone()),
                Err(_) => {}
            }
        }
        let mut by_id = look_up(api, app, DeviceNames::Devices(ids)).await?;
        let mut by_user = look_up(api, app, DeviceNames::Users(users)).await?;
        let mut by_token = look_up(api, app, DeviceNames::PushTokens(kind, tokens)).await?;
        for (line, name) in group {
            let found = match name {
                Ok(Name::Device(_)) => by_id.next(),
                Ok(Name::User(_)) => by_user.next(),
                Ok(Name::PushToken(_)) => by_token.next(),
                Err(message) => {
                    self.bad(line, message);
                    continue;
                }
            };
            self.named(line, &found.unwrap_or_default());
        }
        let most = api.engine.list_most_devices();
        if self.devices.count() > most {
            return Err(Problem::invalid(vec![FieldProblem::new(
                "",
                "list.devices",
                format!(
                    "expected at most {most} devices in one list (engine.list_devices), found more: make several lists"
                ),
            )]));
        }
        Ok(())
    }

    fn bad(&mut self, line: u64, message: String) {
        self.counts.bad += 1;
        if self.bad_lines.len() < NAMED {
            self.bad_lines.push(BadLine { line, message });
        }
    }

    fn named(&mut self, line: u64, devices: &[DeviceNo]) {
        let before = self.devices.count();
        for device in devices {
            self.devices.add(*device);
        }
        if devices.is_empty() {
            self.counts.unknown += 1;
            if self.unknown_lines.len() < NAMED {
                self.unknown_lines.push(line);
            }
        } else if self.devices.count() > before {
            self.counts.taken += 1;
        } else {
            self.counts.doubled += 1;
        }
    }

    /// A list of nobody is a mistake: of the file, or of the column.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.devices.count() > 0 {
            return Ok(());
        }
        let example = match (self.bad_lines.first(), self.unknown_lines.first()) {
            (Some(bad), _) => format!(" (line {}: {})", bad.line, bad.message),
            (None, Some(line)) => format!(" (line {line} is the first)"),
            (None, None) => String::new(),
        };
        Err(Problem::invalid(vec![FieldProblem::new(
            "",
            "list.nobody",
            format!(
                "expected a row that names a device of this App; of {} rows {} name nobody here and {} cannot be read{example}",
                self.counts.rows(),
                self.counts.unknown,
                self.counts.bad
            ),
        )]))
    }
}

async fn look_up(
    api: &Api,
    app: AppNo,
    names: DeviceNames,
) -> Result<std::vec::IntoIter<Vec<DeviceNo>>, Problem> {
    let is_empty = match &names {
        DeviceNames::Devices(names) | DeviceNames::Users(names) => names.is_empty(),
        DeviceNames::PushTokens(_, tokens) => tokens.is_empty(),
    };
    if is_empty {
        return Ok(Vec::new().into_iter());
    }
    let work = || api.engine.list_look_up(app, names.clone());
    let found = with_patience(&api.limits, work, |_| false).await?;
    Ok(found.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_counted_once_and_some_are_named() {
        let mut tally = Tally::default();
        let no =
            |numbers: &[i64]| -> Vec<DeviceNo> { numbers.iter().map(|no| DeviceNo(*no)).collect() };
        tally.bad(1, "expected a device, found nothing".into());
        tally.named(2, &[]);
        let nobody = tally.check().unwrap_err();
        let told = serde_json::to_value(nobody.document(None)).unwrap();
        assert_eq!(told["errors"][0]["code"], "list.nobody");
        let message = told["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("of 2 rows 1 name nobody here and 1 cannot be read (line 1: "),
            "{message}"
        );
        tally.named(3, &no(&[7]));
        tally.named(4, &no(&[7, 8]));
        tally.named(5, &no(&[8, 7]));
        for line in 6..1_000 {
            tally.named(line, &[]);
        }
        assert!(tally.check().is_ok());
        let counts = UploadCounts {
            taken: 2,
            doubled: 1,
            unknown: 995,
            bad: 1,
        };
        assert_eq!((tally.counts, tally.devices.count()), (counts, 2));
        assert_eq!(
            (tally.unknown_lines.len(), tally.unknown_lines[..2].to_vec()),
            (NAMED, vec![2, 6])
        );
    }
}
