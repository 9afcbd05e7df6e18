//! Certificates, keys and roots from files.

use std::{
    fmt,
    fs::{File, Metadata},
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor, pem::PemObject,
    },
};

use zeroize::Zeroizing;

use crate::{
    regular::{self, FILE_BYTES_MAX},
    secret::Exposure,
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
    PrivateKeyDer::from_pem_slice(&read_private(path)?).map_err(|error| because(path, error))
}

/// The text of a file that nobody but its owner can read.
pub(crate) fn private_text(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let bytes = read_private(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| because(path, error))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The trust anchors of a PEM file.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, StoreError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.extend(root(certificate, path)?.roots);
    }
    Ok(roots)
}

/// The trust anchor that a certificate of the file at `path` is.
pub(crate) fn root(
    certificate: CertificateDer<'_>,
    path: &Path,
) -> Result<RootCertStore, StoreError> {
    let mut root = RootCertStore::empty();
    root.add(certificate)
        .map_err(|error| because(path, error))?;
    Ok(root)
}

/// `roots` but those that have the key of `authority`, under whatever name.
///
/// # Errors
/// The authority's certificate cannot be one of a store.
pub(crate) fn without(
    roots: RootCertStore,
    authority: &CertificateDer<'_>,
) -> Result<RootCertStore, rustls::Error> {
    let mut own = RootCertStore::empty();
    own.add(authority.clone())?;
    let is_own = |anchor: &TrustAnchor<'_>| {
        let mut keys = own.roots.iter().map(|own| &own.subject_public_key_info);
        keys.any(|key| *key == anchor.subject_public_key_info)
    };
    let anchors = roots.roots.into_iter();
    Ok(anchors.filter(|anchor| !is_own(anchor)).collect())
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
    let (file, _) = open(path)?;
    read_open(path, &file)
}

/// A key that others can read is no secret: refused, with what mends it.
fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (file, seen) = open(path)?;
    match Exposure::of(&seen) {
        Some(exposure) => Err(because(path, exposure)),
        None => read_open(path, &file),
    }
}

/// Whoever can put another certificate here decides whom the gate trusts.
fn open(path: &Path) -> Result<(File, Metadata), StoreError> {
    let file = regular::open(path).map_err(|error| because(path, error))?;
    let seen = file.metadata().map_err(|error| because(path, error))?;
    match regular::open_to_all(path, &seen).map_err(|error| because(path, error))? {
        Some(open_to_all) => Err(because(path, open_to_all)),
        None => Ok((file, seen)),
    }
}

fn read_open(path: &Path, file: &File) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    regular::read_open(file, FILE_BYTES_MAX).map_err(|error| because(path, error))
}
