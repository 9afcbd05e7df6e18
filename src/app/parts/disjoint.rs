//! The interception authority stands apart: what it signs is believed inside tunnels, and nowhere else.

use std::path::Path;

use rustls::{RootCertStore, pki_types::CertificateDer};

use super::{StartError, unusable};
use crate::tls::stores;

/// The `roots` of the file at `path`. Who signs what tunnels show is none of them: it vouches for nobody else, neither
/// for agents nor for upstreams.
pub(super) fn no_interception(
    roots: RootCertStore,
    interception: &CertificateDer<'_>,
    path: &Path,
) -> Result<RootCertStore, StartError> {
    let before = roots.len();
    let others = without(roots, interception)?;
    if others.len() == before {
        return Ok(others);
    }
    Err(unusable(format_args!(
        "{}: the interception authority stands in it; it signs what tunnels show and nothing else, so take it out",
        path.display()
    )))
}

/// `roots` but the interception authority.
pub(super) fn without(
    roots: RootCertStore,
    interception: &CertificateDer<'_>,
) -> Result<RootCertStore, StartError> {
    stores::without(roots, interception)
        .map_err(|error| StartError::because("interception.ca", error))
}
