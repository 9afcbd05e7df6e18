//! Lowering of a mapping with one key of each type.

use std::sync::Arc;

use super::*;
use crate::config::{fields::distance, file, mistake::Mistakes, scalar};

/// What `lower` makes of `text`, or every mistake.
fn lowered<T>(text: &str, lower: impl FnOnce(Value<'_>) -> Option<T>) -> Result<T, Mistakes> {
    let findings = Findings::default();
    let tree = file::parse(&Arc::from("f.yaml"), text, &findings).expect("valid YAML");
    let value = lower(Value::new(&tree, &findings));
    findings.finish(value).map(|(value, _)| value)
}

fn mistakes<T>(text: &str, lower: impl FnOnce(Value<'_>) -> Option<T>) -> String {
    let outcome = lowered(text, lower);
    outcome
        .err()
        .map(|mistakes| mistakes.to_string())
        .unwrap_or_default()
}

/// Everything that a mapping can hold.
fn everything(value: Value<'_>) -> Option<impl std::fmt::Debug + use<>> {
    value.mapping(|fields| {
        let text = fields.required("text", Value::text);
        let boolean = fields.required("boolean", Value::boolean);
        let integer = fields.required("integer", |v| v.integer(1, 10));
        let duration = fields.required("duration", |v| v.parse(scalar::duration));
        let date = fields.required("date", |v| v.parse(scalar::date));
        let rate = fields.required("rate", |v| v.parse(scalar::rate));
        let word = fields.required("word", |v| v.word(&[("one", 1), ("two", 2)]));
        let list = fields.required("list", |v| v.some_of(|v| v.parse(scalar::name)));
        let nothing = fields
            .optional("nothing", Value::text)
            .map(|text| text.is_none());
        let default = fields.or("default", true, Value::boolean);
        Some((
            text?, boolean?, integer?, duration?, date?, rate?, word?, list?, nothing?, default?,
        ))
    })
}

#[test]
fn lowers_each_type() {
    let text = "\
text: words
boolean: false
integer: 10
duration: 90s
date: 2028-02-29
rate: 600/min
word: two
list: [a, b-2]
";
    insta::assert_compact_debug_snapshot!(lowered(text, everything), @r#"Ok(("words", false, 10, 90s, 2028-02-29, Rate { calls: 600, per: 60s }, 2, ["a", "b-2"], true, true))"#);
}

#[test]
fn reports_every_mistake_of_a_mapping() {
    let text = "\
text: 12
boolean: yes
integer: 11
duration: 1 hour
date: 2027-02-29
rate: 600
wrod: two
list: [ok, Not, -no]
default:
listen: 1
";
    insta::assert_snapshot!(mistakes(text, everything), @r#"
    f.yaml:1:1: the key "word" is missing; it is mandatory
    f.yaml:1:7: "12" is no text; write it in quotes if it is meant as text
    f.yaml:2:10: "yes" is no truth value; write true or false, without quotes
    f.yaml:3:10: "11" is no number from 1 to 10; write it in decimal digits, without quotes
    f.yaml:4:11: "1 hour" is no duration; write it like 30s, 10m or 1h, up to 8784h
    f.yaml:5:7: "2027-02-29" is no date; write a day that exists as year-month-day, like 2027-04-30
    f.yaml:6:7: "600" is no rate; write it like 5/s, 600/min or 1000/h
    f.yaml:7:1: unknown key "wrod"; did you mean "word"?
    f.yaml:8:12: "Not" is no name; a name has up to 64 of a-z, 0-9 and inner hyphens
    f.yaml:8:17: "-no" is no name; a name has up to 64 of a-z, 0-9 and inner hyphens
    f.yaml:9:1: the value is missing; write one, or take the key away if it is optional
    f.yaml:10:1: unknown key "listen"; did you mean "list"?
    "#);
}

#[test]
fn reports_what_is_missing_or_of_another_shape() {
    insta::assert_snapshot!(mistakes("{}", everything), @r#"
    f.yaml:1:1: the key "boolean" is missing; it is mandatory
    f.yaml:1:1: the key "date" is missing; it is mandatory
    f.yaml:1:1: the key "duration" is missing; it is mandatory
    f.yaml:1:1: the key "integer" is missing; it is mandatory
    f.yaml:1:1: the key "list" is missing; it is mandatory
    f.yaml:1:1: the key "rate" is missing; it is mandatory
    f.yaml:1:1: the key "text" is missing; it is mandatory
    f.yaml:1:1: the key "word" is missing; it is mandatory
    "#);
    insta::assert_snapshot!(mistakes("[a]", everything), @"f.yaml:1:1: a list stands here; a mapping like {key: value} is needed");
    insta::assert_snapshot!(mistakes("- {a: 1}\n- text\n- [b]\n- ~\n", |v| v.each(Value::text)), @r#"
    f.yaml:1:3: a mapping stands here; text is needed
    f.yaml:3:3: a list stands here; text is needed
    f.yaml:4:3: the value is missing; write one, or take the key away if it is optional
    "#);
    insta::assert_snapshot!(mistakes("a: []\nb: {c: d}", |v| v.names(|_, v| v.some_of(Value::text))), @r#"
    f.yaml:1:4: this list is empty; name one at least
    f.yaml:2:4: a mapping stands here; a list like [a, b] is needed
    "#);
    insta::assert_snapshot!(mistakes("''", |v| v.text()), @"f.yaml:1:1: this text is empty; write one");
}

#[test]
fn notes_a_value_that_could_not_be_read_once() {
    insta::assert_snapshot!(mistakes("text: &a x\nword: *a\n", |v| v.mapping(|fields| {
        let text = fields.required("text", Value::text).is_some();
        let word = fields.required("word", |v| v.word(&[("x", ())]));
        word.map(|()| text)
    })), @r#"
    f.yaml:1:7: anchors are not read here; write the value where it is used
    f.yaml:2:7: aliases are not read here; write the value itself
    "#);
}

/// Whether every text of `good`, and none of `bad`, is accepted; texts stand between bars.
fn check(accepts: impl Fn(&str) -> bool, good: &str, bad: &str) {
    for text in good.split('|') {
        assert!(accepts(text), "{text:?}");
    }
    for text in bad.split('|') {
        assert!(!accepts(text), "{text:?}");
    }
}

#[test]
fn refuses_spellings_that_are_near_a_value() {
    let bad = "|s|0s|01s|+1s|1d|1.5h|1 s|8785h|4294967296s|-1s|1h30m|1\u{f6}";
    check(|text| scalar::duration(text).is_ok(), "1s|8784h|10m", bad);
    let bad = "|2026-1-31|2026-02-30|2026-01-31T00:00|+2026-01-31|26-01-31|2026-01-31 ";
    check(
        |text| scalar::date(text).is_ok(),
        "2026-01-31|2028-02-29",
        bad,
    );
    let bad = "|600|0/s|01/s|1/m|1/day|1/ min|-1/s|4294967296/s|1/2/s";
    check(
        |text| scalar::rate(text).is_ok(),
        "1/s|600/min|4294967295/h",
        bad,
    );
    let bad = "|A|a_b|-a|a-|a b|\u{e4}|a/b|..";
    check(|text| scalar::name(text).is_ok(), "a|read-issues|9", bad);
    assert!(scalar::name(&"a".repeat(64)).is_ok());
    assert!(scalar::name(&"a".repeat(65)).is_err());
}

#[test]
fn suggests_only_a_near_key() {
    let near = [
        ("host", "hosts"),
        ("hots", "hosts"),
        ("identity", "identities"),
        ("review-by", "review_by"),
    ];
    let known = ["hosts", "identities", "review_by"];
    for (written, meant) in near {
        let best = known.iter().min_by_key(|known| distance(written, known));
        assert_eq!(best, Some(&meant), "{written}");
    }
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("abc", ""), 3);
    assert_eq!(distance("kitten", "sitting"), 3);
}
