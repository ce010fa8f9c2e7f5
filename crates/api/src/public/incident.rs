//! `GET /i/{token}` and `POST /i/{token}`: an incident by the signed link that was sent to one person.
//!
//! The link is the authority: for one incident, in the name of one person, until its time is over. Reading it changes
//! nothing, for robots read links too; a button does.

use super::html::{Text, page, protect};
use crate::answer;
use crate::body::{is_json, media_type, whole, wrong_media_type};
use crate::instant;
use crate::json;
use crate::params::PathOf;
use crate::problem::document::problems;
use crate::problem::{Problem, codes};
use crate::state::Api;
use crate::v1::incidents::refused;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use carillon_engine::watch::{IncidentLink, IncidentRefusal};
use carillon_model::definition::Definition;
use carillon_model::duration::format_secs;
use carillon_model::monitor::{INCIDENT_LINK_PATH, IncidentMove, ResolvedBy};
use carillon_ports::watch::StoredIncident;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use utoipa::ToSchema;
use utoipa::openapi::{ContentBuilder, Ref, RefOr};

/// Largest body, in bytes: there is one word in it.
const BODY_BYTES: usize = 1_024;
const FORM: &str = "application/x-www-form-urlencoded";

/// What is to be done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IncidentLinkMove)]
pub(crate) struct Act {
    /// `acknowledge` or `resolve`.
    r#do: Do,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = IncidentLinkWord)]
enum Do {
    Acknowledge,
    Resolve,
}

/// An incident, as somebody with a link sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkedIncident)]
pub(crate) struct LinkedView {
    /// Its monitor.
    monitor: String,
    /// Its number.
    no: u32,
    /// `firing`, `acknowledged` or `resolved`.
    #[schema(example = "acknowledged")]
    state: &'static str,
    /// Who has it in hand, or had it at its end; null: nobody.
    acknowledged_by: Option<String>,
}

/// A page of HTML, for the document.
#[derive(ToSchema)]
#[schema(as = HtmlPage)]
#[expect(dead_code, reason = "documents a page")]
pub(crate) struct HtmlPage(String);

problems!(BODY, WRITES; SERVER_BUSY, INCIDENT_OVER, INCIDENT_ACKNOWLEDGED, INCIDENT_LINK_GONE);

/// The same, and what a form gets instead of them: a page where something broke.
pub(crate) struct Troubles;

impl utoipa::IntoResponses for Troubles {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let mut all = Problems::responses();
        for (status, response) in &mut all {
            if let RefOr::T(response) = response
                && status.parse().is_ok_and(is_trouble)
            {
                let page = Ref::from_schema_name("HtmlPage");
                let page = ContentBuilder::new().schema(Some(page));
                response.content.insert("text/html".into(), page.into());
            }
        }
        all
    }
}

/// Show an incident to whoever has its link.
///
/// A small page that says what is down and since when, with two buttons. The link came with a page: it is for one incident
/// and one person, and ends after `monitors.link_life`. Looking at it changes nothing. What goes wrong is told by a page too.
/// No API key.
#[utoipa::path(
    get, path = "/i/{token}", operation_id = "incident_link_get", tag = "incidents",
    security(()),
    params(("token" = String, Path, description = "As the notification brought it")),
    responses(
        (status = 200, description = "The incident.", body = HtmlPage, content_type = "text/html"),
        (status = 410, description = "The link is not valid any more, or none of ours.", body = HtmlPage, content_type = "text/html"),
        (status = 500, description = "Something of the server broke.", body = HtmlPage, content_type = "text/html"),
        (
            status = 503, description = "The server, or its store, is busy or away.", body = HtmlPage, content_type = "text/html",
            headers(("Retry-After" = u32, description = "Seconds after which to repeat."))
        ),
    ),
)]
pub(crate) async fn show(
    State(api): State<Api>,
    token: Result<PathOf<String>, Problem>,
) -> Result<Response, Problem> {
    let found = match token {
        Ok(PathOf(token)) => find(&api, &token).await?,
        Err(_) => None,
    };
    let Some((link, monitor, incident)) = found else {
        let body = "<h1>This link is not valid any more</h1>\n<p>Open the newest notification about the incident.</p>\n";
        return Ok(page(StatusCode::GONE, "Carillon", body));
    };
    let title = heading(&monitor.name, &incident);
    let body = shown(&link, &title, &incident, api.now());
    Ok(page(StatusCode::OK, &title, &body))
}

