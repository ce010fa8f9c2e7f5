//! `carillon explain <dlv_…>`: the whole story of one delivery.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use carillon_model::id::DeliveryId;
use serde_json::Value;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The delivery: dlv_…
    delivery: String,
    /// Its App; without it all Apps that the API key may see are searched
    #[arg(long)]
    app: Option<String>,
}

/// Finds it and tells its story.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    if DeliveryId::parse(&args.delivery).is_none() {
        let message = format!(
            "expected the id of a delivery such as dlv_71_0, found {:?}",
            args.delivery
        );
        return Err(Failure::new(Exit::Usage, message)
            .mend("take it from `carillon notification show <ntf_…> --app <app> --deliveries`")
            .into());
    }
    let client = ApiClient::new(&args.server)?;
    let (app, story) = find(&client, args.app.as_deref(), &args.delivery).await?;
    if output.is_json() {
        output.json(&story);
        return Ok(());
    }
    for line in lines(&app, &story) {
        output.line(line);
    }
    Ok(())
}

async fn find(client: &ApiClient, app: Option<&str>, id: &str) -> Result<(String, Value), Failure> {
    let path = |app: &str| format!("/v1/apps/{}/deliveries/{}", escape(app), escape(id));
    if let Some(app) = app {
        return Ok((app.to_owned(), client.get(&path(app)).await?));
    }
    for app in client.list("/v1/apps", usize::MAX).await? {
        let app = shown(&app, "/id");
        match client.get(&path(&app)).await {
            Ok(story) => return Ok((app, story)),
            Err(failure) if failure.exit == Exit::NoInput => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::new(Exit::NoInput, format!("no App has a delivery {id}")).mend(
        "look it up with `carillon notification show <ntf_…> --app <app>`; records older than retention.records are gone",
    ))
}

fn lines(app: &str, story: &Value) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}: {}",
            shown(story, "/id"),
            shown(story, "/explanation/summary")
        ),
        String::new(),
    ];
    for (name, pointer) in [
        ("state", "/state"),
        ("notification", "/notification_id"),
        ("device", "/device_id"),
        ("id at the gateway", "/gateway_id"),
        ("next try", "/next_attempt_at"),
    ] {
        let value = shown(story, pointer);
        if !value.is_empty() {
            lines.push(format!("  {name:18} {value}"));
        }
    }
    lines.push(format!("  {:18} {app}", "app"));
    lines.push(String::new());
    lines.push("What happened".to_owned());
    for step in story["explanation"]["story"]
        .as_array()
        .into_iter()
        .flatten()
    {
        lines.push(format!("  {}", step.as_str().unwrap_or_default()));
    }
    let attempts = story["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    if !attempts.is_empty() {
        lines.push(String::new());
        lines.push("Attempts, with the gateway's own words".to_owned());
    }
    for attempt in attempts {
        lines.push(format!("  {}", attempt_line(attempt)));
        let raw = shown(attempt, "/raw");
        if !raw.is_empty() {
            lines.push(format!("      {raw}"));
        }
    }
    lines.push(String::new());
    lines.push("The rule".to_owned());
    lines.push(format!("  {}", shown(story, "/explanation/rule")));
    let mend = shown(story, "/explanation/mend");
    if !mend.is_empty() {
        lines.push(String::new());
        lines.push("What to do".to_owned());
        lines.push(format!("  {mend}"));
    }
    lines
}

fn attempt_line(attempt: &Value) -> String {
    let mut line = format!(
        "{} #{} {}",
        shown(attempt, "/at"),
        shown(attempt, "/attempt"),
        shown(attempt, "/result")
    );
    // Its number comes again.
    if let "blocked" | "held" | "not_sent" | "rescued_in_doubt" =
        attempt["result"].as_str().unwrap_or_default()
    {
        line.push_str(" (not counted)");
    }
    for (before, pointer, after) in [
        (", ", "/status", ""),
        (" ", "/reason", ""),
        (", ", "/environment", ""),
        (", connection ", "/connection", ""),
        (", after ", "/elapsed_ms", " ms"),
        (", again at ", "/next_attempt_at", ""),
    ] {
        let value = shown(attempt, pointer);
        if !value.is_empty() {
            line.push_str(&format!("{before}{value}{after}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_try_whose_number_comes_again_says_so() {
        let line = attempt_line(&json!({"attempt": 1, "at": "t", "result": "rescued_in_doubt"}));
        assert_eq!(line, "t #1 rescued_in_doubt (not counted)");
    }

    #[test]
    fn the_story_has_attempts_words_rule_and_mend() {
        let story = json!({
            "id": "dlv_1_0", "state": "rejected", "device_id": "phone-1", "gateway_id": "g",
            "attempts": [{"attempt": 1, "at": "2026-01-01T00:00:00Z", "result": "rejected", "status": 410,
                "reason": "Unregistered", "raw": "{\"reason\":\"Unregistered\"}", "connection": 3, "elapsed_ms": 1.5}],
            "explanation": {"summary": "Refused.", "rule": "Dead is dead.", "mend": "Wait.", "story": ["It came.", "It went."]},
        });
        let text = lines("shop", &story).join("\n");
        for part in [
            "dlv_1_0: Refused.",
            "  It came.\n  It went.",
            "#1 rejected, 410 Unregistered, connection 3, after 1.5 ms",
            "{\"reason\":\"Unregistered\"}",
            "The rule\n  Dead is dead.",
            "What to do\n  Wait.",
        ] {
            assert!(text.contains(part), "{part} in:\n{text}");
        }
    }
}
