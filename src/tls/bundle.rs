//! Whom a trust domain vouches for: its authorities, each for as long as it holds, and what they revoked.

use std::sync::Arc;

use rustls::{
    CertificateError, Error, RootCertStore,
    pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use time::OffsetDateTime;

use super::{provider, validity::Validity};
use crate::identity::certificate::Vouches;

/// Whom a trust domain vouches for.
#[derive(Debug)]
pub(crate) struct Bundle {
    pub(super) vouches: Arc<dyn Vouches>,
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
        let hold = terms
            .reduce(Validity::and)
            .ok_or_else(|| Error::General("no authority is in it".to_owned()))?;
        let mut each = Vec::new();
        for (root, validity) in authorities {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(root), provider())
                .with_crls(crls.iter().cloned())
                .enforce_revocation_expiration()
                .build()
                .map_err(|error| Error::General(error.to_string()))?;
            each.push((validity, verifier));
        }
        Ok(Bundle {
            vouches: Arc::new(Authorities(each)),
            validity: lists_hold.map_or(hold, |lists| hold.and(lists)),
        })
    }
}

/// The verifiers of a trust domain, one an authority. Each is asked only while its authority's own certificate holds,
/// which a store of trust anchors does not look at (RFC 5280 section 6.1 leaves it to us).
#[derive(Debug)]
struct Authorities(Vec<(Validity, Arc<dyn ClientCertVerifier>)>);

impl Vouches for Authorities {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut told = unknown.clone();
        for (validity, verifier) in &self.0 {
            if !covers(validity, now) {
                continue;
            }
            match verifier.verify_client_cert(leaf, intermediates, now) {
                Ok(verified) => return Ok(verified),
                // What the issuer says is nearer to the fault than what a stranger says.
                Err(error) if told == unknown => told = error,
                Err(_) => {}
            }
        }
        Err(told)
    }
}

fn covers(validity: &Validity, now: UnixTime) -> bool {
    let seconds = i64::try_from(now.as_secs()).ok();
    let moment = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    moment.is_some_and(|moment| validity.covers(moment))
}
