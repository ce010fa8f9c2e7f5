//! Devices that register themselves with a publishable API key: what they may say, and how they prove
//! which device they are. Why it is like this: `docs/adr/0004-publishable-keys.md`.

use super::registration::{FIELDS, MAX_ID, PUSH_TOKEN_FIELDS, RegisterDevice};
use super::{DeviceView, no_push_token, unknown};
use crate::api_key::{device_secret, hash};
use crate::auth::Caller;
use crate::json;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::user_token;
use axum::http::HeaderMap;
use carillon_model::app::App;
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::TokenKind;
use carillon_ports::own_device::{OwnDeletion, OwnRegistration, is_own};
use carillon_ports::registry::Device;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The header in which a device shows its secret.
pub(crate) const SECRET_HEADER: &str = "carillon-device-secret";
/// Shortest id that a device may choose for itself: nobody else may hit on it by chance.
const MIN_ID: usize = 16;
/// Lengths of secrets that a device may choose for itself.
const SECRET: std::ops::RangeInclusive<usize> = 32..=200;

/// Reads a registration. Apps are updated slowly: what one says that this version does not know is left
/// out, where a back end is told of its mistake.
pub(crate) fn read(caller: &Caller, body: &[u8]) -> Result<RegisterDevice, Problem> {
    if !caller.is_device() {
        return json::read(body);
    }
    let mut written: Map<String, Value> = json::read(body)?;
    keep(&mut written, FIELDS);
    if let Some(Value::Array(push_tokens)) = written.get_mut("push_tokens") {
        for push_token in push_tokens.iter_mut().filter_map(Value::as_object_mut) {
            keep(push_token, PUSH_TOKEN_FIELDS);
        }
    }
    json::read(Value::Object(written).to_string().as_bytes())
}

/// Reads a body of which an app's fields that are not known are left out.
pub(crate) fn read_known<T: DeserializeOwned>(
    caller: &Caller,
    body: &[u8],
    fields: &[&str],
) -> Result<T, Problem> {
    if !caller.is_device() {
        return json::read(body);
    }
    let mut written: Map<String, Value> = json::read(body)?;
    keep(&mut written, fields);
    json::read(Value::Object(written).to_string().as_bytes())
}

/// A device that a back end names, or that proves with its secret, or a user_token of its user, that it is this one.
pub(crate) async fn proven(
    api: &Api,
    caller: &Caller,
    app: &App,
    headers: &HeaderMap,
    id: String,
    user_token: Option<&str>,
) -> Result<Device, Problem> {
    let shown = shown(headers)?;
    let user = match user_token {
        Some(text) if caller.is_device() => Some(user_token::user(api, caller, app, text)?),
        _ => None,
    };
    let found = api.registry().device(app.no, id.clone()).await?;
    let device = found.ok_or_else(|| unknown(&app.id, &id))?;
    if caller.is_device() {
        let hash = api.registry().device_secret(device.no).await?;
        let stored = (hash, device.registration.user_id.as_deref());
        if !is_own(stored, shown, user.as_deref()) {
            return Err(not_own(&id));
        }
    }
    Ok(device)
}

fn keep(object: &mut Map<String, Value>, known: &[&str]) {
    object.retain(|name, _| known.contains(&name.as_str()));
}

/// What is wrong with an id that a device chose for itself.
pub(crate) fn id_problem(id: &str) -> Option<FieldProblem> {
    (id.len() < MIN_ID).then(|| {
        FieldProblem::new(
            "/id",
            "device.id_random",
            format!("expected at least {MIN_ID} random characters (a UUID will do), found {}; or register with POST, without an id", id.len()),
        )
    })
}

