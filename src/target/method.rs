//! The methods that can be forwarded, and sets of them.
//!
//! The set is closed: TRACE, CONNECT, WebDAV and invented methods have no value here, so nothing later can
//! forward them. Which verb of a manifest a method counts as is not decided here.

use std::fmt;

/// A method that can be forwarded (RFC 9110 section 9, RFC 5789).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Read a representation.
    Get,
    /// Read its header only.
    Head,
    /// Ask what is possible.
    Options,
    /// Do what the resource defines.
    Post,
    /// Replace.
    Put,
    /// Change a part.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// Every method, in the order of [`Method`].
    pub const ALL: [Method; 7] = [
        Method::Get,
        Method::Head,
        Method::Options,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
    ];

    /// The method of a request, if it is one that can be forwarded. Methods are case-sensitive.
    pub fn parse(method: &http::Method) -> Option<Method> {
        Method::ALL
            .into_iter()
            .find(|known| known.as_str() == method.as_str())
    }

    /// The method as `http` knows it.
    pub fn as_http(self) -> http::Method {
        match self {
            Method::Get => http::Method::GET,
            Method::Head => http::Method::HEAD,
            Method::Options => http::Method::OPTIONS,
            Method::Post => http::Method::POST,
            Method::Put => http::Method::PUT,
            Method::Patch => http::Method::PATCH,
            Method::Delete => http::Method::DELETE,
        }
    }

    /// The method as it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of methods; empty by default.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Methods(u8);

impl Methods {
    /// Whether `method` is in the set.
    pub fn contains(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    /// Whether every method of `other` is in the set.
    pub fn contains_all(self, other: Methods) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The methods in the set, in the order of [`Method`].
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL
            .into_iter()
            .filter(move |method| self.contains(*method))
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Methods {
        Methods(
            methods
                .into_iter()
                .fold(0, |set, method| set | method.bit()),
        )
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_survives_the_way_through_http() {
        for method in Method::ALL {
            assert_eq!(Method::parse(&method.as_http()), Some(method));
        }
    }

    #[test]
    fn a_method_that_is_never_forwarded_has_no_value() {
        for name in [
            "TRACE", "TRACK", "CONNECT", "DEBUG", "PROPFIND", "QUERY", "PRI", "get", "FOO",
        ] {
            let method = http::Method::from_bytes(name.as_bytes()).unwrap();
            assert_eq!(Method::parse(&method), None, "{name}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set: Methods = [Method::Get, Method::Delete].into_iter().collect();
        let held: Vec<Method> = set.iter().collect();
        assert_eq!(held, [Method::Get, Method::Delete]);
        assert!(Methods::default().is_empty());
        assert!(set.contains_all(Methods::from_iter([Method::Delete])));
        assert!(!set.contains_all(Methods::from_iter([Method::Get, Method::Put])));
    }
}
