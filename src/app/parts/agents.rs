//! The agents' side of the gate: what it shows them, and whom each trust domain vouches for.

use std::collections::BTreeMap;

use super::{Part, StartError, unusable};
use crate::{
    config::{Bundle, Digest, KeyPair},
    identity::TrustDomain,
    tls::{self, stores, validity::Validity},
};

/// What [`shown`] depends on.
pub(super) fn shown_made_of(certificate: &KeyPair) -> Digest {
    let files = [&*certificate.chain, &*certificate.key];
    Digest::of(&format!("{certificate:?}"), files)
}

/// The gate's own certificate, with its key.
pub(super) fn shown(certificate: &KeyPair) -> Result<tls::Shown, StartError> {
    let chain = stores::certificates(&certificate.chain).map_err(unusable)?;
    let validity = Validity::of_all(&chain, &certificate.chain).map_err(unusable)?;
    let key = stores::key(&certificate.key).map_err(unusable)?;
    tls::Shown::new((chain, validity), key)
        .map_err(|error| StartError::because(&certificate.chain.display().to_string(), error))
}

/// What [`bundle`] depends on.
pub(super) fn bundle_made_of(bundle: &Bundle) -> Digest {
    let files = std::iter::once(&bundle.authorities).chain(&bundle.crls);
    Digest::of(&format!("{bundle:?}"), files.map(|path| &**path))
}

/// One trust domain: its authorities, and the lists of what they revoked.
pub(super) fn bundle(bundle: &Bundle) -> Result<tls::Bundle, StartError> {
    let mut crls = Vec::new();
    for list in &bundle.crls {
        crls.extend(stores::crls(list).map_err(unusable)?);
    }
    let authorities = stores::certificates(&bundle.authorities).map_err(unusable)?;
    let validity = Validity::of_all(&authorities, &bundle.authorities).map_err(unusable)?;
    let roots = stores::roots(&bundle.authorities).map_err(unusable)?;
    tls::Bundle::new((roots, validity), crls).map_err(|error| {
        let authorities = bundle.authorities.display();
        StartError::because(&format!("{authorities} and its revocation lists"), error)
    })
}

/// What [`agents`] depends on.
pub(super) fn made_of(
    shown: &Part<tls::Shown>,
    bundles: &BTreeMap<TrustDomain, Part<tls::Bundle>>,
) -> Digest {
    let bundles = bundles
        .iter()
        .map(|(domain, bundle)| (domain, bundle.made_of));
    let text = format!("{:?}{:?}", shown.made_of, bundles.collect::<Vec<_>>());
    Digest::of(&text, [])
}

/// All of it.
pub(super) fn agents(
    shown: &Part<tls::Shown>,
    bundles: &BTreeMap<TrustDomain, Part<tls::Bundle>>,
) -> Result<tls::Agents, StartError> {
    let bundles = bundles
        .iter()
        .map(|(domain, bundle)| (domain.as_str(), &*bundle.value));
    tls::Agents::new(&shown.value, bundles)
        .map_err(|error| StartError::because("the agents' listener", error))
}
