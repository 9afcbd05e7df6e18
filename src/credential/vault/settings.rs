//! What a client of Vault must be told.

use std::{fmt, sync::Arc};

use http::Uri;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};

use super::{Ledger, Login, PerRole, VaultError};
use crate::tls;

/// Where Vault is and how the gate logs in there.
#[derive(Debug, Clone)]
pub(crate) struct VaultSettings {
    /// `https://host:port`; http for loopback addresses only.
    pub(crate) address: Uri,
    /// The only roots that the server's certificate may come from.
    pub(crate) ca: Vec<CertificateDer<'static>>,
    /// The name that the server's certificate must have, if it is not the host of the address; asked for in TLS.
    pub(crate) server_name: Option<String>,
    /// What the gate shows in TLS, if anything.
    pub(crate) certificate: Option<ClientCertificate>,
    /// Servers to which a redirect may lead, since the token goes there too: addresses like the first.
    pub(crate) redirects: Vec<Uri>,
    /// The namespace of all secrets; none is the root.
    pub(crate) namespace: Option<String>,
    /// The namespace of the login and of the token that it gives; none is the root.
    pub(crate) login_namespace: Option<String>,
    /// The login.
    pub(crate) login: Login,
    /// What the roles act under, if not under the gate's own token.
    pub(crate) per_role: Option<PerRole>,
    /// Whether the token and what was made with it are given back at the end.
    pub(crate) revoke_on_exit: bool,
    /// Where tokens are noted, so that a run that is cut short leaves none behind for long.
    pub(crate) ledger: Option<Arc<Ledger>>,
}

impl VaultSettings {
    /// Whether both mean the same secrets: those of one server and one namespace.
    pub(super) fn same_secrets(&self, others: &VaultSettings) -> bool {
        let secrets = |settings: &VaultSettings| {
            let VaultSettings {
                address,
                ca,
                server_name,
                namespace,
                certificate: _,
                redirects: _,
                login_namespace: _,
                login: _,
                per_role: _,
                revoke_on_exit: _,
                ledger: _,
            } = settings.clone();
            (address, ca, server_name, namespace)
        };
        secrets(self) == secrets(others)
    }
}

/// A certificate that the gate shows to Vault, with its key.
#[derive(Clone)]
pub(crate) struct ClientCertificate(pub(super) Arc<CertifiedKey>);

impl ClientCertificate {
    /// A chain, leaf first, and the key of the leaf.
    ///
    /// # Errors
    ///
    /// [`VaultError::Settings`] when the key cannot be used, or is another's.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<ClientCertificate, VaultError> {
        let certified = CertifiedKey::from_der(chain, key, &tls::provider());
        let certified = certified.map_err(|_| {
            VaultError::Settings("the key of the client certificate is another's, or no key")
        })?;
        Ok(ClientCertificate(Arc::new(certified)))
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientCertificate(..)")
    }
}
