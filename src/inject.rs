//! Strip what the agent sent, put the credential in: a call becomes an [`Outbound`], the only thing that leaves.
//!
//! The outbound request is built anew from the typed call: its URI from the canonical path, its `Host` from the
//! judged host, its headers by `headers`' list, its framing by the connection. The credential goes in last, and
//! only after role and host were held against the catalogue once more.

pub(crate) mod basic;
pub(crate) mod binding;
pub(crate) mod header;
pub(crate) mod placement;
pub(crate) mod query;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri, header as names, uri::PathAndQuery};
use http_body::Body as _;
use std::{fmt, sync::Arc, time::Duration};
use zeroize::Zeroizing;

use crate::{
    credential::Loan,
    headers::{self, Let, Takes},
    limit::{Admission, Slot},
    refusal::{Reason, Refusal},
    scope::Permit,
    secret::{Certificate, Ready, Secret},
    snapshot::Passage,
    target::{Destination, Host, Method, Query, Scheme, Target, asked::Along},
    upstream::{Place, Route, sending::Sending},
};

/// What may leave: made of an admission, a route and, if the rule names one, a lease.
#[must_use = "an outbound is sent or the call ends"]
pub(crate) struct Outbound {
    pub(crate) place: Place,
    pub(crate) route: Route,
    pub(crate) request: Request<Sending>,
    /// What the connection shows of the gate, to this upstream and to nobody else.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) slot: Option<Slot>,
    pub(crate) takes: Takes,
}

/// An opaque tunnel that may be opened: made of an admission and a route, and of no credential.
#[derive(Debug)]
#[must_use = "an outbound is opened or the tunnel is refused"]
pub(crate) struct OutboundTunnel {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) route: Route,
}

impl OutboundTunnel {
    /// The tunnel along `route`, which was found for the passage that `admission` let through.
    pub(crate) fn build(admission: Admission<Passage>, route: Route) -> OutboundTunnel {
        OutboundTunnel {
            host: admission.permit().host().clone(),
            port: admission.permit().port(),
            route,
        }
    }
}

impl Outbound {
    /// Builds the request that leaves; `body_patience` is how long the agent's body may stand still.
    ///
    /// # Errors
    /// The credential may not be used by this role or for this host, whatever the rule says.
    pub(crate) fn build(
        admission: Admission,
        route: Route,
        loan: Option<Loan>,
        body_patience: Duration,
    ) -> Result<Outbound, Refusal> {
        let (permit, slot) = admission.into_parts();
        check(&permit, loan.as_ref())?;
        let role = permit.role().name.clone();
        let (cookies, only) = (permit.grant().cookies, permit.grant().headers.clone());
        let (target, along) = permit.into_asked().into_parts();
        let place = place(role, &target, loan.as_ref());
        let rule = Let {
            cookies,
            only: only.as_deref(),
        };
        let mut request = request(&target, (along, rule), body_patience)?;
        if let Some(only) = &only {
            request.body_mut().limit(only.clone());
        }
        let takes = Takes {
            // What is told upstream is what the agent takes, read once.
            trailers: request.headers().contains_key(names::TE),
            cookies,
        };
        let ready = loan.as_ref().map(|loan| loan.lease.ready());
        let certificate = ready.and_then(Ready::certificate).cloned();
        let request = match ready {
            Some(ready) => put_in(request, ready)?,
            None => request,
        };
        Ok(Outbound {
            place,
            route,
            request,
            certificate,
            slot,
            takes,
        })
    }
}

