//! Plural forms by CLDR's rules: Korean has one form, English two, Arabic six.

use fixed_decimal::Decimal;
use icu_locale_core::LanguageIdentifier;
use icu_plurals::{PluralCategory, PluralRules};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// The rules of a locale. `None`: the tag is not well formed.
pub(super) fn rules(locale: &str) -> Option<PluralRules> {
    let locale = LanguageIdentifier::try_from_str(locale).ok()?;
    PluralRules::try_new_cardinal((&locale).into()).ok()
}

/// The category of a number; `None` when it is none.
pub(super) fn category(rules: &PluralRules, number: &Value) -> Option<PluralCategory> {
    if number.kind() != ValueKind::Number {
        return None;
    }
    if let Ok(whole) = i64::try_from(number.clone()) {
        return Some(rules.category_for(whole));
    }
    let float = f64::try_from(number.clone()).ok()?;
    // As it is shown, without zeros at its end: the rules ask for the digits.
    let shown = Decimal::try_from_str(&float.to_string()).ok()?;
    Some(rules.category_for(&shown))
}

/// The forms that a template gives.
pub(super) struct PluralForms {
    forms: [Option<String>; 5],
    other: String,
}

const NAMES: [(&str, PluralCategory); 5] = [
    ("zero", PluralCategory::Zero),
    ("one", PluralCategory::One),
    ("two", PluralCategory::Two),
    ("few", PluralCategory::Few),
    ("many", PluralCategory::Many),
];

impl PluralForms {
    pub(super) fn read(given: &Kwargs) -> Result<Self, Error> {
        let mut forms = [const { None }; 5];
        for (form, (name, _)) in forms.iter_mut().zip(NAMES) {
            *form = given.get::<Option<String>>(name)?;
        }
        let other: Option<String> = given.get("other")?;
        if let Some(unknown) = given
            .args()
            .find(|name| *name != "other" && NAMES.iter().all(|(known, _)| known != name))
        {
            return Err(Error::new(
                ErrorKind::TooManyArguments,
                format!("`{unknown}` is no plural form: zero, one, two, few, many and other are"),
            ));
        }
        match other {
            Some(other) => Ok(Self { forms, other }),
            None => Err(Error::new(
                ErrorKind::MissingArgument,
                "plural needs the form `other`, as in |plural(one='comment', other='comments')",
            )),
        }
    }

    /// The form of a category; `other` where it is not given.
    pub(super) fn choose(self, category: PluralCategory) -> String {
        NAMES
            .iter()
            .position(|(_, named)| *named == category)
            .and_then(|at| self.forms.into_iter().nth(at).flatten())
            .unwrap_or(self.other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::language::environment;

    fn says(locale: &str, number: &str) -> String {
        let mut environment = environment(vec![rules(locale).unwrap()]);
        let source = format!(
            "{{{{ {number}|plural(zero='zero', one='one', two='two', few='few', many='many', other='other') }}}}"
        );
        environment.add_template_owned("0/x", source).unwrap();
        let template = environment.get_template("0/x").unwrap();
        template.render(()).unwrap()
    }

    #[test]
    fn the_rules_of_cldr() {
        for (locale, expected) in [
            ("ko", ["other", "other", "other", "other", "other", "other"]),
            ("en", ["other", "one", "other", "other", "other", "other"]),
            ("fr", ["one", "one", "other", "other", "other", "other"]),
            ("pl", ["many", "one", "few", "many", "few", "many"]),
            ("ar", ["zero", "one", "two", "few", "many", "other"]),
            ("pt-BR", ["one", "one", "other", "other", "other", "other"]),
            ("xx", ["other", "other", "other", "other", "other", "other"]),
        ] {
            let said = ["0", "1", "2", "5", "22", "100"].map(|number| says(locale, number));
            let mut expected = expected.map(str::to_owned);
            if locale == "ar" {
                // 5 is few, 22 is many, 100 is other: the row above says so.
                expected[3] = "few".into();
            }
            assert_eq!(said, expected, "{locale}");
        }
        assert_eq!(says("en", "1.5"), "other");
        assert_eq!(says("fr", "1.5"), "one");
        assert_eq!(says("en", "-1"), "one");
        assert!(rules("not a locale").is_none());
    }

    #[test]
    fn forms_are_checked() {
        let environment = environment(vec![rules("en").unwrap()]);
        for (source, part) in [
            ("{{ 1|plural(one='a') }}", "`other`"),
            ("{{ 1|plural(one='a', others='b') }}", "`others`"),
        ] {
            let error = environment.render_named_str("0/x", source, ()).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let error = environment
            .render_named_str("0/x", "{{ 'x'|plural(other='b') }}", ())
            .unwrap_err();
        assert!(error.to_string().contains("found a text"), "{error}");
    }
}
