//! JSON merge patches (RFC 7386): how a phase or an update changes what a Live Activity shows.

use serde_json::{Map, Value};

/// Makes the change `patch` to `target`: members are replaced, those that are `null` are removed, objects
/// are merged inside.
///
/// ```
/// use serde_json::json;
/// let mut state = json!({"status": "active", "room": 4});
/// carillon_model::live_activity::merge(&mut state, &json!({"status": "ending", "room": null}));
/// assert_eq!(state, json!({"status": "ending"}));
/// ```
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (key, change) in patch {
            if change.is_null() {
                target.remove(key);
            } else {
                merge(target.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

/// One patch for two, `first` and then `second`. Exact except where `first` puts a plain value in the place of an
/// object and `second` an object there again.
pub(super) fn compose(first: &mut Value, second: &Value) {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            for (key, change) in second {
                match first.get_mut(key) {
                    Some(before) => compose(before, change),
                    None => {
                        first.insert(key.clone(), change.clone());
                    }
                }
            }
        }
        (first, second) => *first = second.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// The table of RFC 7386, appendix A.
    #[test]
    fn the_rfcs_own_table() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (
                json!({"a": "b"}),
                json!({"b": "c"}),
                json!({"a": "b", "b": "c"}),
            ),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (
                json!({"a": "b", "b": "c"}),
                json!({"a": null}),
                json!({"b": "c"}),
            ),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (
                json!({"a": {"b": "c"}}),
                json!({"a": {"b": "d", "c": null}}),
                json!({"a": {"b": "d"}}),
            ),
            (
                json!({"a": [{"b": "c"}]}),
                json!({"a": [1]}),
                json!({"a": [1]}),
            ),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (
                json!({"e": null}),
                json!({"a": 1}),
                json!({"e": null, "a": 1}),
            ),
            (
                json!([1, 2]),
                json!({"a": "b", "c": null}),
                json!({"a": "b"}),
            ),
            (
                json!({}),
                json!({"a": {"bb": {"ccc": null}}}),
                json!({"a": {"bb": {}}}),
            ),
        ] {
            let mut merged = target.clone();
            merge(&mut merged, &patch);
            assert_eq!(merged, result, "{target} and {patch}");
        }
    }

    fn flat() -> impl Strategy<Value = Value> {
        let member = prop_oneof![Just(Value::Null), (0..3i32).prop_map(Value::from)];
        proptest::collection::btree_map("[a-c]", member, 0..3)
            .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into())
    }

    proptest! {
        #[test]
        fn two_patches_in_one_change_the_same(target in flat(), first in flat(), second in flat()) {
            let mut one_by_one = target.clone();
            merge(&mut one_by_one, &first);
            merge(&mut one_by_one, &second);
            let (mut both, mut at_once) = (first, target);
            compose(&mut both, &second);
            merge(&mut at_once, &both);
            prop_assert_eq!(one_by_one, at_once);
        }
    }
}
