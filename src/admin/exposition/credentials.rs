//! Credentials and where they come from.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{
    Moment,
    page::{NOTHING, Page, flag},
};
use crate::credential::Condition;

impl Moment {
    pub(super) fn credentials(&self, page: &mut Page<'_>) -> fmt::Result {
        let credentials = self.snapshot.credentials_at_hand();
        leases(&credentials, page)?;
        page.gauge(
            "credential_fetch_failing",
            "Whether the last attempt to read the value failed, or to make it longer",
            each(&credentials, |its| flag(its.failure.is_some())),
        )?;
        page.gauge(
            "credential_stale_seconds",
            "For how long a value has been served that could not be read anew or made longer; 0 if it could",
            each(&credentials, |its| stale(its).as_secs_f64()),
        )?;
        counts(&credentials, page)
    }

    pub(super) fn vault(&self, page: &mut Page<'_>) -> fmt::Result {
        let vault = &self.metrics().vault;
        let operations = [
            ("read", &vault.read),
            ("login", &vault.login),
            ("renew", &vault.renew),
            ("lease", &vault.lease),
            ("revoke", &vault.revoke),
        ];
        let errors = operations.into_iter().flat_map(|(operation, errors)| {
            let errors = errors.so_far();
            errors.map(move |(error, count)| ([("operation", operation), ("error", error)], count))
        });
        page.counter("vault_errors", "What went wrong with Vault", errors)?;
        let outcomes = |well: u64, failed: u64| {
            [("ok", well), ("failed", failed)]
                .map(|(outcome, count)| ([("outcome", outcome)], count))
        };
        let well = &vault.well;
        page.counter(
            "vault_logins",
            "Logins at Vault",
            outcomes(well.login.so_far(), vault.login.sum()),
        )?;
        page.counter(
            "vault_token_renewals",
            "Attempts to make the gate's own token longer",
            outcomes(well.renew.so_far(), vault.renew.sum()),
        )?;
        page.counter(
            "vault_lease_renewals",
            "Attempts to make a lease longer",
            outcomes(well.lease.so_far(), vault.lease.sum()),
        )?;
        page.counter(
            "vault_leases_given_back",
            "Attempts to give a lease back before its end, each try by itself",
            outcomes(well.revoke.so_far(), vault.revoke.sum()),
        )?;
        page.gauge(
            "vault_last_contact_timestamp_seconds",
            "When Vault last did what it was asked for, or said that there is nothing",
            well.last_heard_s().map(|heard_s| (NOTHING, heard_s as f64)),
        )
    }
}

type Conditions = BTreeMap<Arc<str>, Condition>;

fn leases(credentials: &Conditions, page: &mut Page<'_>) -> fmt::Result {
    let leases: Vec<_> = credentials
        .iter()
        .filter_map(|(name, its)| Some((&**name, its.at_hand.as_ref()?)))
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
        leases.iter().map(|(name, lease)| {
            let labels = [("credential", *name), ("class", lease.class.as_str())];
            (labels, lease.remaining.as_secs_f64())
        }),
    )
}

fn counts(credentials: &Conditions, page: &mut Page<'_>) -> fmt::Result {
    let fetches = credentials.iter().flat_map(|(name, its)| {
        [("ok", its.fetched), ("failed", its.failed)]
            .map(|(outcome, count)| ([("credential", &**name), ("outcome", outcome)], count))
    });
    page.counter(
        "credential_fetches",
        "Values that were read from their source; and attempts to read one or to make it longer that failed",
        fetches,
    )?;
    page.counter(
        "credential_renewals",
        "Renewals of a lease that brought more time",
        each(credentials, |its| its.renewed),
    )?;
    page.counter(
        "credential_mints",
        "Values that the source was asked to make: each is there until its lease ends",
        each(credentials, |its| its.made),
    )?;
    page.counter(
        "credential_waits",
        "Calls that found no value at hand and waited for one",
        each(credentials, |its| its.waited),
    )?;
    page.counter(
        "credential_given_up",
        "Leases that the gate needed no longer before their end",
        each(credentials, |its| its.given_up),
    )
}

/// One sample for each credential.
fn each<T>(
    credentials: &Conditions,
    value: impl Fn(&Condition) -> T,
) -> impl Iterator<Item = ([(&'static str, &str); 1], T)> {
    let samples = credentials.iter();
    samples.map(move |(name, its)| ([("credential", &**name)], value(its)))
}

/// For how long a value has been served while none came in its place.
fn stale(its: &Condition) -> Duration {
    let served = its.at_hand.as_ref().and(its.failing_for);
    served.unwrap_or_default()
}
