//! Every reason to say no, and nothing about how it is said (that is `refuse`).
//!
//! A [`Reason`] is a closed set: its code is what agents, platform teams and the SOC see, so a code never
//! changes its meaning. A [`Refusal`] adds what the record needs: the cause for the SOC and when to try again.

use std::{borrow::Cow, time::Duration};

/// Whose fault a refusal is; it decides the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Who the caller is.
    Caller,
    /// What the caller sent.
    Request,
    /// What the caller may do.
    Policy,
    /// How often.
    Limit,
    /// Our own side.
    Ourselves,
    /// The other side.
    Upstream,
}

/// One list of all reasons: what each means, its code, its status (RFC 9110 section 15), whose fault it is, and
/// the one sentence for the caller: constant text, no part of it from the request, the upstream or the rules.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $fault:ident, $sentence:literal;)*) => {
        /// Why a call was not made, or could not be finished. The order is the one in which a call meets them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason, in the order of [`Reason`]: for schemas, documentation and tests.
            pub const ALL: &[Reason] = &[$(Reason::$name),*];

            fn row(self) -> (&'static str, u16, Fault, &'static str) {
                match self {
                    $(Reason::$name => ($code, $status, Fault::$fault, $sentence),)*
                }
            }
        }
    };
}

reasons! {
    /// No room can be had in the log for what must be written about this call.
    AuditUnavailable = "audit_unavailable", 503, Ourselves, "The gate cannot record calls at the moment.";
    /// The client's certificate did not pass the handshake.
    CertificateInvalid = "certificate_invalid", 403, Caller, "The client certificate is not acceptable.";
    /// The certificate is good, but no role names its identity.
    IdentityUnknown = "identity_unknown", 403, Caller, "No role is assigned to this identity.";
    /// The certificate ended while the connection was open.
    IdentityExpired = "identity_expired", 403, Caller, "The client certificate has expired.";
    /// The identity or the certificate stands in the revoked list.
    Revoked = "revoked", 403, Caller, "This identity is revoked.";
    /// The identity used up its budget of attempts, refused ones included.
    AttemptsExhausted = "attempts_exhausted", 429, Limit, "This identity made too many attempts.";
    /// The bytes are no well-formed HTTP/1.1 request for a forward proxy.
    RequestMalformed = "request_malformed", 400, Request, "The request is not a well-formed proxy request.";
    /// The request names its target in a form that has more than one reading.
    TargetMalformed = "target_malformed", 400, Request, "The host or target is not in its canonical form.";
    /// The path has more than one reading.
    PathAmbiguous = "path_ambiguous", 400, Request, "The path has more than one reading.";
    /// The query carries a credential, or a name that says for whom the call is or overrides the method.
    QueryCredential = "query_credential", 403, Request, "The query must not carry credentials, name another user or override the method.";
    /// The host of `CONNECT`, SNI, `Host` and the request target are not the same.
    AuthorityMismatch = "authority_mismatch", 421, Request, "The request names another host than its connection.";
    /// A method that is never forwarded: TRACE, TRACK, or CONNECT inside a tunnel.
    MethodRefused = "method_refused", 405, Request, "This method is never forwarded.";
    /// What came through the tunnel is neither a TLS handshake nor an HTTP/1.1 request.
    ProtocolRefused = "protocol_refused", 400, Request, "Only TLS and HTTP/1.1 pass through a tunnel.";
    /// The role's review date has passed.
    ReviewOverdue = "review_overdue", 403, Policy, "The role is past its review date; its owner must renew it.";
    /// No rule of the role allows this call.
    NoRule = "no_rule", 403, Policy, "No rule of the role allows this call.";
    /// A deny rule of the role forbids this call.
    DeniedByRule = "denied_by_rule", 403, Policy, "A rule of the role denies this call.";
    /// The rule that names this call lists the query names that it takes, and the query has others.
    QueryForbidden = "query_forbidden", 403, Policy, "The rule for this call takes other query parameters only.";
    /// No rule of the role names this port.
    PortForbidden = "port_forbidden", 403, Policy, "No rule of the role names this port.";
    /// Too many calls in the time.
    RateLimited = "rate_limited", 429, Limit, "Too many calls; wait before the next.";
    /// Too many calls at the same time.
    TooManyInFlight = "too_many_in_flight", 429, Limit, "Too many calls at the same time.";
    /// The host's addresses include one that no agent may reach.
    AddressForbidden = "address_forbidden", 403, Policy, "The host's address is not one that may be reached.";
    /// The host has no address.
    UpstreamUnresolved = "upstream_unresolved", 502, Upstream, "The host's name has no address.";
    /// No valid lease can be had for the credential.
    CredentialUnavailable = "credential_unavailable", 503, Ourselves, "The credential for this call cannot be had at the moment.";
    /// The credential may not go to this host, or not for this role.
    CredentialForbidden = "credential_forbidden", 403, Policy, "The credential may not be used for this call.";
    /// No connection to the upstream could be made, or it broke.
    UpstreamUnreachable = "upstream_unreachable", 502, Upstream, "The upstream cannot be reached.";
    /// The upstream's certificate or TLS is not acceptable.
    UpstreamTls = "upstream_tls", 502, Upstream, "The upstream's TLS is not acceptable.";
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504, Upstream, "The upstream did not answer in time.";
    /// The upstream's answer is not well-formed HTTP/1.1.
    UpstreamMalformed = "upstream_malformed", 502, Upstream, "The upstream's answer is malformed.";
    /// The agent did not send its request body in time.
    RequestTimeout = "request_timeout", 408, Request, "The request body did not arrive in time.";
}

impl Reason {
    /// The stable word for this reason in answers, events and documentation.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        self.row().2
    }

    /// One sentence for the caller.
    pub fn sentence(self) -> &'static str {
        self.row().3
    }

    /// Whether the same call may succeed later without anybody changing a setting.
    pub fn retryable(self) -> bool {
        matches!(self.status(), 408 | 429 | 502 | 503 | 504)
    }
}

/// A no, with what the record needs to explain it.
#[derive(Debug, Clone)]
#[must_use = "a refusal must become an answer and an event"]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// When to try again, if the refusal knows; it becomes `Retry-After`.
    pub retry_after: Option<Duration>,
    /// What happened, for the log only: never a secret, never sent to the caller.
    pub cause: Option<Cow<'static, str>>,
}

impl Refusal {
    /// A refusal with its cause for the record.
    pub fn because(reason: Reason, cause: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal {
            cause: Some(cause.into()),
            ..Refusal::from(reason)
        }
    }

    /// The same refusal, with the time after which the call may succeed.
    pub fn retry_after(self, wait: Duration) -> Refusal {
        Refusal {
            retry_after: Some(wait),
            ..self
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Refusal {
        Refusal {
            reason,
            retry_after: None,
            cause: None,
        }
    }
}

#[cfg(test)]
mod tests;
