use super::*;

const LINE: &[u8] = br#"{"schema":"tollgate.event/1","time":"2026-11-22T06:22:10.355845Z","kind":"stopped","outcome":"drained"}"#;

/// What is printed of `lines` in this form.
fn printed(form: Form, lines: &[&[u8]]) -> String {
    let mut out = Vec::new();
    let mut output = Output::new(&mut out, form);
    for line in lines {
        output.print(&Event::parse(line).unwrap(), line).unwrap();
    }
    output.flush().unwrap();
    drop(output);
    String::from_utf8(out).unwrap()
}

#[test]
fn each_day_has_its_heading() {
    let next = String::from_utf8_lossy(LINE).replace("11-22T06", "11-23T07");
    let form = Form::Row {
        columns: || 80,
        coloured: false,
        day: String::new(),
    };
    insta::assert_snapshot!(printed(form, &[LINE, LINE, next.as_bytes()]), @r"
    2026-11-22 UTC
    06:22:10 ▼ stopped: drained
    06:22:10 ▼ stopped: drained
    2026-11-23 UTC
    07:22:10 ▼ stopped: drained
    ");
}

#[test]
fn the_json_on_a_terminal_is_printable_and_means_the_same() {
    let hostile = String::from_utf8_lossy(LINE)
        .replace("drained", "\u{9b}2J\u{202e}\u{1f511}\u{7f}")
        .replace(",\"kind\"", ",\t\r\"kind\"");
    let printed = printed(Form::PrintableLine, &[hostile.as_bytes()]);
    let printed = printed.strip_suffix('\n').unwrap();
    assert!(
        printed.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{printed:?}"
    );
    let means = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    assert_eq!(means(printed), means(&hostile));
    assert_eq!(printable_json(LINE).as_bytes(), LINE);
}
