//! Which paths a rule names.

mod difference;

use std::fmt;

pub use self::difference::Difference;

use crate::target::Path;

/// A path in segments: literals, `*` for one segment, and `**` at the end for one or more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    segments: Box<[Segment]>,
    /// Whether the pattern ends in `**`.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Segment {
    Literal(Box<str>),
    /// `*`: one segment that is not empty.
    Any,
}

/// What is wrong with a path pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternFault {
    /// `**` stands somewhere but at the end.
    OpenInside,
    /// A `*` is part of a segment instead of being the whole of it.
    PartialWildcard,
    /// The literal parts are not in the canonical form of a path.
    NotCanonical,
}

impl fmt::Display for PatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PatternFault::OpenInside => "`**` may stand only at the end",
            PatternFault::PartialWildcard => {
                "`*` stands for a whole segment, not for a part of one"
            }
            PatternFault::NotCanonical => "the path is not in canonical form",
        })
    }
}

impl PathPattern {
    /// Reads a pattern as a manifest writes it: `/repos/acme/*/issues/**`.
    pub fn parse(text: &str) -> Result<PathPattern, PatternFault> {
        let (body, open) = match text.strip_suffix("/**") {
            Some(body) => (body, true),
            None => (text, false),
        };
        let canonical = if body.is_empty() { "/" } else { body };
        let path = Path::parse(canonical).map_err(|_| PatternFault::NotCanonical)?;
        if path.as_str() != canonical {
            return Err(PatternFault::NotCanonical);
        }
        let segments = match body {
            "" => Vec::new(),
            _ => path
                .segments()
                .map(Segment::parse)
                .collect::<Result<_, _>>()?,
        };
        Ok(PathPattern {
            segments: segments.into(),
            open,
        })
    }

    /// Whether an allow rule with this pattern names `path`: case and trailing slash count.
    pub fn allows(&self, path: &Path) -> bool {
        self.difference(path).is_none()
    }

    /// Whether a deny rule with this pattern names `path`: case does not count, neither does a trailing slash,
    /// and everything below is named too.
    pub fn denies(&self, path: &Path) -> bool {
        let mut rest = path.segments().filter(|segment| !segment.is_empty());
        let mut fixed = self.segments.iter().filter(|segment| !segment.is_empty());
        let named = fixed.all(|segment| rest.next().is_some_and(|found| segment.denies(found)));
        named && (!self.open || rest.next().is_some())
    }

    /// Whether every path that `narrower` allows is allowed by this pattern too.
    pub fn covers(&self, narrower: &PathPattern) -> bool {
        let mut rest = narrower.segments.iter();
        let mut fixed = self.segments.iter();
        let fixed = fixed.all(|wide| rest.next().is_some_and(|narrow| wide.covers(narrow)));
        fixed
            && match rest.next() {
                Some(next) => self.open && !next.is_empty(),
                None => self.open == narrower.open,
            }
    }

    /// Whether every path that `allowed` allows is denied by this pattern.
    pub fn denies_all_of(&self, allowed: &PathPattern) -> bool {
        let mut rest = allowed
            .segments
            .iter()
            .filter(|segment| !segment.is_empty());
        let mut fixed = self.segments.iter().filter(|segment| !segment.is_empty());
        let named = fixed.all(|wide| rest.next().is_some_and(|narrow| wide.denies_all_of(narrow)));
        named && (!self.open || allowed.open || rest.next().is_some())
    }

    /// Whether it ends in `**`, so that it has no last segment of its own.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it names every path of so many segments or more: no segment is a text.
    pub fn names_every_path(&self) -> bool {
        let any = |segment: &Segment| matches!(segment, Segment::Any);
        self.open && self.segments.iter().all(any)
    }

    /// Whether any literal part is `%2F`-encoded, so that only a rule with `encoded_slash` could match.
    pub fn has_encoded_slash(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment, Segment::Literal(text) if text.contains("%2F")))
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Segment, PatternFault> {
        match text {
            "*" => Ok(Segment::Any),
            "**" => Err(PatternFault::OpenInside),
            _ if text.contains('*') => Err(PatternFault::PartialWildcard),
            _ => Ok(Segment::Literal(text.into())),
        }
    }

    fn allows(&self, found: &str) -> bool {
        match self {
            Segment::Literal(text) => **text == *found,
            Segment::Any => !found.is_empty(),
        }
    }

    fn denies(&self, found: &str) -> bool {
        match self {
            Segment::Literal(text) => text.eq_ignore_ascii_case(found),
            Segment::Any => true,
        }
    }

    fn covers(&self, narrower: &Segment) -> bool {
        match narrower {
            Segment::Literal(text) => self.allows(text),
            Segment::Any => matches!(self, Segment::Any),
        }
    }

    fn denies_all_of(&self, allowed: &Segment) -> bool {
        match allowed {
            Segment::Literal(text) => self.denies(text),
            Segment::Any => matches!(self, Segment::Any),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Segment::Literal(text) if text.is_empty())
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any => f.write_str("/*")?,
            }
        }
        match (self.open, self.segments.is_empty()) {
            (true, _) => f.write_str("/**"),
            (false, true) => f.write_str("/"),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert!(
            !allows("/v1/x", "/V1/X") && !allows("/v1/x", "/v1/x/") && !allows("/v1/x/", "/v1/x")
        );
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
    }
}
