//! The query as it was sent, once it is known to carry no credential of the agent's own.
//!
//! Upstreams disagree about queries: `;` separates or does not, `+` is a space or is not, `name[]` is `name` or
//! is not. Names are therefore judged under every reading, and the text is sent as it came. Values are neither
//! read nor logged, and rules do not match on the query.

use std::fmt;

use super::escape::escaped_byte;

/// The longest query as it was sent, in bytes.
pub const QUERY_BYTES_MAX: usize = 16 * 1024;

/// Names that carry a credential, lower case and without `_ - .` and spaces: `Api-Key` is looked up as `apikey`.
const CREDENTIAL_NAMES: &[&str] = &[
    "accesskey",
    "accesskeyid",
    "accesstoken",
    "apitoken",
    "assertion",
    "auth",
    "authkey",
    "authorization",
    "authtoken",
    "awsaccesskeyid",
    "bearer",
    "bearertoken",
    "clientassertion",
    "code",
    "credential",
    "credentials",
    "googleaccessid",
    "hmac",
    "idtoken",
    "jobtoken",
    "jwt",
    "key",
    "keypairid",
    "oauthtoken",
    "ocpapimsubscriptionkey",
    "passphrase",
    "privatekey",
    "privatetoken",
    "proxyauthorization",
    "pwd",
    "refreshtoken",
    "secretkey",
    "securitytoken",
    "sessiontoken",
    "sharedaccesssignature",
    "sig",
    "subscriptionkey",
    "token",
    "xauthtoken",
];

/// The same for whole families: presigned requests of AWS and Google Cloud Storage.
const CREDENTIAL_PREFIXES: &[&str] = &["xamz", "xgoog"];

/// The same for the names that vendors prefix: `client_secret`, `x-api-key`, `oauth_signature`, `user_password`.
const CREDENTIAL_SUFFIXES: &[&str] = &[
    "accesstoken",
    "apikey",
    "passwd",
    "password",
    "secret",
    "signature",
];

/// Names that some frameworks take for the method or for headers, lower case and with `_` for `-`, `.` and space.
/// `$httpHeaders` is Google's.
const OVERRIDE_NAMES: &[&str] = &[
    "$httpheaders",
    "$httpmethod",
    "_method",
    "http_method_override",
    "x_http_method",
    "x_http_method_override",
    "x_method_override",
];

/// A query, without the `?`, exactly as it was sent.
///
/// Its bytes are those of RFC 3986 3.4, and besides `[ ] { } | ^`, which browsers and common clients leave
/// unescaped and no reader takes for anything else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Query {
    text: String,
}

/// Why a text is not a query that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryFault {
    /// More than [`QUERY_BYTES_MAX`] bytes.
    TooLong,
    /// A byte that a query may not hold raw: space, controls, non-ASCII, `#`, quotes, `<`, `>`, `\`, backtick.
    Character,
    /// `%` without two hexadecimal digits.
    BrokenEscape,
    /// A name that is not UTF-8, holds a control character, or is encoded twice.
    Name,
    /// A name that carries a credential: the agent's own would stand beside ours or in its place.
    Credential,
    /// A name that overrides the method or a header at the upstream.
    Override,
}

impl Query {
    /// The text after the first `?` of a request target.
    pub fn parse(raw: &str) -> Result<Query, QueryFault> {
        if raw.len() > QUERY_BYTES_MAX {
            return Err(QueryFault::TooLong);
        }
        check_bytes(raw)?;
        // Splitting at both separators finds every name that a reader of either one sees.
        for piece in raw.split(['&', ';']) {
            check_name(&decoded_name(piece)?)?;
        }
        Ok(Query {
            text: raw.to_owned(),
        })
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether some reader takes one of its parameters for `name`, a plain text: under other escapes, in another
    /// case, with brackets, with other or no hyphens, dots and underscores, behind either separator.
    pub fn may_name(&self, name: &str) -> bool {
        let wanted = squeezed(&underscored(name));
        let mut names = self.text.split(['&', ';']).map(decoded_name);
        names.any(|own| own.map_or(true, |own| squeezed(&underscored(&own)) == wanted))
    }

    /// The decoded names in their order, for the log: what stands before the first `=` of each `&` piece.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.text
            .split('&')
            .filter(|piece| !piece.is_empty())
            .filter_map(|piece| decoded_name(piece).ok())
    }
}

fn check_bytes(raw: &str) -> Result<(), QueryFault> {
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                escaped_byte(&mut rest).ok_or(QueryFault::BrokenEscape)?;
            }
            b'#' | b'"' | b'<' | b'>' | b'\\' | b'`' => return Err(QueryFault::Character),
            0x21..=0x7e => {}
            _ => return Err(QueryFault::Character),
        }
    }
    Ok(())
}

/// What stands before the first `=`, with `+` and escapes decoded once.
fn decoded_name(piece: &str) -> Result<String, QueryFault> {
    let name = piece.split('=').next().unwrap_or(piece);
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => escaped_byte(&mut rest).ok_or(QueryFault::BrokenEscape)?,
            b'+' => b' ',
            _ => byte,
        });
    }
    let name = String::from_utf8(bytes).map_err(|_| QueryFault::Name)?;
    if name.chars().any(char::is_control) || has_escape(&name) {
        return Err(QueryFault::Name);
    }
    Ok(name)
}

fn has_escape(name: &str) -> bool {
    name.split('%')
        .skip(1)
        .any(|after| escaped_byte(&mut after.bytes()).is_some())
}

fn check_name(name: &str) -> Result<(), QueryFault> {
    let underscored = underscored(name);
    if OVERRIDE_NAMES.contains(&underscored.as_str()) {
        return Err(QueryFault::Override);
    }
    if is_credential(&squeezed(&underscored)) {
        return Err(QueryFault::Credential);
    }
    Ok(())
}

/// A name as the readers that fold most see it: lower case, one sign for all that joins words, and without its
/// brackets, since `name[]` and `[name]` are `name` to PHP, Rails and Node.
fn underscored(name: &str) -> String {
    let outermost = name.split(['[', ']']).find(|part| !part.is_empty());
    let outermost = outermost.unwrap_or_default().trim().to_lowercase();
    outermost.replace(['-', '.', ' '], "_")
}

fn squeezed(underscored: &str) -> String {
    underscored.replace('_', "")
}

fn is_credential(squeezed: &str) -> bool {
    CREDENTIAL_NAMES.contains(&squeezed)
        || CREDENTIAL_PREFIXES
            .iter()
            .any(|prefix| squeezed.starts_with(prefix))
        || CREDENTIAL_SUFFIXES
            .iter()
            .any(|suffix| squeezed.ends_with(suffix))
}

impl fmt::Debug for Query {
    /// The values may be the agent's secrets: only the length is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({} bytes)", self.text.len())
    }
}

impl fmt::Display for QueryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QueryFault::TooLong => "The query is longer than 16 KiB.",
            QueryFault::Character => "The query has a character that must be encoded.",
            QueryFault::BrokenEscape => {
                "The query has a percent sign without two hexadecimal digits."
            }
            QueryFault::Name => "The query has a name with more than one reading.",
            QueryFault::Credential => "The query has a name that carries a credential.",
            QueryFault::Override => "The query has a name that overrides the method or a header.",
        })
    }
}

impl std::error::Error for QueryFault {}

#[cfg(test)]
mod tests;
