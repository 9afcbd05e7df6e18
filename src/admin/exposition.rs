//! The metrics, in one list, in the form that Prometheus reads.
//!
//! Each label has its values from the settings or from a closed set; what an agent writes is in none of them. A role or a
//! credential that is gone from the settings is gone from here.

mod calls;
mod credentials;
mod gate;
mod page;

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::{HeaderMap, HeaderValue, header};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, prometheus_text, text},
    registry::Registry,
};

use self::page::Page;
use super::View;
use crate::{
    metrics::{Metrics, RoleCounts},
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
