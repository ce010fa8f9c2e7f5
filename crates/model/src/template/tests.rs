//! Templates by tables and properties.

use super::scan::{MAX_BLOCKS, MAX_TAG_ITEMS};
use super::*;
use crate::content::Urgency;
use crate::digest::DigestFacts;
use crate::facts::{DeviceFacts, EventFacts};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn definition(json: Value) -> TemplateDefinition {
    serde_json::from_value(json).unwrap()
}

fn compiled(json: Value) -> CompiledTemplate {
    CompiledTemplate::compile(&definition(json))
        .unwrap_or_else(|problems| panic!("{}", told(&problems)))
}

fn told(problems: &[TemplateProblem]) -> String {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn shared(variables: &Map<String, Value>) -> SharedScope<'_> {
    SharedScope {
        variables,
        app_name: "Shop",
        event: None,
        digest: None,
    }
}

fn render(
    template: &CompiledTemplate,
    locale: &str,
    variables: Value,
) -> Result<Content, RenderError> {
    let scope = RenderScope {
        shared: shared(variables.as_object().unwrap()),
        device: DeviceFacts {
            locale: Some(locale),
            ..DeviceFacts::default()
        },
    };
    template.render(Some(locale), &scope)
}

/// A template whose only text is this.
fn body(source: &str) -> Value {
    json!({
        "default_locale": "en",
        "variables": {
            "writer": {"type": "string"},
            "comment": {"type": "string", "required": false},
            "count": {"type": "integer", "default": 1},
            "price": {"type": "number", "default": 1},
            "is_new": {"type": "boolean", "default": true},
            "names": {"type": "list", "default": ["a", "b"]},
            "post": {"type": "object", "default": {"id": 7, "none": null}},
        },
        "content": {"en": {"body": source}},
    })
}

fn says(source: &str) -> Result<String, RenderError> {
    let content = render(&compiled(body(source)), "en", json!({"writer": "Ann"}))?;
    Ok(content.body.unwrap())
}

fn comments() -> Value {
    json!({
        "default_locale": "en",
        "category": "comments",
        "variables": {
            "writer": {"type": "string", "required": true},
            "comment": {"type": "string"},
            "post": {"type": "string"},
            "count": {"type": "integer", "default": 1},
        },
        "content": {
            "en": {
                "title": "{{ writer }}'s new comment",
                "body": "{{ comment }}",
                "subtitle": "News",
                "badge": "{{ count }}",
                "sound": "default",
                "link": "https://shop.example/posts/{{ post }}",
                "data": {"post": "{{ post }}", "n": 1.50, "nested": [{"who": "{{ writer }}"}, true]},
                "urgency": "active",
                "apns": {"aps": {"thread-id": "post-{{ post }}"}},
                "fcm": {"android": {"collapse_key": "c"}},
            },
            "ko": {"title": "{{ writer }}님의 새 댓글", "subtitle": null},
            "pt": {"title": "Novo comentário de {{ writer }}"},
            "pt-BR": {"body": "{{ comment }} (BR)", "badge": 0},
        },
    })
}

#[test]
fn a_person_gets_their_own_language_and_what_it_does_not_say_from_the_others() {
    let template = compiled(comments());
    let data = json!({"writer": "지수 \"J\"", "comment": "좋아요\n<b>", "post": "7", "extra": {"unused": true}});
    let ko = render(&template, "ko-KR", data.clone()).unwrap();
    assert_eq!(ko.title.as_deref(), Some("지수 \"J\"님의 새 댓글"));
    assert_eq!(ko.body.as_deref(), Some("좋아요\n<b>"));
    assert_eq!(ko.subtitle, None, "null takes it away");
    assert_eq!(ko.badge, Some(1));
    assert_eq!(ko.urgency, Some(Urgency::Active));
    let br = render(&template, "pt_BR", data.clone()).unwrap();
    assert_eq!(br.title.as_deref(), Some("Novo comentário de 지수 \"J\""));
    assert_eq!(br.body.as_deref(), Some("좋아요\n<b> (BR)"));
    assert_eq!(br.subtitle.as_deref(), Some("News"));
    assert_eq!(br.badge, Some(0));
    let fr = render(&template, "fr", data).unwrap();
    assert_eq!(fr.title.as_deref(), Some("지수 \"J\"'s new comment"));
    assert_eq!(fr.link.as_deref(), Some("https://shop.example/posts/7"));
    assert_eq!(template.category(), Some("comments"));
}

