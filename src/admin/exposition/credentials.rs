//! Credentials and where they come from.

use std::fmt;

use super::{
    Moment,
    page::{Page, flag},
};

impl Moment {
    pub(super) fn credentials(&self, page: &mut Page<'_>) -> fmt::Result {
        let credentials = self.snapshot.credentials_at_hand();
        let leases: Vec<_> = credentials
            .iter()
            .filter_map(|(name, its)| Some((&**name, its.at_hand?)))
            .collect();
        page.gauge(
            "credential_age_seconds",
            "How long ago the value at hand was read from its source",
            leases
                .iter()
                .map(|(name, lease)| ([("credential", *name)], lease.age.as_secs_f64())),
        )?;
        page.gauge(
            "credential_remaining_seconds",
            "How long the value at hand may still be used",
            leases
                .iter()
                .map(|(name, lease)| ([("credential", *name)], lease.remaining.as_secs_f64())),
        )?;
        page.gauge(
            "credential_fetch_failing",
            "Whether the last attempt to read the value failed",
            credentials
                .iter()
                .map(|(name, its)| ([("credential", &**name)], flag(its.failure.is_some()))),
        )?;
        let fetches = credentials.iter().flat_map(|(name, its)| {
            [("ok", its.fetched), ("failed", its.failed)]
                .map(|(outcome, count)| ([("credential", &**name), ("outcome", outcome)], count))
        });
        page.counter(
            "credential_fetches",
            "Attempts to read a value from its source",
            fetches,
        )
    }

    pub(super) fn vault(&self, page: &mut Page<'_>) -> fmt::Result {
        let vault = &self.metrics().vault;
        let errors = [
            ("read", &vault.read),
            ("login", &vault.login),
            ("renew", &vault.renew),
            ("lease", &vault.lease),
        ];
        let errors = errors.into_iter().flat_map(|(operation, errors)| {
            let errors = errors.so_far();
            errors.map(move |(error, count)| ([("operation", operation), ("error", error)], count))
        });
        page.counter("vault_errors", "What went wrong with Vault", errors)
    }
}
