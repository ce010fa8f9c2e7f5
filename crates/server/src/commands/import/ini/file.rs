//! INI files as Python's `configparser` reads them, with the line of everything. It knows nothing of what the
//! keys mean.
//!
//! Ours, because what counts here is what Python made of a file that works: continuation lines, `DEFAULT`,
//! interpolation, doubled names as errors, and line numbers to say so. The crates for INI files have other rules
//! and keep no lines.

use std::fmt;

/// Deepest nesting of `%(name)s`, as in Python.
const MAX_DEPTH: u8 = 10;

/// A file that Python would have read.
pub(super) struct IniFile {
    /// Its sections in order, without `DEFAULT`.
    pub(super) sections: Vec<Section>,
    /// What `[DEFAULT]` has: it stands in for every section.
    pub(super) defaults: Section,
}

/// A section.
pub(super) struct Section {
    /// Its name as written: case counts.
    pub(super) name: String,
    /// The line of its header; 0 where it has none.
    pub(super) line: usize,
    /// Its keys in order, each once.
    pub(super) entries: Vec<Entry>,
}

/// A key and its value. The value may be a secret: it has no `Debug`.
#[derive(Clone)]
pub(super) struct Entry {
    /// In lower case: case does not count.
    pub(super) key: String,
    /// The line of the key.
    pub(super) line: usize,
    /// The last line of the value.
    pub(super) last_line: usize,
    /// What it says, interpolated; lines are joined by `\n`.
    pub(super) value: String,
    /// A `%` that is none of Python's forms was kept.
    pub(super) has_bare_percent: bool,
}

/// Something that Python would not have read. Never quotes a value: it may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Where.
    pub(super) line: usize,
    /// What was expected, what was found.
    pub(super) message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl IniFile {
    /// A value of a section: its own, else of `DEFAULT`.
    pub(super) fn get<'a>(&'a self, section: &'a Section, key: &str) -> Option<&'a Entry> {
        section.get(key).or_else(|| self.defaults.get(key))
    }
}

impl Section {
    fn new(name: &str, line: usize) -> Self {
        Self {
            name: name.to_owned(),
            line,
            entries: Vec::new(),
        }
    }

    /// A value of its own.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// Reads a file; all mistakes at once.
pub(super) fn read(bytes: &[u8]) -> Result<IniFile, Vec<Mistake>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let message = "expected text in UTF-8: convert the file first".to_owned();
        vec![Mistake { line, message }]
    })?;
    let mut reader = Reader::default();
    for (line, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        reader.take(line, text);
    }
    let Reader {
        mut sections,
        mut defaults,
        mut mistakes,
        ..
    } = reader;
    for section in sections.iter_mut().chain([&mut defaults]) {
        for entry in &mut section.entries {
            entry.value.truncate(entry.value.trim_end().len());
        }
    }
    for section in &mut sections {
        interpolate(section, Some(&defaults), &mut mistakes);
    }
    interpolate(&mut defaults, None, &mut mistakes);
    if mistakes.is_empty() {
        Ok(IniFile { sections, defaults })
    } else {
        mistakes.sort_by_key(|mistake| mistake.line);
        mistakes.dedup();
        Err(mistakes)
    }
}

/// Goes through the lines.
#[derive(Default)]
struct Reader {
    sections: Vec<Section>,
    defaults: Section,
    place: Place,
    /// Whether a key was seen since the header, so that a line may go on with its value.
    has_key: bool,
    /// Columns of white space before the key.
    indent: usize,
    mistakes: Vec<Mistake>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    BeforeAnySection,
    Defaults,
    /// The last section.
    Section,
    /// A section that is there twice: what it has is not to be told as doubled once more.
    Doubled,
}

impl Default for Section {
    fn default() -> Self {
        Self::new("DEFAULT", 0)
    }
}

impl Reader {
    fn take(&mut self, line: usize, text: &str) {
        let content = text.trim();
        if content.starts_with(['#', ';']) {
            return;
        }
        if content.is_empty() {
            // Within a value of several lines an empty one counts; at the end it is cut off.
            if self.has_key
                && let Some(entry) = self.entry()
            {
                entry.value.push('\n');
            }
            return;
        }
        let indent = text.chars().take_while(|char| char.is_whitespace()).count();
        if self.has_key && indent > self.indent {
            if let Some(entry) = self.entry() {
                entry.value.push('\n');
                entry.value.push_str(content);
                entry.last_line = line;
            }
            return;
        }
        self.indent = indent;
        let name = content
            .strip_prefix('[')
            .and_then(|rest| Some(&rest[..rest.rfind(']')?]))
            .filter(|name| !name.is_empty());
        match name {
            Some(name) => self.header(line, name),
            None => self.key(line, content),
        }
    }