/// Registers it. `true`: it is new.
pub(crate) async fn register(
    api: &Api,
    caller: &Caller,
    app: &App,
    headers: &HeaderMap,
    mut body: RegisterDevice,
) -> Result<(bool, DeviceView), Problem> {
    let shown = shown(headers)?;
    let problems = claims(&body);
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    if let Some(text) = body.user_token.take() {
        body.user_id = Some(user_token::user(api, caller, app, &text)?);
    }
    let device = body.read(api.engine.gateways()).map_err(Problem::invalid)?;
    let id = device.id.clone();
    let fresh = device_secret(&*api.random);
    let own = OwnRegistration {
        device,
        shown,
        fresh: hash(&fresh),
    };
    let now = api.now();
    let done = api.registry().register_own_device(app.no, own, now).await?;
    let done = done.ok_or_else(|| not_own(id.as_deref().unwrap_or_default()))?;
    let id = done.registered.id;
    let stored = api.registry().device(app.no, id.clone()).await?;
    let stored = stored.ok_or_else(|| unknown(&app.id, &id))?;
    let view = DeviceView::new(stored, app, now).for_itself(done.is_fresh.then_some(fresh));
    Ok((done.registered.created, view))
}

/// Deletes it, or only its push token of one kind.
pub(crate) async fn delete(
    api: &Api,
    app: &App,
    headers: &HeaderMap,
    id: String,
    only: Option<TokenKind>,
) -> Result<(), Problem> {
    let shown = shown(headers)?.ok_or_else(|| {
        Problem::new(
            &codes::REQUEST_HEADER,
            "expected the device's secret in Carillon-Device-Secret",
        )
    })?;
    let deleted = api
        .registry()
        .delete_own_device(app.no, id.clone(), only, shown);
    match deleted.await? {
        OwnDeletion::Deleted => Ok(()),
        OwnDeletion::NoPushToken => Err(no_push_token(&id, only)),
        OwnDeletion::NotOwn => Err(not_own(&id)),
        OwnDeletion::Unknown => Err(unknown(&app.id, &id)),
    }
}

/// SHA-256 of the secret in the header, if there is one.
fn shown(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Problem> {
    let Some(value) = headers.get(SECRET_HEADER) else {
        return Ok(None);
    };
    let secret = value.to_str().unwrap_or_default();
    if SECRET.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(hash(secret)));
    }
    let (least, most) = (SECRET.start(), SECRET.end());
    Err(Problem::new(
        &codes::REQUEST_HEADER,
        format!("Carillon-Device-Secret: expected {least} to {most} visible ASCII characters"),
    ))
}

fn not_own(id: &str) -> Problem {
    Problem::new(
        &codes::DEVICE_NOT_OWN,
        format!(
            "there is a device {id:?}, and neither its secret nor a user_token of its user came with this"
        ),
    )
}

/// What a device says that is not its to say.
fn claims(body: &RegisterDevice) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if let Some(id) = &body.id
        && id.len() <= MAX_ID
    {
        problems.extend(id_problem(id));
    }
    if body.user_id.is_some() {
        problems.push(FieldProblem::new(
            "/user_id",
            "device.user_id_unsigned",
            "expected no user_id: everybody has this API key, so a user is taken only from a signed user_token",
        ));
    }
    for (pointer, is_said) in [
        ("/tags", !body.tags.is_empty()),
        ("/attributes", body.attributes.is_some()),
    ] {
        if is_said {
            problems.push(FieldProblem::new(
                pointer,
                "device.back_end_only",
                "expected to be left out: with a publishable API key they stay as your back end set them",
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_field_is_kept() {
        for (fields, known) in [
            (
                FIELDS,
                serde_json::from_str::<RegisterDevice>("{\"?\":1}").err(),
            ),
            (
                PUSH_TOKEN_FIELDS,
                serde_json::from_str::<super::super::push_tokens::RegisterPushToken>("{\"?\":1}")
                    .err(),
            ),
        ] {
            let known = known.map(|error| error.to_string()).unwrap_or_default();
            let (_, listed) = known.split_once("expected one of ").unwrap();
            let listed: Vec<_> = listed.split('`').skip(1).step_by(2).collect();
            assert_eq!(fields, listed);
        }
    }

    #[test]
    fn secrets_are_long_enough_to_be_secrets() {
        let header = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(SECRET_HEADER, value.parse().unwrap());
            shown(&headers)
        };
        assert_eq!(shown(&HeaderMap::new()).unwrap(), None);
        let good = "s".repeat(32);
        assert_eq!(header(&good).unwrap(), Some(hash(&good)));
        for bad in ["", "short", &"s".repeat(201), &"s s".repeat(20)] {
            assert_eq!(header(bad).unwrap_err().code().code, "request.header");
        }
    }
}
