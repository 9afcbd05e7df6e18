//! TLS as the gate speaks it: one provider, three disjoint trust stores, no switch that weakens any of them.
//!
//! Agents are verified against the bundles of their trust domains, upstreams against their roots, and what tunnels
//! show is signed by the interception authority; none of the three stands in for another.

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
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

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
    /// When all authorities of each trust domain hold.
    pub(crate) bundles: BTreeMap<Box<str>, Validity>,
}

/// Whom a trust domain vouches for.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// Its authorities.
    pub(crate) roots: RootCertStore,
    /// When all of them hold.
    pub(crate) validity: Validity,
    /// What they revoked (RFC 5280 section 5). If there is any list, every issuer in a chain needs one.
    pub(crate) crls: Vec<CertificateRevocationListDer<'static>>,
}

impl Agents {
    /// TLS 1.3, a client certificate always, no resumption (a resumed session would skip the verification of the
    /// certificate) and so no early data.
    pub(crate) fn new(
        (chain, shown): (Vec<CertificateDer<'static>>, Validity),
        key: PrivateKeyDer<'static>,
        bundles: HashMap<String, Bundle>,
    ) -> Result<Agents, rustls::Error> {
        let provider = provider();
        let ends = bundles.iter();
        let ends = ends.map(|(domain, bundle)| (domain.as_str().into(), bundle.validity));
        let ends = ends.collect();
        let verifier = Arc::new(agent_verifier(&provider, bundles)?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Agents {
            config: Arc::new(config),
            verifier,
            shown,
            bundles: ends,
        })
    }
}

fn agent_verifier(
    provider: &Arc<CryptoProvider>,
    bundles: HashMap<String, Bundle>,
) -> Result<AgentVerifier, rustls::Error> {
    let mut verifiers: HashMap<String, Arc<dyn ClientCertVerifier>> =
        HashMap::with_capacity(bundles.len());
    for (domain, Bundle { roots, crls, .. }) in bundles {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .with_crls(crls)
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifiers.insert(domain, verifier);
    }
    AgentVerifier::new(verifiers)
        .ok_or_else(|| rustls::Error::General("no trust domain is configured".to_owned()))
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
