//! What the reader takes, what it does not, and where it says so.

use std::fmt::Write;

use super::*;

/// The tree with the place of every key and value, or nothing if reading stopped; then the mistakes.
fn outline(text: &str) -> String {
    let findings = Findings::default();
    let tree = parse(&Arc::from("f.yaml"), text, &findings);
    let mut out = String::new();
    if let Some(tree) = &tree {
        draw(tree, 0, &mut out);
    }
    if let Err(mistakes) = findings.finish(tree) {
        writeln!(out, "{mistakes}").expect("a String takes it");
    }
    out
}

fn draw(node: &Node, depth: usize, out: &mut String) {
    let (line, column) = (node.at.line, node.at.column);
    match &node.kind {
        Kind::Scalar { text, plain } => {
            let quotes = if *plain { "" } else { "quoted " };
            writeln!(out, "{line}:{column} {quotes}{text:?}").expect("a String takes it");
        }
        Kind::Reported => writeln!(out, "{line}:{column} reported").expect("a String takes it"),
        Kind::Sequence(items) => {
            writeln!(out, "{line}:{column} [").expect("a String takes it");
            for item in items {
                write!(out, "{}", "  ".repeat(depth + 1)).expect("a String takes it");
                draw(item, depth + 1, out);
            }
        }
        Kind::Mapping(entries) => {
            writeln!(out, "{line}:{column} {{").expect("a String takes it");
            for entry in entries {
                let key_at = &entry.key_at;
                let indent = "  ".repeat(depth + 1);
                write!(
                    out,
                    "{indent}{}:{} {:?} = ",
                    key_at.line, key_at.column, entry.key
                )
                .expect("a String takes it");
                draw(&entry.value, depth + 1, out);
            }
        }
    }
}

