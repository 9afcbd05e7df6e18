use super::*;

/// A log with everything that it can say.
const LOG: [&str; 10] = [
    r#""kind":"started","listen":"127.0.0.1:8443","version":"0.1.0","snapshot":"8cf3355ba721""#,
    r#""kind":"ended","caller":{"id":"spiffe://example.org/agent/triage","role":"triage"},
       "request":{"method":"GET","scheme":"https","host":"api.github.com","port":443,"path":"/repos/acme/site/issues/7/comments"},
       "decision":{"rule":{"name":"read-issues"}},"credential":{"name":"github-triage"},"upstream":{"status":200},
       "outcome":"complete","time_us":{"total":66979}"#,
    r#""kind":"refused","caller":{"id":"spiffe://example.org/agent/triage","role":"triage"},
       "request":{"method":"DELETE","scheme":"https","host":"api.github.com","port":443,"path":"/repos/acme/site/issues/7"},
       "decision":{"reason":"no_rule"},"time_us":{"total":27}"#,
    r#""kind":"allowed","caller":{"id":"spiffe://example.org/ns/prod/bot-7","role":"triage"},
       "request":{"method":"OPTIONS","scheme":"http","host":"wiki.example.org","port":8080,"path":"/"},
       "decision":{"rule":{"name":"look-around"}},"time_us":{"total":31}"#,
    r#""kind":"ended","caller":{"id":"spiffe://example.org/ns/prod/bot-7","role":"triage"},
       "request":{"method":"OPTIONS","scheme":"http","host":"wiki.example.org","port":8080,"path":"/"},
       "decision":{"rule":{"name":"look-around"}},"upstream":{"status":404},"outcome":"complete","time_us":{"total":2345678}"#,
    r#""kind":"ended","caller":{"id":"spiffe://example.org/agent/triage","role":"triage"},
       "request":{"method":"POST","scheme":"https","host":"api.github.com","port":443,"path":"/repos/acme/site/issues/7/labels"},
       "decision":{"rule":{"name":"label-issues"}},"credential":{"name":"github-triage"},
       "outcome":"upstream_aborted","time_us":{"total":754000000}"#,
    r#""kind":"refused","caller":{"id":"spiffe://example.org/agent/triage","role":"triage"},
       "request":{"method":"GET","scheme":"https","host":"api.github.com","port":443,"path":"/repos/acme/site/issues"},
       "decision":{"reason":"credential_unavailable","cause":"Vault did not answer in 5 s","rule":{"name":"read-issues"}},"time_us":{"total":5000027}"#,
    r#""kind":"refused","decision":{"reason":"certificate_invalid"},"time_us":{"total":900}"#,
    r#""kind":"counted","caller":{"id":"spiffe://example.org/agent/triage"},"count":137"#,
    r#""kind":"stopped","outcome":"drained""#,
];

