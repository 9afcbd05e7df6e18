//! A certificate that the gate shows as a client, with the key to it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{pki_types::CertificateDer, sign::CertifiedKey};

use super::OwnKey;

/// A certificate with its chain, for a key of the gate's own.
pub(crate) struct Certificate {
    shown: Arc<CertifiedKey>,
    not_after: SystemTime,
}

impl Certificate {
    /// `leaf`, vouched for by the others of `chain`, for `key`.
    ///
    /// # Errors
    /// The certificate cannot be read, or is for another key.
    pub(crate) fn new(
        leaf: CertificateDer<'static>,
        chain: impl IntoIterator<Item = CertificateDer<'static>>,
        key: OwnKey,
    ) -> Result<Certificate, CertificateUnfit> {
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&leaf).map_err(|_| CertificateUnfit::Unreadable)?;
        let seconds = u64::try_from(parsed.validity().not_after.timestamp());
        let not_after = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds.unwrap_or_default()))
            .ok_or(CertificateUnfit::Unreadable)?;
        let chain = std::iter::once(leaf).chain(chain).collect();
        let shown = CertifiedKey::new(chain, Arc::new(key));
        shown
            .keys_match()
            .map_err(|_| CertificateUnfit::ForAnotherKey)?;
        Ok(Certificate {
            shown: Arc::new(shown),
            not_after,
        })
    }

    /// What a handshake shows and signs with.
    pub(crate) fn shown(&self) -> &Arc<CertifiedKey> {
        &self.shown
    }

    /// How long it holds after `now`, by the wall clock: that is what those go by who are shown it.
    pub(crate) fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Whether both are the same certificate.
    pub(super) fn same(&self, other: &Certificate) -> bool {
        self.shown.cert == other.shown.cert
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}

/// Why a certificate cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateUnfit {
    /// It is no certificate.
    Unreadable,
    /// It is for a key that is not the gate's.
    ForAnotherKey,
}

impl CertificateUnfit {
    /// What is wrong with it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CertificateUnfit::Unreadable => "its certificate cannot be read",
            CertificateUnfit::ForAnotherKey => "its certificate is for another key",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{CertificateParams, PublicKeyData as _};

    use super::*;

    /// A certificate that holds for so long from now, which nobody vouches for.
    pub(crate) fn holding_for(time: Duration) -> Certificate {
        let key = OwnKey::generate().unwrap();
        Certificate::new(self_signed(&key, time), [], key).unwrap()
    }

    fn self_signed(key: &OwnKey, time: Duration) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.not_after = (SystemTime::now() + time).into();
        params.self_signed(key).unwrap().der().clone()
    }

    #[test]
    fn it_holds_until_its_own_end_by_the_wall_clock() {
        let hour = Duration::from_secs(3600);
        let certificate = holding_for(hour);
        let left = certificate.left(SystemTime::now());
        assert!(
            left > hour - Duration::from_secs(5) && left <= hour,
            "{left:?}"
        );
        assert_eq!(certificate.left(SystemTime::now() + hour), Duration::ZERO);
    }

    #[test]
    fn a_certificate_for_another_key_is_none_of_ours() {
        let (own, other) = (OwnKey::generate().unwrap(), OwnKey::generate().unwrap());
        assert_ne!(own.der_bytes(), other.der_bytes());
        let made = Certificate::new(self_signed(&other, Duration::from_secs(60)), [], own);
        assert_eq!(made.err(), Some(CertificateUnfit::ForAnotherKey));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let key = OwnKey::generate().unwrap();
        let made = Certificate::new(CertificateDer::from(b"none".to_vec()), [], key);
        assert_eq!(made.err(), Some(CertificateUnfit::Unreadable));
    }

    #[test]
    fn debug_shows_neither_certificate_nor_key() {
        let certificate = holding_for(Duration::from_secs(60));
        assert_eq!(format!("{certificate:?}"), "Certificate(..)");
    }
}
