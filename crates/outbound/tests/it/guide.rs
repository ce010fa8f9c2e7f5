//! The receiver's guide (docs/guide/webhooks.md) tells the truth: its code believes what we sign and nothing else, its examples
//! are what we send, its schedule is ours.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use carillon_model::event::{self, EventKind};
use carillon_model::webhook::RETRY_DELAYS_MS;
use carillon_outbound::{WebhookSecret, sign, sign_with_all};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const GUIDE: &str = include_str!("../../../../docs/guide/webhooks.md");

const AT: i64 = 1_767_323_045;

/// The first block in this language after `heading`.
pub(crate) fn block<'a>(heading: &str, language: &str) -> &'a str {
    let rest = GUIDE.split_once(heading).expect(heading).1;
    let fence = format!("```{language}\n");
    rest.split_once(fence.as_str())
        .expect(heading)
        .1
        .split_once("\n```")
        .unwrap()
        .0
}

/// The example must hold every field there is, and no other.
fn is_shape<T: Serialize + DeserializeOwned>(example: Value) {
    let read: T = serde_json::from_value(example.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), example);
}

#[test]
fn every_kind_is_shown_as_it_is_sent() {
    for kind in EventKind::ALL {
        let example = block(&format!("\n### `{kind}`\n"), "json");
        let example: Value = serde_json::from_str(example).unwrap();
        match kind {
            EventKind::NotificationCompleted => is_shape::<event::NotificationCompleted>(example),
            EventKind::DeliveryFailed => is_shape::<event::DeliveryFailed>(example),
            EventKind::DeviceRetired => is_shape::<event::DeviceRetired>(example),
            EventKind::DeviceEvicted => is_shape::<event::DeviceEvicted>(example),
            EventKind::EnvironmentRepaired => is_shape::<event::EnvironmentRepaired>(example),
            EventKind::EnvironmentFlood => is_shape::<event::EnvironmentFlood>(example),
            EventKind::CredentialFailing => is_shape::<event::CredentialFailing>(example),
            EventKind::CredentialRecovered => is_shape::<event::CredentialRecovered>(example),
            EventKind::ReceiptDelivered | EventKind::ReceiptOpened => {
                is_shape::<event::Receipts>(example)
            }
            EventKind::TriggerFailed => is_shape::<event::TriggerFailed>(example),
            EventKind::TimerFailed => is_shape::<event::TimerFailed>(example),
            EventKind::ScheduleFailed => is_shape::<event::ScheduleFailed>(example),
            EventKind::CampaignHalted => is_shape::<event::CampaignHalted>(example),
            EventKind::LiveActivityStarted
            | EventKind::LiveActivityEnded
            | EventKind::LiveActivityEndsSoon
            | EventKind::LiveActivityUnstartable
            | EventKind::LiveActivityUnanswered
            | EventKind::LiveActivityChannelMade
            | EventKind::LiveActivityChannelTrouble
            | EventKind::LiveActivityTokenDead => is_shape::<event::LiveActivityNews>(example),
            EventKind::LiveActivitySourceFailed => {
                is_shape::<event::LiveActivitySourceFailed>(example)
            }
            EventKind::IncidentOpened
            | EventKind::IncidentPaged
            | EventKind::IncidentAcknowledged
            | EventKind::IncidentResolved
            | EventKind::IncidentGivenUp => is_shape::<event::IncidentNews>(example),
            EventKind::WebhookDisabled => is_shape::<event::WebhookDisabled>(example),
        }
    }
    assert_eq!(GUIDE.matches("\n### `").count(), EventKind::ALL.len());
}

#[test]
fn the_schedule_is_ours() {
    for (attempt, delay) in (2..).zip(RETRY_DELAYS_MS) {
        let secs = delay / 1_000;
        let text = match (secs % 3_600, secs % 60) {
            (0, _) => format!("{} h", secs / 3_600),
            (_, 0) => format!("{} min", secs / 60),
            _ => format!("{secs} s"),
        };
        assert!(
            GUIDE.contains(&format!("\n| {attempt} | {text} |\n")),
            "{attempt}: {text}"
        );
    }
    assert!(!GUIDE.contains(&format!("\n| {} | ", RETRY_DELAYS_MS.len() + 2)));
}

