//! The known name that somebody probably meant. It only feeds sentences for people; nothing is
//! decided by it.

/// The closest of `known`, when it is close enough to be a typing mistake: at most a third of the
/// letters differ.
#[must_use]
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = typed.chars().take(64).collect();
    known
        .into_iter()
        .filter(|name| *name != typed)
        .map(|name| (distance(&letters, name), name))
        .filter(|(distance, name)| distance * 3 <= name.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `; did you mean `x`?`, or nothing.
#[must_use]
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(typed, known) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}

/// Letters to insert, delete, replace or swap with their neighbour.
fn distance(typed: &[char], name: &str) -> usize {
    let name: Vec<char> = name.chars().take(64).collect();
    let mut before = vec![0; name.len() + 1];
    let mut last: Vec<usize> = (0..=name.len()).collect();
    for (i, a) in typed.iter().enumerate() {
        let mut row = vec![i + 1; name.len() + 1];
        for (j, b) in name.iter().enumerate() {
            let replaced = last[j] + usize::from(!a.eq_ignore_ascii_case(b));
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == name[j - 1] && typed[i - 1] == *b {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[name.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_and_nothing_else() {
        let known = ["comment", "writer", "count", "en"];
        for (typed, meant) in [
            ("coment", Some("comment")),
            ("wirter", Some("writer")),
            ("Count", Some("count")),
            ("cuont", Some("count")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, known), meant, "{typed}");
        }
    }
}