#[test]
fn objects_keep_order_numbers_and_what_is_no_template() {
    let template = compiled(comments());
    let data = json!({"writer": "A\"\\\u{1}", "comment": "c", "post": "\",\"x\":\""});
    let content = render(&template, "en", data).unwrap();
    // Keys are in the order of serde_json's map here: sorted, as the test builds them.
    assert_eq!(
        content.data.unwrap().get(),
        r#"{"n":1.5,"nested":[{"who":"A\"\\\u0001"},true],"post":"\",\"x\":\""}"#
    );
    assert_eq!(
        content.fcm.unwrap().get(),
        r#"{"android":{"collapse_key":"c"}}"#
    );
    let text = r#"{"default_locale":"en","content":{"en":{"data":{ "z": 1.50, "a": "{{ app.name }}", "m":{ "x" : 1e2 }},"webpush":{ "b":1, "a": 2 }}}}"#;
    let template = CompiledTemplate::compile(&serde_json::from_str(text).unwrap()).unwrap();
    let content = render(&template, "en", json!({})).unwrap();
    assert_eq!(
        content.data.unwrap().get(),
        r#"{"z":1.50,"a":"Shop","m":{ "x" : 1e2 }}"#
    );
    assert_eq!(content.webpush.unwrap().get(), r#"{ "b":1, "a": 2 }"#);
}

#[test]
fn what_texts_say() {
    for (source, text) in [
        ("plain } text { %", "plain } text { %"),
        ("{{ writer }}", "Ann"),
        ("{{ writer|upper }}\n", "ANN\n"),
        (
            "{{ count }} {{ count|plural(one='comment', other='comments') }}",
            "1 comment",
        ),
        ("{% if count > 1 %}many{% else %}one{% endif %}", "one"),
        ("{% if comment %}{{ comment }}{% else %}-{% endif %}", "-"),
        ("{{ comment|default('none') }}", "none"),
        (
            "{{ post.id }} {{ post.none|default('x') }} {{ post.gone|default('y') }}",
            "7 x y",
        ),
        ("{{ is_new }} {{ price }}", "true 1"),
        (
            "{% for name in names %}{{ loop.index }}{{ name }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "1a, 2b",
        ),
        ("{{ names|join(' & ') }}", "a & b"),
        ("{{ app.name }}", "Shop"),
        ("{{ digest.count }} {{ digest.items[0].writer }}", "1 Ann"),
        ("{# nothing #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("{% set x = writer|lower %}{{ x }}{{ x }}", "annann"),
        ("{{ '{{' }}", "{{"),
        ("{{ device.attributes.plan|default('free') }}", "free"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", "012"),
        (
            "{{ 'yes' if is_new is true and count is not even else 'no' }}",
            "yes",
        ),
    ] {
        assert_eq!(says(source).as_deref(), Ok(text), "{source}");
    }
}

#[test]
fn what_is_different_for_each_device() {
    let template = compiled(json!({
        "default_locale": "en",
        "content": {
            "en": {"title": "{{ user.id }} {{ device.platform }} {{ device.locale }} {{ device.time_zone }} {{ device.app_version }}",
                "body": "{{ device.attributes.plan }} {{ device.attributes.limits[1] }}"},
            "ko": {"title": "{{ app.name }}", "body": null},
        },
    }));
    let device = DeviceFacts {
        user_id: Some("u1"),
        locale: Some("en-GB"),
        time_zone: Some("Europe/London"),
        platform: Some("ios"),
        app_version: Some("2.1"),
        attributes: Some(r#"{"plan": "pro", "limits": [1, 2]}"#),
        ..DeviceFacts::default()
    };
    let none = Map::new();
    let bound = template.bind(&shared(&none)).unwrap();
    let content = bound.render(device.locale, &device).unwrap();
    assert_eq!(
        content.title.as_deref(),
        Some("u1 ios en-GB Europe/London 2.1")
    );
    assert_eq!(content.body.as_deref(), Some("pro 2"));
    let (en, ko) = (template.variant_for(None), template.variant_for(Some("ko")));
    assert!(template.uses_device(en) && !template.uses_device(ko));
    let error = bound.render(None, &DeviceFacts::default()).unwrap_err();
    assert_eq!(
        (error.code, error.variable.as_deref()),
        ("template.undefined", Some("user.id"))
    );
}

#[test]
fn events_and_digests() {
    let template = compiled(json!({
        "default_locale": "en",
        "variables": {"writer": {"type": "string"}},
        "content": {"en": {
            "title": "{% if digest.count > 1 %}{{ digest.count }} comments{% else %}{{ writer }}{% endif %}",
            "body": "{{ actor }} {{ event.name }} {{ event.subject|default('-') }}: {{ digest.items|map(attribute='writer')|join(', ') }}",
        }},
    }));
    let digest = DigestFacts {
        count: 3,
        items: vec![json!({"writer": "Bo"}), json!({"writer": "Ann"})],
    };
    let latest = digest.latest().unwrap();
    let scope = SharedScope {
        variables: latest,
        app_name: "Shop",
        event: Some(EventFacts {
            name: "comment.created",
            subject: None,
            actor: Some("ann"),
            data: latest,
        }),
        digest: Some(&digest),
    };
    let content = template
        .bind(&scope)
        .unwrap()
        .render(None, &DeviceFacts::default())
        .unwrap();
    assert_eq!(content.title.as_deref(), Some("3 comments"));
    assert_eq!(
        content.body.as_deref(),
        Some("ann comment.created -: Bo, Ann")
    );
}

/// Source, place in it, code, and a part of the sentence.
#[test]
fn what_is_wrong_is_said_when_it_is_stored() {
    for (source, line, column, code, part) in [
        ("{{ writer", 1, 4, "template.syntax", "unexpected end"),
        (
            "hello\n  {{ writer name }}",
            2,
            13,
            "template.syntax",
            "unexpected identifier",
        ),
        ("{% if count %}", 1, 13, "template.syntax", "unexpected end"),
        ("{% include 'x' %}", 1, 4, "template.syntax", "if, for, set"),
        (
            "{% macro x() %}{% endmacro %}",
            1,
            4,
            "template.syntax",
            "unknown statement macro",
        ),
        (
            "{% extends 'x' %}",
            1,
            4,
            "template.syntax",
            "unknown statement extends",
        ),
        (
            "{{ wirter }}",
            1,
            4,
            "template.unknown_variable",
            "did you mean `writer`",
        ),
        (
            "ok\n{{ writer }} {{ colour.x }}",
            2,
            17,
            "template.unknown_variable",
            "add it to `variables`",
        ),
        (
            "{{ writer.name }}",
            1,
            4,
            "template.unknown_variable",
            "declared as string",
        ),
        (
            "{{ device.local }}",
            1,
            4,
            "template.unknown_variable",
            "did you mean `locale`",
        ),
        (
            "{{ device }}",
            1,
            4,
            "template.unknown_variable",
            "name a field",
        ),
        (
            "{{ actor.name }}",
            1,
            4,
            "template.unknown_variable",
            "is a text",
        ),
        (
            "{{ data.writer }}",
            1,
            4,
            "template.unknown_variable",
            "`data` is not declared",
        ),
        (
            "{{ writer|uper }}",
            1,
            11,
            "template.unknown_filter",
            "did you mean `upper`",
        ),
        (
            "{{ writer|safe }}",
            1,
            11,
            "template.unknown_filter",
            "`safe`",
        ),
        (
            "{% if count is ood %}{% endif %}",
            1,
            16,
            "template.unknown_test",
            "did you mean `odd`",
        ),
        (
            "{{ rang(3) }}",
            1,
            4,
            "template.unknown_function",
            "did you mean `range`",
        ),
        (
            "{{ debug() }}",
            1,
            4,
            "template.unknown_function",
            "`debug`",
        ),
    ] {
        let problems = CompiledTemplate::compile(&definition(body(source))).expect_err(source);
        assert_eq!(problems.len(), 1, "{source}: {}", told(&problems));
        let problem = &problems[0];
        assert_eq!(
            (problem.line, problem.column, problem.code),
            (line, column, code),
            "{source}: {problem}"
        );
        assert_eq!(
            (problem.locale.as_str(), problem.pointer.as_str()),
            ("en", "/content/en/body")
        );
        assert!(problem.message.contains(part), "{source}: {problem}");
    }
}

#[test]
fn what_is_wrong_beside_the_texts() {
    let with = |key: &str, value: Value| {
        let mut json = body("x");
        json.as_object_mut().unwrap().insert(key.into(), value);
        json
    };
    for (json, pointer, code) in [
        (
            with("default_locale", json!("ko")),
            "/default_locale",
            "template.default_locale",
        ),
        (
            with("content", json!({"en": {"body": "x"}, "not a tag": {}})),
            "/content/not a tag",
            "template.locale",
        ),
        (
            with("content", json!({"en": {"body": "x"}, "EN": {}})),
            "/content/en",
            "template.locale",
        ),
        (
            with("content", json!({"en": {}})),
            "/content/en",
            "template.empty",
        ),
        (
            with(
                "content",
                json!({"en": {"body": "x"}, "ko": {"body": null}}),
            ),
            "/content/ko",
            "template.empty",
        ),
        (
            with("content", json!({"en": {"data": [1]}})),
            "/content/en/data",
            "template.not_an_object",
        ),
        (
            with("content", json!({"en": {"data": {"{{ a }}": 1}}})),
            "/content/en/data/{{ a }}",
            "template.key",
        ),
        (
            with(
                "content",
                json!({"en": {"apns": {"aps": {"a/b": ["x", "{{ no }}"]}}}}),
            ),
            "/content/en/apns/aps/a~1b/1",
            "template.unknown_variable",
        ),
        (
            with("content", json!({"en": {"badge": "{{ no }}"}})),
            "/content/en/badge",
            "template.unknown_variable",
        ),
        (
            with("variables", json!({"device": {"type": "string"}})),
            "/variables/device",
            "template.variable_name",
        ),
        (
            with("variables", json!({"for": {"type": "string"}})),
            "/variables/for",
            "template.variable_name",
        ),
        (
            with("variables", json!({"a-b": {"type": "string"}})),
            "/variables/a-b",
            "template.variable_name",
        ),
        (
            with("variables", json!({"a": {"type": "string", "default": 3}})),
            "/variables/a/default",
            "template.variable_default",
        ),
        (
            with(
                "variables",
                json!({"a": {"type": "string", "default": "x", "required": true}}),
            ),
            "/variables/a/required",
            "template.variable_default",
        ),
        (
            body(&"x".repeat(MAX_SOURCE_BYTES + 1)),
            "/content/en/body",
            "template.too_large",
        ),
    ] {
        let problems = CompiledTemplate::compile(&definition(json)).expect_err(pointer);
        assert_eq!(problems.len(), 1, "{pointer}: {}", told(&problems));
        assert_eq!(
            (problems[0].pointer.as_str(), problems[0].code),
            (pointer, code),
            "{}",
            problems[0]
        );
    }
    let both = json!({"default_locale": "en", "content": {"en": {"title": "{{ a }}", "body": "{{ b }}{{ c }}"}}});
    assert_eq!(
        CompiledTemplate::compile(&definition(both))
            .unwrap_err()
            .len(),
        3,
        "all at once"
    );
    for (json, part) in [
        (
            json!({"default_locale": "en", "content": {"en": {"colour": "x"}}}),
            "colour",
        ),
        (
            json!({"default_locale": "en", "content": {"en": {"title": 3}}}),
            "expected a string",
        ),
        (
            json!({"default_locale": "en", "content": {"en": {"badge": -1}}}),
            "expected a number from 0",
        ),
        (
            json!({"default_locale": "en", "content": {}, "variables": {"a": {"type": "text"}}}),
            "text",
        ),
    ] {
        let error = serde_json::from_value::<TemplateDefinition>(json).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn deep_objects_are_refused() {
    let mut deep = json!("{{ app.name }}");
    for _ in 0..40 {
        deep = json!({ "a": deep });
    }
    let json = json!({"default_locale": "en", "content": {"en": {"data": deep}}});
    let problems = CompiledTemplate::compile(&definition(json)).unwrap_err();
    assert_eq!(problems[0].code, "template.too_large");
}

#[test]
fn variables_are_checked_when_bound() {
    let template = compiled(comments());
    for (data, variable, code, part) in [
        (
            json!({"comment": "c", "post": "7"}),
            "writer",
            "template.variable_missing",
            "was not given",
        ),
        (
            json!({"wirter": "a", "comment": "c", "post": "7"}),
            "writer",
            "template.variable_missing",
            "did you mean `wirter`",
        ),
        (
            json!({"writer": null, "comment": "c", "post": "7"}),
            "writer",
            "template.variable_missing",
            "required",
        ),
        (
            json!({"writer": 3, "comment": "c", "post": "7"}),
            "writer",
            "template.variable_type",
            "expected string as declared, found a number",
        ),
        (
            json!({"writer": "w", "comment": "c", "post": "7", "count": 1.5}),
            "count",
            "template.variable_type",
            "with a fraction",
        ),
        (
            json!({"writer": "w", "comment": "c", "post": "7", "count": "1"}),
            "count",
            "template.variable_type",
            "found a string",
        ),
    ] {
        let error = render(&template, "en", data).unwrap_err();
        assert_eq!(
            (error.variable.as_deref(), error.code),
            (Some(variable), code),
            "{error}"
        );
        assert_eq!(error.pointer, format!("/variables/{variable}"));
        assert!(error.message.contains(part), "{error}");
    }
    // Null counts as not given, also for a default.
    let content = render(
        &template,
        "en",
        json!({"writer": "w", "comment": "c", "post": "7", "count": null}),
    );
    assert_eq!(content.unwrap().badge, Some(1));
}

#[test]
fn what_fails_for_one_says_where_and_why() {
    for (source, code, variable, part) in [
        ("{{ comment }}", "template.undefined", "comment", "|default"),
        (
            "{{ post.none }}",
            "template.undefined",
            "post.none",
            "no value",
        ),
        ("{{ post.a.b }}", "template.undefined", "post.a", "no value"),
        (
            "{{ comment|upper }}",
            "template.undefined",
            "comment",
            "no value",
        ),
        (
            "a\n{{ writer }}{{ comment }}",
            "template.undefined",
            "comment",
            "line 2",
        ),
        (
            "{{ names }}",
            "template.failed",
            "names",
            "a list has no text",
        ),
        (
            "{{ post }}",
            "template.failed",
            "post",
            "an object has no text",
        ),
        ("{{ count / 0 }}", "template.failed", "count / 0", "unable"),
        (
            "{{ writer|plural(other='x') }}",
            "template.failed",
            "plural(other='x')",
            "expected a number",
        ),
        (
            "{{ count|plural(one='x') }}",
            "template.failed",
            "plural(one='x')",
            "`other`",
        ),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}.{% endfor %}{% endfor %}",
            "template.fuel",
            "",
            "steps",
        ),
        ("{{ '.' * 5000 }}", "template.too_large", "", "4096"),
        (
            "{{ device.locale ~ device.time_zone }}",
            "template.undefined",
            "device.locale ~ device.time_zone",
            "no value",
        ),
    ] {
        let error = says(source).expect_err(source);
        assert_eq!(error.code, code, "{source}: {error}");
        if !variable.is_empty() {
            assert_eq!(
                error.variable.as_deref(),
                Some(variable),
                "{source}: {error}"
            );
        }
        assert_eq!(
            (error.pointer.as_str(), error.locale.as_str()),
            ("/content/en/body", "en"),
            "{source}"
        );
        assert!(error.message.contains(part), "{source}: {error}");
    }
    let template = compiled(json!({
        "default_locale": "en",
        "variables": {"n": {"type": "string"}, "o": {"type": "object", "default": {}}},
        "content": {
            "en": {"badge": "{{ n }}"},
            "ko": {"badge": null, "data": {"list": ["{{ n }}", "{{ o.x }}"]}},
        },
    }));
    for (locale, code, pointer) in [
        ("en", "template.badge", "/content/en/badge"),
        ("ko", "template.undefined", "/content/ko/data/list/1"),
    ] {
        let error = render(&template, locale, json!({"n": "x"})).unwrap_err();
        assert_eq!(
            (error.code, error.pointer.as_str(), error.locale.as_str()),
            (code, pointer, locale)
        );
    }
}

#[test]
fn an_inherited_text_keeps_the_plural_rules_of_its_own_language() {
    let template = compiled(json!({
        "default_locale": "en",
        "variables": {"count": {"type": "integer"}},
        "content": {
            "en": {"title": "{{ count }} {{ count|plural(one='comment', other='comments') }}"},
            "pl": {"body": "{{ count }} {{ count|plural(one='komentarz', few='komentarze', many='komentarzy', other='komentarza') }}"},
        },
    }));
    for (count, title, body) in [
        (1, "1 comment", "1 komentarz"),
        (3, "3 comments", "3 komentarze"),
        (5, "5 comments", "5 komentarzy"),
    ] {
        let content = render(&template, "pl-PL", json!({"count": count})).unwrap();
        assert_eq!(content.title.as_deref(), Some(title));
        assert_eq!(content.body.as_deref(), Some(body));
    }
}

#[test]
fn previews_say_which_variant_and_why_not() {
    let template = compiled(comments());
    let data = json!({"writer": "w", "comment": "c", "post": "7"});
    let scope = shared(data.as_object().unwrap());
    let previews = preview(
        &template,
        &scope,
        &DeviceFacts::default(),
        &["ko-KR", "pt-PT", "de"],
    );
    let variants: Vec<_> = previews
        .iter()
        .map(|p| (p.requested.as_str(), p.variant.as_str()))
        .collect();
    assert_eq!(variants, [("ko-KR", "ko"), ("pt-PT", "pt"), ("de", "en")]);
    assert!(previews.iter().all(|preview| preview.result.is_ok()));
    let none = Map::new();
    let failing = preview(&template, &shared(&none), &DeviceFacts::default(), &[]);
    assert_eq!(failing.len(), 4);
    assert!(failing.iter().all(|preview| preview.result.is_err()));
}

#[test]
fn the_fields_are_those_of_content() {
    let text = r#"{"title":"t","body":"b","subtitle":"s","badge":1,"sound":"d","image":"i","link":"l","data":{"a":1},
        "thread":"t","category":"c","urgency":"passive","apns":{"b":1},"fcm":{"c":1},"webpush":{"d":1}}"#;
    let content: Content = serde_json::from_str(text).unwrap();
    let plain = serde_json::to_value(&content).unwrap();
    let json = json!({"default_locale": "en", "content": {"en": plain}});
    let rendered = render(&compiled(json.clone()), "en", json!({})).unwrap();
    // Every field of `Content`, also one that is added later, comes back.
    assert_eq!(serde_json::to_value(&rendered).unwrap(), plain);
    assert_eq!(
        serde_json::to_value(definition(json.clone())).unwrap(),
        json
    );
}

/// Also in a debug build, on the stack of a test's thread.
#[test]
fn long_and_deep_sources_do_not_exhaust_the_stack() {
    let tag = |inner: String| format!("{{{{ {inner} }}}}");
    // Just within the bounds of a tag and of a text, and far beyond them.
    for (items, blocks) in [(MAX_TAG_ITEMS, MAX_BLOCKS), (8_000, 8_000)] {
        let repeat = |text: &str, count: usize| text.repeat(count.min(8_000 / text.len()));
        let around = |open: &str, close: &str| {
            let count = (items / 2).saturating_sub(1).min(3_900);
            tag(format!("{}1{}", open.repeat(count), close.repeat(count)))
        };
        let nested = |open: &str, close: &str| {
            let count = (blocks / 2).min(8_000 / (open.len() + close.len()));
            format!("{}{}", open.repeat(count), close.repeat(count))
        };
        let chain = |first: &str, link: &str, size: usize| {
            tag(format!("{first}{}", repeat(link, (items - 1) / size)))
        };
        for source in [
            around("(", ")"),
            around("[", "]"),
            chain("post", ".a", 2),
            chain("1", ".a", 2),
            chain("post", "[0]", 3),
            chain("writer", "|upper", 2),
            chain("writer", "~writer", 2),
            chain("1", "+1", 2),
            chain("1", "**1", 3),
            chain("1", " < 1", 2),
            chain("is_new", " and is_new", 2),
            chain("1", " is odd", 2),
            chain("1", " if is_new else 1", 4),
            tag(format!("{}is_new", repeat("not ", items - 1))),
            tag(format!("{}count", repeat("-", items - 1))),
            tag(format!("{}1", repeat("1 if is_new else ", (items - 1) / 4))),
            format!(
                "{{% if is_new %}}{}{{% endif %}}",
                repeat("{% elif is_new %}", blocks - 2)
            ),
            nested("{% if is_new %}", "{% endif %}"),
            nested("{% for a in names %}", "{% endfor %}"),
            nested("{% filter upper %}", "{% endfilter %}"),
            nested("{% with a = 1 %}", "{% endwith %}"),
            nested("{% set a %}", "{% endset %}"),
            "{% for a in names recursive %}{{ loop(names) }}{% endfor %}".to_owned(),
        ] {
            assert!(
                source.len() <= MAX_SOURCE_BYTES,
                "{}: {source:.20}",
                source.len()
            );
            match CompiledTemplate::compile(&definition(body(&source))) {
                Ok(template) => drop(render(&template, "en", json!({"writer": "Ann"}))),
                Err(problems) => assert!(!problems.is_empty()),
            }
        }
    }
}

/// The templates of the guide are stored and rendered, and its table lists every code.
#[test]
fn the_guide_is_true() {
    let guide = include_str!("../../../../docs/guide/templates.md");
    let blocks = guide.split("```json\n").skip(1);
    let templates: Vec<_> = blocks
        .map(|block| {
            let json = block.split("```").next().unwrap();
            compiled(serde_json::from_str(json).unwrap())
        })
        .collect();
    let data = json!({"writer": "지수", "comment": "좋아요", "post": "7"});
    let titles: Vec<_> = templates
        .iter()
        .zip(["ko-KR", "pl"])
        .map(|(template, locale)| {
            render(template, locale, data.clone())
                .unwrap()
                .title
                .unwrap()
        })
        .collect();
    assert_eq!(titles, ["지수님의 새 댓글", "1 nowy komentarz"]);
    for line in guide.lines().filter(|line| line.starts_with("| ")) {
        for source in line.split('`').skip(1).step_by(2) {
            let source = source.replace("\\|", "|");
            if !source.contains('…') && has_whole_tags(&source) {
                let mut json = body(&source);
                json["variables"]["who"] = json!({"type": "string", "default": "x"});
                compiled(json);
            }
        }
    }
    for code in [
        "variable_missing",
        "variable_type",
        "undefined",
        "fuel",
        "too_large",
        "badge",
        "failed",
    ] {
        assert!(guide.contains(&format!("| `template.{code}` |")), "{code}");
    }
}

fn has_whole_tags(source: &str) -> bool {
    source.starts_with('{') && source.ends_with('}')
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,12}", "[{}%#\"\\\\\n ]{0,6}"]
}

proptest! {
    #[test]
    fn any_source_is_compiled_or_refused_and_then_rendered_or_refused(
        source in "(\\{\\{ ?|\\ ?}\\}|\\{% ?| ?%\\}|writer|names|post|count|if |endif|for x in |endfor|\\||upper|join|\\.|'|[a-z ]|\\PC){0,12}"
    ) {
        if let Ok(template) = CompiledTemplate::compile(&definition(body(&source))) {
            let _ = render(&template, "en", json!({"writer": "Ann"}));
        }
    }

    #[test]
    fn values_never_leave_their_place(writer in texts(), post in texts()) {
        let template = compiled(comments());
        let content = render(&template, "en", json!({"writer": writer, "comment": "c", "post": post})).unwrap();
        prop_assert_eq!(content.title.unwrap(), format!("{writer}'s new comment"));
        let data: Value = serde_json::from_str(content.data.unwrap().get()).unwrap();
        prop_assert_eq!(data, json!({"post": post, "n": 1.5, "nested": [{"who": writer}, true]}));
    }

    #[test]
    fn what_has_no_tags_is_said_as_it_is(text in "[^{]{1,40}") {
        prop_assert_eq!(says(&text), Ok(text));
    }

    #[test]
    fn rendering_does_not_depend_on_what_was_rendered_before(a in "[a-z]{1,8}", b in "[a-z]{1,8}") {
        let template = compiled(comments());
        let scope = |writer: &str| json!({"writer": writer, "comment": "c", "post": "7"});
        let title = |writer: &str| render(&template, "ko", scope(writer)).unwrap().title;
        let first = title(&a);
        title(&b);
        prop_assert_eq!(first, title(&a));
    }
}