/// What somebody reads who opened a link while the server could not show the incident.
pub(crate) fn broken(problem: &Problem, request_id: &str) -> Response {
    let body = format!(
        "<h1>This does not work just now</h1>\n<p>{}. Try again in a moment: the link stays as it is.</p>\n\
         <p class=\"soft\">Request {}</p>\n",
        Text(problem.code().title),
        Text(request_id)
    );
    let mut response = page(problem.status(), "Carillon", &body);
    if let Some(secs) = problem.retry_after_secs() {
        let secs = HeaderValue::from(secs);
        response.headers_mut().insert(header::RETRY_AFTER, secs);
    }
    response
}

/// Acknowledge or resolve an incident by its link.
///
/// In the name of the person that the link was sent to. As JSON (`{"do": "acknowledge"}`), as the action of a notification
/// sends it, or as the form of the page, which is led back to the page. No API key: the link is the authority.
#[utoipa::path(
    post, path = "/i/{token}", operation_id = "incident_link_post", tag = "incidents",
    security(()),
    params(("token" = String, Path, description = "As the notification brought it")),
    request_body(content((Act = "application/json"), (Act = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Done: the incident.", body = LinkedView),
        (status = 303, description = "To a form: back to the page, which says how it is."),
        Troubles
    ),
)]
pub(crate) async fn act(
    State(api): State<Api>,
    token: Result<PathOf<String>, Problem>,
    request: Request,
) -> Result<Response, Problem> {
    let is_form = is_form(request.headers());
    if !is_form && !is_json(media_type(request.headers())) {
        let expected = format!("application/json or {FORM}");
        return Err(wrong_media_type(request.headers(), &expected));
    }
    let token = token.map(|PathOf(token)| token).unwrap_or_default();
    // Of whoever has no link nothing is waited for.
    if linked(&api, &token).is_none() {
        return match is_form {
            true => Ok(back_to(&token)),
            false => Err(gone()),
        };
    }
    let within = api.limits.body_timeout;
    let bytes = whole(request.into_body(), BODY_BYTES, within).await?;
    let act: Act = match is_form {
        true => json::read(&form(&bytes))?,
        false => json::read(&bytes)?,
    };
    let moved = carry_out(&api, &token, act.r#do).await;
    if is_form {
        // Whatever came of it, the page says how it is; only what broke is told here.
        match moved {
            Err(problem) if is_trouble(problem.code().status) => return Err(problem),
            _ => return Ok(back_to(&token)),
        }
    }
    let (name, incident) = moved?;
    let mut response = answer::ok(&LinkedView {
        monitor: name,
        no: incident.no,
        state: incident.state().as_str(),
        acknowledged_by: incident.acknowledged.map(|(by, _)| by),
    })?;
    protect(&mut response);
    Ok(response)
}

/// Whether a button of the page sends it.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(FORM)
}

/// Whether a status says that something broke, not that something is wrong with what was asked.
pub(crate) fn is_trouble(status: u16) -> bool {
    status >= 429
}

/// A form with one field, as JSON: what is said of a wrong one is the same.
fn form(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let fields = text.split('&').filter_map(|pair| pair.split_once('='));
    let fields = fields.map(|(name, value)| (name.to_owned(), serde_json::Value::from(value)));
    let object: serde_json::Map<_, _> = fields.collect();
    serde_json::Value::from(object).to_string().into_bytes()
}

