//! `carillon send`: one notification from flags, or many from an NDJSON file.

use super::json_file::object;
use super::when::When;
use crate::client::{ApiClient, ServerOptions, escape};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// The App
    app: String,
    /// To these devices (repeat)
    #[arg(long = "device", group = "target", value_name = "ID")]
    devices: Vec<String>,
    /// To all devices of these users (repeat)
    #[arg(long = "user", group = "target", value_name = "ID")]
    users: Vec<String>,
    /// To these raw push tokens of Apple's (repeat)
    #[arg(long = "push-token", group = "target", value_name = "HEX")]
    push_tokens: Vec<String>,
    /// To every device of the App
    #[arg(long, group = "target")]
    all: bool,
    /// To the devices of this segment
    #[arg(long, group = "target", value_name = "NAME")]
    segment: Option<String>,
    /// To the devices of this uploaded list
    #[arg(long, group = "target", value_name = "NAME")]
    list: Option<String>,
    /// To a broadcast channel
    #[arg(long, group = "target", value_name = "ID")]
    channel: Option<String>,
    /// Say it by this template, in each reader's language
    #[arg(long, value_name = "NAME", conflicts_with_all = ["title", "body", "badge", "sound", "data", "apns"])]
    template: Option<String>,
    /// Values of the template's variables: a JSON object
    #[arg(long, value_name = "JSON", requires = "template")]
    variables: Option<String>,
    /// Title
    #[arg(long)]
    title: Option<String>,
    /// Text
    #[arg(long)]
    body: Option<String>,
    /// Badge on the app's icon
    #[arg(long)]
    badge: Option<u32>,
    /// Sound
    #[arg(long)]
    sound: Option<String>,
    /// The app's own data: a JSON object
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// Raw APNs payload: a JSON object
    #[arg(long, value_name = "JSON")]
    apns: Option<String>,
    /// Raw FCM message: a JSON object
    #[arg(long, value_name = "JSON")]
    fcm: Option<String>,
    /// Raw message for browsers: a JSON object
    #[arg(long, value_name = "JSON")]
    webpush: Option<String>,
    /// Opened by a tap: an absolute URL
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Kind of push: alert, background, voip, liveactivity…
    #[arg(long)]
    push_type: Option<String>,
    /// high, normal or low
    #[arg(long)]
    priority: Option<String>,
    /// Replaces an earlier notification with the same id
    #[arg(long)]
    collapse_id: Option<String>,
    #[command(flatten)]
    when: When,
    /// Not sent any more so long after the send, e.g. 15m
    #[arg(long)]
    expires_in: Option<String>,
    /// The same key and request twice is one notification
    #[arg(long)]
    idempotency_key: Option<String>,
    /// Many notifications: a file with one JSON body on each line, or - for stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["target", "at", "after", "if_past"])]
    ndjson: Option<PathBuf>,
    /// Wait until every delivery is final, and tell how they ended
    #[arg(long, conflicts_with = "ndjson")]
    wait: bool,
}

/// Sends.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let client = ApiClient::new(&args.server)?;
    let path = format!("/v1/apps/{}/notifications", escape(&args.app));
    let headers: Vec<_> = args
        .idempotency_key
        .iter()
        .map(|key| ("Idempotency-Key", key.clone()))
        .collect();
    if let Some(file) = &args.ndjson {
        return many(&client, &path, file, &headers, output).await;
    }
    let mut body = body(&args)?;
    if let Some(send_at) = args.when.send_at()? {
        body["send_at"] = json!(send_at);
    }
    if let Some(if_past) = args.when.if_past() {
        body["if_past"] = json!(if_past);
    }
    let text = client
        .post_text(&path, "application/json", &headers, body.to_string())
        .await?;
    let mut answer: Value = serde_json::from_str(&text)?;
    let id = shown(&answer, "/id");
    if args.wait {
        answer = super::notification::wait(&client, &args.app, &id, output).await?;
        if !output.is_json() {
            super::notification::tell(&answer, output);
        }
    } else {
        match answer["send_at"].as_str() {
            Some(at) => output.line(format!("{id} is accepted, to be sent at {at}")),
            None => output.line(format!("{id} is accepted")),
        }
        output.note(format!(
            "see what becomes of it with: carillon notification show --app {} {id}",
            args.app
        ));
    }
    if output.is_json() {
        output.json(&answer);
    }
    Ok(())
}

