//! The page of metrics while it is written: one function for each kind of metric.

use std::{fmt, time::SystemTime};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
};

use crate::metrics::{Closed, Histogram, RoleCounts, Tally};

/// No labels.
pub(super) const NOTHING: [(&str, &str); 0] = [];

pub(super) fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

pub(super) fn unix_s(time: SystemTime) -> f64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs() as f64)
}

pub(super) fn words<K: Closed>(
    label: &'static str,
    tally: &Tally<K>,
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], u64)> {
    tally
        .so_far()
        .map(move |(word, count)| ([(label, word)], count))
}

pub(super) fn by_role<'m, K: Closed>(
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
pub(super) struct Page<'e>(pub(super) DescriptorEncoder<'e>);

impl Page<'_> {
    pub(super) fn counter<L: EncodeLabelSet>(
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

    pub(super) fn gauge<L: EncodeLabelSet>(
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

    pub(super) fn info(
        &mut self,
        name: &str,
        help: &str,
        labels: &impl EncodeLabelSet,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Info)?;
        metric.encode_info(labels)
    }

    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        durations: &Histogram,
    ) -> fmt::Result {
        let observed = durations.so_far();
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(observed.sum_s, observed.count, &observed.steps, None)
    }
}