fn gone() -> Problem {
    let detail = "it is over its time, its incident is gone, or it is none of ours";
    Problem::new(&codes::INCIDENT_LINK_GONE, detail)
}

async fn carry_out(api: &Api, token: &str, what: Do) -> Result<(String, StoredIncident), Problem> {
    let (link, monitor) = linked(api, token).ok_or_else(gone)?;
    let wanted = match what {
        Do::Acknowledge => IncidentMove::Acknowledge,
        Do::Resolve => IncidentMove::Resolve,
    };
    let moved = api
        .engine
        .move_incident(&monitor, link.incident, link.user, wanted);
    match moved.await {
        Ok(incident) => Ok((monitor.name, incident)),
        Err(IncidentRefusal::NoIncident(_)) => Err(gone()),
        Err(refusal) => Err(refused(refusal)),
    }
}

/// A link that is valid, and its monitor.
fn linked(api: &Api, token: &str) -> Option<(IncidentLink, Definition)> {
    let link = api.engine.read_incident_link(token)?;
    let monitor = api.engine.monitor_of_link(&link)?;
    Some((link, monitor))
}

async fn find(
    api: &Api,
    token: &str,
) -> Result<Option<(IncidentLink, Definition, StoredIncident)>, Problem> {
    let Some((link, monitor)) = linked(api, token) else {
        return Ok(None);
    };
    let incident = api.engine.incident(monitor.no, link.incident).await?;
    Ok(incident.map(|incident| (link, monitor, incident)))
}

/// How it is with an incident, in a few words.
fn heading(name: &str, incident: &StoredIncident) -> String {
    match &incident.resolved {
        None => format!("{name} is down"),
        Some((ResolvedBy::Recovery, _)) => format!("{name} is up again"),
        Some((ResolvedBy::Person(who), _)) => format!("{name} was closed by {who}"),
        Some((ResolvedBy::Pause, _)) => format!("{name} is not watched any more"),
    }
}

fn shown(link: &IncidentLink, heading: &str, incident: &StoredIncident, now: i64) -> String {
    let (heading, user) = (Text(heading), Text(&link.user));
    let lasted = |until: i64| format_secs(until.saturating_sub(incident.opened_at));
    let mut out = String::new();
    let fault = Text(&incident.fault.message);
    let since = instant::rfc3339(incident.opened_at);
    if let Some((_, at)) = &incident.resolved {
        let _ = writeln!(
            out,
            "<h1 class=\"up\">{heading}</h1>\n<p>{fault}</p>\n<p class=\"soft\">Down for {}, since {since}</p>",
            lasted(*at)
        );
        return out;
    }
    let _ = writeln!(
        out,
        "<h1 class=\"down\">{heading}</h1>\n<p>{fault}</p>\n<p class=\"soft\">For {}, since {since}</p>",
        lasted(now)
    );
    let acknowledge = match &incident.acknowledged {
        Some((by, _)) => {
            let who = if *by == link.user {
                "You are".to_owned()
            } else {
                format!("{} is", Text(by))
            };
            let _ = writeln!(out, "<p><strong>{who} on it.</strong></p>");
            ""
        }
        None => "<button name=\"do\" value=\"acknowledge\">I am on it</button>\n",
    };
    let _ = writeln!(
        out,
        "<form method=\"post\">\n{acknowledge}<button class=\"other\" name=\"do\" value=\"resolve\">It is over</button>\n</form>\n\
         <p class=\"soft\">You are {user}. This link is yours alone.</p>"
    );
    out
}

/// After a form: the page, by `GET`.
fn back_to(token: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // A token that is ours has no other characters.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let token = if token.bytes().all(is_plain) {
        token
    } else {
        ""
    };
    if let Ok(location) = HeaderValue::from_str(&format!("{INCIDENT_LINK_PATH}{token}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    protect(&mut response);
    response
}
