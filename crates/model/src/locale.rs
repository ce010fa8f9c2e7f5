//! Which of the locales that something is written in a person gets: RFC 4647 lookup, and a little
//! more where plain lookup would give people a language they do not read.
//!
//! For a device's locale, the best of what is there:
//!
//! 1. the same tag (letter case and `_` for `-` do not matter);
//! 2. the same language, script and region (`zh-TW` and `zh-Hant-TW` are one);
//! 3. for Spanish outside Spain, `es-419`;
//! 4. the same language and script without a region: `ko` for `ko-KR`, `zh-Hant` for `zh-TW`;
//! 5. the same language and script with another region, first by name: `pt-BR` for `pt-AO`;
//! 6. the bare language, whatever the script: `zh` for `zh-Hant-TW`;
//! 7. otherwise nothing: the default locale.
//!
//! Old codes of Android and Java count as the new ones: `iw` is `he`, `in` is `id`, `ji` is `yi`, `tl`
//! is `fil`; `no` and `nb` are one.

/// Longest tag that is looked at, in bytes.
const MAX_BYTES: usize = 64;

/// Which of `available` somebody with the locale `requested` gets; `None`: none of them fits.
///
/// ```
/// use carillon_model::locale::negotiate;
///
/// assert_eq!(negotiate("ko-KR", &["en", "ko"]), Some(1));
/// assert_eq!(negotiate("fr", &["en", "ko"]), None);
/// ```
#[must_use]
pub fn negotiate<T: AsRef<str>>(requested: &str, available: &[T]) -> Option<usize> {
    let wanted = Parts::read(requested)?;
    let mut best: Option<(u8, usize)> = None;
    for (at, tag) in available.iter().enumerate() {
        let tag = tag.as_ref();
        let fit = wanted.fit(requested, tag);
        let is_better = match best {
            None => fit > 0,
            Some((before, other)) => {
                fit > before || (fit == before && fit > 0 && tag < available[other].as_ref())
            }
        };
        if is_better {
            best = Some((fit, at));
        }
    }
    best.map(|(_, at)| at)
}

/// A tag as far as it decides what somebody can read.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    language: &'a str,
    script: Option<&'a str>,
    region: Option<&'a str>,
    /// Whether anything else follows, e.g. a dialect.
    has_more: bool,
}

impl<'a> Parts<'a> {
    fn read(tag: &'a str) -> Option<Self> {
        if tag.len() > MAX_BYTES {
            return None;
        }
        // `de_DE.UTF-8@euro` is how POSIX writes it.
        let tag = tag.split(['.', '@']).next().unwrap_or(tag);
        let mut parts = tag
            .split(['-', '_'])
            .map(|part| part.trim_start_matches('#'));
        let language = parts.next()?;
        let is_language =
            (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic());
        if !is_language {
            return None;
        }
        let mut read = Self {
            language: current_code(language),
            script: None,
            region: None,
            has_more: false,
        };
        for part in parts {
            let is_alphabetic = part.bytes().all(|b| b.is_ascii_alphabetic());
            let is_number = part.bytes().all(|b| b.is_ascii_digit());
            match part.len() {
                0 => {}
                1 => break, // extensions such as `-u-nu-latn`
                4 if is_alphabetic && read.script.is_none() => read.script = Some(part),
                2 if is_alphabetic && read.region.is_none() => read.region = Some(part),
                3 if is_number && read.region.is_none() => read.region = Some(part),
                _ => read.has_more = true,
            }
        }
        Some(read)
    }

    /// The script, also where the region says it.
    fn effective_script(&self) -> &'a str {
        let implied = match self.region {
            Some(region) if self.language.eq_ignore_ascii_case("zh") => {
                let traditional = ["TW", "HK", "MO"];
                match traditional.iter().any(|t| t.eq_ignore_ascii_case(region)) {
                    true => "Hant",
                    false => "Hans",
                }
            }
            None if self.language.eq_ignore_ascii_case("zh") => "Hans",
            _ => "",
        };
        self.script.unwrap_or(implied)
    }

    /// How well `tag` fits somebody who wants this; 0: not at all.
    fn fit(&self, requested: &str, tag: &str) -> u8 {
        if same_tag(requested, tag) {
            return 6;
        }
        let Some(offered) = Parts::read(tag) else {
            return 0;
        };
        if !self.language.eq_ignore_ascii_case(offered.language) {
            return 0;
        }
        if !self
            .effective_script()
            .eq_ignore_ascii_case(offered.effective_script())
        {
            return u8::from(offered.script.is_none() && offered.region.is_none());
        }
        let same_region = match (self.region, offered.region) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, None) => true,
            _ => false,
        };
        if same_region && !offered.has_more {
            5
        } else if offered.region == Some("419") && self.speaks_latin_american() {
            4
        } else if offered.region.is_none() && !offered.has_more {
            3
        } else {
            2
        }
    }

    fn speaks_latin_american(&self) -> bool {
        let elsewhere = ["ES", "GQ", "EA", "IC", "PH"];
        self.language.eq_ignore_ascii_case("es")
            && self
                .region
                .is_some_and(|region| !elsewhere.iter().any(|e| e.eq_ignore_ascii_case(region)))
    }
}

