//! SPIFFE IDs and trust domains (SPIFFE-ID 2.1 to 2.3), in canonical form or not at all.
//!
//! The standard compares scheme and trust domain without case; here upper case is refused instead of folded, so
//! that one identity has one spelling in certificates, manifests and the log. Every character that is accepted is
//! safe unescaped in all of them.

use std::{borrow::Borrow, fmt, sync::Arc};

/// The longest SPIFFE ID, in bytes (SPIFFE-ID 2.3).
pub const SPIFFE_ID_BYTES_MAX: usize = 2048;

/// The longest trust domain, in bytes (SPIFFE-ID 2.3).
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;

const SCHEME: &str = "spiffe://";

/// The identity of a workload: `spiffe://` trust domain, then a path of at least one segment. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId(Arc<str>);

/// A trust domain: 1 to [`TRUST_DOMAIN_BYTES_MAX`] lower-case letters, digits, dots, hyphens and underscores.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

/// Why a text is no SPIFFE ID, or no trust domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpiffeIdFault {
    /// It does not start with `spiffe://`, in lower case.
    Scheme,
    /// The trust domain is empty, too long, or has a character that is not allowed.
    TrustDomain,
    /// There is no path, which only an authority may lack.
    NoPath,
    /// A segment of the path is empty, `.` or `..`, or has a character that is not allowed.
    Segment,
    /// More than [`SPIFFE_ID_BYTES_MAX`] bytes.
    TooLong,
}

impl SpiffeId {
    /// A workload's SPIFFE ID. An authority's, which has no path, is a [`TrustDomain`].
    pub fn parse(text: &str) -> Result<SpiffeId, SpiffeIdFault> {
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(SpiffeIdFault::TooLong);
        }
        let rest = text.strip_prefix(SCHEME).ok_or(SpiffeIdFault::Scheme)?;
        let (trust_domain, path) = match rest.split_once('/') {
            Some((trust_domain, path)) => (trust_domain, Some(path)),
            None => (rest, None),
        };
        check_trust_domain(trust_domain)?;
        for segment in path.ok_or(SpiffeIdFault::NoPath)?.split('/') {
            check_segment(segment)?;
        }
        Ok(SpiffeId(Arc::from(text)))
    }

    /// The whole ID.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the trust domain.
    pub fn trust_domain(&self) -> &str {
        self.parts().0
    }

    /// The path, with its leading slash.
    pub fn path(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        let rest = self.0.strip_prefix(SCHEME).unwrap_or(&self.0);
        rest.split_at(rest.find('/').unwrap_or(rest.len()))
    }
}

impl TrustDomain {
    /// The bare name, without `spiffe://`.
    pub fn parse(text: &str) -> Result<TrustDomain, SpiffeIdFault> {
        check_trust_domain(text)?;
        Ok(TrustDomain(Arc::from(text)))
    }

    /// The name that an authority of this trust domain carries: `spiffe://` and the name, without a path.
    pub fn parse_id(text: &str) -> Result<TrustDomain, SpiffeIdFault> {
        TrustDomain::parse(text.strip_prefix(SCHEME).ok_or(SpiffeIdFault::Scheme)?)
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SPIFFE ID of the trust domain itself, which only an authority may carry (X509-SVID 2).
    pub fn id(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }
}

fn check_trust_domain(name: &str) -> Result<(), SpiffeIdFault> {
    let allowed = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > TRUST_DOMAIN_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(SpiffeIdFault::TrustDomain);
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), SpiffeIdFault> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if matches!(segment, "" | "." | "..") || !segment.bytes().all(allowed) {
        return Err(SpiffeIdFault::Segment);
    }
    Ok(())
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SpiffeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TrustDomain {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpiffeIdFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SpiffeIdFault::Scheme => "A SPIFFE ID starts with spiffe://.",
            SpiffeIdFault::TrustDomain => {
                "A trust domain is 1 to 255 lower-case letters, digits, dots, hyphens and underscores."
            }
            SpiffeIdFault::NoPath => "A workload's SPIFFE ID has a path after the trust domain.",
            SpiffeIdFault::Segment => {
                "A segment of a SPIFFE ID's path is letters, digits, dots, hyphens and underscores, not . or .. alone."
            }
            SpiffeIdFault::TooLong => "A SPIFFE ID is at most 2048 bytes long.",
        })
    }
}

