//! For whom a credential is and where it may go: the catalogue's side of the two-sided binding.

use std::sync::Arc;

use crate::{
    refusal::{Reason, Refusal},
    scope::HostPattern,
    target::{Scheme, Target},
};

/// What the catalogue binds a credential to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    /// The roles whose rules may name it; none if empty.
    pub(crate) roles: Vec<Arc<str>>,
    /// Where it may go; nowhere if empty.
    pub(crate) hosts: Vec<HostPattern>,
}

impl Binding {
    /// Checks that the credential may go with a call of `role` to `target`.
    ///
    /// # Errors
    /// It never travels in clear, and the catalogue has the last word on role and host.
    pub(crate) fn check(&self, role: &str, target: &Target) -> Result<(), Refusal> {
        let forbidden = |cause| Err(Refusal::because(Reason::CredentialForbidden, cause));
        if target.scheme() != Scheme::Https {
            return forbidden("a credential never travels in clear");
        }
        let (host, port) = (target.host(), target.port());
        let for_role = self.roles.iter().any(|bound| **bound == *role);
        if for_role && self.hosts.iter().any(|bound| bound.matches(host, port)) {
            Ok(())
        } else {
            forbidden("the catalogue does not bind it to this role and host")
        }
    }
}
