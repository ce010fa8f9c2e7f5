//! The rule for values in `data` that are not strings: FCM takes strings only.

use super::json::Node;

/// What becomes of values in `data` (also `android.data` and `webpush.data`) that are not strings. FCM itself refuses
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DataRule {
    /// They are a problem, each with its pointer. The default: a number that silently becomes a text surprises the app.
    #[default]
    Refuse,
    /// They are written as their JSON text: `7` becomes `"7"`, `true` becomes `"true"`, `{"a":1}` becomes
    /// `"{\"a\":1}"`, `null` becomes `"null"`. Strings stay as they are.
    Stringify,
}

impl DataRule {
    pub(super) fn apply(self, message: &mut Node) {
        if self == Self::Refuse {
            return;
        }
        if let Some(data) = message.get_mut("data") {
            stringify(data);
        }
        for platform in ["android", "webpush"] {
            let data = message
                .get_mut(platform)
                .and_then(|platform| platform.get_mut("data"));
            if let Some(data) = data {
                stringify(data);
            }
        }
    }
}

fn stringify(data: &mut Node) {
    let Node::Object(entries) = data else {
        return;
    };
    for (_, value) in entries {
        if value.text().is_none() {
            *value = Node::Text(String::from_utf8(value.to_json()).unwrap_or_default());
        }
    }
}
