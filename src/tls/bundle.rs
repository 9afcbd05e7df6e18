//! Whom a trust domain vouches for: its authorities, each for as long as it holds, and what they revoked.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use time::OffsetDateTime;

use super::{provider, validity::Validity};

/// Whom a trust domain vouches for.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// When all of its authorities and revocation lists hold.
    pub(super) validity: Validity,
}

impl Bundle {
    /// A trust domain with these authorities, each with the time in which it holds, and what they revoked (RFC 5280
    /// section 5) until `lists_hold`. If there is any list, every issuer in a chain needs one that its next update has
    /// not overtaken: whether a certificate was revoked since then, nobody knows.
    ///
    /// # Errors
    /// There is no authority, or a list cannot be read.
    pub(crate) fn new(
        authorities: Vec<(RootCertStore, Validity)>,
        (crls, lists_hold): (Vec<CertificateRevocationListDer<'static>>, Option<Validity>),
    ) -> Result<Bundle, Error> {
        let terms = authorities.iter().map(|(_, validity)| *validity);
        let validity = terms.chain(lists_hold).reduce(Validity::and);
        let mut each = Vec::new();
        for (root, validity) in authorities {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(root), provider())
                .with_crls(crls.iter().cloned())
                .enforce_revocation_expiration()
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            each.push((validity, verifier));
        }
        let (Some(validity), Some(authorities)) = (validity, Authorities::of(each)) else {
            return Err(Error::General("no authority is in it".to_owned()));
        };
        Ok(Bundle {
            verifier: Arc::new(authorities),
            validity,
        })
    }
}

/// The verifiers of a trust domain, one an authority. Each is asked only while its authority's own certificate holds,
/// which a store of trust anchors does not look at (RFC 5280 section 6.1 leaves it to us).
#[derive(Debug)]
struct Authorities {
    each: Vec<(Validity, Arc<dyn ClientCertVerifier>)>,
    /// Any of them: signatures in a handshake concern no authority.
    signatures: Arc<dyn ClientCertVerifier>,
}

impl Authorities {
    fn of(each: Vec<(Validity, Arc<dyn ClientCertVerifier>)>) -> Option<Authorities> {
        let (_, signatures) = each.first()?;
        let signatures = signatures.clone();
        Some(Authorities { each, signatures })
    }
}

impl ClientCertVerifier for Authorities {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut told = unknown.clone();
        for (validity, verifier) in &self.each {
            if !covers(validity, now) {
                continue;
            }
            match verifier.verify_client_cert(end_entity, intermediates, now) {
                Ok(verified) => return Ok(verified),
                // What the issuer says is nearer to the fault than what a stranger says.
                Err(error) if told == unknown => told = error,
                Err(_) => {}
            }
        }
        Err(told)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signatures.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_verify_schemes()
    }
}

fn covers(validity: &Validity, now: UnixTime) -> bool {
    let seconds = i64::try_from(now.as_secs()).ok();
    let moment = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.is_some_and(|moment| validity.covers(moment))
}
