//! Cuts a text so that its JSON form becomes shorter by a number of bytes.

/// What a cut text ends in: 3 bytes.
const ELLIPSIS: char = '…';

/// The text, cut at a character's border so that its JSON form shrinks by at least `excess` bytes, with `…` at its end. Empty if
/// nothing of it can stay.
pub(super) fn by_json_bytes(text: &str, excess: usize) -> String {
    let whole: usize = text.chars().map(json_bytes).sum();
    let Some(room) = whole.checked_sub(excess + ELLIPSIS.len_utf8()) else {
        return String::new();
    };
    let mut used = 0;
    let mut end = 0;
    for (at, character) in text.char_indices() {
        used += json_bytes(character);
        if used > room {
            break;
        }
        end = at + character.len_utf8();
    }
    let mut cut = text[..end].trim_end().to_owned();
    cut.push(ELLIPSIS);
    cut
}

/// How many bytes a character takes inside a JSON string as serde_json writes it.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        control if control < ' ' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> usize {
        serde_json::to_string(text).unwrap().len()
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(by_json_bytes("abcdefgh", 1), "abcd…");
        assert_eq!(by_json_bytes("ééééé", 1), "ééé…");
        assert_eq!(by_json_bytes("one two three", 5), "one t…");
        assert_eq!(by_json_bytes("one two three", 6), "one…");
        assert_eq!(by_json_bytes("ab", 1), "");
    }

    proptest! {
        #[test]
        fn shrinks_by_what_was_asked_and_little_more(text in "(?s).{0,60}", excess in 1usize..80) {
            let cut = by_json_bytes(&text, excess);
            prop_assert!(cut.is_empty() || json(&cut) + excess <= json(&text));
            let kept = cut.trim_end_matches('…');
            prop_assert!(text.starts_with(kept));
        }
    }
}
