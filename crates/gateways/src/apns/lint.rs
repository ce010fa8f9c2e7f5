//! Holds a rendered payload against Apple's rules, in the words of the caller's own fields.

use super::render::source_of;
use apns::payload::{Problem, check, check_broadcast};
use carillon_model::content::Content;
use carillon_model::problem::FieldProblem;

/// What is wrong with `payload`, rendered from `content`.
pub(super) fn lint(
    push_type: apns::PushType,
    is_broadcast: bool,
    content: &Content,
    payload: &[u8],
) -> Vec<FieldProblem> {
    let problems = if is_broadcast {
        check_broadcast(payload)
    } else {
        check(push_type, payload)
    };
    problems
        .into_iter()
        .map(|problem| said(content, &problem))
        .collect()
}

fn said(content: &Content, problem: &Problem) -> FieldProblem {
    FieldProblem::new(
        source_of(content, &problem.pointer),
        code(problem.rule),
        &*problem.message,
    )
}

/// The stable code of a rule of `apns::payload`.
fn code(rule: &str) -> &'static str {
    CODES
        .iter()
        .find(|(known, _)| *known == rule)
        .map_or("apns.payload", |(_, code)| code)
}

const CODES: [(&str, &str); 14] = [
    ("not_an_object", "apns.not_an_object"),
    ("empty", "apns.empty"),
    ("too_large", "apns.too_large"),
    ("required", "apns.required"),
    ("wrong_type", "apns.wrong_type"),
    ("out_of_range", "apns.out_of_range"),
    ("duplicate_key", "apns.duplicate_key"),
    ("not_allowed", "apns.not_allowed"),
    ("nothing_to_show", "apns.nothing_to_show"),
    ("needs_alert", "apns.needs_alert"),
    ("misspelt", "apns.misspelt"),
    ("misplaced", "apns.misplaced"),
    ("without_key", "apns.without_key"),
    ("conflict", "apns.conflict"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn linted(
        push_type: apns::PushType,
        content: &str,
        payload: &str,
    ) -> Vec<(String, &'static str)> {
        let content: Content = serde_json::from_str(content).unwrap();
        let problems = lint(push_type, false, &content, payload.as_bytes());
        problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.code))
            .collect()
    }

    #[test]
    fn every_rule_has_its_own_code() {
        let cases = [
            ("[]", "not_an_object"),
            ("", "empty"),
            ("{}", "required"),
            (r#"{"aps":7}"#, "wrong_type"),
            (
                r#"{"aps":{"alert":"x","relevance-score":2}}"#,
                "out_of_range",
            ),
            (r#"{"aps":{"alert":"x"},"a":1,"a":2}"#, "duplicate_key"),
            (r#"{"aps":{"alert":"x","event":"start"}}"#, "not_allowed"),
            (r#"{"aps":{}}"#, "nothing_to_show"),
            (r#"{"aps":{"badge":1,"mutable-content":1}}"#, "needs_alert"),
            (r#"{"aps":{"alert":"x","threadId":"a"}}"#, "misspelt"),
            (r#"{"aps":{"alert":"x","title":"a"}}"#, "misplaced"),
            (
                r#"{"aps":{"alert":{"body":"x","loc-args":["a"]}}}"#,
                "without_key",
            ),
        ];
        for (payload, rule) in cases {
            let found = linted(apns::PushType::Alert, r#"{"apns":{}}"#, payload);
            assert_eq!(found.len(), 1, "{payload}");
            assert_eq!(found[0].1, format!("apns.{rule}"), "{payload}");
            assert!(CODES.iter().any(|(known, _)| *known == rule));
        }
        assert_eq!(code("a rule of tomorrow"), "apns.payload");
    }

    #[test]
    fn pointers_name_the_callers_fields() {
        let large = format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "x".repeat(5000));
        let found = linted(apns::PushType::Alert, r#"{"body":"x"}"#, &large);
        assert_eq!(found, [("/content".to_owned(), "apns.too_large")]);
        let found = linted(
            apns::PushType::Alert,
            r#"{"apns":{"aps":{"badge":-1}}}"#,
            r#"{"aps":{"badge":-1}}"#,
        );
        assert_eq!(
            found,
            [("/content/apns/aps/badge".to_owned(), "apns.wrong_type")]
        );
    }
}
