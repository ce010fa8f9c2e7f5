//! The language by tables, and its laws by properties.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn holds(text: &str) -> bool {
    let facts = json!({
        "actor": "ann",
        "locale": "ko-KR",
        "app_version": "2.10.0",
        "tags": ["vip", "beta"],
        "nothing": null,
        "yes": true,
        "data": {
            "count": 3, "ratio": 0.5, "big": 9_007_199_254_740_993_i64, "text": "it's ünï",
            "comment": {"author": "bob", "odd-name": 1, "in": 2},
            "items": [{"id": "a"}, {"id": "b"}], "numbers": [1, 2.0],
        },
    });
    Expression::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .evaluate(&facts)
}

#[test]
fn what_holds() {
    for text in [
        "actor == 'ann'",
        r#"actor == "ann""#,
        "actor != 'bob' and actor < 'b' and actor >= 'ann'",
        "data.count == 3 and data.count == 3.0 and data.count > 2.5 and -1 < data.count",
        "data.big == 9007199254740993 and data.big > 9007199254740992.0",
        "data.comment.author in ['ann', 'bob',]",
        "data.comment.author not in [1, null, true]",
        "data.comment['odd-name'] == 1 and data.comment.in == 2",
        "data.items[1].id == 'b' and data.items[2].id == null",
        "data.numbers == [1.0, 2] and 2 in data.numbers and data.numbers contains 1",
        "tags contains 'vip' and not tags contains 'x'",
        "'vip' in tags",
        "data.text contains 'ünï' and data.text startswith 'it\\'s'",
        "locale startswith 'ko' or nobody",
        "yes and not nothing and true and not false",
        "missing == null and nothing == null and data.comment != null",
        "missing in ['a', null]",
        "version(app_version) > version('2.9') and version(app_version) == version('2.10')",
        "version(missing) != version('1') and version(missing) == version(nothing)",
        "(actor == 'x' or actor == 'ann') and data.ratio <= 0.5",
        "not (actor == 'x' or actor == 'y')",
        "data.ratio == 5e-1",
    ] {
        assert!(holds(text), "{text}");
    }
}

#[test]
fn what_does_not_hold() {
    for text in [
        "actor == 1",
        "data.count == '3'",
        "data.count < '4'",
        "missing < 1",
        "missing >= null",
        "true < false",
        "data.comment == data.comment",
        "actor contains 1",
        "actor startswith data.count",
        "'a' in actor",
        "data.count",
        "missing",
        "actor",
        "version(actor) >= version('0')",
        "version(missing) <= version(nothing)",
        "null in []",
        "'VIP' in tags",
    ] {
        assert!(!holds(text), "{text}");
    }
}

/// Text, line, column, and a part of the sentence.
#[test]
fn errors_point_at_the_place() {
    for (text, line, column, part) in [
        ("", 1, 1, "found nothing"),
        ("   ", 1, 4, "found nothing"),
        ("actor = 'a'", 1, 7, "write =="),
        ("a && b", 1, 3, "write and"),
        ("a || b", 1, 3, "write or"),
        ("!a", 1, 1, "write not"),
        ("a <> b", 1, 3, "write !="),
        ("actor ==", 1, 9, "found the end"),
        ("actor == 'a", 1, 10, "closing '"),
        ("actor == 'a\\q'", 1, 12, "\\\\ \\n"),
        ("actor ==\n  and", 2, 3, "the word `and`"),
        ("(a or b", 1, 8, "expected `)`"),
        ("a or b)", 1, 7, "the end, found `)`"),
        ("a < b < c", 1, 7, "do not chain"),
        ("(a) == b", 1, 5, "do not chain"),
        ("actor contians 'a'", 1, 7, "did you mean `contains`"),
        ("actor AND b", 1, 7, "did you mean `and`"),
        ("'abc'", 1, 1, "neither true nor false"),
        ("a and 3", 1, 7, "neither true nor false"),
        ("versoin(a) > version('1')", 1, 1, "did you mean `version`"),
        ("version(a) > '1'", 1, 12, "on both sides"),
        ("version(a) in ['1']", 1, 15, "does not compare versions"),
        ("version('x') == version(a)", 1, 9, "is no version"),
        (
            "version(3) == version(a)",
            1,
            9,
            "expected a text or a name",
        ),
        ("a in 'abc'", 1, 6, "contains <part>"),
        ("a contains ['b']", 1, 12, "one value"),
        ("a startswith 3", 1, 14, "expected a text"),
        ("a not b", 1, 7, "`in` after `not`"),
        ("a in [b]", 1, 7, "found `b`"),
        ("a in ['b' 'c']", 1, 11, "expected `]`"),
        ("a.3 == 1", 1, 3, "a field's name"),
        ("a[-1] == 1", 1, 3, "position from 0"),
        ("a == 3x", 1, 6, "quote texts"),
        ("a == 1e999", 1, 6, "too large"),
        ("a == 99999999999999999999", 1, 6, "too large"),
        ("a == #", 1, 6, "found '#'"),
        ("유저 == 'a' and ?", 1, 15, "found '?'"),
    ] {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}: {error}"
        );
        assert!(error.message.contains(part), "{text}: {error}");
        assert!(text.is_char_boundary(error.at), "{text}");
    }
}

