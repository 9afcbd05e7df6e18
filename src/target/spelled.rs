//! A call as a person writes it down, a method and a URL, in the form in which an agent's client would send it.
//!
//! Nothing is judged here: the form goes through [`super::asked`] like a request that came in. `https` URLs come
//! through a tunnel and all others on the agents' listener itself, as clients with proxy variables do it.

use http::{HeaderValue, Method, Request, Uri, header, request::Parts, uri::PathAndQuery};

use crate::refusal::{Reason, Refusal};

/// A method and a URL as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spelled {
    /// The method.
    pub(crate) method: Method,
    /// The URL, with a scheme.
    pub(crate) url: String,
}

/// What an agent's client would send.
#[derive(Debug)]
pub(crate) enum Form {
    /// One request in absolute-form.
    Open(Box<Parts>),
    /// A `CONNECT`, and a request inside the tunnel.
    Tunnel {
        /// The `CONNECT`.
        connect: Box<Parts>,
        /// The request inside.
        inside: Box<Parts>,
    },
}

/// Why a text is no method: nothing that HTTP carries.
pub(crate) fn method(text: &str) -> Result<Method, &'static str> {
    Method::from_bytes(text.as_bytes()).map_err(|_| "A method is one word, like GET.")
}

/// Why a text is no URL: it has no scheme, so that nobody can say how it is asked for.
pub(crate) fn url(text: &str) -> Result<String, &'static str> {
    match text.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err("A URL has a scheme and a host, like https://api.example.com/v1."),
    }
}

impl Spelled {
    /// The form in which the call comes in.
    ///
    /// # Errors
    /// The URL has characters that no request line carries: the agents' listener would refuse it unread.
    pub(crate) fn form(&self) -> Result<Form, Refusal> {
        let uri = Uri::try_from(self.url.as_str())
            .map_err(|fault| Refusal::because(Reason::RequestMalformed, fault.to_string()))?;
        if uri.scheme_str() != Some("https") {
            return Ok(Form::Open(parts(&self.method, uri, None)));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let place = match uri.port() {
            Some(_) => authority.to_owned(),
            None => format!("{authority}:443"),
        };
        let host = HeaderValue::try_from(authority).ok();
        let path = uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let to = Uri::builder().authority(place).build();
        let to =
            to.map_err(|fault| Refusal::because(Reason::TargetMalformed, fault.to_string()))?;
        Ok(Form::Tunnel {
            connect: parts(&Method::CONNECT, to, None),
            inside: parts(&self.method, Uri::from(path), host),
        })
    }
}

fn parts(method: &Method, uri: Uri, host: Option<HeaderValue>) -> Box<Parts> {
    let mut request = Request::new(());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    Box::new(request.into_parts().0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(url: &str) -> Form {
        let spelled = Spelled {
            method: Method::GET,
            url: url.to_owned(),
        };
        spelled.form().unwrap()
    }

    #[test]
    fn a_clear_url_is_sent_in_absolute_form_and_https_through_a_tunnel() {
        let Form::Open(open) = form("http://a.test:80/x?y=1") else {
            panic!("in clear")
        };
        assert_eq!(open.uri.to_string(), "http://a.test:80/x?y=1");
        for (url, place, inner) in [
            ("https://a.test", "a.test:443", "/"),
            ("https://a.test:8443/x?y=1", "a.test:8443", "/x?y=1"),
            ("https://[2001:db8::1]/", "[2001:db8::1]:443", "/"),
        ] {
            let Form::Tunnel { connect, inside } = form(url) else {
                panic!("through a tunnel")
            };
            assert_eq!(connect.uri.to_string(), place);
            assert_eq!(inside.uri.to_string(), inner);
            assert!(inside.headers.contains_key(header::HOST));
        }
    }

    #[test]
    fn a_text_without_a_scheme_is_no_url() {
        for text in ["", "a.test/x", "/x", "://a.test", "https://"] {
            assert!(url(text).is_err(), "{text:?}");
        }
        assert!(method("GET it").is_err() && method("").is_err());
    }
}