#[test]
fn knows_the_place_of_every_key_and_value() {
    let text = "# opens\nlisten: 'a'\nmap: {k: 1, ö: \"x\"}\nlist:\n  - plain # says\n  - deep:\n      down: >\n        folded\n";
    insta::assert_snapshot!(outline(text), @r#"
    2:1 {
      2:1 "listen" = 2:9 quoted "a"
      3:1 "map" = 3:6 {
        3:7 "k" = 3:10 "1"
        3:13 "ö" = 3:16 quoted "x"
      4:1 "list" = 5:3 [
        5:5 "plain"
        6:5 {
          6:5 "deep" = 7:7 {
            7:7 "down" = 8:9 quoted "folded\n"
    "#);
}

#[test]
fn puts_an_empty_value_at_its_key() {
    insta::assert_snapshot!(outline("owner:\nlist: [{a: }, {b}]\n"), @r#"
    1:1 {
      1:1 "owner" = 1:1 ""
      2:1 "list" = 2:7 [
        2:8 {
          2:9 "a" = 2:9 ""
        2:15 {
          2:16 "b" = 2:16 ""
    "#);
}

#[test]
fn reads_a_file_of_comments_as_an_empty_mapping() {
    for text in ["", "# nothing yet\n", "\n\n"] {
        insta::allow_duplicates! { insta::assert_snapshot!(outline(text), @"1:1 {") };
    }
}

#[test]
fn refuses_what_lets_a_reader_see_something_else() {
    let text = "\
a: &x {k: v}
b: *x
c: *nowhere
d:
  <<: *x
e: !!str 5
f: !own {g: 1}
a: again
? [1, 2]
: pair
null: n
12: twelve
'12': quoted
";
    insta::assert_snapshot!(outline(text), @r#"
    1:1 {
      1:1 "a" = 1:7 {
        1:8 "k" = 1:11 "v"
      2:1 "b" = 2:4 reported
      3:1 "c" = 3:4 reported
      4:1 "d" = 5:3 {
      6:1 "e" = 6:10 "5"
      7:1 "f" = 7:9 {
        7:10 "g" = 7:13 "1"
      13:1 "12" = 13:7 "quoted"
    f.yaml:1:4: anchors are not read here; write the value where it is used
    f.yaml:2:4: aliases are not read here; write the value itself
    f.yaml:3:4: aliases are not read here; write the value itself
    f.yaml:5:3: merge keys are not read here; write the keys themselves
    f.yaml:5:7: aliases are not read here; write the value itself
    f.yaml:6:4: tags are not read here; write the plain value
    f.yaml:7:4: tags are not read here; write the plain value
    f.yaml:8:1: the key "a" stands here a second time; the first is in line 1; keep one
    f.yaml:9:3: a key that is no text; a key is one word
    f.yaml:11:1: the key "null" is no text; write it in quotes if it is meant as a name
    f.yaml:12:1: the key "12" is no text; write it in quotes if it is meant as a name
    "#);
}

#[test]
fn refuses_a_second_document_and_directives() {
    insta::assert_snapshot!(outline("a: 1\n---\nb: 2\n"), @r#"
    1:1 {
      1:1 "a" = 1:4 "1"
    f.yaml:2:1: a second YAML document begins here; one file holds one document
    "#);
    insta::assert_snapshot!(outline("%YAML 1.2\n---\nb: 2\n"), @"f.yaml:1:1: not valid YAML: YAML directives are disallowed; nothing after this was read");
}

#[test]
fn stops_at_a_syntax_error_with_one_mistake() {
    for text in [
        "a: [1, 2\nb: 3\n",
        "a: 1\n  b: 2\n",
        "a: \"open\n",
        "a: 1\n]\n",
    ] {
        let outline = outline(text);
        assert_eq!(outline.lines().count(), 1, "{outline}");
        assert!(outline.contains("not valid YAML: "), "{outline}");
    }
    insta::assert_snapshot!(outline("rules: [\n  a: {b: c\n"), @"f.yaml:2:6: not valid YAML: unclosed bracket '{'; nothing after this was read");
}

#[test]
fn reads_as_deep_as_the_bound_and_no_deeper() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(!outline(&nested(DEPTH_MAX)).contains("levels"));
    insta::assert_snapshot!(outline(&nested(DEPTH_MAX + 1)), @"f.yaml:1:17: more than 16 levels of values in values; nothing after this was read");
    assert_eq!(outline(&nested(100_000)).lines().count(), 1);
}

#[test]
fn reads_as_many_nodes_as_the_bound_and_no_more() {
    let list = |items: usize| "- a\n".repeat(items);
    assert!(!outline(&list(NODES_MAX - 1)).contains("more than"));
    insta::assert_snapshot!(outline(&list(NODES_MAX)), @"f.yaml:100000:3: more than 100000 keys and values in one file; nothing after this was read");
}

#[test]
fn notes_a_file_that_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mistakes = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("a file in it");
        let findings = Findings::default();
        let text = read(&path, &Arc::from(name), &findings);
        findings
            .finish(text)
            .err()
            .map(|mistakes| mistakes.to_string())
    };
    assert_eq!(mistakes("longest.yaml", &vec![b'#'; FILE_BYTES_MAX]), None);
    assert_eq!(
        mistakes("too-long.yaml", &vec![b'#'; FILE_BYTES_MAX + 1]).as_deref(),
        Some("too-long.yaml:1:1: this file is longer than 1 MiB; split or shorten it")
    );
    assert_eq!(
        mistakes("latin-1.yaml", b"owner: J\xf6rg").as_deref(),
        Some("latin-1.yaml:1:1: this file is not UTF-8 text; save it as UTF-8")
    );
    let findings = Findings::default();
    assert_eq!(
        read(
            &directory.path().join("none"),
            &Arc::from("none"),
            &findings
        ),
        None
    );
    assert!(findings.finish(Some(())).is_err());
}

#[test]
fn knows_what_a_plain_scalar_is() {
    let table = [
        (Plain::Null, "|~|null|Null"),
        (Plain::Boolean, "true|False"),
        (
            Plain::Number,
            "0|-1|+3|1.5|.5|1e3|0x1f|0o17|.inf|-.INF|.nan",
        ),
        (
            Plain::Text,
            "none|yes|1h|600/min|2027-04-30|127.0.0.1|127.0.0.1:80|inf|nan|e3|-|.|*",
        ),
    ];
    for (plain, texts) in table {
        for text in texts.split('|') {
            assert_eq!(Plain::of(text), plain, "{text:?}");
        }
    }
}
