//! The metrics, in one list, in the form that Prometheus reads.
//!
//! Each label has its values from the settings or from a closed set; what an agent writes is in none of them. A role or a
//! credential that is gone from the settings is gone from here.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use http::{HeaderMap, HeaderValue, header};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, prometheus_text, text},
    metrics::MetricType,
    registry::Registry,
};

use super::View;
use crate::{
    metrics::{Closed, Histogram, Metrics, RoleCounts, Tally},
    proxy::Gate,
    session::handshakes::Handshakes,
    snapshot::{Snapshot, Standing},
};

/// What every metric's name begins with.
const PREFIX: &str = "tollgate";

/// A form of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// The text format of Prometheus, 0.0.4.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The form that a request accepts: OpenMetrics only for who names it.
    pub(super) fn asked_for(headers: &HeaderMap) -> Format {
        let accepted = headers.get_all(header::ACCEPT).iter();
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        match accepted.any(|value| value.contains("application/openmetrics-text")) {
            true => Format::OpenMetrics,
            false => Format::Classic,
        }
    }
}

/// The page of all metrics as they are now, with its content type.
pub(super) fn of(
    view: &View,
    ready: bool,
    format: Format,
) -> Result<(HeaderValue, String), fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Moment::of(view, ready)));
    let mut page = String::new();
    let kind = match format {
        Format::Classic => {
            prometheus_text::encode(&mut page, &registry)?;
            prometheus_text::CONTENT_TYPE
        }
        Format::OpenMetrics => {
            text::encode(&mut page, &registry)?;
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    };
    Ok((HeaderValue::from_static(kind), page))
}

/// Everything at one moment.
#[derive(Debug)]
struct Moment {
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    ready: bool,
    handshakes: Arc<Handshakes>,
}

impl Moment {
    fn of(view: &View, ready: bool) -> Moment {
        Moment {
            gate: view.gate.clone(),
            snapshot: view.gate.snapshot.load_full(),
            ready,
            handshakes: view.handshakes.clone(),
        }
    }

    fn metrics(&self) -> &Metrics {
        self.gate.log.metrics()
    }

    /// The standings of every role.
    fn roles(&self) -> BTreeMap<&str, Vec<&Arc<Standing>>> {
        let mut roles: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for standing in self.snapshot.standings.values() {
            roles
                .entry(&*standing.role.name)
                .or_default()
                .push(standing);
        }
        roles
    }

    /// The counts of every role, and those of nobody's under no name.
    fn counts(&self) -> Vec<(&str, &RoleCounts)> {
        let of_roles = self.roles();
        let of_roles = of_roles.into_iter().filter_map(|(role, standings)| {
            let standing = standings.into_iter().next()?;
            Some((role, &*standing.counts))
        });
        of_roles.chain([("", &self.metrics().nobody)]).collect()
    }
}

impl Collector for Moment {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.calls(&mut page)?;
        self.limits(&mut page)?;
        self.credentials(&mut page)?;
        self.vault(&mut page)?;
        self.certificates(&mut page)?;
        self.settings(&mut page)?;
        self.log(&mut page)?;
        self.frame(&mut page)
    }
}