#[test]
fn mistyped_names_are_found_where_the_names_are_known() {
    for (text, vocabulary, column, part) in [
        ("date.x == 1", Vocabulary::EVENT, 1, "did you mean `data`"),
        ("data == 1", Vocabulary::EVENT, 1, "data.plan"),
        ("actor.name == 1", Vocabulary::EVENT, 7, "no such field"),
        ("data[0] == 1", Vocabulary::EVENT, 6, "fields have names"),
        ("vip and not beta", Vocabulary::DEVICE, 1, "'vip'"),
        (
            "true and tag contains 'a'",
            Vocabulary::DEVICE,
            10,
            "did you mean `tags`",
        ),
        ("tags.vip", Vocabulary::DEVICE, 6, "no such field"),
    ] {
        let error = Expression::parse_in(text, &vocabulary).expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert_eq!(error.code, "expression.unknown_name", "{text}");
        assert!(error.message.contains(part), "{text}: {error}");
    }
}

#[test]
fn bounds() {
    let many = |n: usize| vec!["a == 1"; n].join(" or ");
    let deep = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    let nots = |n: usize| format!("{}a", "not ".repeat(n));
    let list = |n: usize| format!("a in [{}]", vec!["1"; n].join(","));
    for (fits, too_large) in [
        (many(170), many(171)),
        (deep(MAX_DEPTH), deep(MAX_DEPTH + 1)),
        (nots(MAX_DEPTH), nots(MAX_DEPTH + 1)),
        (list(MAX_LIST), list(MAX_LIST + 1)),
        (
            format!("a{}", " ".repeat(MAX_BYTES - 1)),
            format!("a{}", " ".repeat(MAX_BYTES)),
        ),
    ] {
        assert!(Expression::parse(&fits).is_ok(), "{fits}");
        let error = Expression::parse(&too_large).expect_err(&too_large);
        assert_eq!(error.code, "expression.too_large", "{error}");
    }
}

#[test]
fn as_json_it_is_its_text() {
    let expression: Expression = serde_json::from_str(r#""a  ==  'b'""#).unwrap();
    assert_eq!(
        serde_json::to_string(&expression).unwrap(),
        r#""a  ==  'b'""#
    );
    assert_eq!(expression.to_string(), "a == 'b'");
    let error = serde_json::from_str::<Expression>(r#""a =""#).unwrap_err();
    assert!(error.to_string().contains("line 1, column 3"), "{error}");
}

/// Every example of the guide is read with the names that it is for.
#[test]
fn the_guide_is_true() {
    let guides = [
        include_str!("../../../../docs/guide/expressions.md"),
        include_str!("../../../../docs/guide/segments.md"),
    ];
    let (mut vocabulary, mut count) = (None, 0);
    for line in guides.into_iter().flat_map(str::lines) {
        match line {
            "```expression" => vocabulary = Some(Vocabulary::EVENT),
            "```expression device" => vocabulary = Some(Vocabulary::DEVICE),
            "```expression segment" => vocabulary = Some(Vocabulary::SEGMENT),
            "```" => vocabulary = None,
            _ => {
                if let Some(vocabulary) = &vocabulary {
                    count += 1;
                    let read = Expression::parse_in(line, vocabulary);
                    read.unwrap_or_else(|error| panic!("{line}: {error}"));
                }
            }
        }
    }
    assert!(count >= 6, "found only {count} examples");
}

// === properties ===

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        prop_oneof![any::<i64>(), -3i64..3].prop_map(Literal::Integer),
        prop_oneof![-3.0..3.0, proptest::num::f64::NORMAL].prop_map(Literal::Float),
        prop_oneof![
            Just("a".to_owned()),
            "\\PC{0,8}",
            Just("a\n\t'\"\\".to_owned())
        ]
        .prop_map(Literal::Text),
    ]
}

fn paths() -> impl Strategy<Value = Path> {
    let steps = prop_oneof![
        prop_oneof![Just("b".to_owned()), Just("and".to_owned()), "\\PC{0,4}"]
            .prop_map(Step::Field),
        (0u32..3).prop_map(Step::Index)
    ];
    ("[ab]", proptest::collection::vec(steps, 0..3)).prop_map(|(root, steps)| Path { root, steps })
}

