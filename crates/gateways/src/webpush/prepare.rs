//! A notification as browsers' push services take it: options completed by the push type's defaults, message rendered,
//! both checked.

use super::render::{self, Tag, source_of};
use bytes::Bytes;
use carillon_model::content::{Content, Urgency};
use carillon_model::notification::{Defaults, Priority, RequestOptions, SendOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::PushType;
use carillon_model::target::Target;
use carillon_ports::gateway::Prepared;
use webpush::content::MAX_PLAINTEXT_BYTES;
use webpush::declarative;

/// Longest collapse id, in bytes: what Apple takes, so that one notification can go everywhere.
const MAX_COLLAPSE_ID_BYTES: usize = 64;

/// See [`carillon_ports::gateway::Gateway::prepare`].
pub(super) fn prepare(
    target: &Target,
    content: &Content,
    options: &RequestOptions,
) -> Result<Prepared, Vec<FieldProblem>> {
    let mut problems = check_options(target, options);
    let on_unknown = options.push_type.default_on_unknown(false);
    let tag = Tag::new(
        options.collapse_id.as_deref(),
        options.on_unknown.unwrap_or(on_unknown),
    );
    let payload = match written(options.push_type, content, tag) {
        Ok(payload) => payload,
        Err(more) => {
            problems.extend(more);
            return Err(problems);
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let defaults = Defaults {
        token_kind: options.push_type.token_kind(),
        priority: default_priority(options.push_type, content.urgency),
        store_offline: true,
        on_unknown,
    };
    Ok(Prepared {
        options: SendOptions::complete(options, target, content.urgency, defaults),
        payload,
    })
}

/// See [`carillon_ports::gateway::Gateway::render`].
pub(super) fn written(
    push_type: PushType,
    content: &Content,
    tag: Tag<'_>,
) -> Result<Bytes, Vec<FieldProblem>> {
    let message = render::render(push_type, content, tag)?;
    let mut problems = Vec::new();
    if message.len() > MAX_PLAINTEXT_BYTES {
        let text = format!(
            "expected at most {MAX_PLAINTEXT_BYTES} bytes, found {}: encrypted it must fit into 4096; shorten it, or send an id \
             and let the page fetch the rest",
            message.len()
        );
        problems.push(FieldProblem::new(
            source_of(content, ""),
            "webpush.too_large",
            text,
        ));
    }
    // What we write ourselves is declarative only if it may be; what the caller writes is held against every rule.
    if content.webpush.is_some()
        && let Err(found) = declarative::check(&message)
    {
        problems.extend(found.into_iter().map(|problem| {
            FieldProblem::new(
                source_of(content, problem.pointer()),
                "webpush.declarative",
                format!("{} for a browser to show it by itself", problem.rule()),
            )
        }));
    }
    if problems.is_empty() {
        Ok(message.into())
    } else {
        Err(problems)
    }
}

/// `Urgency` at the push service goes by it: high reaches a browser that saves its battery.
fn default_priority(push_type: PushType, urgency: Option<Urgency>) -> Priority {
    match (push_type, urgency) {
        (PushType::Background, _) | (_, Some(Urgency::Active)) => Priority::Normal,
        (_, Some(Urgency::Passive)) => Priority::Low,
        _ => Priority::High,
    }
}

fn check_options(target: &Target, options: &RequestOptions) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if !matches!(options.push_type, PushType::Alert | PushType::Background) {
        let message = format!(
            "browsers take alert and background, and not {}: send it through another gateway (options.gateway)",
            options.push_type.as_str()
        );
        problems.push(FieldProblem::new(
            "/options/push_type",
            "webpush.push_type",
            message,
        ));
    }
    if matches!(target, Target::Channel(_)) {
        problems.push(FieldProblem::new(
            "/target/channel",
            "webpush.channel",
            "browsers have no channels: target a topic of yours instead",
        ));
    }
    if let Some(id) = &options.collapse_id
        && !(1..=MAX_COLLAPSE_ID_BYTES).contains(&id.len())
    {
        let message = format!(
            "expected 1 to {MAX_COLLAPSE_ID_BYTES} bytes, found {}: shorten it, or hash it",
            id.len()
        );
        problems.push(FieldProblem::new(
            "/options/collapse_id",
            "webpush.collapse_id",
            message,
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::Class;
    use carillon_model::push_type::{OnUnknown, TokenKind};

    fn prepared(target: &str, content: &str, options: &str) -> Result<Prepared, Vec<FieldProblem>> {
        let (target, content, options) = (
            serde_json::from_str(target).unwrap(),
            serde_json::from_str(content).unwrap(),
            serde_json::from_str(options).unwrap(),
        );
        prepare(&target, &content, &options)
    }

    fn options(content: &str, options: &str) -> SendOptions {
        prepared(r#"{"devices":["d"]}"#, content, options)
            .unwrap()
            .options
    }

    fn problems(target: &str, content: &str, options: &str) -> Vec<(String, &'static str)> {
        let problems = prepared(target, content, options).unwrap_err();
        problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.code))
            .collect()
    }

    #[test]
    fn defaults_go_by_push_type_and_urgency() {
        for (content, given, priority) in [
            (r#"{"body":"b"}"#, "{}", Priority::High),
            (r#"{"body":"b","urgency":"passive"}"#, "{}", Priority::Low),
            (r#"{"body":"b","urgency":"active"}"#, "{}", Priority::Normal),
            (r#"{"body":"b","urgency":"critical"}"#, "{}", Priority::High),
            ("{}", r#"{"push_type":"background"}"#, Priority::Normal),
            (r#"{"body":"b"}"#, r#"{"priority":"low"}"#, Priority::Low),
        ] {
            let options = options(content, given);
            assert_eq!(options.priority, priority, "{content} {given}");
            assert!(options.store_offline);
            assert_eq!(options.on_unknown, OnUnknown::Resend);
            assert_eq!(options.token_kind, TokenKind::Alert, "Apple's kind");
        }
        let said = options(
            r#"{"body":"b","urgency":"critical"}"#,
            r#"{"store_offline":false,"on_unknown":"drop","collapse_id":"c"}"#,
        );
        assert_eq!(
            (said.store_offline, said.on_unknown),
            (false, OnUnknown::Drop)
        );
        assert_eq!((said.class, said.is_critical), (Class::Urgent, true));
        assert_eq!(said.collapse_id.as_deref(), Some("c"));
    }

    #[test]
    fn bad_options_are_named() {
        let device = r#"{"devices":["d"]}"#;
        let alert = r#"{"body":"b"}"#;
        for push_type in PushType::ALL {
            let options = format!(r#"{{"push_type":"{}"}}"#, push_type.as_str());
            let content = if push_type == PushType::Background {
                "{}"
            } else {
                alert
            };
            match push_type {
                PushType::Alert | PushType::Background => {
                    assert!(prepared(device, content, &options).is_ok());
                }
                _ => assert_eq!(
                    problems(device, content, &options),
                    [("/options/push_type".to_owned(), "webpush.push_type")]
                ),
            }
        }
        for id in [String::new(), "x".repeat(65)] {
            let options = format!(r#"{{"collapse_id":"{id}"}}"#);
            assert_eq!(
                problems(device, alert, &options),
                [("/options/collapse_id".to_owned(), "webpush.collapse_id")]
            );
        }
        assert_eq!(
            problems(r#"{"channel":"c2lt"}"#, alert, "{}"),
            [("/target/channel".to_owned(), "webpush.channel")]
        );
    }

    #[test]
    fn the_collapse_id_is_the_tag() {
        let prepared = prepared(
            r#"{"users":["u"]}"#,
            r#"{"title":"t"}"#,
            r#"{"collapse_id":"order 17"}"#,
        )
        .unwrap();
        assert_eq!(
            prepared.payload,
            r#"{"notification":{"title":"t","tag":"order 17"}}"#
        );
        let again = written(
            prepared.options.push_type,
            &serde_json::from_str(r#"{"title":"t"}"#).unwrap(),
            Tag::new(prepared.options.collapse_id.as_deref(), OnUnknown::Resend),
        );
        assert_eq!(again.unwrap(), prepared.payload);
    }

    #[test]
    fn the_longest_message_has_3993_bytes() {
        let around =
            r#"{"notification":{"title":"","tag":"00000000000000000000000000000000"}}"#.len();
        let body = |bytes: usize| format!(r#"{{"body":"{}"}}"#, "x".repeat(bytes));
        let most = MAX_PLAINTEXT_BYTES - around;
        let device = r#"{"devices":["d"]}"#;
        let full = prepared(device, &body(most), "{}").unwrap();
        assert_eq!(full.payload.len(), 3993);
        assert_eq!(
            problems(device, &body(most + 1), "{}"),
            [("/content".to_owned(), "webpush.too_large")]
        );
        let raw = format!(r#"{{"webpush":{{"x":"{}"}}}}"#, "x".repeat(4000));
        assert_eq!(
            problems(device, &raw, "{}"),
            [("/content/webpush".to_owned(), "webpush.too_large")]
        );
    }

    #[test]
    fn a_raw_message_is_held_against_the_rules_of_declarative_ones() {
        let device = r#"{"devices":["d"]}"#;
        let code = "webpush.declarative";
        for (content, pointer) in [
            (
                r#"{"webpush":{"web_push":"8030","notification":{"title":"t","navigate":"https://x.example/"}}}"#,
                "/content/webpush/web_push",
            ),
            (
                r#"{"webpush":{"web_push":8030,"notification":{"title":"t"}}}"#,
                "/content/webpush/notification/navigate",
            ),
            (
                r#"{"title":"t","webpush":{"web_push":8030}}"#,
                "/content/link",
            ),
            (
                r#"{"title":"t","link":"https://x.example/","urgency":"passive","webpush":{"notification":{"vibrate":[1]}}}"#,
                "/content/urgency",
            ),
        ] {
            assert_eq!(
                problems(device, content, "{}"),
                [(pointer.to_owned(), code)],
                "{content}"
            );
        }
        assert!(prepared(device, r#"{"webpush":{"anything":[1]}}"#, "{}").is_ok());
    }
}