impl std::error::Error for SpiffeIdFault {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row TC-10.
    #[test]
    fn refuses_every_spelling_but_the_canonical_one() {
        use SpiffeIdFault::{NoPath, Scheme, Segment, TrustDomain};
        for (text, fault) in [
            ("", Scheme),
            ("SPIFFE://td/x", Scheme),
            ("spiffe:/td/x", Scheme),
            ("https://td/x", Scheme),
            ("td/x", Scheme),
            ("spiffe://TD/x", TrustDomain),
            ("spiffe://td:443/x", TrustDomain),
            ("spiffe://u@td/x", TrustDomain),
            ("spiffe:///x", TrustDomain),
            ("spiffe://", TrustDomain),
            ("spiffe://[::1]/x", TrustDomain),
            ("spiffe://t%64/x", TrustDomain),
            ("spiffe://té/x", TrustDomain),
            ("spiffe://td?y", TrustDomain),
            ("spiffe://td", NoPath),
            ("spiffe://td/", Segment),
            ("spiffe://td/x/", Segment),
            ("spiffe://td//x", Segment),
            ("spiffe://td/./x", Segment),
            ("spiffe://td/../x", Segment),
            ("spiffe://td/x/..", Segment),
            ("spiffe://td/%78", Segment),
            ("spiffe://td/x?y", Segment),
            ("spiffe://td/x#y", Segment),
            ("spiffe://td/x\0admin", Segment),
            ("spiffe://td/x\n", Segment),
            ("spiffe://td/x y", Segment),
            ("spiffe://td/é", Segment),
            ("spiffe://td/*", Segment),
        ] {
            assert_eq!(SpiffeId::parse(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn an_id_has_a_trust_domain_and_a_path() {
        for (text, trust_domain, path) in [
            (
                "spiffe://example.org/agent/triage",
                "example.org",
                "/agent/triage",
            ),
            ("spiffe://1.2.3.4/x", "1.2.3.4", "/x"),
            (
                "spiffe://a_b-c/.../..x/A.b_c-1",
                "a_b-c",
                "/.../..x/A.b_c-1",
            ),
        ] {
            let id = SpiffeId::parse(text).unwrap();
            assert_eq!(
                (id.trust_domain(), id.path(), id.as_str()),
                (trust_domain, path, text)
            );
        }
    }

    #[test]
    fn refuses_an_id_and_a_trust_domain_one_byte_too_long() {
        let longest = format!("spiffe://td/{}", "x".repeat(SPIFFE_ID_BYTES_MAX - 12));
        assert!(SpiffeId::parse(&longest).is_ok());
        assert_eq!(
            SpiffeId::parse(&format!("{longest}x")),
            Err(SpiffeIdFault::TooLong)
        );

        let longest = "d".repeat(TRUST_DOMAIN_BYTES_MAX);
        assert!(TrustDomain::parse(&longest).is_ok());
        assert_eq!(
            TrustDomain::parse(&format!("{longest}d")),
            Err(SpiffeIdFault::TrustDomain)
        );
    }

    #[test]
    fn the_id_of_a_trust_domain_has_no_path() {
        let trust_domain = TrustDomain::parse("example.org").unwrap();
        assert_eq!(trust_domain.id(), "spiffe://example.org");
        assert_eq!(
            TrustDomain::parse_id("spiffe://example.org"),
            Ok(trust_domain)
        );
        for text in [
            "example.org",
            "spiffe://example.org/",
            "spiffe://example.org/x",
            "spiffe://",
        ] {
            assert!(TrustDomain::parse_id(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_parts_of_an_id_are_the_id(text in "spiffe://[a-z.]{1,5}(/[a-zA-Z.]{1,4}){1,3}") {
            if let Ok(id) = SpiffeId::parse(&text) {
                prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
            }
        }
    }
}
