//! Which hosts and ports a rule names.

use std::{fmt, sync::Arc};

use crate::target::Host;

/// A host, or one more label in front of a name, with the one port it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern {
    /// What the name must be.
    pub name: NamePattern,
    /// The upstream port, 443 unless the manifest writes another.
    pub port: u16,
}

/// The name part of a [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// This very name or address.
    Exact(Host),
    /// `*.suffix`: exactly one more label. The text is the suffix without its leading dot.
    OneLabel(Arc<str>),
}

impl HostPattern {
    /// Whether `host` on `port` is what the pattern names.
    pub fn matches(&self, host: &Host, port: u16) -> bool {
        self.port == port
            && match &self.name {
                NamePattern::Exact(name) => name == host,
                NamePattern::OneLabel(suffix) => {
                    parent(host.as_str()) == Some(suffix) && host.ip().is_none()
                }
            }
    }

    /// Whether every host that `narrower` names is named by this pattern too.
    pub fn covers(&self, narrower: &HostPattern) -> bool {
        self == narrower
            || match &narrower.name {
                NamePattern::Exact(host) => self.matches(host, narrower.port),
                NamePattern::OneLabel(_) => false,
            }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            NamePattern::Exact(host) => f.write_str(&host.in_url())?,
            NamePattern::OneLabel(suffix) => write!(f, "*.{suffix}")?,
        }
        if self.port == 443 {
            Ok(())
        } else {
            write!(f, ":{}", self.port)
        }
    }
}

/// The name without its first label: what a `*.` pattern must equal.
pub(super) fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_label(suffix: &str) -> HostPattern {
        HostPattern {
            name: NamePattern::OneLabel(suffix.into()),
            port: 443,
        }
    }

    fn exact(host: &str) -> HostPattern {
        HostPattern {
            name: NamePattern::Exact(Host::parse(host).unwrap()),
            port: 443,
        }
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_more_label() {
        let pattern = one_label("a.test");
        let matches = |host| pattern.matches(&Host::parse(host).unwrap(), 443);
        assert!(matches("x.a.test"));
        for other in [
            "a.test",
            "x.y.a.test",
            "evil-a.test",
            "eviltesta.test",
            "a.test.evil.test",
        ] {
            assert!(!matches(other), "{other}");
        }
    }

    #[test]
    fn a_pattern_holds_for_its_port_only() {
        let host = Host::parse("a.test").unwrap();
        assert!(exact("a.test").matches(&host, 443));
        assert!(!exact("a.test").matches(&host, 8443));
    }

    #[test]
    fn a_wildcard_covers_its_members_and_itself_but_no_exact_host_covers_a_wildcard() {
        assert!(one_label("a.test").covers(&exact("x.a.test")));
        assert!(one_label("a.test").covers(&one_label("a.test")));
        assert!(!exact("x.a.test").covers(&one_label("a.test")));
        assert!(!one_label("a.test").covers(&exact("a.test")));
    }

    #[test]
    fn a_pattern_prints_as_a_manifest_writes_it() {
        let ip = HostPattern {
            name: NamePattern::Exact(Host::parse_bracketed("[2001:db8::1]").unwrap()),
            port: 8443,
        };
        assert_eq!(ip.to_string(), "[2001:db8::1]:8443");
        assert_eq!(one_label("a.test").to_string(), "*.a.test");
        assert_eq!(exact("a.test").to_string(), "a.test");
    }
}
