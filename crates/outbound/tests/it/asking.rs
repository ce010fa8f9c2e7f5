//! Questions of call-outs: the whole answer, its bounds, and the guide's receiver (docs/guide/callouts.md).

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use carillon_model::callout::CalloutAnswer;
use carillon_model::webhook::{FailedPhase, WebhookAnswer, WebhookResult, WebhookUrl};
use carillon_outbound::{AskBounds, WebhookCall, WebhookClient, WebhookConfig, WebhookSecret};

use crate::guide;
use crate::receiver::{Receiver, Script, answer};
use crate::rig::{config, watched};

const NOW: i64 = 1_785_585_600_999;
const CALLOUTS: &str = include_str!("../../../../docs/guide/callouts.md");

fn bounds(most: usize, deadline_ms: u64) -> AskBounds {
    AskBounds {
        deadline: Duration::from_millis(deadline_ms),
        most,
    }
}

fn secret() -> WebhookSecret {
    WebhookSecret::from_random(&[7; 32]).unwrap()
}

async fn ask(
    client: &WebhookClient,
    url: String,
    body: &'static str,
    bounds: AskBounds,
) -> (WebhookAnswer, Option<Bytes>) {
    let call = WebhookCall {
        url: &WebhookUrl::new(url),
        id: "ask_1",
        body: Bytes::from_static(body.as_bytes()),
        secrets: &[secret()],
    };
    client.ask(&call, bounds, NOW).await
}

#[tokio::test]
async fn the_whole_answer_comes_as_it_was_written() {
    watched(async {
        let said = format!(
            "{{\r\n\"content\": {{\"body\": \"{}\"}}}}",
            "é".repeat(4_000)
        );
        let receiver = Receiver::tls(answer(200, "", &said)).await;
        let client = WebhookClient::new(config(&receiver)).unwrap();
        let url = receiver.url("https", "localhost");
        let (answer, body) = ask(&client, url.clone(), "{}", bounds(65_536, 10_000)).await;
        assert_eq!(answer.status(), Some(200));
        assert_eq!(body.unwrap(), said);
        // For people there is its beginning.
        let WebhookResult::Answered { body: shown, .. } = answer.result else {
            panic!("no answer")
        };
        assert!(shown.len() <= 4_096 && shown.contains("content"));

        let (answer, body) = ask(&client, url, "{}", bounds(100, 10_000)).await;
        assert_eq!(
            (answer.status(), body),
            (Some(200), None),
            "longer than may be"
        );
    })
    .await;
}

#[tokio::test]
async fn a_question_has_its_own_time() {
    watched(async {
        let stalls = Script::SayAndStall("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}");
        let receiver = Receiver::tls(stalls).await;
        let client = WebhookClient::new(config(&receiver)).unwrap();
        let url = receiver.url("https", "localhost");
        let (answer, body) = ask(&client, url, "{}", bounds(65_536, 300)).await;
        assert_eq!((answer.status(), body), (Some(200), None), "it never ended");

        let receiver = Receiver::tls(Script::SayAndStall("")).await;
        let client = WebhookClient::new(config(&receiver)).unwrap();
        let url = receiver.url("https", "localhost");
        let (answer, body) = ask(&client, url, "{}", bounds(65_536, 300)).await;
        let WebhookResult::Failed { phase, .. } = answer.result else {
            panic!("an answer")
        };
        assert_eq!((phase, body), (FailedPhase::Timeout, None));
    })
    .await;
}

#[tokio::test]
async fn the_guard_is_asked_too() {
    let client = WebhookClient::new(WebhookConfig::default()).unwrap();
    let url = "https://10.0.0.1/x".to_owned();
    let (answer, body) = ask(&client, url, "{}", bounds(100, 1_000)).await;
    let WebhookResult::Failed { phase, .. } = answer.result else {
        panic!("an answer")
    };
    assert_eq!((phase, body), (FailedPhase::Refused, None));
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_guides_receiver_answers() {
    let Some(python) = guide::tool("PUSH_TEST_PYTHON", "a call-out answered in Python") else {
        return;
    };
    let (_, rest) = CALLOUTS.split_once("## A receiver").unwrap();
    let (_, rest) = rest.split_once("```python\n").unwrap();
    let (receiver, _) = rest.split_once("\n```").unwrap();
    let verify = guide::block("\nPython:\n", "python");
    let clock = format!("import time\ntime.time = lambda: {}\n", NOW / 1_000);
    let mut child = Command::new(python)
        .arg("-c")
        .arg(format!("{clock}{verify}\n{receiver}"))
        .env("CALLOUT_SECRET", secret().reveal().as_str())
        .env("PORT", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    let output = child.stdout.take().unwrap();
    let running = Running(child);
    BufReader::new(output).read_line(&mut port).unwrap();
    watched(async {
        let own = WebhookConfig::default().allow_private(["127.0.0.1"]);
        let client = WebhookClient::new(own.unwrap()).unwrap();
        let url = format!("http://127.0.0.1:{}/news", port.trim());
        let asked = r#"{"type":"callout.asked","data":{"edition":"morning"}}"#;
        let (answer, body) = ask(&client, url.clone(), asked, bounds(65_536, 10_000)).await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        let said: CalloutAnswer = serde_json::from_slice(&body.unwrap()).unwrap();
        assert!(said.content.is_some());
        let asked = r#"{"type":"callout.asked","data":{"edition":"evening"}}"#;
        let (answer, _) = ask(&client, url.clone(), asked, bounds(65_536, 10_000)).await;
        assert_eq!(answer.status(), Some(204));
        let call = WebhookCall {
            url: &WebhookUrl::new(url),
            id: "ask_1",
            body: Bytes::from_static(b"{}"),
            secrets: &[WebhookSecret::from_random(&[8; 32]).unwrap()],
        };
        let (answer, _) = client.ask(&call, bounds(65_536, 10_000), NOW).await;
        assert_eq!(answer.status(), Some(401), "another secret");
    })
    .await;
    drop(running);
}
