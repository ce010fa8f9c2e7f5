//! Rust source told apart into code, comments and string literals, without parsing it.
//!
//! A rule that looks for `#[ignore` must not stumble over a comment or a string that mentions it. This knows just
//! enough of the lexical grammar for that: comments (nested), strings (escaped, raw, byte, C), character literals
//! against lifetimes. It does not know macros, so code inside a macro call counts as code.

/// One Rust file.
#[derive(Debug, Clone)]
pub(super) struct RustText {
    /// The file with comments and the insides of strings blanked; every byte stays where it was.
    pub(super) code: String,
    /// The file with everything but comments blanked.
    pub(super) comments: String,
    /// The string literals: line (from 1) of the opening quote, and the text between the quotes as written.
    pub(super) strings: Vec<(usize, String)>,
    /// For each line (from 0): whether it belongs to a test.
    test_lines: Vec<bool>,
}

// === impl RustText ===

impl RustText {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let mut lexer = Lexer {
            bytes: text.as_bytes(),
            at: 0,
            code: blank(text),
            comments: blank(text),
            strings: Vec::new(),
            line: 1,
        };
        lexer.run();
        // Only ASCII bytes and whole comments and literals were copied over blanks, so both stay valid UTF-8.
        let code = String::from_utf8_lossy(&lexer.code).into_owned();
        let comments = String::from_utf8_lossy(&lexer.comments).into_owned();
        let strings = lexer.strings;
        let test_lines = match is_test_file(path) {
            true => vec![true; text.lines().count()],
            false => test_lines(&code, text.lines().count()),
        };
        Self {
            code,
            comments,
            strings,
            test_lines,
        }
    }

    /// Whether the line (from 1) is part of a test.
    pub(super) fn is_test(&self, line: usize) -> bool {
        line.checked_sub(1)
            .and_then(|index| self.test_lines.get(index))
            .copied()
            .unwrap_or(false)
    }

    /// How many lines of code are not part of a test; comments and blank lines are not counted.
    pub(super) fn product_lines(&self) -> usize {
        let lines = self
            .code_lines()
            .filter(|(_, line)| !line.trim().is_empty());
        lines.filter(|(number, _)| !self.is_test(*number)).count()
    }

    /// The code, line by line, counted from 1.
    pub(super) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.code.lines())
    }
}

/// The line (from 1) of the byte `at`.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
}

fn is_test_file(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts.next().is_some_and(|file| file == "tests.rs")
        || parts.any(|part| part == "tests" || part == "benches")
}

/// Marks the items under `#[cfg(test)]`, from the attribute to the brace or semicolon that ends them.
fn test_lines(code: &str, count: usize) -> Vec<bool> {
    let mut marks = vec![false; count];
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(code, start);
        for mark in marks
            .iter_mut()
            .take(line_of(code, end))
            .skip(line_of(code, start) - 1)
        {
            *mark = true;
        }
        from = end.max(start + 1);
    }
    marks
}

/// The byte at which the item that begins at `start` ends.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return offset,
            b'}' => depth -= 1,
            b';' if depth == 0 => return offset,
            _ => {}
        }
    }
    code.len()
}

/// As many bytes, all blank but the line ends.
fn blank(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| if byte == b'\n' { b'\n' } else { b' ' })
        .collect()
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    code: Vec<u8>,
    comments: Vec<u8>,
    strings: Vec<(usize, String)>,
}

