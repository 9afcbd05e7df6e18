//! The proof that an exception opens an opaque tunnel.

use crate::{
    config::Exception,
    scope::Written,
    target::{Destination, Host},
};

/// Proof that an exception lets a role have a tunnel to this place that nobody looks into.
#[derive(Debug)]
#[must_use = "a passage is used or the tunnel is not opened"]
pub(crate) struct Passage {
    host: Host,
    port: u16,
    written: Written,
}

impl Passage {
    /// The passage that `exception` opens; whoever calls this has seen that it is of this kind and in force.
    pub(super) fn by(exception: &Exception) -> Passage {
        Passage {
            host: exception.host.clone(),
            port: exception.port,
            written: exception.written.clone(),
        }
    }

    /// Where the exception is written.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }
}

impl Destination for Passage {
    fn host(&self) -> &Host {
        &self.host
    }

    fn port(&self) -> u16 {
        self.port
    }
}
