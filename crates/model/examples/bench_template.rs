//! Measures what rendering costs for each device, and prints microseconds. Not a test: speed is
//! measured on a quiet machine, with `cargo run --release -p carillon-model --example bench_template`.

use carillon_model::facts::DeviceFacts;
use carillon_model::template::{CompiledTemplate, RenderError, SharedScope, TemplateDefinition};
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

/// Renderings in one slice, and slices: the best slice is the one that nothing interrupted.
const ROUNDS: u32 = 1_000;
const SLICES: usize = 201;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let five = json!({
        "en": {
            "title": "{{ writer }}'s new comment on {{ post }}",
            "body": "{{ shop }}: {{ comment }} ({{ count }})",
        },
        "ko": {"title": "{{ post }}에 {{ writer }}님의 새 댓글"},
    });
    let device = json!({"en": {
        "title": "{{ writer }}, {{ user.id }} on {{ device.platform }}",
        "body": "{{ comment }} ({{ count }})",
    }});
    let rich = json!({"en": {
        "title": "{% if count > 1 %}{{ count }} new {{ count|plural(one='comment', other='comments') }}{% else %}{{ writer|upper }}{% endif %}",
        "body": "{{ comment|truncate(20) }}",
        "link": "https://shop.example/{{ post }}",
        "data": {"post": "{{ post }}", "writer": "{{ writer }}", "kind": "comment"},
    }});
    let constant = json!({"en": {"title": "Hello", "body": "Nothing changes here"}});
    let data = json!({"writer": "Jisoo", "post": "The quick brown fox", "shop": "Shop",
        "comment": "I like it very much, thank you for it!", "count": 3});
    let variables = data.as_object().cloned().unwrap_or_default();

    for (name, content, locale) in [
        ("5 variables, title and body", &five, "en"),
        ("the same, negotiated ko-KR", &five, "ko-KR"),
        ("5 variables, 2 of the device", &device, "en"),
        ("if, plural, truncate, link, data", &rich, "en"),
        ("constant", &constant, "en"),
    ] {
        let template = compile(content)?;
        measure(name, &template, &variables, locale)?;
    }
    Ok(())
}

fn compile(content: &Value) -> Result<CompiledTemplate, Box<dyn std::error::Error>> {
    let definition: TemplateDefinition = serde_json::from_value(json!({
        "default_locale": "en",
        "variables": {
            "writer": {"type": "string"}, "post": {"type": "string"}, "shop": {"type": "string"},
            "comment": {"type": "string"}, "count": {"type": "integer"},
        },
        "content": content,
    }))?;
    CompiledTemplate::compile(&definition).map_err(|problems| problems[0].to_string().into())
}

fn measure(
    name: &str,
    template: &CompiledTemplate,
    variables: &Map<String, Value>,
    locale: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let scope = SharedScope {
        variables,
        app_name: "Shop",
        event: None,
        digest: None,
    };
    let device = DeviceFacts {
        user_id: Some("user-42"),
        locale: Some(locale),
        platform: Some("ios"),
        ..DeviceFacts::default()
    };
    let bound = template.bind(&scope)?;
    let render = slices(|| {
        black_box(bound.render(black_box(Some(locale)), &device)?);
        Ok(())
    })?;
    let bind = slices(|| {
        black_box(template.bind(black_box(&scope))?);
        Ok(())
    })?;
    writeln!(
        std::io::stdout(),
        "{name:34} {:6.3} µs a device (median {:6.3}), {:6.3} µs to bind once",
        render.0,
        render.1,
        bind.0
    )?;
    Ok(())
}

/// Microseconds for one call: of the best slice, and of the median one.
#[expect(
    clippy::disallowed_methods,
    reason = "a measuring program reads the clock"
)]
fn slices(mut call: impl FnMut() -> Result<(), RenderError>) -> Result<(f64, f64), RenderError> {
    let mut times = Vec::with_capacity(SLICES);
    for _ in 0..SLICES {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            call()?;
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    }
    times.sort_by(f64::total_cmp);
    Ok((times[0], times[SLICES / 2]))
}
