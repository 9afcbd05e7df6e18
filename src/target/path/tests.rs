use proptest::prelude::*;

use super::*;

/// Rows RT-09, RT-10, PN-07, PN-21.
#[test]
fn refuses_what_could_name_another_host_or_an_empty_segment() {
    use PathFault::{EmptySegment, NotAbsolute};
    for (raw, fault) in [
        ("", NotAbsolute),
        ("*", NotAbsolute),
        ("@evil.test/", NotAbsolute),
        (".evil.test/", NotAbsolute),
        (":8080/", NotAbsolute),
        ("v1", NotAbsolute),
        ("//evil.test/x", EmptySegment),
        ("//", EmptySegment),
        ("/v1//admin", EmptySegment),
        ("/v1//", EmptySegment),
        ("/v1/public//../admin", EmptySegment),
        ("/v1/public/https://evil.test/x", EmptySegment),
    ] {
        assert_eq!(Path::parse(raw), Err(fault), "{raw:?}");
    }
}

/// Rows PN-01 to PN-04, PN-06, PN-19.
#[test]
fn refuses_what_some_upstream_resolves_to_another_path() {
    use PathFault::{Backslash, DotSegment, EncodedDot, Semicolon};
    for (raw, fault) in [
        ("/v1/public/../admin", DotSegment),
        ("/v1/public/..", DotSegment),
        ("/v1/public/.", DotSegment),
        ("/..", DotSegment),
        ("/.", DotSegment),
        ("/./x", DotSegment),
        ("/../../etc", DotSegment),
        ("/x/..%2fadmin", DotSegment),
        ("/x%2F..", DotSegment),
        ("/x/..%20/admin", DotSegment),
        ("/x/.%20%20", DotSegment),
        ("/x/%20/admin", DotSegment),
        ("/x%2f..%2fadmin", DotSegment),
        ("/%2F.%2F", DotSegment),
        ("/v1/public/%2e%2e/admin", EncodedDot),
        ("/v1/public/%2E%2E/admin", EncodedDot),
        ("/v1/public/.%2e/admin", EncodedDot),
        ("/v1/public/%2e./admin", EncodedDot),
        ("/a%2ejson", EncodedDot),
        ("/v1/public/..%5cadmin", Backslash),
        ("/v1/public/..\\admin", Backslash),
        ("/v1\\admin", Backslash),
        ("/\\evil.test/x", Backslash),
        ("/%5C", Backslash),
        ("/v1/public/..;/admin", Semicolon),
        ("/v1/public/..;x=1/admin", Semicolon),
        ("/;/v1/admin", Semicolon),
        ("/v1/public/..%3b/admin", Semicolon),
        ("/v1/admin;", Semicolon),
        ("/a%3B", Semicolon),
    ] {
        assert_eq!(Path::parse(raw), Err(fault), "{raw:?}");
    }
}

/// Rows PN-05, PN-09, PN-10, PN-12.
#[test]
fn refuses_encodings_with_a_second_decoding() {
    use PathFault::{BrokenEscape, DoubleEncoding, Utf8};
    for (raw, fault) in [
        ("/v1/public/%252e%252e/admin", DoubleEncoding),
        ("/%252e%252e%252fadmin", DoubleEncoding),
        ("/%25252e", DoubleEncoding),
        ("/%25%32e", DoubleEncoding),
        ("/%25%32%65", DoubleEncoding),
        ("/%2541", DoubleEncoding),
        ("/%25%41%42", DoubleEncoding),
        ("/%c0%ae%c0%ae/", Utf8),
        ("/%e0%80%ae", Utf8),
        ("/%c0%af", Utf8),
        ("/%f0%80%80%ae", Utf8),
        ("/%ff", Utf8),
        ("/%ed%a0%80", Utf8),
        ("/%c3", Utf8),
        ("/%c3a%a9", Utf8),
        ("/%c3/%a9", Utf8),
        ("/%c3%2F%a9", Utf8),
        ("/%c3%20%a9", Utf8),
        ("/%a9", Utf8),
        ("/v1/public/%u002e%u002e/admin", BrokenEscape),
        ("/%", BrokenEscape),
        ("/%2", BrokenEscape),
        ("/%zz", BrokenEscape),
        ("/%%32e", BrokenEscape),
        ("/%2%65", BrokenEscape),
        ("/%+1", BrokenEscape),
    ] {
        assert_eq!(Path::parse(raw), Err(fault), "{raw:?}");
    }
}