    fn header(&mut self, line: usize, name: &str) {
        self.has_key = false;
        if name == "DEFAULT" {
            self.place = Place::Defaults;
            if self.defaults.line == 0 {
                self.defaults.line = line;
            }
            return;
        }
        if let Some(first) = self.sections.iter().find(|section| section.name == name) {
            let message = format!(
                "the section [{name}] is there twice, first in line {}: make them one",
                first.line
            );
            self.mistakes.push(Mistake { line, message });
            self.place = Place::Doubled;
            return;
        }
        self.place = Place::Section;
        self.sections.push(Section::new(name, line));
    }

    fn key(&mut self, line: usize, content: &str) {
        let mut mistake = |message: String| self.mistakes.push(Mistake { line, message });
        if self.place == Place::BeforeAnySection {
            return mistake("expected a section such as [Shop] before the first key".into());
        }
        let Some((key, value)) = content.split_once(['=', ':']) else {
            return mistake(
                "expected `key = value` or `key: value`, found neither = nor : in it".into(),
            );
        };
        let key = key.trim_end().to_lowercase();
        if key.is_empty() {
            return mistake("expected a key before = or :, found none".into());
        }
        self.has_key = true;
        let entry = Entry {
            key,
            line,
            last_line: line,
            value: value.trim_start().to_owned(),
            has_bare_percent: false,
        };
        let Some(section) = self.section() else {
            return;
        };
        let first = section.get(&entry.key).map(|first| first.line);
        let (name, key) = (section.name.clone(), entry.key.clone());
        section.entries.push(entry);
        if let Some(first) = first {
            let message = format!(
                "the key {key} is there twice in [{name}], first in line {first}: keep one"
            );
            self.mistakes.push(Mistake { line, message });
        }
    }

    fn section(&mut self) -> Option<&mut Section> {
        match self.place {
            Place::BeforeAnySection | Place::Doubled => None,
            Place::Defaults => Some(&mut self.defaults),
            Place::Section => self.sections.last_mut(),
        }
    }

    fn entry(&mut self) -> Option<&mut Entry> {
        self.section()?.entries.last_mut()
    }
}

/// Puts in what `%(name)s` stands for: of the section, else of `DEFAULT`. `%%` is a percent sign.
fn interpolate(section: &mut Section, defaults: Option<&Section>, mistakes: &mut Vec<Mistake>) {
    let raw = section.entries.clone();
    let find = |name: &str| {
        let own = raw.iter().find(|entry| entry.key == name);
        own.or_else(|| defaults?.get(name))
            .map(|entry| entry.value.as_str())
    };
    for (entry, own) in section.entries.iter_mut().zip(&raw) {
        let mut out = String::new();
        match expand(&own.value, &find, MAX_DEPTH, &mut out) {
            Ok(has_bare_percent) => {
                entry.value = out;
                entry.has_bare_percent = has_bare_percent;
            }
            Err(why) => mistakes.push(Mistake {
                line: entry.line,
                message: format!("the value of {}: {why}", entry.key),
            }),
        }
    }
}

