//! The glossary has a line for each of our words, once.

use super::{Finding, tree::Tree};

pub(super) const NAME: &str = "glossary";

const GLOSSARY: &str = "docs/glossary.md";

/// The words that must be there. Others may be added; a word that stands in a type's name should.
const WORDS: &[&str] = &[
    "App",
    "Environment",
    "Gateway",
    "Client",
    "Sender",
    "Device",
    "ApnsTopic",
    "Notification",
    "Batch",
    "Work",
    "Delivery",
    "Attempt",
    "Outcome",
    "Lane",
    "Pool",
    "Breaker",
    "PushToken",
    "ProviderToken",
    "SigningKey",
    "ApiKey",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    // That the file exists is asked elsewhere, with the other papers.
    let Some(text) = tree.text(GLOSSARY) else {
        return Vec::new();
    };
    let defined: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .flat_map(|(line, text)| words(text).map(move |word| (line, word)))
        .collect();
    let missing = WORDS
        .iter()
        .filter(|word| !defined.iter().any(|(_, known)| known == *word));
    let mut found: Vec<_> = missing
        .map(|word| Finding::new(NAME, GLOSSARY, 0, format!("lacks **{word}**")))
        .collect();
    for (index, (line, word)) in defined.iter().enumerate() {
        if defined[..index].iter().any(|(_, earlier)| earlier == word) {
            found.push(Finding::new(
                NAME,
                GLOSSARY,
                *line,
                format!("defines **{word}** a second time: one word, one meaning"),
            ));
        }
    }
    found
}

/// The words that a line defines: bold at its beginning, in a list, a table or a paragraph.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let start = line.trim_start_matches(['-', '*', '|', ' ']);
    let is_bold = line[..line.len() - start.len()].ends_with("**");
    let word = is_bold
        .then(|| start.split_once("**").map(|(word, _)| word.trim()))
        .flatten();
    word.into_iter().filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glossary(lines: impl IntoIterator<Item = String>) -> Vec<String> {
        let text = lines.into_iter().collect::<Vec<_>>().join("\n");
        check(&Tree::of(&[(GLOSSARY, &text)]))
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn a_full_glossary_passes_in_any_layout() {
        assert_eq!(
            glossary(
                WORDS
                    .iter()
                    .map(|word| format!("- **{word}**: a **bold** thing"))
            ),
            Vec::<String>::new()
        );
        assert_eq!(
            glossary(
                WORDS
                    .iter()
                    .map(|word| format!("| **{word}** | what it is |"))
            ),
            Vec::<String>::new()
        );
        assert_eq!(
            glossary(WORDS.iter().map(|word| format!("**{word}** is"))),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_missing_word_is_found() {
        let found = glossary(WORDS.iter().skip(1).map(|word| format!("- **{word}**: x")));
        assert_eq!(found, ["lacks **App**"]);
    }

    #[test]
    fn a_word_with_two_meanings_is_found() {
        let twice = WORDS
            .iter()
            .chain(&["Lane"])
            .map(|word| format!("- **{word}**: x"));
        assert!(glossary(twice)[0].contains("**Lane** a second time"));
    }
}
