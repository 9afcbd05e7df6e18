//! The agents' side of the gate: what it shows them, and whom each trust domain vouches for.

use std::{collections::BTreeMap, path::Path};

use rustls::{RootCertStore, pki_types::CertificateDer};

use super::{Part, StartError, disjoint::no_interception, unusable};
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
pub(super) fn bundle_made_of(bundle: &Bundle, mint: Digest) -> Digest {
    let files = std::iter::once(&bundle.authorities).chain(&bundle.crls);
    let text = format!("{bundle:?}{mint:?}");
    Digest::of(&text, files.map(|path| &**path))
}

/// One trust domain: its authorities, and the lists of what they revoked. The `interception` authority, which signs
/// whatever name an agent asks for, is none of them.
pub(super) fn bundle(
    bundle: &Bundle,
    interception: &CertificateDer<'_>,
) -> Result<tls::Bundle, StartError> {
    let (mut crls, mut terms) = (Vec::new(), Vec::new());
    for path in &bundle.crls {
        let lists = stores::crls(path).map_err(unusable)?;
        terms.push(Validity::of_lists(&lists, path).map_err(unusable)?);
        crls.extend(lists);
    }
    let lists_hold = terms.into_iter().reduce(Validity::and);
    let authorities = authorities(&bundle.authorities, interception)?;
    tls::Bundle::new(authorities, (crls, lists_hold)).map_err(|error| {
        let authorities = bundle.authorities.display();
        StartError::because(&format!("{authorities} and its revocation lists"), error)
    })
}

/// The authorities in the file at `path`, each with the time in which it holds.
fn authorities(
    path: &Path,
    interception: &CertificateDer<'_>,
) -> Result<Vec<(RootCertStore, Validity)>, StartError> {
    let certificates = stores::certificates(path).map_err(unusable)?;
    let each = certificates.into_iter().map(|certificate| {
        let validity = Validity::of_all(std::slice::from_ref(&certificate), path);
        let validity = validity.map_err(unusable)?;
        let root = stores::root(certificate, path).map_err(unusable)?;
        Ok((no_interception(root, interception, path)?, validity))
    });
    each.collect()
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
