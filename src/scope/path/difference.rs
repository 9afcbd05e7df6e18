//! Where a path is not what a pattern names: the one walk over both, which decides and which explains.

use std::fmt;

use super::{PathPattern, Segment};
use crate::target::Path;

/// The first segment in which a path is not what an allow rule's pattern names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The pattern.
    pub pattern: &'a PathPattern,
    /// The number of the segment, from 1.
    pub segment: usize,
    /// What is asked there; none where the path has ended, empty after a trailing slash.
    pub asked: Option<&'a str>,
    /// What the pattern has there: a text, `*` or `**`; none where it has ended.
    pub written: Option<&'a str>,
}

impl PathPattern {
    /// Why an allow rule with this pattern does not name `path`; none if it does.
    pub fn difference<'a>(&'a self, path: &'a Path) -> Option<Difference<'a>> {
        let at = |index: usize, asked, written| Difference {
            pattern: self,
            segment: index + 1,
            asked,
            written,
        };
        let mut rest = path.segments();
        for (index, written) in self.segments.iter().enumerate() {
            let asked = rest.next();
            if !asked.is_some_and(|found| written.allows(found)) {
                return Some(at(index, asked, Some(written.as_str())));
            }
        }
        let asked = rest.next();
        let agrees = match asked {
            Some(first) => self.open && !first.is_empty(),
            None => !self.open,
        };
        (!agrees).then(|| at(self.segments.len(), asked, self.open.then_some("**")))
    }
}

impl Segment {
    fn as_str(&self) -> &str {
        match self {
            Segment::Literal(text) => text,
            Segment::Any => "*",
        }
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            pattern, segment, ..
        } = self;
        match (self.asked, self.written) {
            (None, None) => write!(f, "it ends with {pattern}"),
            (None | Some(""), Some("")) | (Some(_), Some("")) => {
                write!(f, "{pattern} ends in a slash, which is not asked")
            }
            (None | Some(""), Some(written)) => write!(
                f,
                "it ends where `{written}` stands in segment {segment} of {pattern}"
            ),
            (Some(""), None) => write!(f, "a trailing slash is asked, none stands in {pattern}"),
            (Some(asked), None) => write!(
                f,
                "`{asked}` is asked in segment {segment}, where {pattern} has ended"
            ),
            (Some(asked), Some(written)) => {
                let case = if asked.eq_ignore_ascii_case(written) {
                    "; case counts"
                } else {
                    ""
                };
                write!(
                    f,
                    "`{asked}` is asked, `{written}` stands in segment {segment} of {pattern}{case}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pattern: &str, path: &str) -> String {
        let (pattern, path) = (
            PathPattern::parse(pattern).unwrap(),
            Path::parse(path).unwrap(),
        );
        let difference = pattern.difference(&path);
        difference.map_or("nothing".into(), |difference| difference.to_string())
    }

    #[test]
    fn the_first_segment_that_differs_is_told() {
        for (pattern, path, said) in [
            ("/repos/*/issues", "/repos/a/issues", "nothing"),
            ("/**", "/x/y", "nothing"),
            ("/", "/", "nothing"),
            (
                "/repos/acme/*/pulls",
                "/repos/acme/site/issues/7",
                "`issues` is asked, `pulls` stands in segment 4 of /repos/acme/*/pulls",
            ),
            (
                "/v1/issues",
                "/v1/Issues",
                "`Issues` is asked, `issues` stands in segment 2 of /v1/issues; case counts",
            ),
            (
                "/v1/issues",
                "/v1",
                "it ends where `issues` stands in segment 2 of /v1/issues",
            ),
            (
                "/v1/*",
                "/v1/",
                "it ends where `*` stands in segment 2 of /v1/*",
            ),
            (
                "/v1/**",
                "/v1",
                "it ends where `**` stands in segment 2 of /v1/**",
            ),
            ("/**", "/", "it ends where `**` stands in segment 1 of /**"),
            (
                "/v1/x",
                "/v1/x/",
                "a trailing slash is asked, none stands in /v1/x",
            ),
            (
                "/v1/x",
                "/v1/x/y",
                "`y` is asked in segment 3, where /v1/x has ended",
            ),
            (
                "/v1/x/",
                "/v1/x",
                "/v1/x/ ends in a slash, which is not asked",
            ),
            (
                "/v1/x/",
                "/v1/x/y",
                "/v1/x/ ends in a slash, which is not asked",
            ),
        ] {
            assert_eq!(told(pattern, path), said, "{pattern} {path}");
        }
    }
}
