//! How large a message counts: what FCM limits is not the JSON but what is in it.
//!
//! Google does not publish the exact account. This one counts, for each platform apart, the UTF-8 bytes of the keys and
//! values of `data` and of the texts that are shown; for iOS also the `payload`, which APNs limits to the same number.
//! Between 4,000 bytes and the limit FCM was seen to refuse now and then.

use super::json::Node;
use super::problem::Problem;

/// What counts of the platform for which it is the most.
pub(super) fn counted(message: &Node) -> usize {
    ["android", "webpush", "apns"]
        .into_iter()
        .map(|platform| counted_for(message, platform))
        .max()
        .unwrap_or_default()
}

fn counted_for(message: &Node, name: &str) -> usize {
    let platform = message.get(name);
    let part = |wanted| platform.and_then(|platform| platform.get(wanted));
    // A platform's data replaces the message's wholly; a platform's notification does so text by text.
    let data = part("data").or(message.get("data"));
    let data = data.map(texts_with_keys).unwrap_or_default();
    let common = message.get("notification");
    let own = if name == "apns" {
        None
    } else {
        part("notification")
    };
    let shown: usize = common
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .filter(|(key, _)| own.is_none_or(|own| own.get(key).is_none()))
        .map(|(_, value)| value.text().map_or(0, str::len))
        .sum();
    let own = own.map(texts).unwrap_or_default();
    let payload = part("payload").map_or(0, |payload| payload.to_json().len());
    data + shown + own + payload
}

fn texts_with_keys(data: &Node) -> usize {
    let entries = data.entries().iter();
    entries
        .map(|(key, value)| key.len() + value.text().map_or(0, str::len))
        .sum()
}

/// The bytes of every text in it, however deep.
fn texts(node: &Node) -> usize {
    match node {
        Node::Text(text) => text.len(),
        Node::List(items) => items.iter().map(texts).sum(),
        Node::Object(entries) => entries.iter().map(|(_, value)| texts(value)).sum(),
        Node::Null | Node::Flag(_) | Node::Number(_) => 0,
    }
}

pub(super) fn problem(message: &Node, limit: usize) -> Option<Problem> {
    over(counted(message), limit)
}

pub(super) fn over(bytes: usize, limit: usize) -> Option<Problem> {
    (bytes > limit).then(|| {
        Problem::new(
            "",
            "too_large",
            format!(
                "data and texts are {bytes} bytes, {} more than the {limit} that FCM takes for this target; shorten them \
                 (bytes count, not characters)",
                bytes - limit
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_platform_counts() {
        for (json, bytes) in [
            (r"{}", 0),
            (r#"{"data":{"ab":"cde"}}"#, 5),
            (
                r#"{"data":{"ab":"한"},"notification":{"title":"x","body":"yz"}}"#,
                8,
            ),
            (r#"{"data":{"ab":"cde"},"android":{"data":{"a":"b"}}}"#, 5),
            (r#"{"data":{"a":"b"},"android":{"data":{"ab":"cde"}}}"#, 5),
            (
                r#"{"notification":{"title":"abc","body":"de"},"android":{"notification":{"title":"x"}}}"#,
                5,
            ),
            (
                r#"{"notification":{"body":"de"},"android":{"notification":{"title":"xyz","body_loc_args":["a"]}}}"#,
                6,
            ),
            (r#"{"apns":{"payload":{"aps":{"badge":1}}}}"#, 19),
            (
                r#"{"webpush":{"notification":{"actions":[{"title":"abcd"}]}}}"#,
                4,
            ),
        ] {
            let node: Node = serde_json::from_str(json).unwrap();
            assert_eq!(counted(&node), bytes, "{json}");
        }
    }
}