impl fmt::Debug for Outbound {
    /// The request's URI may hold the credential: only the place is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The second side of the two-sided binding: the catalogue's word on role and host, and on the rule's choice.
fn check(permit: &Permit, loan: Option<&Loan>) -> Result<(), Refusal> {
    let named = permit.grant().credential.as_deref();
    if named != loan.map(|loan| &*loan.credential.name) {
        return Err(Refusal::because(
            Reason::CredentialForbidden,
            "the lease is not the one that the rule names",
        ));
    }
    let Some(loan) = loan else { return Ok(()) };
    let binding = &loan.credential.binding;
    binding.check(&permit.role().name, permit.target())
}

fn place(role: Arc<str>, target: &Target, loan: Option<&Loan>) -> Place {
    Place {
        role,
        host: target.host().clone(),
        port: target.port(),
        scheme: target.scheme(),
        credential: loan.map(|loan| (loan.credential.name.clone(), loan.lease.generation())),
    }
}

fn request(
    target: &Target,
    (along, rule): (Along, Let<'_>),
    patience: Duration,
) -> Result<Request<Sending>, Refusal> {
    let mut request = Request::new(Sending::new(along.body, patience));
    *request.method_mut() = target.method().as_http();
    *request.uri_mut() = origin_form(target, along.spelled)?;
    let (trailers, takes_trailers) = (
        headers::trailer_names(&along.headers, rule.only),
        headers::takes_trailers(&along.headers),
    );
    let mut fields = headers::crossing_request(along.headers, rule);
    fields.insert(
        names::HOST,
        host_field(target.host(), target.port(), target.scheme())?,
    );
    // A body of a known length has none to announce.
    if let (Some(trailers), None) = (trailers, request.body().size_hint().exact()) {
        fields.insert(names::TRAILER, trailers);
    }
    if takes_trailers {
        // TE is of this connection only, and says so (RFC 9110 section 10.1.4).
        fields.insert(names::TE, HeaderValue::from_static("trailers"));
        fields.insert(names::CONNECTION, HeaderValue::from_static("te"));
    }
    if let Some((name, value)) = framing(target.method(), request.body()) {
        fields.insert(name, HeaderValue::from_static(value));
    }
    *request.headers_mut() = fields;
    Ok(request)
}

/// What is said of a body's length where hyper would not say it: it sends a GET without the body whose length it does
/// not know, and a POST whose body is empty without a length (RFC 9110 section 8.6), which some servers refuse.
fn framing(method: Method, body: &Sending) -> Option<(HeaderName, &'static str)> {
    let may_go_unsaid = match method {
        Method::Get | Method::Head | Method::Options | Method::Delete => true,
        Method::Post | Method::Put | Method::Patch => false,
    };
    match body.size_hint().exact() {
        None => Some((names::TRANSFER_ENCODING, "chunked")),
        Some(0) if !may_go_unsaid => Some((names::CONTENT_LENGTH, "0")),
        Some(_) => None,
    }
}

/// The canonical path and the query, and nothing else of the URI.
fn origin_form(target: &Target, spelled: Option<PathAndQuery>) -> Result<Uri, Refusal> {
    let (path, query) = (target.path().as_str(), target.query().map(Query::as_str));
    // Most agents spell it so already: the same bytes need not be built and read once more.
    if let Some(same) = spelled.filter(|spelled| is_spelled(spelled.as_str(), path, query)) {
        return Ok(same.into());
    }
    let text = match query {
        Some(query) => [path, "?", query].concat(),
        None => path.to_owned(),
    };
    Uri::try_from(text)
        .map_err(|_| Refusal::because(Reason::TargetMalformed, "the canonical target is no URI"))
}

/// Whether `text` is `path` and `query`, byte for byte.
fn is_spelled(text: &str, path: &str, query: Option<&str>) -> bool {
    match (text.strip_prefix(path), query) {
        (Some(after), Some(query)) => after.strip_prefix('?') == Some(query),
        (Some(after), None) => after.is_empty(),
        (None, _) => false,
    }
}

/// `Host` as the judged target names it (RFC 9110 section 7.2): the port only where it is not the scheme's own.
fn host_field(host: &Host, port: u16, scheme: Scheme) -> Result<HeaderValue, Refusal> {
    let name = host.in_url();
    let mut text = String::with_capacity(name.len() + ":65535".len());
    text.push_str(&name);
    if port != scheme.default_port() {
        text.push(':');
        text.push_str(&port.to_string());
    }
    HeaderValue::try_from(text)
        .map_err(|_| Refusal::because(Reason::TargetMalformed, "the host is no header value"))
}

/// The credential, last and alone: whatever the slot held before is gone, and nothing comes into it later.
fn put_in(mut request: Request<Sending>, ready: &Ready) -> Result<Request<Sending>, Refusal> {
    match ready {
        Ready::Header(name, value) => {
            request.body_mut().reserve(name.clone());
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ready::Parameter(parameter) => {
            *request.uri_mut() = with_parameter(request.uri(), parameter)?;
        }
        Ready::Certificate(_) => {}
    }
    Ok(request)
}

/// The URI with `parameter` behind whatever query it has; its memory is wiped with its last clone.
fn with_parameter(uri: &Uri, parameter: &Secret) -> Result<Uri, Refusal> {
    let own = uri.path_and_query().map_or("/", |own| own.as_str());
    let joint = if own.contains('?') { "&" } else { "?" };
    let parts = [own, joint, parameter.expose()];
    let size = parts.iter().map(|part| part.len()).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(size));
    for part in parts {
        text.extend_from_slice(part.as_bytes());
    }
    Uri::from_maybe_shared(Bytes::from_owner(text)).map_err(|_| {
        Refusal::because(
            Reason::TargetMalformed,
            "the target with its credential is no URI",
        )
    })
}

#[cfg(test)]
mod surface;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Authority, Path};

    #[test]
    fn what_is_sent_is_the_target_however_the_agent_spelled_it() {
        for (spelled, sent) in [
            ("/v1/x", "/v1/x"),
            ("/v1/%78", "/v1/x"),
            ("/v1/x?page=2", "/v1/x?page=2"),
            ("/v1/%78?page=2", "/v1/x?page=2"),
            ("/v1/x?", "/v1/x?"),
        ] {
            let asked = PathAndQuery::from_static(spelled);
            let (host, _) = Authority::parse("api.a.test").unwrap().into_parts();
            let path = Path::parse(asked.path()).unwrap();
            let query = asked.query().map(|query| Query::parse(query).unwrap());
            let target = Target::new(Method::Get, Scheme::Https, host, 443, path, query);
            for other in [Some(asked), Some(PathAndQuery::from_static("/v1")), None] {
                assert_eq!(origin_form(&target, other).unwrap(), sent, "{spelled}");
            }
        }
    }
}
