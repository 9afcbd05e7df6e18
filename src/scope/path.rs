//! Which paths a rule names.

mod difference;

use std::fmt;

use percent_encoding::percent_decode_str;

pub use self::difference::Difference;

use crate::target::Path;

/// A path in segments: literals, `*` for one segment, and `**` at the end for one or more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    segments: Box<[Segment]>,
    /// Whether the pattern ends in `**`.
    open: bool,
    /// Whether a literal part holds `%2F`.
    encoded_slash: bool,
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
            encoded_slash: path.has_encoded_slash(),
        })
    }

    /// Whether an allow rule with this pattern names `path`: case and trailing slash count.
    pub fn allows(&self, path: &Path) -> bool {
        self.difference(path).is_none()
    }

    /// Whether a deny rule with this pattern names `path` as any upstream may read it: case does not count, neither does
    /// a trailing slash nor how a byte is escaped, `%2F` may be a slash, and everything below is named too.
    pub fn denies(&self, path: &Path) -> bool {
        let own = self.segments.iter();
        if self.denies_below(own.clone().map(Segment::text), path.segments()) {
            return true;
        }
        let may_split = self.encoded_slash || path.has_encoded_slash();
        may_split
            && self.denies_below(
                own.flat_map(Segment::parts),
                path.segments().flat_map(parts),
            )
    }

    /// Whether `asked` begins with what `own` denies, and goes on if the pattern is open.
    fn denies_below<'a>(
        &self,
        own: impl Iterator<Item = Option<&'a str>>,
        asked: impl Iterator<Item = &'a str>,
    ) -> bool {
        let mut rest = asked.filter(|segment| !segment.is_empty());
        let mut fixed = own.filter(|segment| *segment != Some(""));
        let named = fixed.all(|segment| {
            let found = rest.next();
            found.is_some_and(|found| segment.is_none_or(|text| is_same_to_some(text, found)))
        });
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
        self.encoded_slash
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

    /// The text that must stand there; none if it may be any.
    fn text(&self) -> Option<&str> {
        match self {
            Segment::Literal(text) => Some(text),
            Segment::Any => None,
        }
    }

    /// The same for those who take `%2F` for a slash.
    fn parts(&self) -> impl Iterator<Item = Option<&str>> {
        let (any, text) = match self {
            Segment::Literal(text) => (None, Some(parts(text))),
            Segment::Any => (Some(None), None),
        };
        any.into_iter().chain(text.into_iter().flatten().map(Some))
    }

    fn covers(&self, narrower: &Segment) -> bool {
        match narrower {
            Segment::Literal(text) => self.allows(text),
            Segment::Any => matches!(self, Segment::Any),
        }
    }

    fn denies_all_of(&self, allowed: &Segment) -> bool {
        match allowed {
            Segment::Literal(text) => self.text().is_none_or(|own| is_same_to_some(own, text)),
            Segment::Any => matches!(self, Segment::Any),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Segment::Literal(text) if text.is_empty())
    }
}

/// What a segment is to those who take `%2F` for a slash.
fn parts(segment: &str) -> std::str::Split<'_, &'static str> {
    segment.split("%2F")
}

/// Whether some upstream takes the two segments for one: in another case, with other escapes, and without the dots and
/// spaces at the end that some file systems drop.
fn is_same_to_some(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || folded(one).eq(folded(other))
}

fn folded(segment: &str) -> impl Iterator<Item = u8> {
    let mut kept = segment;
    while let Some(shorter) = kept.strip_suffix('.').or_else(|| kept.strip_suffix("%20")) {
        kept = shorter;
    }
    percent_decode_str(kept).map(|byte| byte.to_ascii_lowercase())
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
mod tests;
