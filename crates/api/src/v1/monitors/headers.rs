//! Values of the headers that a check sends: secrets. They are sealed beside the definition, which has an empty text for
//! each, and shown as `***`; stored as `***` again, a value stays. Not where the URL leads to another origin: whoever may
//! change a monitor could have them sent to himself then.

use crate::problem::Problem;
use crate::state::Api;
use carillon_model::definition::Definition;
use carillon_model::id::DefinitionNo;
use carillon_model::monitor::{CheckDefinition, MonitorDefinition};
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Sealed;
use carillon_ports::secret::Place;
use std::collections::BTreeMap;

/// What stands for a value that there is.
pub(crate) const HIDDEN: &str = "***";

/// Values by the names of their headers.
pub(crate) type Values = BTreeMap<String, String>;

fn of(definition: &mut MonitorDefinition) -> Option<&mut Values> {
    match &mut definition.check {
        CheckDefinition::Http(http) => Some(&mut http.headers),
        _ => None,
    }
}

/// The values of a stored monitor.
pub(crate) fn open(
    api: &Api,
    stored: &Definition,
    sealed: Option<&Sealed>,
) -> Result<Values, Problem> {
    let Some(sealed) = sealed else {
        return Ok(Values::new());
    };
    let row = stored.no.to_string();
    let failed = |why: String| Problem::internal(format!("definition {}: {why}", stored.no));
    let plain = api.engine.secrets().open(Place::definition(&row), sealed);
    serde_json::from_slice(&plain.map_err(failed)?).map_err(|error| failed(error.to_string()))
}

/// Seals them for a monitor; none: nothing.
pub(crate) fn seal(api: &Api, no: DefinitionNo, values: &Values) -> Option<Sealed> {
    if values.is_empty() {
        return None;
    }
    let plain = serde_json::to_vec(values).ok()?;
    let row = no.to_string();
    Some(api.engine.secrets().seal(Place::definition(&row), &plain))
}

/// What there is of a monitor before it is changed.
pub(crate) struct Kept {
    pub(crate) definition: MonitorDefinition,
    pub(crate) values: Values,
}

impl Kept {
    pub(crate) fn of(
        api: &Api,
        stored: &Definition,
        sealed: Option<&Sealed>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            definition: super::read(stored)?,
            values: open(api, stored, sealed)?,
        })
    }

    /// Where the values go.
    fn origin(&self) -> Option<String> {
        origin_of(&self.definition)
    }
}

fn origin_of(definition: &MonitorDefinition) -> Option<String> {
    match &definition.check {
        CheckDefinition::Http(http) => Some(comparable(&http.url)),
        _ => None,
    }
}

/// The origin of a URL such that two of one origin are the same text. Two that are written more differently than this pass
/// for two origins.
fn comparable(url: &str) -> String {
    let origin = super::origin(url).to_ascii_lowercase();
    let default = match origin.split_once("://") {
        Some(("https", _)) => ":443",
        _ => ":80",
    };
    origin.strip_suffix(default).unwrap_or(&origin).to_owned()
}

/// Puts the values that there are into a definition in place of `***`.
pub(crate) fn fill_in(
    definition: &mut MonitorDefinition,
    kept: Option<&Kept>,
) -> Result<(), Problem> {
    let stays = kept.and_then(Kept::origin) == origin_of(definition);
    let mut problems = Vec::new();
    for (name, value) in of(definition).into_iter().flatten() {
        if value != HIDDEN {
            continue;
        }
        let message = match kept.and_then(|kept| kept.values.get(name)) {
            Some(known) if stays => {
                known.clone_into(value);
                continue;
            }
            Some(_) => format!(
                "expected the value anew: {HIDDEN:?} stands for one that was stored for another origin (scheme, host and port) than the URL has now, and is not sent elsewhere"
            ),
            None => format!(
                "expected a value: {HIDDEN:?} stands for the one that is stored, and for {name} there is none"
            ),
        };
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("/check/http/headers/{name}");
        problems.push(FieldProblem::new(pointer, "monitor.header", message));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Problem::invalid(problems)),
    }
}

/// Takes the values out of a definition that is to be stored.
pub(crate) fn take_out(definition: &mut MonitorDefinition) -> Values {
    let Some(headers) = of(definition) else {
        return Values::new();
    };
    let values = headers.clone();
    headers.values_mut().for_each(String::clear);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(url: &str, headers: serde_json::Value) -> MonitorDefinition {
        let http = json!({"url": url, "headers": headers});
        serde_json::from_value(json!({"check": {"http": http}})).unwrap()
    }

    fn kept(url: &str) -> Kept {
        Kept {
            definition: read(url, json!({"x-key": ""})),
            values: Values::from([("x-key".to_owned(), "old".to_owned())]),
        }
    }

    #[test]
    fn what_is_hidden_stays_and_what_is_new_is_taken() {
        let (url, kept) = ("https://a.example", kept("https://a.example"));
        let mut definition = read(url, json!({"x-key": "***", "x-other": "new"}));
        fill_in(&mut definition, Some(&kept)).unwrap();
        let values = take_out(&mut definition);
        assert_eq!(
            serde_json::to_value(&values).unwrap(),
            json!({"x-key": "old", "x-other": "new"})
        );
        assert_eq!(definition, read(url, json!({"x-key": "", "x-other": ""})));

        for kept in [Some(&kept), None] {
            let unknown = fill_in(&mut read(url, json!({"x-a/b": "***"})), kept).unwrap_err();
            let told = serde_json::to_value(unknown.document(None)).unwrap();
            assert_eq!(told["errors"][0]["pointer"], "/check/http/headers/x-a~1b");
        }
    }

    #[test]
    fn a_value_that_is_kept_goes_to_its_origin_only() {
        let kept = kept("https://a.example/health");
        for same in [
            "https://a.example",
            "https://A.example/other?x=1",
            "HTTPS://a.example:443#top",
        ] {
            let mut definition = read(same, json!({"x-key": "***"}));
            fill_in(&mut definition, Some(&kept)).unwrap();
            assert_eq!(definition, read(same, json!({"x-key": "old"})), "{same}");
        }
        for other in [
            "http://a.example/health",
            "http://a.example:443/health",
            "https://a.example:80/health",
            "https://a.example:8443/health",
            "https://b.example/health",
            "https://a.example.b.example/health",
            "https://a.example@b.example/health",
            "https://b.example/https://a.example/health",
        ] {
            let mut definition = read(other, json!({"x-key": "***"}));
            let refused = fill_in(&mut definition, Some(&kept)).unwrap_err();
            let told = serde_json::to_value(refused.document(None)).unwrap();
            assert_eq!(told["errors"][0]["code"], "monitor.header", "{other}");
            let message = told["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("another origin"), "{other}: {message}");
            // A value that is given anew is nobody's secret but the caller's.
            let mut given = read(other, json!({"x-key": "new"}));
            fill_in(&mut given, Some(&kept)).unwrap();
        }
    }
}