// === impl Lexer ===

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'/' if self.peek(1) == Some(b'/') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' => self.string(),
                b'\'' => self.quote(),
                b'r' | b'b' | b'c' if !self.inside_word() && self.raw_hashes().is_some() => {
                    self.raw_string()
                }
                _ => self.take_code(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Moves on by one byte, and keeps count of lines.
    fn step(&mut self) {
        if self.peek(0) == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn take_code(&mut self) {
        if let Some(byte) = self.peek(0)
            && byte.is_ascii()
        {
            self.code[self.at] = byte;
        }
        self.step();
    }

    fn line_comment(&mut self) {
        let length = self.bytes[self.at..].iter().position(|byte| *byte == b'\n');
        let end = length.map_or(self.bytes.len(), |length| self.at + length);
        self.take_comment(end);
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        let mut end = self.at;
        loop {
            match (self.bytes.get(end), self.bytes.get(end + 1)) {
                (Some(b'/'), Some(b'*')) => (depth, end) = (depth + 1, end + 2),
                (Some(b'*'), Some(b'/')) => (depth, end) = (depth - 1, end + 2),
                (Some(_), _) => end += 1,
                (None, _) => break,
            }
            if depth == 0 {
                break;
            }
        }
        self.take_comment(end);
    }

    fn take_comment(&mut self, end: usize) {
        while self.at < end {
            self.comments[self.at] = self.bytes[self.at];
            self.step();
        }
    }

    fn string(&mut self) {
        let line = self.line;
        self.take_code();
        let start = self.at;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => {
                    self.step();
                    self.step();
                }
                b'"' => break,
                _ => self.step(),
            }
        }
        self.keep_string(line, start);
        self.take_code();
    }

    /// The number of `#` if a raw string begins here: `r"`, `r#"`, `br"`, `cr#"`.
    fn raw_hashes(&self) -> Option<usize> {
        let prefix = match (self.peek(0), self.peek(1)) {
            (Some(b'r'), _) => 1,
            (Some(b'b' | b'c'), Some(b'r')) => 2,
            _ => return None,
        };
        let hashes = (0..)
            .take_while(|more| self.peek(prefix + more) == Some(b'#'))
            .count();
        (self.peek(prefix + hashes) == Some(b'"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let line = self.line;
        let hashes = self.raw_hashes().unwrap_or(0);
        while self.peek(0) != Some(b'"') {
            self.take_code();
        }
        self.take_code();
        let start = self.at;
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some(b'"')
                && (1..=hashes).all(|more| self.peek(more) == Some(b'#'));
            if closes {
                break;
            }
            self.step();
        }
        self.keep_string(line, start);
        for _ in 0..=hashes {
            self.take_code();
        }
    }

    fn keep_string(&mut self, line: usize, start: usize) {
        let end = self.at.min(self.bytes.len());
        self.strings.push((
            line,
            String::from_utf8_lossy(&self.bytes[start..end]).into_owned(),
        ));
    }

    /// A character literal is skipped; a lifetime is code.
    fn quote(&mut self) {
        let is_literal = match self.peek(1) {
            Some(b'\\') => true,
            Some(first) => {
                let width = match first {
                    0x00..=0x7f => 1,
                    0x80..=0xdf => 2,
                    0xe0..=0xef => 3,
                    _ => 4,
                };
                self.peek(1 + width) == Some(b'\'')
            }
            None => false,
        };
        self.take_code();
        if !is_literal {
            return;
        }
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => {
                    self.step();
                    self.step();
                }
                b'\'' => break,
                _ => self.step(),
            }
        }
        self.take_code();
    }

    /// Whether the byte before this one belongs to the same word, as in `for"` or `attr`.
    fn inside_word(&self) -> bool {
        self.at.checked_sub(1).is_some_and(|before| {
            let byte = self.bytes[before];
            byte.is_ascii_alphanumeric() || byte == b'_'
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RustText {
        RustText::new("src/a.rs", text)
    }

    #[test]
    fn comments_strings_and_code_are_told_apart() {
        let source = "let a = \"x // y\"; // said \"so\"\n/* one /* two */ still */ let b = 1;\n";
        let text = read(source);
        let expected = [
            format!(
                "let a = \"{}\"; {}",
                " ".repeat("x // y".len()),
                " ".repeat("// said 'so'".len())
            ),
            format!(
                "{} let b = 1;",
                " ".repeat("/* one /* two */ still */".len())
            ),
        ];
        assert_eq!(text.code.lines().collect::<Vec<_>>(), expected);
        assert!(
            text.comments.contains("// said \"so\"")
                && text.comments.contains("/* one /* two */ still */")
        );
        assert_eq!(text.strings, [(1, "x // y".to_owned())]);
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let text = read("a(r#\"say \"hi\" // no\"#, br\"b\\\", \"c\\\"d\"); end");
        let strings: Vec<_> = text.strings.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(strings, ["say \"hi\" // no", "b\\", "c\\\"d"]);
        assert!(text.code.ends_with("); end"));
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        let text = read("fn f<'a>(x: &'a str) { m('\"', '\\'', 'é', b'/', 'x') } // c");
        assert!(
            text.code.contains("fn f<'a>(x: &'a str) {"),
            "{}",
            text.code
        );
        assert!(!text.code.contains("'x'"), "{}", text.code);
        assert!(text.strings.is_empty());
        assert!(text.comments.trim() == "// c", "{}", text.comments);
    }

    #[test]
    fn lines_of_tests_are_marked() {
        let text = read("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { {} }\n}\nfn c() {}\n");
        let marks: Vec<_> = (1..=6).map(|line| text.is_test(line)).collect();
        assert_eq!(marks, [false, true, true, true, true, false]);
        assert_eq!(text.product_lines(), 2);
    }

    #[test]
    fn a_test_module_in_its_own_file_ends_at_the_semicolon() {
        let text = read("#[cfg(test)]\nmod tests;\n\n// said\nfn a() {}\n");
        assert_eq!(text.product_lines(), 1);
        assert_eq!(
            RustText::new("src/tests.rs", "fn a() {}\n").product_lines(),
            0
        );
        assert_eq!(
            RustText::new("tests/it/main.rs", "fn a() {}\n").product_lines(),
            0
        );
    }

    #[test]
    fn every_byte_stays_on_its_line() {
        let source = "a\n\"multi\nline\"\n/* b\nc */ d\n";
        let text = read(source);
        assert_eq!(text.code.len(), source.len());
        assert_eq!(text.code.lines().nth(4).map(str::trim), Some("d"));
    }
}
