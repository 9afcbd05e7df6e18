//! TLS as the gate speaks it: one provider, three disjoint trust stores, no switch that weakens any of them.
//!
//! Agents are verified against the bundles of their trust domains, upstreams against their roots, and what tunnels
//! show is signed by the interception authority; none of the three stands in for another.

mod bundle;
pub(crate) mod mint;
pub(crate) mod stores;
pub(crate) mod validity;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use rustls::{
    CipherSuite, ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

pub(crate) use self::bundle::Bundle;
use self::validity::Validity;
use crate::identity::certificate::AgentVerifier;

/// The one protocol that is offered: several clients break when a proxy speaks HTTP/2 to them.
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// The provider of all TLS here: AES-128-GCM first, since its records cost least at the same security margin.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| !is_aes_128_gcm(suite.suite()));
    Arc::new(provider)
}

fn is_aes_128_gcm(suite: CipherSuite) -> bool {
    matches!(
        suite,
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// The agents' side of the gate: what it shows them and whom it lets in.
#[derive(Debug)]
pub(crate) struct Agents {
    /// The listener's TLS.
    pub(crate) config: Arc<ServerConfig>,
    /// Who is let in, to be asked again about those who are in already.
    pub(crate) verifier: Arc<AgentVerifier>,
    /// When what it shows holds.
    pub(crate) shown: Validity,
    /// When all authorities and revocation lists of each trust domain hold.
    pub(crate) bundles: BTreeMap<Box<str>, Validity>,
}

/// What the listener shows: a chain and the key of its leaf.
#[derive(Debug)]
pub(crate) struct Shown {
    certified: Arc<CertifiedKey>,
    validity: Validity,
}

impl Shown {
    /// What a chain that holds for this long and its key make.
    ///
    /// # Errors
    /// The key cannot be used, or is another's.
    pub(crate) fn new(
        (chain, validity): (Vec<CertificateDer<'static>>, Validity),
        key: PrivateKeyDer<'static>,
    ) -> Result<Shown, rustls::Error> {
        let certified = CertifiedKey::from_der(chain, key, &provider())?;
        Ok(Shown {
            certified: Arc::new(certified),
            validity,
        })
    }
}

impl Agents {
    /// TLS 1.3, a client certificate always, no resumption (a resumed session would skip the verification of the
    /// certificate) and so no early data.
    pub(crate) fn new<'b>(
        shown: &Shown,
        bundles: impl Iterator<Item = (&'b str, &'b Bundle)>,
    ) -> Result<Agents, rustls::Error> {
        let (mut vouching, mut ends) = (HashMap::new(), BTreeMap::new());
        for (domain, bundle) in bundles {
            vouching.insert(domain.to_owned(), bundle.vouches.clone());
            ends.insert(domain.into(), bundle.validity);
        }
        let verifier = AgentVerifier::new(vouching, provider().signature_verification_algorithms)
            .ok_or_else(|| {
            rustls::Error::General("no trust domain is configured".to_owned())
        })?;
        let verifier = Arc::new(verifier);
        let certificate = SingleCertAndKey::from(shown.certified.clone());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Agents {
            config: Arc::new(config),
            verifier,
            shown: shown.validity,
            bundles: ends,
        })
    }
}

/// How upstreams are spoken to: TLS 1.2 or 1.3, verified against `roots`, no early data.
pub(crate) fn upstreams(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}