fn event(fields: &str) -> Event {
    let line =
        format!(r#"{{"schema":"tollgate.event/1","time":"2026-11-22T06:22:10.355845Z",{fields}}}"#);
    Event::parse(line.as_bytes()).unwrap()
}

fn text(spans: &[Span]) -> String {
    spans.iter().map(|(_, text)| text.as_str()).collect()
}

/// The whole log on a terminal of this width.
fn rows(columns: usize) -> String {
    let rows = LOG.map(|fields| text(&row(&event(fields), columns)));
    rows.join("\n")
}

#[test]
fn a_narrow_terminal_has_time_outcome_and_call() {
    insta::assert_snapshot!(rows(40), @r"
    06:22:10 ▲ started 0.1.0 …s 8cf3355ba721
    06:22:10 ✓ 200 GET api.gith…s/7/comments
    06:22:10 ✗ no_rule DELETE api…e/issues/7
    06:22:10 → OPTIONS http:/…mple.org:8080/
    06:22:10 ✓ 404 OPTIONS http…le.org:8080/
    06:22:10 ! --- POST api.git…ues/7/labels
    06:22:10 ✗ credential_unav… GET ap…ssues
    06:22:10 ✗ certificate_inv…
    06:22:10 ✗ 137 more refus…g/agent/triage
    06:22:10 ▼ stopped: drained
    ");
}

#[test]
fn a_usual_terminal_has_who_and_why() {
    insta::assert_snapshot!(rows(80), @r"
    06:22:10 ▲ started 0.1.0 on 127.0.0.1:8443, settings 8cf3355ba721
    06:22:10 ✓ 200 GET     api.github.…7/comments triage     read-issues        66ms
    06:22:10 ✗ 403 DELETE  api.github.…e/issues/7 triage     no_rule
    06:22:10 →     OPTIONS http://wiki….org:8080/ triage bo… look-around
    06:22:10 ✓ 404 OPTIONS http://wiki….org:8080/ triage bo… look-around        2.3s
    06:22:10 ! --- POST    api.github.…s/7/labels triage     upstream_aborted 12m34s
    06:22:10 ✗ 503 GET     api.github.…ite/issues triage     credential_unavailable…
    06:22:10 ✗ 403                                nobody     certificate_invalid
    06:22:10 ✗ 137 more refusals of spiffe://example.org/agent/triage
    06:22:10 ▼ stopped: drained
    ");
}

#[test]
fn a_wide_terminal_has_the_credential_and_the_cause() {
    insta::assert_snapshot!(rows(120), @r"
    06:22:10 ▲ started 0.1.0 on 127.0.0.1:8443, settings 8cf3355ba721
    06:22:10 ✓ 200 GET     api.github.com/rep…/issues/7/comments triage           read-issues        github-triage      66ms
    06:22:10 ✗ 403 DELETE  api.github.com/rep…acme/site/issues/7 triage           no_rule
    06:22:10 →     OPTIONS http://wiki.example.org:8080/         triage bot-7     look-around
    06:22:10 ✓ 404 OPTIONS http://wiki.example.org:8080/         triage bot-7     look-around                           2.3s
    06:22:10 ! --- POST    api.github.com/rep…te/issues/7/labels triage           upstream_aborted   github-triage    12m34s
    06:22:10 ✗ 503 GET     api.github.com/repos/acme/site/issues triage           credential_unavailable read-issues: Vault…
    06:22:10 ✗ 403                                               nobody           certificate_invalid
    06:22:10 ✗ 137 more refusals of spiffe://example.org/agent/triage
    06:22:10 ▼ stopped: drained
    ");
}

#[test]
fn colour_tells_what_went_well_and_what_did_not() {
    let painted = |fields| -> String {
        let row = row(&event(fields), 80);
        row.iter().map(|(ink, text)| ink.paint(text)).collect()
    };
    let rows = LOG.map(painted).join("\n").replace('\x1b', "^");
    insta::assert_snapshot!(rows, @r"
    ^[2m06:22:10 ^[0m^[1m▲ ^[0mstarted 0.1.0 on 127.0.0.1:8443, settings 8cf3355ba721
    ^[2m06:22:10 ^[0m^[32m✓ 200^[0m GET     api.github.…7/comments triage     read-issues     ^[2m   66ms^[0m
    ^[2m06:22:10 ^[0m^[31m✗ 403^[0m DELETE  api.github.…e/issues/7 triage    ^[31m no_rule^[0m
    ^[2m06:22:10 ^[0m^[2m→    ^[0m OPTIONS http://wiki….org:8080/ triage bo… look-around
    ^[2m06:22:10 ^[0m^[33m✓ 404^[0m OPTIONS http://wiki….org:8080/ triage bo… look-around     ^[2m   2.3s^[0m
    ^[2m06:22:10 ^[0m^[33m! ---^[0m POST    api.github.…s/7/labels triage    ^[33m upstream_aborted^[0m^[2m 12m34s^[0m
    ^[2m06:22:10 ^[0m^[31m✗ 503^[0m GET     api.github.…ite/issues triage    ^[31m credential_unavailable…^[0m
    ^[2m06:22:10 ^[0m^[31m✗ 403^[0m                                nobody    ^[31m certificate_invalid^[0m
    ^[2m06:22:10 ^[0m^[31m✗ ^[0m137 more refusals of spiffe://example.org/agent/triage
    ^[2m06:22:10 ^[0m^[1m▼ ^[0mstopped: drained
    ");
}

#[test]
fn no_row_is_wider_than_its_terminal() {
    for columns in 0..200 {
        for line in rows(columns).lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
    }
}

#[test]
fn nothing_that_stands_in_the_file_moves_a_cursor_or_turns_the_text() {
    // ESC [ 2 J; CSI as one character (C1); right-to-left override; a wide and a combining character; BEL, CR, LF, DEL
    let hostile = r"\u001b[2J\u009b2J\u202e\u4e00\u0301\u0007\r\n\u007f";
    let everywhere = [
        format!(r#""kind":"{hostile}""#),
        format!(r#""kind":"stopped","outcome":"{hostile}""#),
        format!(
            r#""kind":"started","listen":"{hostile}","version":"{hostile}","snapshot":"{hostile}""#
        ),
        format!(r#""kind":"counted","caller":{{"id":"{hostile}"}},"count":1"#),
        format!(
            r#""kind":"ended","caller":{{"id":"{hostile}","role":"{hostile}"}},
            "request":{{"method":"{hostile}","host":"{hostile}","path":"{hostile}"}},"decision":{{"rule":{{"name":"{hostile}"}}}},
            "credential":{{"name":"{hostile}"}},"outcome":"{hostile}""#
        ),
        format!(
            r#""kind":"refused","decision":{{"reason":"{hostile}","cause":"{hostile}","rule":{{"name":"{hostile}"}}}}"#
        ),
    ];
    for fields in &everywhere {
        for columns in [40, 80, 120, 1000] {
            let mut event = event(fields);
            event.time = "\u{1b}[31m2026-11-2\u{9b}".to_owned();
            let shown = text(&row(&event, columns)) + &day(&event);
            let harmless =
                |shown: char| matches!(shown, ' '..='~' | '…' | '✗' | '✓' | '→' | '▲' | '▼' | '·');
            assert!(shown.chars().all(harmless), "{shown:?}");
        }
    }
}
