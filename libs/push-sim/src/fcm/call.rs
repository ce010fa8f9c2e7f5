//! One request to Google as it came in: where it goes, and what of it can be told before it is
//! judged.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::host::{Environment, Host};
use crate::script::Occasion;

/// A request whose body has arrived completely.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Arc<[u8]>,
}

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Service<'a> {
    /// The token endpoint.
    Token,
    Send {
        project: &'a str,
    },
    BatchAdd,
    BatchRemove,
    Info {
        registration: &'a str,
    },
    /// Topics of one registration (2026); `topic` when the path names one.
    Subscriptions {
        project: &'a str,
        registration: Cow<'a, str>,
        topic: Option<&'a str>,
    },
    /// What Google has switched off.
    Legacy,
    Nothing,
}

impl Service<'_> {
    pub(super) fn of(path: &str) -> Service<'_> {
        match path {
            "/token" | "/oauth2/v4/token" => return Service::Token,
            "/iid/v1:batchAdd" => return Service::BatchAdd,
            "/iid/v1:batchRemove" => return Service::BatchRemove,
            "/fcm/send" | "/batch" | "/fcm/notification" => return Service::Legacy,
            _ => {}
        }
        if let Some(registration) = path.strip_prefix("/iid/info/") {
            return Service::Info { registration };
        }
        let Some((project, rest)) = path
            .strip_prefix("/v1/projects/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return Service::Nothing;
        };
        if rest == "messages:send" {
            return Service::Send { project };
        }
        let Some((registration, rest)) = rest
            .strip_prefix("registrations/")
            .and_then(|rest| rest.split_once('/'))
        else {
            return Service::Nothing;
        };
        let topic = match rest.strip_prefix("topicSubscriptions") {
            Some("") => None,
            Some(rest) => match rest.strip_prefix('/') {
                Some(topic) if !topic.is_empty() => Some(topic),
                _ => return Service::Nothing,
            },
            None => return Service::Nothing,
        };
        Service::Subscriptions {
            project,
            registration: percent_decode(registration),
            topic,
        }
    }

    pub(super) fn host(&self) -> Host {
        match self {
            Service::Token => Host::Oauth,
            Service::BatchAdd | Service::BatchRemove | Service::Info { .. } => Host::Iid,
            Service::Send { .. }
            | Service::Subscriptions { .. }
            | Service::Legacy
            | Service::Nothing => Host::Fcm,
        }
    }

    pub(super) fn project(&self) -> Option<&str> {
        match self {
            Service::Send { project } | Service::Subscriptions { project, .. } => Some(project),
            _ => None,
        }
    }
}

/// The kind of host and the project that a path belongs to.
pub(super) fn place_of(path: &str) -> (Host, Option<&str>) {
    match Service::of(path) {
        Service::Send { project } | Service::Subscriptions { project, .. } => {
            (Host::Fcm, Some(project))
        }
        other => (other.host(), None),
    }
}

/// A call, read as far as scripts and books need it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) call: Call<'a>,
    pub(super) service: Service<'a>,
    /// The body as JSON, where it has to be JSON.
    pub(super) json: Result<Value, String>,
    /// Kind of the target, and the target.
    pub(super) target: Option<(&'static str, String)>,
    pub(super) validate_only: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn of(call: Call<'a>) -> Reading<'a> {
        let service = Service::of(call.path);
        let json = match service {
            Service::Token | Service::Legacy | Service::Nothing => Ok(Value::Null),
            _ if call.body.is_empty() => Ok(Value::Null),
            _ => serde_json::from_slice(call.body).map_err(|error| error.to_string()),
        };
        let body = json.as_ref().unwrap_or(&Value::Null);
        let message = &body["message"];
        let target = match &service {
            Service::Send { .. } => ["token", "fid", "topic", "condition"]
                .into_iter()
                .find_map(|kind| Some((kind, message[kind].as_str()?.to_owned()))),
            Service::BatchAdd => Some(("batch_add", text_of(&body["to"]))),
            Service::BatchRemove => Some(("batch_remove", text_of(&body["to"]))),
            Service::Info { registration } => Some(("info", (*registration).to_owned())),
            _ => None,
        };
        let validate_only = [&body["validate_only"], &body["validateOnly"]]
            .into_iter()
            .any(|flag| *flag == true);
        Reading {
            call,
            service,
            target,
            validate_only,
            json,
        }
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.call.headers.get(name)?.to_str().ok()
    }

    /// The registration token or installation id it is for, if it is for one.
    pub(super) fn registration(&self) -> Option<&str> {
        match &self.target {
            Some(("token" | "fid" | "info", text)) => Some(text),
            _ => None,
        }
    }

    /// The topic or condition it is for, if it is for one.
    pub(super) fn topic(&self) -> Option<&str> {
        match &self.target {
            Some(("token" | "fid" | "info", _)) | None => None,
            Some((_, text)) => Some(text),
        }
    }

    pub(super) fn occasion(&self, connection: u32) -> Occasion<'_> {
        Occasion {
            environment: Environment::Production,
            host: self.service.host(),
            connection,
            topic: self.topic(),
            push_type: self.target.as_ref().map(|(kind, _)| *kind),
            push_token: self.registration(),
            project: self.service.project(),
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Undoes `%41`; what is no escape stays as it is.
pub(super) fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// The pairs of `a=1&b=2`, decoded.
pub(super) fn form(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |part: &str| percent_decode(&part.replace('+', " ")).into_owned();
        (plain(name), plain(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_services() {
        let send = Service::Send { project: "p-1" };
        assert_eq!(Service::of("/v1/projects/p-1/messages:send"), send);
        assert_eq!(Service::of("/v1/projects/p-1/messages"), Service::Nothing);
        assert_eq!(Service::of("/token"), Service::Token);
        let subscriptions = Service::of("/v1/projects/p/registrations/a%3Ab/topicSubscriptions/x");
        assert_eq!(
            subscriptions,
            Service::Subscriptions {
                project: "p",
                registration: "a:b".into(),
                topic: Some("x"),
            }
        );
        assert_eq!(place_of("/iid/v1:batchAdd"), (Host::Iid, None));
        assert_eq!(
            place_of("/v1/projects/p/messages:send"),
            (Host::Fcm, Some("p"))
        );
    }

    #[test]
    fn forms_are_decoded() {
        let pairs: Vec<_> = form("grant_type=urn%3Aietf&x=a+b%2&y").collect();
        let expected = [("grant_type", "urn:ietf"), ("x", "a b%2"), ("y", "")];
        assert_eq!(pairs, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