fn same_tag(a: &str, b: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    a.len() == b.len() && a.bytes().map(plain).eq(b.bytes().map(plain))
}

fn current_code(language: &str) -> &str {
    let old = [
        ("iw", "he"),
        ("in", "id"),
        ("ji", "yi"),
        ("tl", "fil"),
        ("no", "nb"),
    ];
    old.iter()
        .find(|(old, _)| old.eq_ignore_ascii_case(language))
        .map_or(language, |(_, current)| current)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_chain() {
        for (requested, available, expected) in [
            ("ko-KR", "en ko", "ko"),
            ("ko_KR", "en ko ko-KR", "ko-KR"),
            ("KO", "en ko", "ko"),
            ("pt-BR", "en pt pt-PT", "pt"),
            ("pt-BR", "en pt-PT", "pt-PT"),
            ("pt", "en pt-PT pt-BR", "pt-BR"),
            ("zh-Hant-TW", "en zh zh-Hant", "zh-Hant"),
            ("zh-Hant-TW", "en zh-CN zh-TW", "zh-TW"),
            ("zh-TW", "zh-Hans zh-Hant", "zh-Hant"),
            ("zh_TW_#Hant", "zh-Hans zh-Hant-TW", "zh-Hant-TW"),
            ("zh-HK", "zh-CN zh-TW", "zh-TW"),
            ("zh-HK", "en zh", "zh"),
            ("zh-HK", "en zh-CN", "-"),
            ("zh", "zh-TW zh-CN", "zh-CN"),
            ("zh-SG", "zh-Hant zh", "zh"),
            ("es-MX", "es es-419 es-ES", "es-419"),
            ("es-ES", "es-419 es", "es"),
            ("sr-Latn-RS", "sr sr-Latn", "sr-Latn"),
            ("sr-Latn", "en sr", "sr"),
            ("sr", "en sr-Latn", "-"),
            ("iw-IL", "en he", "he"),
            ("in", "en id", "id"),
            ("nb-NO", "en no", "no"),
            ("no", "en nb", "nb"),
            ("tl-PH", "en fil", "fil"),
            ("en-GB", "en-AU en-US de", "en-AU"),
            ("ca-ES-valencia", "es ca", "ca"),
            ("ar-EG-u-nu-latn", "en ar", "ar"),
            ("de_DE.UTF-8@euro", "en de", "de"),
            ("fr", "en ko", "-"),
            ("fr", "fry", "-"),
            ("", "en", "-"),
            ("C", "en", "-"),
            ("*", "en", "-"),
            ("und", "en", "-"),
            ("한국어", "ko", "-"),
        ] {
            let list: Vec<&str> = available.split(' ').collect();
            let found = negotiate(requested, &list).map_or("-", |at| list[at]);
            assert_eq!(found, expected, "{requested} of {available}");
        }
    }

    proptest! {
        #[test]
        fn any_tag_is_taken(requested in "\\PC{0,70}", available in proptest::collection::vec("[a-z]{2}(-[A-Z]{2})?", 0..5)) {
            if let Some(at) = negotiate(&requested, &available) {
                prop_assert!(at < available.len());
            }
        }

        #[test]
        fn the_same_tag_wins_and_order_does_not_matter(mut available in proptest::collection::vec("(en|zh|pt)(-Hant|-Hans)?(-TW|-CN|-US)?", 1..6), which in any::<prop::sample::Index>(), requested in "(en|zh|pt)(-Hant|-Hans)?(-TW|-CN|-US|-BR)?") {
            let own = which.get(&available).clone();
            let at = negotiate(&own, &available);
            prop_assert_eq!(at.map(|at| available[at].clone()), Some(own));
            let first = negotiate(&requested, &available).map(|at| available[at].clone());
            available.reverse();
            let second = negotiate(&requested, &available).map(|at| available[at].clone());
            prop_assert_eq!(first, second);
        }
    }
}
