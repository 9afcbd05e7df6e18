//! A lease for an admission: for whom a credential is, and where it may go.
//!
//! The catalogue binds each credential to roles and hosts; a rule of a role names it; both must agree. Nothing here
//! decides whether a call may be made, and nothing is fetched for a call that was not admitted.

use std::{sync::Arc, time::Duration};

use super::Entry;
use crate::{inject::binding::Binding, limit::Admission, refusal::Refusal, secret::Lease};

/// How long a call waits for a lease that is not there yet.
const LEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// An entry of the catalogue.
#[derive(Debug)]
pub(crate) struct Credential {
    /// The name that rules use.
    pub(crate) name: Arc<str>,
    /// The role whose own value it is; none if all roles that may name it have the same.
    pub(crate) role: Option<Arc<str>>,
    /// Whose rules may name it, and where it may go.
    pub(crate) binding: Binding,
    /// The kind of its source: `vault` or `file`.
    pub(crate) source: &'static str,
    /// Its source, where it goes in a request, and the lease at hand.
    pub(crate) entry: Entry,
}

/// A credential lent to one call.
#[derive(Debug)]
pub(crate) struct Loan {
    /// What was lent.
    pub(crate) credential: Arc<Credential>,
    /// The value at hand, valid when it was lent.
    pub(crate) lease: Arc<Lease>,
}

impl Loan {
    /// What was lent, to say later that it was refused.
    pub(crate) fn lent(&self) -> (Arc<Credential>, u64) {
        (self.credential.clone(), self.lease.generation())
    }
}

impl Credential {
    /// Its name, and whose it is if it is not everybody's, for those who look at all of them.
    pub(crate) fn title(&self) -> Arc<str> {
        match &self.role {
            Some(role) => format!("{}@{role}", self.name).into(),
            None => self.name.clone(),
        }
    }

    /// Lends it to an admitted call.
    ///
    /// # Errors
    /// The call has something of its own where the credential goes; or no valid lease can be had, and the call is
    /// not made without one.
    pub(crate) async fn lend(
        self: &Arc<Credential>,
        admission: &Admission,
    ) -> Result<Loan, Refusal> {
        let target = admission.permit().target();
        self.entry.placement().check_free(target)?;
        let lease = self.entry.lease(LEASE_TIMEOUT).await?;
        Ok(Loan {
            credential: self.clone(),
            lease,
        })
    }
}
