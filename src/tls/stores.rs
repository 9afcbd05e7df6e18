//! Certificates, keys and roots from files.

use std::{
    fmt,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
};

use zeroize::Zeroizing;

use crate::{
    regular::{self, FILE_BYTES_MAX},
    secret::open_to_others,
};

/// A file that cannot be used, and why.
#[derive(Debug)]
pub(crate) struct StoreError {
    path: PathBuf,
    what: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.what)
    }
}

impl std::error::Error for StoreError {}

pub(super) fn because(path: &Path, what: impl fmt::Display) -> StoreError {
    StoreError {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| because(path, error))?;
    if found.is_empty() {
        return Err(because(
            path,
            "no certificate in it; a PEM file with at least one is expected",
        ));
    }
    Ok(found)
}

/// The revocation lists of a PEM file, at least one.
pub(crate) fn crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, StoreError> {
    let found: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| because(path, error))?;
    if found.is_empty() {
        return Err(because(
            path,
            "no revocation list in it; a PEM file with at least one is expected",
        ));
    }
    Ok(found)
}

/// The private key of a PEM file that nobody but its owner can read.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, StoreError> {
    check_private(path)?;
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| because(path, error))
}

/// The text of a file that nobody but its owner can read.
pub(crate) fn private_text(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    check_private(path)?;
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| because(path, error))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The trust anchors of a PEM file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    add_roots(&mut roots, path)?;
    Ok(roots)
}

/// Adds the trust anchors of a PEM file.
pub(crate) fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), StoreError> {
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| because(path, error))?;
    }
    Ok(())
}

/// The system's trust anchors.
pub(crate) fn system_certificates() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's roots cannot be read");
    }
    found.certs
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    regular::read(path, FILE_BYTES_MAX).map_err(|error| because(path, error))
}

/// A key that others can read is no secret: refused, with the command that mends it.
fn check_private(path: &Path) -> Result<(), StoreError> {
    let metadata = std::fs::metadata(path).map_err(|error| because(path, error))?;
    if !open_to_others(metadata.mode(), metadata.uid(), metadata.gid()) {
        return Ok(());
    }
    Err(because(
        path,
        format_args!(
            "others may read this key (mode {:o}); chmod 600 it",
            metadata.mode() & 0o777
        ),
    ))
}
