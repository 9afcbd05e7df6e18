//! A verified certificate becomes a [`Caller`].
//!
//! The rules are those of an X509-SVID (SPIFFE X509-SVID sections 2, 4 and 5.2): exactly one URI SAN, a SPIFFE ID
//! with a path, no CA, a key usage for signatures only, and a path that ends in the bundle of the ID's own trust
//! domain and in no other. Subject names are never looked at.

use std::{collections::HashMap, fmt, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use time::OffsetDateTime;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, KeyUsage},
    prelude::FromDer,
};

use super::SpiffeId;

/// Who calls: an identity that was verified by its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The identity.
    pub id: SpiffeId,
    /// SHA-256 of the certificate, in lower-case hex: its name in the log and in the revoked list.
    pub fingerprint: Arc<str>,
    /// The end of the certificate.
    pub not_after: OffsetDateTime,
}

/// Why a certificate is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SvidFault {
    /// It cannot be read.
    Malformed,
    /// It has no URI SAN or more than one.
    UriSan,
    /// Its URI SAN is no SPIFFE ID in canonical form, or one without a path.
    SpiffeId,
    /// It is a certificate authority's.
    Authority,
    /// Its key usage is absent, lacks digital signatures, or can sign certificates or revocation lists.
    KeyUsage,
    /// No bundle is configured for its trust domain.
    TrustDomain,
}

impl fmt::Display for SvidFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SvidFault::Malformed => "the certificate cannot be read",
            SvidFault::UriSan => "the certificate must have exactly one URI SAN",
            SvidFault::SpiffeId => "the URI SAN is no canonical SPIFFE ID with a path",
            SvidFault::Authority => "the certificate is that of an authority",
            SvidFault::KeyUsage => "the key usage must be for digital signatures only",
            SvidFault::TrustDomain => "no bundle is configured for the trust domain",
        })
    }
}

impl std::error::Error for SvidFault {}

impl Caller {
    /// Reads the identity from a leaf certificate. Whom it may be trusted as is [`AgentVerifier`]'s question.
    pub fn read(leaf: &CertificateDer<'_>) -> Result<Caller, SvidFault> {
        let (rest, certificate) =
            X509Certificate::from_der(leaf).map_err(|_| SvidFault::Malformed)?;
        if !rest.is_empty() {
            return Err(SvidFault::Malformed);
        }
        check_form(&certificate)?;
        let id = spiffe_id(&certificate)?;
        check_no_authority(&certificate)?;
        check_key_usage(&certificate)?;
        let not_after = certificate.validity().not_after.to_datetime();
        Ok(Caller {
            id,
            fingerprint: fingerprint(leaf),
            not_after,
        })
    }
}

/// What no authority that follows RFC 5280 (sections 4.1.2.2 and 4.2) signs, and what readers of certificates take in
/// different ways: a serial number below zero, and two extensions of one kind.
fn check_form(certificate: &X509Certificate<'_>) -> Result<(), SvidFault> {
    let negative = certificate
        .raw_serial()
        .first()
        .is_none_or(|first| first & 0x80 != 0);
    if negative || certificate.extensions_map().is_err() {
        return Err(SvidFault::Malformed);
    }
    Ok(())
}

fn spiffe_id(certificate: &X509Certificate<'_>) -> Result<SpiffeId, SvidFault> {
    let uri = only_uri(certificate).ok_or(SvidFault::UriSan)?;
    SpiffeId::parse(uri).map_err(|_| SvidFault::SpiffeId)
}

/// The one URI among a certificate's names; none if there are none or several.
pub(crate) fn only_uri<'c>(certificate: &'c X509Certificate<'_>) -> Option<&'c str> {
    let names = certificate.subject_alternative_name().ok().flatten()?;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    let only = uris.next()?;
    uris.next().is_none().then_some(only)
}

fn check_no_authority(certificate: &X509Certificate<'_>) -> Result<(), SvidFault> {
    match certificate
        .basic_constraints()
        .map_err(|_| SvidFault::Malformed)?
    {
        Some(constraints) if constraints.value.ca => Err(SvidFault::Authority),
        Some(_) | None => Ok(()),
    }
}

fn check_key_usage(certificate: &X509Certificate<'_>) -> Result<(), SvidFault> {
    let usage = certificate
        .key_usage()
        .map_err(|_| SvidFault::Malformed)?
        .ok_or(SvidFault::KeyUsage)?;
    let signs_only =
        |usage: &KeyUsage| usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign();
    if signs_only(usage.value) {
        Ok(())
    } else {
        Err(SvidFault::KeyUsage)
    }
}

/// SHA-256 of a certificate in lower-case hex.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> Arc<str> {
    use fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
    let mut hex = String::with_capacity(64);
    for byte in digest.as_ref() {
        let _infallible = write!(hex, "{byte:02x}");
    }
    hex.into()
}

/// Whoever vouches for the callers of one trust domain.
pub trait Vouches: fmt::Debug + Send + Sync {
    /// Verifies a chain at `now`.
    ///
    /// # Errors
    /// Why nobody vouches for its leaf.
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error>;
}

/// Verifies agents' certificates, each against the bundle of its own trust domain (SPIFFE Federation section 7.3).
#[derive(Debug)]
pub struct AgentVerifier {
    bundles: HashMap<String, Arc<dyn Vouches>>,
    /// How the signatures of handshakes are verified, which concern no bundle.
    signatures: WebPkiSupportedAlgorithms,
}

impl AgentVerifier {
    /// A verifier over the bundles of the trust domains; none if there is no trust domain.
    pub fn new(
        bundles: HashMap<String, Arc<dyn Vouches>>,
        signatures: WebPkiSupportedAlgorithms,
    ) -> Option<AgentVerifier> {
        (!bundles.is_empty()).then_some(AgentVerifier {
            bundles,
            signatures,
        })
    }

    /// Verifies a chain, leaf first, as a handshake at `now` would.
    ///
    /// # Errors
    /// What the handshake would have ended with.
    pub fn verify_again(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.verify_client_cert(leaf, intermediates, now).map(drop)
    }
}

impl ClientCertVerifier for AgentVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let caller = Caller::read(end_entity).map_err(refused)?;
        let bundle = self
            .bundles
            .get(caller.id.trust_domain())
            .ok_or_else(|| refused(SvidFault::TrustDomain))?;
        bundle.verify(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.signatures)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.signatures)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}

fn refused(fault: SvidFault) -> Error {
    Error::InvalidCertificate(rustls::CertificateError::Other(OtherError(Arc::new(fault))))
}
