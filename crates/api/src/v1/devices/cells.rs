//! Cells of CSV: lists in one cell, and what has to be quoted (RFC 4180).

/// The texts of a list: separated by `|`, with the spaces around each left out; or a JSON list, where a
/// text has such characters itself.
pub(crate) fn read_list(cell: &str) -> Vec<String> {
    if cell.starts_with('[')
        && let Ok(list) = serde_json::from_str(cell)
    {
        return list;
    }
    cell.split('|').map(|text| text.trim().to_owned()).collect()
}

/// A list as [`read_list`] reads it back.
pub(crate) fn write_list(list: &[String]) -> String {
    let is_plain = |text: &String| !text.contains('|') && text.trim() == text;
    let starts_like_json = list.first().is_some_and(|text| text.starts_with('['));
    if list.iter().all(is_plain) && !starts_like_json {
        return list.join("|");
    }
    serde_json::Value::from(list.to_vec()).to_string()
}

/// Appends a row.
pub(crate) fn write_row<'a>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = &'a str>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            out.push(b'"');
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_as_people_write_them() {
        assert_eq!(read_list("a| b |c"), ["a", "b", "c"]);
        assert_eq!(read_list(r#"["a|b"," c"]"#), ["a|b", " c"]);
        assert_eq!(read_list("[beta] | x"), ["[beta]", "x"]);
        assert_eq!(write_list(&["a".into(), "b".into()]), "a|b");
        assert_eq!(write_list(&["a|b".into()]), r#"["a|b"]"#);
        assert_eq!(write_list(&["[1]".into()]), r#"["[1]"]"#);
        assert_eq!(write_list(&[]), "");
    }

    #[test]
    fn rows_are_quoted_where_they_must() {
        let mut out = Vec::new();
        write_row(&mut out, ["a", "", "b,c", "d \"e\"", "f\ng"]);
        assert_eq!(out, b"a,,\"b,c\",\"d \"\"e\"\"\",\"f\ng\"\r\n");
    }

    proptest! {
        #[test]
        fn lists_read_back(list in prop::collection::vec("[a |\\[\\]\",]{1,6}", 1..4)) {
            prop_assert_eq!(read_list(&write_list(&list)), list);
        }
    }
}
