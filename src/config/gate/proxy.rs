//! The proxy through which upstreams are reached: `upstream.proxy` in `tollgate.yaml`.

use std::path::PathBuf;

use super::upstream::{Root, root};
use crate::{
    config::{
        fields::Fields,
        host,
        mistake::{Wrong, quoted},
        value::Value,
    },
    scope::HostPattern,
    target::{Authority, Host},
};

/// A proxy that takes `CONNECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Its host.
    pub(crate) host: Host,
    /// Its port.
    pub(crate) port: u16,
    /// Who vouches for it, where it is spoken to over TLS.
    pub(crate) roots: Option<Vec<Root>>,
    /// How the gate logs in, if it must.
    pub(crate) login: Option<Login>,
    /// What is reached without it.
    pub(crate) except: Vec<HostPattern>,
    /// Who turns the name of an upstream into an address.
    pub(crate) resolves: Resolves,
}

/// A user and the file with the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The user.
    pub(crate) user: String,
    /// The file with the password.
    pub(crate) password: PathBuf,
}

/// Who turns the name of an upstream into an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolves {
    /// The gate, which checks the address and asks the proxy for it.
    Gate,
    /// The proxy, which is asked for the name; nobody checks what it makes of it.
    Proxy,
}

/// Lowers the mapping `proxy`.
pub(super) fn lower(value: Value<'_>) -> Option<Proxy> {
    value.mapping(|fields| {
        let address = fields.required("address", |v| v.parse(address));
        let roots = fields.optional("roots", |v| v.some_of(root));
        let has_login = fields.place_of("login").is_some();
        let login = fields.optional("login", |v| v.mapping(login));
        let except = fields.or("except", Vec::new(), |v| v.each(|v| v.parse(host::pattern)));
        let resolves = fields.or("resolve", Resolves::Gate, resolves);
        let (tls, host, port) = address?;
        if has_login && !tls {
            fields.warning(Wrong::new(
                "the login goes to the proxy without TLS",
                "whoever is on the way can read the password: https:// where the proxy takes it",
            ));
        }
        Some(Proxy {
            host,
            port,
            roots: self::roots(fields, tls, roots?)?,
            login: login?,
            except: except?,
            resolves: resolves?,
        })
    })
}

/// Does not repeat the text: people are used to writing a password into it.
fn address(text: &str) -> Result<(bool, Host, u16), Wrong> {
    let wrong = || {
        Wrong::new(
            "this is no address of a proxy",
            "write it like http://proxy.example.org:3128, or https:// if it speaks TLS; a login stands beside it",
        )
    };
    let (tls, authority) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(authority), _) => (false, authority),
        (None, Some(authority)) => (true, authority),
        (None, None) => return Err(wrong()),
    };
    let authority = Authority::parse(authority).map_err(|_| wrong())?;
    match authority.into_parts() {
        (host, Some(port)) => Ok((tls, host, port)),
        (_, None) => Err(wrong()),
    }
}

fn roots(fields: &Fields<'_>, tls: bool, roots: Option<Vec<Root>>) -> Option<Option<Vec<Root>>> {
    match (tls, roots) {
        (true, roots) => Some(Some(roots.unwrap_or_else(|| vec![Root::System]))),
        (false, None) => Some(None),
        (false, Some(_)) => fields.wrong(Wrong::new(
            "roots are named for a proxy without TLS",
            "write https:// in its address, or take roots away",
        )),
    }
}

fn login(fields: &mut Fields<'_>) -> Option<Login> {
    let user = fields.required("user", |v| v.parse(user));
    let password = fields.required("password", Value::secret_file);
    Some(Login {
        user: user?,
        password: password?,
    })
}

/// RFC 7617 section 2.
fn user(text: &str) -> Result<String, Wrong> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains([':', '{', '}']) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        format!("{} is no user", quoted(text)),
        "a user has printable ASCII without colons and braces",
    ))
}

fn resolves(value: Value<'_>) -> Option<Resolves> {
    let resolves = value.word(&[("gate", Resolves::Gate), ("proxy", Resolves::Proxy)])?;
    if resolves == Resolves::Proxy {
        value.warning(Wrong::new(
            "the proxy resolves names, and nobody checks the addresses",
            "a name that a rule allows may lead inside your network, unless the proxy itself forbids it",
        ));
    }
    Some(resolves)
}
