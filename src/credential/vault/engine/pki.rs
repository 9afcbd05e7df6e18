//! The PKI engine: a certificate for a key that the gate makes for it and that never leaves the process.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{CertificateParams, DistinguishedName, DnType};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::json;

use super::{
    super::super::{End, Fetched, LeaseInfo},
    Answer, Ask, Envelope, NO_DATA, Question, VaultError, fetched, lease,
};
use crate::secret::{Certificate, OwnKey, Value};

/// So many authorities between the certificate and its root are shown.
const CHAIN_MAX: usize = 8;

/// What a certificate is asked of, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertificateRole {
    /// Where the engine is mounted.
    pub(crate) mount: String,
    /// The role that says what may stand in it.
    pub(crate) role: String,
    /// The name of its subject.
    pub(crate) common_name: String,
    /// How long it is to hold.
    pub(crate) ttl: Duration,
}

impl CertificateRole {
    pub(super) fn ask(&self) -> Result<Ask<'_>, VaultError> {
        let key = OwnKey::generate().map_err(|_| VaultError::NoRandomness)?;
        let body = json!({
            "csr": self.request(&key)?,
            "common_name": self.common_name,
            "ttl": format!("{}s", self.ttl.as_secs()),
        });
        let question = Question::write(&[&self.mount, "sign", &self.role], body)?;
        Ok(Ask::new(question, |answer| {
            signed(answer, key, SystemTime::now())
        }))
    }

    pub(super) fn name(&self) -> String {
        format!("vault:{}/sign/{}", self.mount, self.role)
    }

    /// The request for a certificate (RFC 2986), which proves that whoever asks has the key.
    fn request(&self, key: &OwnKey) -> Result<String, VaultError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, &*self.common_name);
        let request = params.serialize_request(key).and_then(|csr| csr.pem());
        request.map_err(|_| VaultError::Settings("no certificate can be asked for in this name"))
    }
}

#[derive(Deserialize)]
struct Signed {
    certificate: Option<String>,
    issuing_ca: Option<String>,
    ca_chain: Option<Vec<String>>,
}

/// The certificate, which ends when it says so itself. Where the engine leases it besides, giving the lease back revokes
/// it; such a lease is never made longer, since that moves no end.
fn signed(answer: &Answer, key: OwnKey, now: SystemTime) -> Result<Fetched, VaultError> {
    let mut envelope: Envelope<Signed> = answer.success()?;
    let signed = envelope.data.take().ok_or(NO_DATA)?;
    let leaf = signed.certificate.as_deref().ok_or(VaultError::NoField)?;
    let chain = signed.ca_chain.filter(|chain| !chain.is_empty());
    let chain = chain.unwrap_or_else(|| signed.issuing_ca.into_iter().collect());
    let chain: Result<Vec<_>, _> = chain.iter().take(CHAIN_MAX).map(|pem| read(pem)).collect();
    let chain = chain?.into_iter().filter(|authority| !is_root(authority));
    let certificate = Certificate::new(read(leaf)?, chain, key)
        .map_err(|unfit| VaultError::Malformed(unfit.as_str()))?;
    let left = certificate.left(now);
    let leased = lease(&envelope).map(|lease| LeaseInfo {
        duration: lease.duration.min(left),
        renewable: false,
        ..lease
    });
    Ok(fetched(
        &envelope,
        Value::Certificate(Arc::new(certificate)),
        leased.map_or(End::After(left), End::Lease),
    ))
}

fn read(pem: &str) -> Result<CertificateDer<'static>, VaultError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| VaultError::Malformed("a certificate of it is none"))
}

/// Whether an authority vouches for itself: whoever believes it has it, and nobody else gains by seeing it.
fn is_root(authority: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(authority)
        .is_ok_and(|(_, parsed)| parsed.subject() == parsed.issuer())
}