/// Secret, id, timestamp, signatures, body, now; and whether it is to be believed.
fn cases() -> Vec<(Value, bool)> {
    let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let ours = WebhookSecret::parse(secret).unwrap();
    let other = WebhookSecret::from_random(&[7; 32]).unwrap();
    let body = r#"{"type":"device.retired","état":"ok"}"#;
    let good = sign(&ours, "evt_1", AT, body.as_bytes());
    let both = sign_with_all(&[other.clone(), ours], "evt_1", AT, body.as_bytes());
    let foreign = sign(&other, "evt_1", AT, body.as_bytes());
    let v2 = good.replace("v1,", "v2,");
    let mixed = format!("v2,AAAA {good}");
    let at = AT.to_string();
    let case = |id: &str, at: &str, signatures: &str, body: &str, now: i64, is_fine| {
        (json!([secret, id, at, signatures, body, now]), is_fine)
    };
    vec![
        case("evt_1", &at, &good, body, AT, true),
        case("evt_1", &at, &good, body, AT + 300, true),
        case("evt_1", &at, &good, body, AT - 300, true),
        case("evt_1", &at, &both, body, AT, true),
        case("evt_1", &at, &mixed, body, AT, true),
        case("evt_1", &at, &good, body, AT + 301, false),
        case("evt_1", &at, &good, body, AT - 301, false),
        case("evt_1", &at, &good, "{}", AT, false),
        case("evt_2", &at, &good, body, AT, false),
        case("evt_1", &at, &foreign, body, AT, false),
        case("evt_1", &at, &v2, body, AT, false),
        case("evt_1", &at, "", body, AT, false),
        case("evt_1", "", &good, body, AT, false),
        case("evt_1", "soon", &good, body, AT, false),
        case("evt_1", "1767323046", &good, body, AT, false),
    ]
}

/// The path in this variable, which `cargo xtask test` sets; if it is not there, says that something was not proven.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn tool(variable: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).filter(|path| !path.is_empty());
    if found.is_none() {
        eprintln!("SKIPPED: {name}: set {variable}, or let `cargo xtask test --setup` do it");
        let is_ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_ci, "{name} must not be skipped in CI");
    }
    found.map(PathBuf::from)
}

/// Runs a program that reads the cases as JSON and writes one word for each.
fn judged_by(mut program: Command) {
    let cases = cases();
    let (given, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(Value::from(given).to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let words = String::from_utf8(output.stdout).unwrap().to_lowercase();
    let found: Vec<bool> = words.lines().map(|word| word == "true").collect();
    assert_eq!(found, expected, "{words}");
}

#[test]
fn the_python_code_verifies() {
    let Some(python) = tool("PUSH_TEST_PYTHON", "webhooks verified in Python") else {
        return;
    };
    let harness = "\nimport json, sys\nfor s, i, t, g, b, n in json.load(sys.stdin): print(is_from_carillon(s, i, t, g, b.encode(), n))\n";
    let mut program = Command::new(python);
    program
        .arg("-c")
        .arg(format!("{}{harness}", block("\nPython:\n", "python")));
    judged_by(program);
}

#[test]
fn the_javascript_code_verifies() {
    // The variable names packages of no use here; that it is set says that there is a Node.
    if tool("PUSH_TEST_NODE_MODULES", "webhooks verified in Node").is_none() {
        return;
    }
    let harness = "\nimport { readFileSync } from 'node:fs';\nfor (const [s, i, t, g, b, n] of JSON.parse(readFileSync(0, 'utf8'))) console.log(isFromCarillon(s, i, t, g, Buffer.from(b), n));\n";
    let mut program = Command::new("node");
    program.args(["--input-type=module", "-e"]).arg(format!(
        "{}{harness}",
        block("\nJavaScript (Node):\n", "js")
    ));
    judged_by(program);
}

#[test]
fn the_example_to_try_is_right() {
    let rest = GUIDE.split_once("To try yours:").unwrap().1;
    let quoted: Vec<&str> = rest.split('`').skip(1).step_by(2).take(5).collect();
    let [secret, id, timestamp, body, signature] = quoted[..] else {
        panic!("{quoted:?}")
    };
    let secret = WebhookSecret::parse(secret).unwrap();
    assert_eq!(
        sign(&secret, id, timestamp.parse().unwrap(), body.as_bytes()),
        signature
    );
}