/// Rows RT-18, PN-11.
#[test]
fn refuses_bytes_that_a_path_may_not_hold() {
    use PathFault::{Character, Control, NonAscii};
    for (raw, fault) in [
        ("/x%00", Control),
        ("/v1/admin%00/../public/x", Control),
        ("/%0d%0aX:1", Control),
        ("/%0a", Control),
        ("/%09", Control),
        ("/%1F", Control),
        ("/%7f", Control),
        ("/\0", Control),
        ("/\t", Control),
        ("/\r\n", Control),
        ("/a b", Character),
        ("/v1/{x}", Character),
        ("/v1/\"x\"", Character),
        ("/v1/a|b", Character),
        ("/<a>", Character),
        ("/a^b", Character),
        ("/`", Character),
        ("/a#b", Character),
        ("/a?b", Character),
        ("/[x]", Character),
        ("/v1/é", NonAscii),
        ("/\u{ff0e}\u{ff0e}/", NonAscii),
    ] {
        assert_eq!(Path::parse(raw), Err(fault), "{raw:?}");
    }
}

/// Rows PN-10, PN-15, PN-20, PN-26 and RFC 3986 6.2.2.
#[test]
fn a_path_has_one_spelling() {
    for (raw, canonical) in [
        ("/", "/"),
        ("/v1/public/x", "/v1/public/x"),
        ("/v1/publi%63/%7Euser%2d1%5F", "/v1/public/~user-1_"),
        ("/a%20b/%c3%a9%2B", "/a%20b/%C3%A9%2B"),
        ("/v1/public/...", "/v1/public/..."),
        ("/.well-known/..foo", "/.well-known/..foo"),
        ("/v1/admin/", "/v1/admin/"),
        ("/v1/admin.", "/v1/admin."),
        ("/v1/admin..", "/v1/admin.."),
        ("/v1/admin%3f", "/v1/admin%3F"),
        ("/V1/Admin~", "/V1/Admin~"),
        ("/%ef%bc%8e%ef%bc%8e", "/%EF%BC%8E%EF%BC%8E"),
        ("/v1/publi%63%cc%a7", "/v1/public%CC%A7"),
        (
            "/v1/models/a:b@c,d=e&f+g!h$i'j(k)l*m",
            "/v1/models/a:b@c,d=e&f+g!h$i'j(k)l*m",
        ),
        ("/100%25", "/100%25"),
        ("/100%25%20x", "/100%25%20x"),
        ("/100%252/x", "/100%252/x"),
        ("/%F0%9F%A6%80", "/%F0%9F%A6%80"),
    ] {
        assert_eq!(
            Path::parse(raw).map(|p| p.to_string()).as_deref(),
            Ok(canonical),
            "{raw}"
        );
    }
}

#[test]
fn an_encoded_slash_stays_and_is_told() {
    let path = Path::parse("/projects/group%2fname/issues").unwrap();
    assert_eq!(path.as_str(), "/projects/group%2Fname/issues");
    assert!(path.has_encoded_slash());
    assert_eq!(path.segments().count(), 3);
    assert!(!Path::parse("/projects/1").unwrap().has_encoded_slash());
}

#[test]
fn segments_are_what_stands_between_the_slashes() {
    for (raw, segments) in [
        ("/", vec![""]),
        ("/a", vec!["a"]),
        ("/a/", vec!["a", ""]),
        ("/a/b%2Fc", vec!["a", "b%2Fc"]),
    ] {
        assert_eq!(
            Path::parse(raw).unwrap().segments().collect::<Vec<_>>(),
            segments,
            "{raw}"
        );
    }
}

#[test]
fn refuses_a_path_one_byte_too_long() {
    let longest = format!("/{}", "a".repeat(PATH_BYTES_MAX - 1));
    assert!(Path::parse(&longest).is_ok());
    assert_eq!(Path::parse(&format!("{longest}a")), Err(PathFault::TooLong));
}

/// Paths of the pieces that attacks are made of.
fn raw_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "/", ".", "..", "%2e", "%2F", "%2f", "%25", "%32", "%65", "%5c", ";", "%3B", "a", "2e",
            "%c3", "%a9", "%00", "\\", "%", "Z", "%7E", "%41", "e", "é", "%20",
        ]),
        Just("/x"),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_canonical_form_is_its_own_canonical_form(raw in raw_path()) {
        if let Ok(path) = Path::parse(&raw) {
            prop_assert_eq!(Path::parse(path.as_str()), Ok(path.clone()));
        }
    }

    #[test]
    fn no_accepted_path_can_be_resolved_to_another(raw in raw_path()) {
        if let Ok(path) = Path::parse(&raw) {
            let text = path.as_str().to_ascii_lowercase();
            for trace in ["//", "%2e", "%5c", "%3b", "%00", ";", "\\"] {
                prop_assert!(!text.contains(trace), "{}", text);
            }
            let decoded = text.replace("%2f", "/");
            prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."), "{}", text);
        }
    }

    #[test]
    fn any_text_is_a_path_or_a_fault(raw in "/\\PC{0,40}") {
        let _ = Path::parse(&raw);
    }
}