fn body(args: &Args) -> Result<Value, Failure> {
    let target = if args.all {
        json!({ "all": true })
    } else if let Some(segment) = &args.segment {
        json!({ "segment": segment })
    } else if let Some(list) = &args.list {
        json!({ "list": list })
    } else if let Some(channel) = &args.channel {
        json!({ "channel": channel })
    } else if !args.devices.is_empty() {
        json!({ "devices": args.devices })
    } else if !args.users.is_empty() {
        json!({ "users": args.users })
    } else if !args.push_tokens.is_empty() {
        json!({ "push_tokens": args.push_tokens })
    } else {
        return Err(Failure::new(Exit::Usage, "nobody to send to")
            .mend("give --device, --user, --push-token, --segment, --list, --channel or --all"));
    };
    let mut content = Map::new();
    let mut options = Map::new();
    let put = |map: &mut Map<String, Value>, key: &str, value: Option<Value>| {
        map.extend(value.map(|value| (key.to_owned(), value)));
    };
    put(&mut content, "title", args.title.clone().map(Value::from));
    put(&mut content, "body", args.body.clone().map(Value::from));
    put(&mut content, "badge", args.badge.map(Value::from));
    put(&mut content, "sound", args.sound.clone().map(Value::from));
    put(
        &mut content,
        "data",
        object("--data", args.data.as_deref())?,
    );
    put(&mut content, "link", args.link.clone().map(Value::from));
    put(
        &mut content,
        "apns",
        object("--apns", args.apns.as_deref())?,
    );
    put(&mut content, "fcm", object("--fcm", args.fcm.as_deref())?);
    put(
        &mut content,
        "webpush",
        object("--webpush", args.webpush.as_deref())?,
    );
    put(
        &mut options,
        "push_type",
        args.push_type.clone().map(Value::from),
    );
    put(
        &mut options,
        "priority",
        args.priority.clone().map(Value::from),
    );
    put(
        &mut options,
        "collapse_id",
        args.collapse_id.clone().map(Value::from),
    );
    let mut body = json!({ "target": target });
    match &args.template {
        Some(name) => {
            body["template"] = json!({ "name": name });
            if let Some(variables) = object("--variables", args.variables.as_deref())? {
                body["template"]["variables"] = variables;
            }
        }
        None => body["content"] = Value::Object(content),
    }
    if !options.is_empty() {
        body["options"] = Value::Object(options);
    }
    if let Some(expires_in) = &args.expires_in {
        body["expires_in"] = json!(expires_in);
    }
    Ok(body)
}

async fn many(
    client: &ApiClient,
    path: &str,
    file: &std::path::Path,
    headers: &[(&'static str, String)],
    output: Output,
) -> anyhow::Result<()> {
    let total = std::fs::metadata(file).ok().map(|meta| meta.len());
    let bar = output.progress("sent bytes", total.filter(|_| file.as_os_str() != "-"));
    let body = super::upload::body(file, bar.clone())?;
    let mut tally = super::upload::Tally::new("accepted", output);
    client
        .stream_lines(path, "application/x-ndjson", headers, body, |line| {
            tally.add(line)
        })
        .await?;
    bar.finish_and_clear();
    tally.tell(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        args: Args,
    }

    fn read(words: &[&str]) -> Args {
        Only::try_parse_from([&["send"], words].concat())
            .unwrap()
            .args
    }

    #[test]
    fn flags_become_a_body() {
        let args = read(&[
            "shop",
            "--device",
            "a",
            "--device",
            "b",
            "--title",
            "Hi",
            "--badge",
            "3",
            "--data",
            "{\"k\":1}",
            "--push-type",
            "voip",
            "--expires-in",
            "15m",
        ]);
        assert_eq!(
            body(&args).unwrap(),
            json!({"target": {"devices": ["a", "b"]}, "content": {"title": "Hi", "badge": 3, "data": {"k": 1}},
                "options": {"push_type": "voip"}, "expires_in": "15m"})
        );
        assert_eq!(
            body(&read(&["shop", "--all"])).unwrap()["target"],
            json!({"all": true})
        );
    }

    #[test]
    fn a_template_stands_in_place_of_content() {
        let args = [
            "shop",
            "--user",
            "ann",
            "--template",
            "hello",
            "--variables",
            "{\"n\":1}",
        ];
        assert_eq!(
            body(&read(&args)).unwrap(),
            json!({"target": {"users": ["ann"]}, "template": {"name": "hello", "variables": {"n": 1}}})
        );
        let both = [
            "send",
            "shop",
            "--all",
            "--template",
            "hello",
            "--body",
            "x",
        ];
        assert!(Only::try_parse_from(both).is_err());
    }

    #[test]
    fn what_becomes_of_a_passed_time_stands_beside_it() {
        let at = ["shop", "--all", "--at", "today 9:00", "--if-past"];
        let args = read(&[&at[..], &["send_now"]].concat());
        assert_eq!(args.when.if_past(), Some("send_now"));
        for wrong in [
            &["--if-past", "send_now"][..],
            &["--at", "9:00", "--if-past", "later"],
        ] {
            let words = [&["send", "shop", "--all"][..], wrong].concat();
            assert!(Only::try_parse_from(words).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        assert!(
            body(&read(&["shop", "--body", "x"]))
                .unwrap_err()
                .message
                .contains("nobody")
        );
        let bad = body(&read(&["shop", "--all", "--data", "5"])).unwrap_err();
        assert!(bad.message.contains("--data"), "{bad}");
        assert!(Only::try_parse_from(["send", "shop", "--all", "--device", "a"]).is_err());
    }
}