impl Moment {
    fn calls(&self, page: &mut Page<'_>) -> fmt::Result {
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

    fn limits(&self, page: &mut Page<'_>) -> fmt::Result {
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

    fn credentials(&self, page: &mut Page<'_>) -> fmt::Result {
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

    fn vault(&self, page: &mut Page<'_>) -> fmt::Result {
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

    fn certificates(&self, page: &mut Page<'_>) -> fmt::Result {
        let (agents, mint) = (&self.snapshot.agents, &self.snapshot.mint);
        page.gauge(
            "certificate_expiry_timestamp_seconds",
            "When the gate's own certificates end: what agents are shown, and the authority of what tunnels show",
            [
                ([("kind", "gate")], agents.shown.until.unix_timestamp() as f64),
                ([("kind", "interception")], mint.authority_ends().unix_timestamp() as f64),
            ],
        )?;
        let bundles = agents.bundles.iter();
        page.gauge(
            "bundle_expiry_timestamp_seconds",
            "When the first authority or revocation list ends in the bundle of a trust domain",
            bundles.map(|(domain, term)| {
                (
                    [("trust_domain", &**domain)],
                    term.until.unix_timestamp() as f64,
                )
            }),
        )?;
        page.counter(
            "certificates_minted",
            "Certificates made for tunnels",
            [(NOTHING, mint.minted())],
        )
    }

    fn settings(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = self.metrics();
        let last = metrics.last_reload();
        page.counter(
            "settings_reloads",
            "Attempts to load the settings anew",
            words("outcome", &metrics.reloads),
        )?;
        page.gauge(
            "settings_last_reload_successful",
            "Whether the last attempt to load the settings was applied, the start included",
            [(NOTHING, flag(last.applied))],
        )?;
        page.gauge(
            "settings_last_success_timestamp_seconds",
            "When settings were last applied",
            [(NOTHING, unix_s(last.applied_at))],
        )?;
        let version = [("snapshot", &*self.snapshot.version)];
        page.info("settings", "The settings in force", &version)
    }

    fn log(&self, page: &mut Page<'_>) -> fmt::Result {
        let (metrics, depth) = (self.metrics(), self.gate.log.queue_depth());
        page.gauge(
            "event_queue_lines",
            "Lines of the log that wait to be written, or for which room is reserved",
            [(NOTHING, depth.lines as f64)],
        )?;
        page.gauge(
            "event_queue_lines_max",
            "Lines above which calls are refused",
            [(NOTHING, depth.lines_max as f64)],
        )?;
        page.gauge(
            "event_sink_failing",
            "Whether the log cannot be written to, so that calls are refused",
            [(NOTHING, flag(depth.failing))],
        )?;
        page.counter(
            "refusals_counted",
            "Refusals without a line of their own, told as a number in a line `counted`",
            [(NOTHING, metrics.refusals_counted.so_far())],
        )?;
        page.counter(
            "refusals_unrecorded",
            "Refusals of which the log has no word, because it could take none",
            [(NOTHING, metrics.refusals_unrecorded.so_far())],
        )
    }

    fn frame(&self, page: &mut Page<'_>) -> fmt::Result {
        let register = &self.gate.register;
        page.gauge(
            "connections",
            "Connections of agents that are served",
            [(NOTHING, register.open_now() as f64)],
        )?;
        page.gauge(
            "connections_max",
            "Connections that may be served at a time",
            [(NOTHING, register.places_max() as f64)],
        )?;
        page.gauge(
            "handshakes",
            "Connections whose handshake has not ended",
            [(NOTHING, self.handshakes.now() as f64)],
        )?;
        page.counter(
            "handshakes_made_way",
            "Handshakes that were given up for newer ones, since there were too many",
            [(NOTHING, self.handshakes.made_way())],
        )?;
        page.gauge(
            "upstream_connections_idle",
            "Connections to upstreams that rest between calls",
            [(NOTHING, self.snapshot.upstream.resting() as f64)],
        )?;
        page.gauge(
            "ready",
            "Whether /readyz says yes",
            [(NOTHING, flag(self.ready))],
        )?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        page.info("build", "The version of the gate", &version)
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

/// No labels.
const NOTHING: [(&str, &str); 0] = [];

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn unix_s(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs() as f64)
}

fn words<K: Closed>(
    label: &'static str,
    tally: &Tally<K>,
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
    tally
        .so_far()
        .map(move |(word, count)| ([(label, word)], count))
}

fn by_role<'m, K: Closed>(
    counts: &[(&'m str, &'m RoleCounts)],
    label: &'static str,
    tally: impl Fn(&'m RoleCounts) -> &'m Tally<K>,
) -> impl Iterator<Item = ([(&'static str, &'m str); 2], u64)> {
    counts.iter().flat_map(move |(role, counts)| {
        let so_far = tally(counts).so_far();
        so_far.map(move |(word, count)| ([("role", *role), (label, word)], count))
    })
}

/// The page while it is written.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn counter<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        samples.into_iter().try_for_each(|(labels, value)| {
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    fn gauge<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        samples
            .into_iter()
            .try_for_each(|(labels, value)| metric.encode_family(&labels)?.encode_gauge(&value))
    }

    fn info(&mut self, name: &str, help: &str, labels: &impl EncodeLabelSet) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Info)?;
        metric.encode_info(labels)
    }

    fn histogram(&mut self, name: &str, help: &str, durations: &Histogram) -> fmt::Result {
        let observed = durations.so_far();
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(observed.sum_s, observed.count, &observed.steps, None)
    }
}
