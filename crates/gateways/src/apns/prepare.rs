//! A notification as APNs takes it: options completed by the push type's defaults, payload rendered,
//! both checked.

use super::{lint, render, words};
use bytes::Bytes;
use carillon_model::UnixMs;
use carillon_model::content::Content;
use carillon_model::notification::{Defaults, RequestOptions, SendOptions};
use carillon_model::problem::FieldProblem;
use carillon_model::push_type::{PushType, TokenKind};
use carillon_model::target::Target;
use carillon_ports::gateway::Prepared;
use serde::Deserialize;
use std::borrow::Cow;

/// See [`carillon_ports::gateway::Gateway::prepare`].
pub(super) fn prepare(
    target: &Target,
    content: &Content,
    options: &RequestOptions,
    now: UnixMs,
) -> Result<Prepared, Vec<FieldProblem>> {
    let push_type = words::push_type(options.push_type);
    let channel = match target {
        Target::Channel(id) => Some(id.as_str()),
        _ => None,
    };
    let mut problems = check_options(options, push_type, channel);
    let payload = match written(options.push_type, channel.is_some(), content, now) {
        Ok(payload) => payload,
        Err(more) => {
            problems.extend(more);
            return Err(problems);
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let starts = options.push_type == PushType::LiveActivity && starts_activity(&payload);
    let defaults = Defaults {
        token_kind: if starts {
            TokenKind::LiveActivityStart
        } else {
            options.push_type.token_kind()
        },
        priority: words::default_priority(push_type),
        store_offline: channel.is_none() && push_type.customary_expiration().is_none(),
        on_unknown: options.push_type.default_on_unknown(starts),
    };
    Ok(Prepared {
        options: SendOptions::complete(options, target, content.urgency, defaults),
        payload,
    })
}

/// See [`carillon_ports::gateway::Gateway::render`].
pub(super) fn written(
    push_type: PushType,
    is_broadcast: bool,
    content: &Content,
    now: UnixMs,
) -> Result<Bytes, Vec<FieldProblem>> {
    let payload = render::render(push_type, content, now)?;
    let problems = lint::lint(words::push_type(push_type), is_broadcast, content, &payload);
    if problems.is_empty() {
        Ok(payload.into())
    } else {
        Err(problems)
    }
}

fn check_options(
    options: &RequestOptions,
    push_type: apns::PushType,
    channel: Option<&str>,
) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let mut add = |field: &str, code, message: String| {
        problems.push(FieldProblem::new(
            format!("/options/{field}"),
            code,
            message,
        ));
    };
    if let Some(priority) = options.priority.map(words::priority)
        && !push_type.allows(priority)
    {
        match push_type {
            apns::PushType::Background => add(
                "priority",
                "apns.priority_for_background",
                "a background push has priority normal and no other: leave it out, or send an alert if it is urgent".into(),
            ),
            _ => add(
                "priority",
                "apns.priority",
                format!("a push of type {push_type} has priority high or normal: leave it out, or use one of them"),
            ),
        }
    }
    if let Some(id) = &options.collapse_id {
        if channel.is_some() {
            add(
                "collapse_id",
                "apns.collapse_id_of_broadcast",
                "a broadcast has no collapse id: leave it out".into(),
            );
        } else if let Err(error) = apns::CollapseId::new(id.as_str()) {
            add("collapse_id", "apns.collapse_id", said(&error));
        }
    }
    if let Some(topic) = &options.apns_topic {
        match words::topic(topic, push_type) {
            Err(error) => add("apns_topic", "apns.topic", said(&error)),
            Ok(_) if has_foreign_suffix(topic, push_type) => {
                let message = format!(
                    "{topic:?} carries the suffix of another push type than {push_type}: give the bare bundle id, the suffix is added"
                );
                add("apns_topic", "apns.topic", message);
            }
            Ok(_) => {}
        }
    }
    if let Some(channel) = channel {
        if push_type != apns::PushType::LiveActivity {
            add(
                "push_type",
                "apns.push_type_of_broadcast",
                "a channel takes liveactivity and no other push type".into(),
            );
        }
        if let Err(error) = apns::ChannelId::new(channel) {
            problems.push(FieldProblem::new(
                "/target/channel",
                "apns.channel_id",
                said(&error),
            ));
        }
    }
    problems
}

/// Rule and mend of a value's error, without the header's name: the pointer tells where.
fn said(error: &apns::Invalid) -> String {
    format!(
        "found {}; {}; {}",
        error.found(),
        error.rule(),
        error.mend()
    )
}

fn has_foreign_suffix(topic: &str, push_type: apns::PushType) -> bool {
    apns::PushType::ALL.iter().any(|other| {
        let suffix = other.topic_suffix();
        !suffix.is_empty() && suffix != push_type.topic_suffix() && topic.ends_with(suffix)
    })
}

/// Whether the payload starts a Live Activity: then it goes to another kind of push token.
fn starts_activity(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Top<'a> {
        #[serde(borrow)]
        aps: Aps<'a>,
    }
    #[derive(Deserialize)]
    struct Aps<'a> {
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    serde_json::from_slice::<Top<'_>>(payload).is_ok_and(|top| top.aps.event == "start")
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::Class;
    use carillon_model::notification::Priority;
    use carillon_model::push_type::OnUnknown;

    const NOW: UnixMs = 1_700_000_000_000;

    fn prepared(target: &str, content: &str, options: &str) -> Result<Prepared, Vec<FieldProblem>> {
        let (target, content, options) = (
            serde_json::from_str(target).unwrap(),
            serde_json::from_str(content).unwrap(),
            serde_json::from_str(options).unwrap(),
        );
        prepare(&target, &content, &options, NOW)
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
    fn every_push_type_fills_in_its_defaults() {
        use Class::{Normal, Urgent};
        use OnUnknown::{Drop, Resend};
        let raw_update = r#"{"apns":{"aps":{"event":"update","timestamp":1,"content-state":{}}}}"#;
        let table = [
            (
                "alert",
                r#"{"body":"b"}"#,
                TokenKind::Alert,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "background",
                "{}",
                TokenKind::Alert,
                Priority::Normal,
                true,
                Resend,
                Normal,
            ),
            (
                "voip",
                r#"{"data":{}}"#,
                TokenKind::Voip,
                Priority::High,
                false,
                Drop,
                Urgent,
            ),
            (
                "liveactivity",
                raw_update,
                TokenKind::LiveActivity,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "location",
                "{}",
                TokenKind::Location,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "complication",
                "{}",
                TokenKind::Complication,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "fileprovider",
                r#"{"data":{"container-identifier":"c"}}"#,
                TokenKind::FileProvider,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "mdm",
                r#"{"apns":{"mdm":"m"}}"#,
                TokenKind::Mdm,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "pushtotalk",
                "{}",
                TokenKind::PushToTalk,
                Priority::High,
                false,
                Drop,
                Urgent,
            ),
            (
                "controls",
                "{}",
                TokenKind::Controls,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
            (
                "widgets",
                "{}",
                TokenKind::Widgets,
                Priority::High,
                true,
                Resend,
                Normal,
            ),
        ];
        for (push_type, content, token_kind, priority, store_offline, on_unknown, class) in table {
            let options = options(content, &format!(r#"{{"push_type":"{push_type}"}}"#));
            assert_eq!(options.push_type.as_str(), push_type);
            assert_eq!(options.token_kind, token_kind, "{push_type}");
            assert_eq!(options.priority, priority, "{push_type}");
            assert_eq!(options.store_offline, store_offline, "{push_type}");
            assert_eq!(options.on_unknown, on_unknown, "{push_type}");
            assert_eq!(options.class, class, "{push_type}");
            assert_eq!(
                (options.collapse_id, options.apns_topic, options.channel),
                (None, None, None)
            );
        }
    }

    #[test]
    fn what_the_caller_says_stands() {
        let said = options(
            r#"{"body":"b"}"#,
            r#"{"priority":"low","collapse_id":"c","apns_topic":"net.example.pager","store_offline":false,"on_unknown":"drop","class":"bulk"}"#,
        );
        assert_eq!((said.priority, said.store_offline), (Priority::Low, false));
        assert_eq!(
            (said.on_unknown, said.class),
            (OnUnknown::Drop, Class::Bulk)
        );
        assert_eq!(said.collapse_id.as_deref(), Some("c"));
        assert_eq!(said.apns_topic.as_deref(), Some("net.example.pager"));
    }

    #[test]
    fn a_start_goes_to_a_push_to_start_token_and_is_not_resent_in_doubt() {
        let start = r#"{"apns":{"aps":{"event":"start","timestamp":1,"content-state":{},"attributes":{},"attributes-type":"A","alert":{"title":"t","body":"b"}}}}"#;
        let start = options(start, r#"{"push_type":"liveactivity"}"#);
        assert_eq!(
            (start.token_kind, start.on_unknown),
            (TokenKind::LiveActivityStart, OnUnknown::Drop)
        );
    }

    #[test]
    fn classes_follow_the_urgency_and_the_crowd() {
        let class =
            |target: &str, content: &str| prepared(target, content, "{}").unwrap().options.class;
        let crowd = format!(r#"{{"users":[{}"u"]}}"#, r#""u","#.repeat(100));
        assert_eq!(
            class(r#"{"users":["u"]}"#, r#"{"body":"b"}"#),
            Class::Normal
        );
        assert_eq!(class(&crowd, r#"{"body":"b"}"#), Class::Bulk);
        assert_eq!(class(r#"{"all":true}"#, r#"{"body":"b"}"#), Class::Bulk);
        assert_eq!(
            class(r#"{"all":true}"#, r#"{"body":"b","urgency":"critical"}"#),
            Class::Urgent
        );
    }

    #[test]
    fn bad_options_are_named() {
        let one = |options: &str, pointer: &str, code| {
            let found = problems(
                r#"{"devices":["d"]}"#,
                r#"{"apns":{"aps":{"content-available":1,"alert":"x"}}}"#,
                options,
            );
            assert!(
                found.contains(&(format!("/options/{pointer}"), code)),
                "{options}: {found:?}"
            );
        };
        one(
            r#"{"push_type":"background","priority":"high"}"#,
            "priority",
            "apns.priority_for_background",
        );
        one(
            r#"{"push_type":"location","priority":"low"}"#,
            "priority",
            "apns.priority",
        );
        one(
            &format!(r#"{{"collapse_id":"{}"}}"#, "x".repeat(65)),
            "collapse_id",
            "apns.collapse_id",
        );
        one(
            r#"{"apns_topic":"net example"}"#,
            "apns_topic",
            "apns.topic",
        );
        one(
            r#"{"apns_topic":"net.example.pager.voip"}"#,
            "apns_topic",
            "apns.topic",
        );
        one(
            r#"{"push_type":"voip","apns_topic":"net.example.pager.voip-ptt"}"#,
            "apns_topic",
            "apns.topic",
        );
        one(
            r#"{"push_type":"mdm","apns_topic":"net.example.pager"}"#,
            "apns_topic",
            "apns.topic",
        );
    }

    #[test]
    fn a_channel_takes_updates_of_live_activities_only() {
        let channel = r#"{"channel":"c2lt"}"#;
        let update = r#"{"apns":{"aps":{"event":"update","timestamp":1,"content-state":{}}}}"#;
        let live = r#"{"push_type":"liveactivity"}"#;
        let options = prepared(channel, update, live).unwrap().options;
        assert_eq!(
            (options.channel.as_deref(), options.store_offline),
            (Some("c2lt"), false)
        );
        assert!(
            problems(channel, r#"{"body":"b"}"#, "{}")
                .iter()
                .any(|problem| problem.0 == "/options/push_type")
        );
        let with_id = r#"{"push_type":"liveactivity","collapse_id":"c"}"#;
        assert_eq!(
            problems(channel, update, with_id),
            [(
                "/options/collapse_id".to_owned(),
                "apns.collapse_id_of_broadcast"
            )]
        );
        assert_eq!(
            problems(r#"{"channel":"ä"}"#, update, live),
            [("/target/channel".to_owned(), "apns.channel_id")]
        );
        let start = update.replace("update", "start");
        assert!(
            problems(channel, &start, live)
                .contains(&("/content/apns/aps/event".to_owned(), "apns.not_allowed"))
        );
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let found = problems(
            r#"{"devices":["d"]}"#,
            r#"{"apns":{"aps":{"alert":"x","badge":-1}}}"#,
            r#"{"push_type":"background","priority":"high"}"#,
        );
        let pointers: Vec<&str> = found.iter().map(|problem| &*problem.0).collect();
        assert_eq!(
            pointers,
            [
                "/options/priority",
                "/content/apns/aps/badge",
                "/content/apns/aps/content-available",
                "/content/apns/aps/alert",
                "/content/apns/aps/badge"
            ]
        );
    }

    #[test]
    fn the_limit_is_that_of_the_push_type_after_rendering() {
        let body = |length: usize| format!(r#"{{"body":"{}"}}"#, "x".repeat(length));
        let frame = r#"{"aps":{"alert":{"body":""}}}"#.len();
        assert_eq!(
            prepared(r#"{"devices":["d"]}"#, &body(4096 - frame), "{}")
                .unwrap()
                .payload
                .len(),
            4096
        );
        let found = problems(r#"{"devices":["d"]}"#, &body(4097 - frame), "{}");
        assert_eq!(found, [("/content".to_owned(), "apns.too_large")]);
    }
}
