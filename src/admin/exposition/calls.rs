//! Calls, what was said to them, and the limits that they take from.

use std::{fmt, sync::Arc};

use super::{
    Moment,
    page::{Page, by_role},
};
use crate::snapshot::Standing;

impl Moment {
    pub(super) fn calls(&self, page: &mut Page<'_>) -> fmt::Result {
        let (counts, metrics) = (self.counts(), self.metrics());
        page.counter(
            "calls",
            "Calls that were made, by how they ended",
            by_role(&counts, "outcome", |role| &role.calls),
        )?;
        page.counter(
            "answers",
            "Answers of upstreams, by the class of their status",
            by_role(&counts, "status", |role| &role.answers),
        )?;
        page.counter(
            "refusals",
            "Calls, tunnels and connections that were refused, by the reason; without a role where none is known",
            by_role(&counts, "reason", |role| &role.refusals),
        )?;
        let open = counts.iter().filter(|(role, _)| !role.is_empty());
        page.gauge(
            "calls_in_flight",
            "Calls that have begun and not ended",
            open.map(|(role, counts)| ([("role", *role)], counts.open_now() as f64)),
        )?;
        page.histogram(
            "call_duration_seconds",
            "From the start of a call that was made to its end",
            &metrics.call_time,
        )?;
        page.histogram(
            "decide_duration_seconds",
            "From the start of a call that was made to the decision that it may be",
            &metrics.decide_time,
        )?;
        page.histogram(
            "first_byte_duration_seconds",
            "From the start of a call that was made to the head of the upstream's answer",
            &metrics.first_byte_time,
        )
    }

    pub(super) fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
        let roles = self.roles();
        let rates = roles.iter().filter_map(|(role, standings)| {
            let rate = standings.first()?.role.limit;
            let rate = f64::from(rate.calls) / rate.per.as_secs_f64();
            Some(([("role", *role)], rate))
        });
        page.gauge(
            "limit_calls_per_second",
            "Calls that the limit of the role allows",
            rates,
        )?;
        let in_flight: Vec<_> = roles
            .iter()
            .map(|(role, standings)| (*role, in_flight(standings)))
            .collect();
        page.gauge(
            "limit_in_flight",
            "Calls under way under rules that limit them, for all identities of the role",
            in_flight
                .iter()
                .map(|(role, (now, _))| ([("role", *role)], *now as f64)),
        )?;
        page.gauge(
            "limit_in_flight_max",
            "Calls that those rules allow at the same time",
            in_flight
                .iter()
                .map(|(role, (_, max))| ([("role", *role)], *max as f64)),
        )
    }
}

/// Places taken under the rules of some standings, and how many there are.
fn in_flight(standings: &[&Arc<Standing>]) -> (u64, u64) {
    let rules = standings.iter().flat_map(|standing| &standing.rules);
    let limited = rules.filter_map(|rule| rule.limit.as_ref()?.in_flight());
    limited.fold((0, 0), |(now, max), (rule_now, rule_max)| {
        (now + u64::from(rule_now), max + u64::from(rule_max))
    })
}
