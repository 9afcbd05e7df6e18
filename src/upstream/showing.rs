//! The gate's own certificate, shown on one connection to the upstream that it is for.
//!
//! A server that does not ask for it would answer a call that nobody has authorised: whether it asked is found out
//! before anything of the request is sent. No session is resumed, since a resumed one is of whoever it began with.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rustls::{
    ClientConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    sign::CertifiedKey,
};

use crate::secret::Certificate;

/// A certificate on one connection, and whether the server wanted to see it.
#[derive(Debug)]
pub(super) struct Showing {
    shown: Arc<CertifiedKey>,
    asked: AtomicBool,
}

impl Showing {
    /// Nobody has asked for `certificate` yet.
    pub(super) fn of(certificate: &Certificate) -> Arc<Showing> {
        Arc::new(Showing {
            shown: certificate.shown().clone(),
            asked: AtomicBool::new(false),
        })
    }

    /// Trust as before, with the certificate for a server that asks for it.
    pub(super) fn on(self: &Arc<Showing>, trust: &ClientConfig) -> Arc<ClientConfig> {
        let mut config = trust.clone();
        config.client_auth_cert_resolver = self.clone();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    /// Whether the server asked for it, and takes what the key signs with.
    pub(super) fn was_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Showing {
    /// The names of authorities that a server sends are hints: it has the last word on what it takes.
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // Without a scheme in common the library would show nothing.
        self.shown.key.choose_scheme(schemes)?;
        self.asked.store(true, Ordering::Relaxed);
        Some(self.shown.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
