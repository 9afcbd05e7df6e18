use proptest::prelude::*;

use super::*;

fn allows(pattern: &str, path: &str) -> bool {
    PathPattern::parse(pattern)
        .unwrap()
        .allows(&Path::parse(path).unwrap())
}

fn denies(pattern: &str, path: &str) -> bool {
    PathPattern::parse(pattern)
        .unwrap()
        .denies(&Path::parse(path).unwrap())
}

#[test]
fn a_star_is_one_segment_and_two_stars_are_one_or_more() {
    assert!(allows("/repos/*/issues", "/repos/a/issues"));
    for path in [
        "/repos/a/b/issues",
        "/repos/issues",
        "/repos/a%2Fb/issues/1",
        "/repos/a/issues/",
    ] {
        assert!(!allows("/repos/*/issues", path), "{path}");
    }
    assert!(allows("/v1/public/**", "/v1/public/x/y"));
    for path in [
        "/v1/public",
        "/v1/public/",
        "/v1/publicity",
        "/v1/public-admin",
    ] {
        assert!(!allows("/v1/public/**", path), "{path}");
    }
    assert!(allows("/**", "/x") && !allows("/**", "/"));
}

#[test]
fn an_allow_counts_case_and_trailing_slash() {
    assert!(allows("/v1/x", "/v1/x") && allows("/v1/x/", "/v1/x/") && allows("/", "/"));
    assert!(!allows("/v1/x", "/V1/X") && !allows("/v1/x", "/v1/x/") && !allows("/v1/x/", "/v1/x"));
}

#[test]
fn a_deny_ignores_case_and_trailing_slash_and_covers_everything_below() {
    for path in ["/v1/admin", "/V1/ADMIN", "/v1/admin/", "/v1/admin/users/1"] {
        assert!(denies("/v1/admin", path), "{path}");
    }
    assert!(!denies("/v1/admin", "/v1/administrator"));
    assert!(denies("/v1/admin/**", "/v1/Admin/x") && !denies("/v1/admin/**", "/v1/admin"));
}

#[test]
fn a_deny_names_what_some_upstream_takes_for_its_path() {
    for (pattern, path) in [
        ("/v1/items:purge", "/v1/items%3Apurge"),
        ("/v1/items%3Apurge", "/v1/Items:PURGE"),
        ("/v1/*/a@b", "/v1/x/a%40b/c"),
        ("/v1/admin", "/v1%2Fadmin"),
        ("/v1/admin", "/v1/%2Fadmin%2Fkeys"),
        ("/v1/admin/**", "/v1/admin%2Fkeys"),
        ("/p/*/keys", "/p/a%2Fkeys"),
        ("/p/a%2Fb", "/p/a/b"),
        ("/p/a%2Fb", "/p/a%2Fb%2Fc"),
        ("/v1/admin", "/v1/admin."),
        ("/v1/admin", "/v1/admin.%20./x"),
        ("/v1/...", "/v1/..."),
    ] {
        assert!(denies(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/v1/admin", "/v1/admin%2B"),
        ("/v1/admin", "/v1/.admin"),
        ("/v1/admin", "/v1/x%2Fadmin"),
        ("/p/*/keys", "/p/a%2Fb/keys2"),
    ] {
        assert!(!denies(pattern, path), "{pattern} {path}");
    }
}

#[test]
fn a_pattern_that_is_not_canonical_or_has_a_wildcard_inside_is_refused() {
    assert_eq!(PathPattern::parse("/a/**/b"), Err(PatternFault::OpenInside));
    assert_eq!(
        PathPattern::parse("/a*"),
        Err(PatternFault::PartialWildcard)
    );
    for text in ["a", "/a/../b", "/a//b", "/%61"] {
        assert_eq!(
            PathPattern::parse(text),
            Err(PatternFault::NotCanonical),
            "{text}"
        );
    }
}

#[test]
fn a_pattern_covers_what_is_narrower_and_nothing_else() {
    let covers = |wide: &str, narrow: &str| {
        let pattern = |text: &str| PathPattern::parse(text).unwrap();
        pattern(wide).covers(&pattern(narrow))
    };
    for (wide, narrow) in [
        ("/a/*", "/a/b"),
        ("/**", "/a/**"),
        ("/a/**", "/a/*/c/"),
        ("/", "/"),
    ] {
        assert!(covers(wide, narrow), "{wide} {narrow}");
    }
    for (wide, narrow) in [
        ("/a/b", "/a/*"),
        ("/a/**", "/a"),
        ("/a/*", "/a/**"),
        ("/a/*", "/a/"),
        ("/**", "/"),
    ] {
        assert!(!covers(wide, narrow), "{wide} {narrow}");
    }
}

#[test]
fn a_deny_pattern_denies_all_of_what_is_below_it_in_any_case() {
    let denies_all = |deny: &str, allow: &str| {
        let pattern = |text: &str| PathPattern::parse(text).unwrap();
        pattern(deny).denies_all_of(&pattern(allow))
    };
    for (deny, allow) in [
        ("/", "/**"),
        ("/A", "/a/"),
        ("/a", "/a/*/b"),
        ("/a/**", "/a/**"),
        ("/*", "/a"),
    ] {
        assert!(denies_all(deny, allow), "{deny} {allow}");
    }
    for (deny, allow) in [
        ("/a/**", "/a"),
        ("/a", "/*"),
        ("/a/b", "/a"),
        ("/a/b", "/a/**"),
        ("/*", "/"),
    ] {
        assert!(!denies_all(deny, allow), "{deny} {allow}");
    }
}

proptest! {
    #[test]
    fn what_a_pattern_covers_or_denies_holds_for_every_path(
        one in "(/(a|B|b|\\*)){0,3}(/\\*\\*|/)?",
        other in "(/(a|B|b|\\*)){0,3}(/\\*\\*|/)?",
        path in "(/(a|B|b|c)){0,4}/?",
    ) {
        let parsed = (PathPattern::parse(&one), PathPattern::parse(&other), Path::parse(&path));
        if let (Ok(one), Ok(other), Ok(path)) = parsed && other.allows(&path) {
            prop_assert!(!one.covers(&other) || one.allows(&path));
            prop_assert!(!one.denies_all_of(&other) || one.denies(&path));
        }
    }

    #[test]
    fn no_spelling_of_a_path_escapes_a_deny(
        segments in proptest::collection::vec("[a-c:@!.]{1,3}", 1..4),
        escaped in proptest::collection::vec(any::<bool>(), 16),
    ) {
        let plain = format!("/{}", segments.join("/"));
        let mut escaped = escaped.into_iter().cycle();
        let mut spelled = String::from("/");
        for byte in plain.bytes().skip(1) {
            match byte {
                b'.' => spelled.push('.'),
                _ if escaped.next() == Some(true) => spelled += &format!("%{byte:02x}"),
                _ => spelled.push(char::from(byte.to_ascii_uppercase())),
            }
        }
        if let (Ok(pattern), Ok(path)) = (PathPattern::parse(&plain), Path::parse(&spelled)) {
            prop_assert!(pattern.denies(&path), "{} {}", pattern, path);
        }
    }
}