fn comparisons() -> impl Strategy<Value = Condition> {
    use Comparison::*;
    let sides = || {
        prop_oneof![
            literals().prop_map(Operand::Literal),
            paths().prop_map(Operand::Path),
        ]
    };
    let lists = prop_oneof![
        proptest::collection::vec(literals(), 0..4).prop_map(Operand::List),
        paths().prop_map(Operand::Path)
    ];
    let texts = prop_oneof![
        "\\PC{0,3}".prop_map(|text| Operand::Literal(Literal::Text(text))),
        paths().prop_map(Operand::Path)
    ];
    let versions = || {
        prop_oneof![
            "[0-9]{1,2}(\\.[0-9]{1,2}){0,2}".prop_map(|text| Operand::Literal(Literal::Text(text))),
            paths().prop_map(Operand::Path)
        ]
        .prop_map(|inner| Operand::Version(Box::new(inner)))
    };
    let plain = || {
        prop::sample::select(vec![
            Equal,
            NotEqual,
            Less,
            LessOrEqual,
            Greater,
            GreaterOrEqual,
        ])
    };
    prop_oneof![
        paths().prop_map(|path| Condition::Is(Operand::Path(path))),
        any::<bool>().prop_map(|b| Condition::Is(Operand::Literal(Literal::Boolean(b)))),
        (sides(), plain(), sides()).prop_map(compare),
        (sides(), prop::sample::select(vec![In, NotIn]), lists).prop_map(compare),
        (sides(), Just(Contains), sides()).prop_map(compare),
        (sides(), Just(StartsWith), texts).prop_map(compare),
        (versions(), plain(), versions()).prop_map(compare),
    ]
}

fn compare((left, comparison, right): (Operand, Comparison, Operand)) -> Condition {
    Condition::Compare {
        left,
        comparison,
        right,
    }
}

fn conditions() -> impl Strategy<Value = Condition> {
    comparisons().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::All),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Condition::Any),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaves = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        (-3i64..3).prop_map(|n| json!(n)),
        (-3.0..3.0).prop_map(|n: f64| json!(n)),
        "[ab]{0,2}".prop_map(|text| json!(text)),
        Just(json!("1.2")),
    ];
    leaves.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|list| json!(list)),
            proptest::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn facts() -> impl Strategy<Value = serde_json::Value> {
    (values(), values()).prop_map(|(a, b)| json!({"a": a, "b": b}))
}

fn evaluate(condition: &Condition, facts: &serde_json::Value) -> bool {
    Expression::from_condition(condition.clone()).evaluate(facts)
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(text.is_char_boundary(error.at));
        }
    }

    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec(
        prop::sample::select(vec!["a", "b.c", "(", ")", "[", "]", ",", ".", "and", "or", "not", "in",
            "contains", "startswith", "==", "<", "'x'", "1", "1.5", "true", "null", "version", "\\", "'"]), 0..14)) {
        let text = words.join(" ");
        if let Ok(read) = Expression::parse(&text) {
            prop_assert_eq!(Expression::parse(&read.to_string()), Ok(read));
        }
    }

    #[test]
    fn what_is_written_reads_back(condition in conditions()) {
        let text = condition.to_string();
        let read = Expression::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(read.condition(), &condition);
        prop_assert_eq!(read.to_string(), text);
    }

    #[test]
    fn the_laws_of_logic(a in conditions(), b in conditions(), facts in facts()) {
        let not = |c: &Condition| Condition::Not(Box::new(c.clone()));
        let (x, y) = (evaluate(&a, &facts), evaluate(&b, &facts));
        prop_assert_eq!(evaluate(&not(&a), &facts), !x);
        let all = Condition::All(vec![a.clone(), b.clone()]);
        let any = Condition::Any(vec![a.clone(), b.clone()]);
        prop_assert_eq!(evaluate(&all, &facts), x && y);
        prop_assert_eq!(evaluate(&any, &facts), x || y);
        // De Morgan.
        let neither = Condition::All(vec![not(&a), not(&b)]);
        prop_assert_eq!(evaluate(&not(&any), &facts), evaluate(&neither, &facts));
    }

    #[test]
    fn the_laws_of_comparisons(left in paths(), right in paths(), facts in facts()) {
        use Comparison::*;
        let (l, r) = (Operand::Path(left), Operand::Path(right));
        let says = |l: &Operand, c, r: &Operand| evaluate(&compare((l.clone(), c, r.clone())), &facts);
        prop_assert_eq!(says(&l, Equal, &r), says(&r, Equal, &l));
        prop_assert_eq!(says(&l, NotEqual, &r), !says(&l, Equal, &r));
        prop_assert_eq!(says(&l, NotIn, &r), !says(&l, In, &r));
        prop_assert_eq!(says(&l, Less, &r), says(&r, Greater, &l));
        prop_assert_eq!(says(&l, LessOrEqual, &r), says(&r, GreaterOrEqual, &l));
        // What can be ordered is ordered one way; what cannot is in none.
        let ways = [Less, Greater].map(|c| says(&l, c, &r)).into_iter().filter(|x| *x).count();
        prop_assert!(ways + usize::from(says(&l, LessOrEqual, &r) && says(&l, GreaterOrEqual, &r)) <= 1);
        prop_assert_eq!(says(&l, LessOrEqual, &r) , says(&l, Less, &r) || (says(&l, Equal, &r) && says(&l, GreaterOrEqual, &r)));
        if says(&l, In, &r) {
            prop_assert!(says(&r, Contains, &l));
        }
    }
}
