//! What `Endpoints.swift` says, read by the shape that its first lines promise.

use std::collections::BTreeMap;

/// One call.
#[derive(Debug, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) method: String,
    /// With `{name}` where a value stands.
    pub(crate) path: String,
    /// The type of its body.
    pub(crate) body: String,
}

/// A member of a body.
#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    /// As it stands in JSON.
    pub(crate) name: String,
    /// The type's name, without marks of lists and options.
    pub(crate) of: String,
    pub(crate) is_optional: bool,
}

/// The file, read.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    pub(crate) calls: Vec<Call>,
    /// Members by type.
    pub(crate) types: BTreeMap<String, Vec<Member>>,
    /// Texts of `enum ProblemCode`.
    pub(crate) codes: Vec<String>,
}

impl Endpoints {
    pub(crate) fn read(text: &str) -> Self {
        let mut read = Self::default();
        for block in text.split("\nenum ").chain(text.split("\nstruct ")).skip(1) {
            let block = block.split("\n}").next().unwrap();
            let (name, _) = block.split_once([' ', ':', '<']).unwrap();
            match name {
                "Endpoints" => read.calls = calls(block),
                "ProblemCode" => read.codes = texts(block),
                _ if block.contains("enum CodingKeys") => {
                    read.types.insert(name.to_owned(), members(block));
                }
                _ => {}
            }
        }
        read
    }
}

fn calls(block: &str) -> Vec<Call> {
    let one = |piece: &str, name: &str| {
        let (body, rest) = piece.split_once(">(").unwrap();
        let mut texts = texts(rest).into_iter();
        Call {
            name: name.to_owned(),
            method: texts.next().unwrap(),
            path: texts.next().unwrap(),
            body: body.to_owned(),
        }
    };
    let pieces = block.split("static let ").skip(1);
    pieces
        .map(|piece| {
            let (name, rest) = piece.split_once(" = Endpoint<").unwrap();
            one(rest, name)
        })
        .collect()
}

/// What stands between quotes.
fn texts(block: &str) -> Vec<String> {
    block
        .split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn members(block: &str) -> Vec<Member> {
    let lines = || block.lines().map(str::trim);
    let types: BTreeMap<&str, &str> = lines()
        .filter_map(|line| line.strip_prefix("var ")?.split_once(": "))
        .collect();
    let cases = lines().filter_map(|line| line.strip_prefix("case ")?.split_once(" = "));
    let members: Vec<_> = cases
        .map(|(property, name)| {
            let of = types[property];
            Member {
                name: name.trim_matches('"').to_owned(),
                of: of.trim_matches(['[', ']', '?']).to_owned(),
                is_optional: of.ends_with('?'),
            }
        })
        .collect();
    assert_eq!(
        members.len(),
        types.len(),
        "each property has its case, on a line of its own: {block}"
    );
    members
}

#[test]
fn the_file_is_read() {
    let text = r#"
enum Endpoints {
    static let one = Endpoint<Body>("PUT", "/v1/{a}")
    static let two = Endpoint<[Part]>(
        "POST", "/v1/b")
}

enum ProblemCode {
    static let x = "a.b"
}

struct Body: Encodable {
    var parts: [Part]
    var timeZone: String?

    enum CodingKeys: String, CodingKey {
        case parts = "parts"
        case timeZone = "time_zone"
    }
}
"#;
    let read = Endpoints::read(text);
    let call = |name: &str, method: &str, path: &str, body: &str| Call {
        name: name.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
    };
    assert_eq!(
        read.calls,
        [
            call("one", "PUT", "/v1/{a}", "Body"),
            call("two", "POST", "/v1/b", "[Part]")
        ]
    );
    assert_eq!(read.codes, ["a.b"]);
    let member = |name: &str, of: &str, is_optional| Member {
        name: name.to_owned(),
        of: of.to_owned(),
        is_optional,
    };
    assert_eq!(
        read.types["Body"],
        [
            member("parts", "Part", false),
            member("time_zone", "String", true)
        ]
    );
}
