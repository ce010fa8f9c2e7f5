//! What writing a template for one device costs, where what it says asks something of the device: nothing can be shared
//! then. Processor's time of one thread.

use super::figures::Figures;
use super::process::thread_cpu;
use crate::exit::{Exit, Failure};
use carillon_model::facts::DeviceFacts;
use carillon_model::template::{CompiledTemplate, SharedScope, TemplateDefinition};
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::time::Instant;

/// What is written.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Load {
    /// Devices
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
}

/// Five variables of an event, in title and body.
pub(super) fn template() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "default_locale": "en",
        "variables": {
            "writer": text, "post": text, "shop": text, "comment": text, "count": { "type": "integer" },
        },
        "content": {
            "en": {
                "title": "{{ writer }}'s new comment on {{ post }}",
                "body": "{{ shop }}: {{ comment }} ({{ count }})",
            },
            "ko": { "title": "{{ post }}에 {{ writer }}님의 새 댓글" },
        },
    })
}

/// Values for them.
pub(super) fn variables(number: u64) -> Value {
    json!({
        "writer": "Jisoo",
        "post": "The quick brown fox",
        "shop": "Shop",
        "comment": "I like it very much, thank you for it!",
        "count": number,
    })
}

/// Writes, and counts.
pub(crate) fn run(load: &Load) -> Result<Figures, Failure> {
    let definition: TemplateDefinition = serde_json::from_value(template()).map_err(broken)?;
    let template = CompiledTemplate::compile(&definition)
        .map_err(|problems| broken(format!("the template is refused: {problems:?}")))?;
    let variables: Map<String, Value> = serde_json::from_value(variables(3)).map_err(broken)?;
    let scope = SharedScope {
        variables: &variables,
        app_name: "Shop",
        event: None,
        digest: None,
    };
    let bound = template.bind(&scope).map_err(broken)?;
    let device = DeviceFacts {
        user_id: Some("user-42"),
        locale: Some("ko-KR"),
        platform: Some("ios"),
        ..DeviceFacts::default()
    };
    let (began, cpu_before) = (Instant::now(), thread_cpu());
    for _ in 0..load.requests {
        let content = bound.render(black_box(device.locale), &device);
        black_box(content.map_err(broken)?);
    }
    let cpu = thread_cpu().saturating_sub(cpu_before);
    Ok(Figures {
        n: load.requests.into(),
        rate_per_sec: f64::from(load.requests) / began.elapsed().as_secs_f64(),
        cpu_secs: Some(cpu.as_secs_f64()),
        each_us: Some(cpu.as_secs_f64() * 1e6 / f64::from(load.requests)),
        ..Figures::default()
    })
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Software, error.to_string())
}
