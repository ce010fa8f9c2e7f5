//! Who carries out what phones have written down to do about a notification: the app's reports and its owner's
//! answers, as plain HTTP requests, each after its time.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::phone::{AnswerView, DueAnswer};
use crate::world::World;

/// Answers that wait for their turn; what comes when there are more is counted as lost.
pub(crate) const MAX_WAITING: usize = 4096;
/// Answers whose time runs, or that are on their way, at one time.
const MAX_AT_ONCE: usize = 1024;
/// Longest time one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most that is read of what comes back, in bytes, and shown of a refusal, in characters.
const MAX_READ: usize = 64 << 10;
const MAX_TOLD: usize = 300;

/// Carries answers out until the simulator ends.
pub(crate) async fn run(world: World, mut due: mpsc::Receiver<DueAnswer>) {
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            next = due.recv(), if under_way.len() < MAX_AT_ONCE => match next {
                Some(next) => {
                    under_way.spawn(carry_out(world.clone(), next));
                }
                None => return,
            },
            Some(_) = under_way.join_next() => {}
        }
    }
}

async fn carry_out(world: World, due: DueAnswer) {
    tokio::time::sleep(Duration::from_millis(due.answer().after_ms)).await;
    let mut url = due.answer().url.clone();
    let asked = async {
        let payload = serde_json::from_slice(&due.payload).unwrap_or(Value::Null);
        let fill = |text: &str| filled(text, &payload, &due.apns_id.to_string());
        url = fill(&url)?;
        let body = match &due.answer().body {
            None => None,
            Some(body) => Some(filled_in(body, &fill)?),
        };
        let asked = tokio::time::timeout(PATIENCE, ask(&due, &url, body)).await;
        asked.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
    };
    let (status, error) = match asked.await {
        Ok((status, said)) => (
            Some(status),
            (status >= 400).then(|| said.chars().take(MAX_TOLD).collect()),
        ),
        Err(why) => (None, Some(why)),
    };
    let answer = AnswerView {
        record: due.record,
        at_ms: world.clock().now_ms(),
        url,
        status,
        error,
    };
    world.note_answer(due.phone, due.app, answer);
}

/// One request; status and the text that came back.
async fn ask(due: &DueAnswer, url: &str, body: Option<Value>) -> Result<(u16, String), String> {
    let uri: http::Uri = url
        .parse()
        .map_err(|error| format!("{url:?} is no URL: {error}"))?;
    let authority = uri
        .authority()
        .ok_or_else(|| format!("{url:?} names no host"))?;
    let host = authority.host().trim_matches(['[', ']']);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(due.answer().method.as_str())
        .uri(path)
        .header(HOST, authority.as_str());
    for (name, value) in &due.answer().headers {
        request = request.header(name, value);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let request = request
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    let tcp = TcpStream::connect((host, authority.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| format!("cannot connect: {error}"))?;
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp))
        .await
        .map_err(|error| error.to_string())?;
    let exchange = async move {
        let response = send.send_request(request).await?;
        let status = response.status().as_u16();
        let read = Limited::new(response.into_body(), MAX_READ).collect().await;
        let said = read.map(|body| body.to_bytes()).unwrap_or_default();
        Ok::<_, hyper::Error>((status, String::from_utf8_lossy(&said).into_owned()))
    };
    // The exchange has the only sender, so the connection ends after it; what breaks it, the exchange says.
    let (done, _) = tokio::join!(exchange, connection);
    done.map_err(|error| error.to_string())
}

/// `text` with what the payload has in the place of each `{/pointer}`, and the push's id in that of `{apns_id}`.
fn filled(text: &str, payload: &Value, apns_id: &str) -> Result<String, String> {
    let mut all = String::with_capacity(text.len());
    let text = text.replace("{apns_id}", apns_id);
    let mut rest = text.as_str();
    while let Some((before, from)) = rest.split_once("{/") {
        let Some((pointer, after)) = from.split_once('}') else {
            break;
        };
        all.push_str(before);
        match payload.pointer(&format!("/{pointer}")) {
            Some(Value::String(found)) => all.push_str(found),
            Some(found) => all.push_str(&found.to_string()),
            None => return Err(format!("the payload has nothing at /{pointer}")),
        }
        rest = after;
    }
    all.push_str(rest);
    Ok(all)
}

/// The same in every text of a JSON value.
fn filled_in(
    value: &Value,
    fill: &impl Fn(&str) -> Result<String, String>,
) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text)?),
        Value::Array(list) => {
            let list = list.iter().map(|one| filled_in(one, fill));
            Value::Array(list.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => {
            let fields = object
                .iter()
                .map(|(name, one)| Ok((name.clone(), filled_in(one, fill)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_payload_has_is_filled_in() {
        let payload = json!({"aps": {}, "incident": {"link": "/i/abc", "no": 7}});
        let fill = |text: &str| filled(text, &payload, "ID");
        let whole = "http://h:1{/incident/link}?no={/incident/no}&id={apns_id}";
        assert_eq!(fill(whole).unwrap(), "http://h:1/i/abc?no=7&id=ID");
        assert_eq!(fill("{\"plain\": {/").unwrap(), "{\"plain\": {/");
        assert_eq!(
            fill("{/incident/none}").unwrap_err(),
            "the payload has nothing at /incident/none"
        );
        let body = json!({"receipt": "{/incident/link}", "list": ["{apns_id}", 1, null]});
        assert_eq!(
            filled_in(&body, &fill).unwrap(),
            json!({"receipt": "/i/abc", "list": ["ID", 1, null]})
        );
        assert!(filled_in(&json!([{"a": "{/x}"}]), &fill).is_err());
    }
}
