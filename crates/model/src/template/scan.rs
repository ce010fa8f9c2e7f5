//! A light reading of a template's tags: which names, filters and tests stand where. minijinja itself
//! looks filters and tests up only when a text is rendered; with this they are checked when the
//! template is stored.

/// What a word in a tag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A variable, a word of the language, or a named argument.
    Name,
    /// Follows a `.`.
    Field,
    /// Follows a `|`, or `filter` at the beginning of a block.
    Filter,
    /// Follows `is` or `is not`.
    Test,
    /// Is called.
    Function,
}

/// A word in a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// Byte offset in the source.
    pub(super) at: usize,
    pub(super) role: Role,
}

/// Whether a text has tags at all. Without any it is what it says.
pub(super) fn has_tags(source: &str) -> bool {
    source
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, b"{{" | b"{%" | b"{#"))
}

/// Most words and signs in one tag.
pub(super) const MAX_TAG_ITEMS: usize = 200;
/// Most block tags (`{% … %}`) in one text.
pub(super) const MAX_BLOCKS: usize = 100;

/// The words in all tags of a source.
pub(super) fn words(source: &str) -> Vec<Word<'_>> {
    scan(source).words
}

/// Where a source has too much in one tag, or too many blocks. minijinja's compiler goes down one
/// level for each link of a chain (`a|b|c`, `a ~ b ~ c`, `elif`, `elif`), so without these bounds a
/// few thousand bytes would exhaust a thread's stack.
pub(super) fn excess(source: &str) -> Option<(usize, String)> {
    let scan = scan(source);
    if let Some(at) = scan.long_tag {
        let sentence = format!("expected at most {MAX_TAG_ITEMS} words and signs in one tag");
        return Some((at, sentence));
    }
    let sentence = || format!("expected at most {MAX_BLOCKS} block tags in one text");
    scan.late_block.map(|at| (at, sentence()))
}

#[derive(Default)]
struct Scan<'a> {
    words: Vec<Word<'a>>,
    blocks: usize,
    /// Where the first tag with too many items begins.
    long_tag: Option<usize>,
    /// Where the first block beyond the limit begins.
    late_block: Option<usize>,
}

/// Reads what minijinja would read as tags, or more: what is not well formed may be counted as a tag
/// that it is not, but no tag is overlooked up to the first error.
fn scan(source: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut at = 0;
    while let Some(offset) = source[at..].find('{') {
        let start = at + offset;
        at = match source.as_bytes().get(start + 1) {
            Some(b'#') => source[start..]
                .find("#}")
                .map_or(source.len(), |end| start + end + 2),
            Some(b'{') => tag(source, start + 2, b'}', &mut scan),
            Some(b'%') => {
                scan.blocks += 1;
                if scan.blocks > MAX_BLOCKS {
                    scan.late_block.get_or_insert(start);
                }
                let first = scan.words.len();
                let end = tag(source, start + 2, b'%', &mut scan);
                let is_raw = scan.words.get(first).is_some_and(|word| word.text == "raw");
                match is_raw {
                    true => end_of_raw(source, end),
                    false => end,
                }
            }
            _ => start + 1,
        };
    }
    scan
}

fn end_of_raw(source: &str, at: usize) -> usize {
    source[at..]
        .find("endraw")
        .map_or(source.len(), |end| at + end)
}

/// Reads the words from `at` to the tag's end, and says where that is.
fn tag<'a>(source: &'a str, start: usize, close: u8, scan: &mut Scan<'a>) -> usize {
    let bytes = source.as_bytes();
    let (mut at, mut items) = (start, 0usize);
    let is_block = close == b'%';
    let (mut depth, mut before, mut is_first) = (0usize, Role::Name, true);
    while let Some(byte) = bytes.get(at) {
        items += usize::from(!byte.is_ascii_whitespace());
        if items > MAX_TAG_ITEMS {
            scan.long_tag.get_or_insert(start);
        }
        match byte {
            b'\'' | b'"' => {
                at = end_of_text(bytes, at);
                before = Role::Name;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                at += 1;
                before = Role::Name;
            }
            _ if depth == 0 && *byte == close && bytes.get(at + 1) == Some(&b'}') => return at + 2,
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'.' => {
                before = Role::Field;
                at += 1;
            }
            b'|' => {
                before = Role::Filter;
                at += 1;
            }
            byte if byte.is_ascii_alphabetic() || *byte == b'_' || !byte.is_ascii() => {
                let len = source[at..]
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(source.len() - at)
                    // Never stand still, whatever the letter is.
                    .max(source[at..].chars().next().map_or(1, char::len_utf8));
                let text = &source[at..at + len];
                let is_called = source[at + len..].trim_start().starts_with('(');
                let role = match before {
                    Role::Name if is_called && !is_word(text) => Role::Function,
                    before => before,
                };
                scan.words.push(Word { text, at, role });
                before = match text {
                    "is" => Role::Test,
                    "not" if before == Role::Test => Role::Test,
                    "filter" if is_block && is_first => Role::Filter,
                    _ => Role::Name,
                };
                is_first = false;
                at += len;
            }
            byte if byte.is_ascii_digit() => {
                // `1e3` is no name.
                at += bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                    .count();
                before = Role::Name;
            }
            byte if byte.is_ascii_whitespace() => at += 1,
            _ => {
                before = Role::Name;
                at += 1;
            }
        }
    }
    source.len()
}

/// Words of the language that may stand before a parenthesis.
fn is_word(text: &str) -> bool {
    matches!(
        text,
        "and" | "or" | "not" | "in" | "is" | "if" | "elif" | "else" | "for" | "set" | "with"
    )
}

fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(source: &str) -> Vec<(&str, Role)> {
        words(source)
            .into_iter()
            .map(|word| {
                assert_eq!(&source[word.at..word.at + word.text.len()], word.text);
                (word.text, word.role)
            })
            .collect()
    }

    #[test]
    fn words_and_their_roles() {
        use Role::*;
        assert_eq!(found("plain { text } | x"), []);
        assert_eq!(
            found("{{ a.b|upper }} {# c #} {{d}}"),
            [("a", Name), ("b", Field), ("upper", Filter), ("d", Name)]
        );
        assert_eq!(
            found("{% if n is not odd and (x) %}{{ range(3) }}{% endif %}"),
            [
                ("if", Name),
                ("n", Name),
                ("is", Name),
                ("not", Test),
                ("odd", Test),
                ("and", Name),
                ("x", Name),
                ("range", Function),
                ("endif", Name)
            ]
        );
        assert_eq!(
            found("{% filter upper %}{{ '}} a|b' ~ \"\\\" c\" ~ 1.5 }}{% endfilter %}"),
            [("filter", Name), ("upper", Filter), ("endfilter", Name)]
        );
        assert_eq!(
            found("{% raw %}{{ a|b }}{% endraw %}{{ {'k': {}}|c }}"),
            [("raw", Name), ("c", Filter)]
        );
        assert_eq!(found("{{- 이름 | d -}}"), [("이름", Name), ("d", Filter)]);
        assert_eq!(found("{{ n"), [("n", Name)]);
    }

    proptest! {
        #[test]
        fn any_source_is_read(source in "(\\{\\{|\\}\\}|\\{%|%\\}|\\{#|#\\}|raw|endraw|'|\"|\\\\|[a-z|.(]|\\PC){0,30}") {
            for word in words(&source) {
                prop_assert_eq!(&source[word.at..word.at + word.text.len()], word.text);
            }
        }
    }
}