fn expand<'a>(
    text: &'a str,
    find: &impl Fn(&str) -> Option<&'a str>,
    depth: u8,
    out: &mut String,
) -> Result<bool, String> {
    let (mut rest, mut has_bare) = (text, false);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let name = after
            .strip_prefix('(')
            .and_then(|after| after.split_once(")s"))
            .filter(|(name, _)| !name.is_empty() && !name.contains(')'));
        let Some((name, after)) = name else {
            out.push('%');
            has_bare = true;
            rest = after;
            continue;
        };
        if depth == 0 {
            return Err(format!(
                "%(…)s goes more than {MAX_DEPTH} deep, probably in a circle"
            ));
        }
        let Some(value) = find(&name.to_lowercase()) else {
            // The name is not shown: in a password it would be a part of it.
            return Err(
                "it has %(…)s with a name that neither its section nor [DEFAULT] has; a percent sign that is meant as one is written %%"
                    .into(),
            );
        };
        has_bare |= expand(value, find, depth - 1, out)?;
        rest = after;
    }
    out.push_str(rest);
    Ok(has_bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[section] key=value` of everything, and the lines of the keys.
    fn shown(text: &str) -> Vec<String> {
        let file = read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{text}: {mistakes:?}"));
        let sections = std::iter::once(&file.defaults).chain(&file.sections);
        sections
            .flat_map(|section| {
                let of = |entry: &Entry| {
                    format!(
                        "{} {}={:?}@{}",
                        section.name, entry.key, entry.value, entry.line
                    )
                };
                section.entries.iter().map(of).collect::<Vec<_>>()
            })
            .collect()
    }

    fn mistakes(text: &[u8]) -> Vec<(usize, String)> {
        let mistakes = read(text).err().unwrap_or_default();
        let pairs = mistakes.into_iter().map(|it| (it.line, it.message));
        pairs.collect()
    }

    #[test]
    fn files_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("[A]\nKey = 1\nb:2\n", &["A key=\"1\"@2", "A b=\"2\"@3"][..]),
            // The first of = and : divides.
            (
                "[A]\nurl = a:b=c\nu2: x=1",
                &["A url=\"a:b=c\"@2", "A u2=\"x=1\"@3"],
            ),
            // Only whole lines are comments.
            (
                "# x\n[A] ; why\n ; y\nk = v ; w # z\n",
                &["A k=\"v ; w # z\"@4"],
            ),
            ("\u{feff}[A]\r\nk = v\r\n", &["A k=\"v\"@2"]),
            // Lines that are indented deeper than their key go on with it, whatever they look like.
            (
                "[A]\nk = 1\n  b = 2\n\n  [B]\n\nc = 3",
                &["A k=\"1\\nb = 2\\n\\n[B]\"@2", "A c=\"3\"@7"],
            ),
            (
                "[A]\n  k = 1\n  b = 2\n c = 3",
                &["A k=\"1\"@2", "A b=\"2\"@3", "A c=\"3\"@4"],
            ),
            ("[A]\nk =\n  x\n# no\n  y", &["A k=\"\\nx\\ny\"@2"]),
            ("  [A]\n  k=\n", &["A k=\"\"@2"]),
            ("[A [x]]\nk=1\n[B]", &["A [x] k=\"1\"@2"]),
            // Names of sections keep their case: these are two.
            ("[a]\nk=1\n[A]\nk=2", &["a k=\"1\"@2", "A k=\"2\"@4"]),
            (
                "[DEFAULT]\nt = T\n[A]\nk = %(T)s-%(j)s\nj = 5%%",
                &["DEFAULT t=\"T\"@2", "A k=\"T-5%\"@4", "A j=\"5%\"@5"],
            ),
            (
                "[A]\np = 100% of %(\nq = %(a)b",
                &["A p=\"100% of %(\"@2", "A q=\"%(a)b\"@3"],
            ),
            ("", &[]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused_with_its_line() {
        for (text, line, part) in [
            (&b"k = 1\n[A]"[..], 1, "before the first key"),
            (b"[A]\nsecret without delimiter", 2, "neither = nor :"),
            (b"[A]\n= 5", 2, "a key before"),
            (
                b"[A]\nk = 1\nK : 2",
                3,
                "the key k is there twice in [A], first in line 2",
            ),
            (
                b"[A]\nk = 1\n[B]\n[A]\nk = 2",
                4,
                "the section [A] is there twice, first in line 1",
            ),
            (b"[A]\n[]", 2, "neither"),
            (b"[A]\nk = %(nobody)s", 2, "the value of k"),
            (b"[A]\na = %(b)s\nb = x%(a)s", 2, "in a circle"),
            (b"[A]\n\nk = \xff", 3, "UTF-8"),
        ] {
            let found = mistakes(text);
            let shown = String::from_utf8_lossy(text);
            assert!(
                found
                    .iter()
                    .any(|(at, why)| *at == line && why.contains(part)),
                "{shown}: {found:?}"
            );
            for secret in ["secret", "nobody"] {
                assert!(!format!("{found:?}").contains(secret), "{shown}: {found:?}");
            }
        }
        let all = mistakes(b"x\n[A]\ny\n[A]\n");
        assert_eq!(all.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 3, 4]);
    }

    #[test]
    fn defaults_stand_in_and_a_bare_percent_is_marked() {
        let file = read(b"[DEFAULT]\nteam = T\n[A]\np = 5%\n").unwrap_or_else(|_| panic!());
        let section = &file.sections[0];
        assert_eq!(file.get(section, "team").unwrap().value, "T");
        assert!(section.get("team").is_none());
        assert!(section.get("p").unwrap().has_bare_percent);
    }
}
