//! Who vouches for upstreams.

use std::{collections::HashMap, sync::Arc};

use rustls::ClientConfig;

use crate::target::Host;

/// Who vouches for upstreams: for a host with authorities of its own, these and nobody else; for all others, those
/// for all. Sessions are never resumed across the two.
#[derive(Debug)]
pub(crate) struct Trust {
    /// For hosts without authorities of their own.
    pub(crate) all: Arc<ClientConfig>,
    /// For the others.
    pub(crate) of_host: HashMap<Host, Arc<ClientConfig>>,
}

impl Trust {
    /// How `host` is verified.
    pub(super) fn of(&self, host: &Host) -> &Arc<ClientConfig> {
        self.of_host.get(host).unwrap_or(&self.all)
    }
}
