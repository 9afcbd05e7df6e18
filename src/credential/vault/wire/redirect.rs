//! Where a redirect may lead: the token goes there with the question.

use http::Uri;
use reqwest::Url;

use super::{super::error::VaultError, link::encrypted};

/// The servers to which a question may be sent on.
pub(super) struct Redirects(Vec<Url>);

impl Redirects {
    /// To `addresses` and nowhere else; all of them are https if the first server's address is.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] for an address that the client would not take for its own.
    pub(super) fn to(addresses: &[Uri], is_encrypted: bool) -> Result<Redirects, VaultError> {
        let known = addresses.iter().map(|address| {
            if encrypted(address)? != is_encrypted {
                return Err(VaultError::Settings("a redirect leads out of TLS"));
            }
            Url::parse(&address.to_string())
                .map_err(|_| VaultError::Settings("the address of a redirect is no URL"))
        });
        Ok(Redirects(known.collect::<Result<_, _>>()?))
    }

    /// Whether any redirect is followed at all.
    pub(super) fn none(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the question for `asked` is to be put instead, by an answer with this status and `Location`: the same
    /// question at a known server, or nowhere. The other kinds of redirect change the method, or stay for good.
    pub(super) fn follow(&self, status: u16, location: Option<&[u8]>, asked: &Url) -> Option<Url> {
        if !matches!(status, 301 | 302 | 307) {
            return None;
        }
        let location = Url::parse(std::str::from_utf8(location?).ok()?).ok()?;
        let known = self.0.iter().any(|known| {
            known.scheme() == location.scheme()
                && known.host() == location.host()
                && known.port_or_known_default() == location.port_or_known_default()
        });
        let same = location.path() == asked.path() && location.query() == asked.query();
        let bare = location.username().is_empty() && location.password().is_none();
        (known && same && bare).then_some(location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follows(status: u16, location: &str) -> bool {
        let others = [Uri::from_static("https://b.example.org:8200")];
        let redirects = Redirects::to(&others, true).unwrap();
        let asked = Url::parse("https://a.example.org:8200/v1/secret/data/a").unwrap();
        redirects
            .follow(status, Some(location.as_bytes()), &asked)
            .is_some()
    }

    #[test]
    fn v02_a_redirect_leads_to_a_known_server_with_the_same_question() {
        let there = "https://b.example.org:8200/v1/secret/data/a";
        for status in [301, 302, 307] {
            assert!(follows(status, there), "{status}");
        }
        for status in [200, 300, 303, 304, 308] {
            assert!(!follows(status, there), "{status}");
        }
        for elsewhere in [
            "http://b.example.org:8200/v1/secret/data/a",
            "https://b.example.org/v1/secret/data/a",
            "https://b.example.org:8201/v1/secret/data/a",
            "https://b.example.org.test:8200/v1/secret/data/a",
            "https://user@b.example.org:8200/v1/secret/data/a",
            "https://b.example.org:8200/v1/secret/data/b",
            "https://b.example.org:8200/v1/secret/data/a?list=true",
            "/v1/secret/data/a",
            "",
        ] {
            assert!(!follows(307, elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_known_server_is_https_where_the_first_is() {
        let clear = [Uri::from_static("http://127.0.0.1:8200")];
        assert!(Redirects::to(&clear, true).is_err());
        assert!(Redirects::to(&clear, false).is_ok());
    }
}
