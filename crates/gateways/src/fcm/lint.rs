//! Holds a rendered message against FCM's rules, in the words of the caller's own fields.

use super::parts::Parts;
use carillon_model::problem::FieldProblem;
use fcm::Problem;

/// What is wrong with `message`, rendered from `parts`.
pub(super) fn lint(parts: &Parts<'_>, message: &[u8]) -> Vec<FieldProblem> {
    let mut problems: Vec<FieldProblem> = Vec::new();
    for problem in &fcm::message::check(message) {
        let problem = said(problem, parts.source_of(&problem.pointer));
        // What stands in several places of the message, the caller wrote once.
        let is_new =
            |known: &FieldProblem| known.pointer != problem.pointer || known.code != problem.code;
        if problems.iter().all(is_new) {
            problems.push(problem);
        }
    }
    problems
}

/// A problem of the library's, at a place in the caller's words.
pub(super) fn said(problem: &Problem, pointer: String) -> FieldProblem {
    FieldProblem::new(pointer, code(problem.rule), &*problem.message)
}

/// The stable code of a rule of `fcm::message`.
fn code(rule: &str) -> &'static str {
    CODES
        .iter()
        .find(|(known, _)| *known == rule)
        .map_or("fcm.message", |(_, code)| code)
}

const CODES: [(&str, &str); 21] = [
    ("not_an_object", "fcm.not_an_object"),
    ("too_large", "fcm.too_large"),
    ("required", "fcm.required"),
    ("wrong_type", "fcm.wrong_type"),
    ("out_of_range", "fcm.out_of_range"),
    ("duplicate_key", "fcm.duplicate_key"),
    ("unknown_key", "fcm.unknown_key"),
    ("reserved_key", "fcm.reserved_key"),
    ("legacy_key", "fcm.legacy_key"),
    ("output_only", "fcm.output_only"),
    ("preview", "fcm.preview"),
    ("target_in_message", "fcm.target_in_message"),
    ("needs_key", "fcm.needs_key"),
    ("voip", "fcm.voip"),
    ("silent_priority", "fcm.silent_priority"),
    ("unknown_value", "fcm.unknown_value"),
    ("bad_duration", "fcm.bad_duration"),
    ("bad_colour", "fcm.bad_colour"),
    ("bad_time", "fcm.bad_time"),
    ("bad_label", "fcm.bad_label"),
    ("bad_url", "fcm.bad_url"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_own_code() {
        let cases = [
            ("[]", "not_an_object"),
            (r#"{"android":7}"#, "wrong_type"),
            (r#"{"android":{"ttl":"9999999s"}}"#, "out_of_range"),
            (r#"{"data":{"a":"1","a":"2"}}"#, "duplicate_key"),
            (r#"{"colour":1}"#, "unknown_key"),
            (r#"{"data":{"from":"x"}}"#, "reserved_key"),
            (r#"{"registration_ids":[]}"#, "legacy_key"),
            (r#"{"name":"x"}"#, "output_only"),
            (r#"{"android_v2":{}}"#, "preview"),
            (r#"{"token":"x"}"#, "target_in_message"),
            (
                r#"{"android":{"notification":{"title_loc_args":["a"]}}}"#,
                "needs_key",
            ),
            (r#"{"apns":{"headers":{"apns-push-type":"voip"}}}"#, "voip"),
            (
                r#"{"apns":{"headers":{"apns-priority":"10"},"payload":{"aps":{"content-available":1}}}}"#,
                "silent_priority",
            ),
            (r#"{"android":{"priority":"LOUD"}}"#, "unknown_value"),
            (r#"{"android":{"ttl":"3600"}}"#, "bad_duration"),
            (
                r##"{"android":{"notification":{"color":"#12"}}}"##,
                "bad_colour",
            ),
            (
                r#"{"android":{"notification":{"event_time":"now"}}}"#,
                "bad_time",
            ),
            (r#"{"fcm_options":{"analytics_label":"a b"}}"#, "bad_label"),
            (r#"{"notification":{"image":"http://x"}}"#, "bad_url"),
            (r#"{"apns":{"live_activity_token":"a"}}"#, "required"),
        ];
        for (message, rule) in cases {
            let found = fcm::message::check(message.as_bytes());
            assert_eq!(found.len(), 1, "{message}: {found:?}");
            assert_eq!(code(found[0].rule), format!("fcm.{rule}"), "{message}");
        }
        assert_eq!(code("a rule of tomorrow"), "fcm.message");
    }
}
