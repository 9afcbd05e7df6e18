//! From when until when certificates hold.

use std::path::Path;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use time::OffsetDateTime;

use super::stores::{self, StoreError};

/// The time in which something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    /// Its first moment.
    pub(crate) from: OffsetDateTime,
    /// Its last moment.
    pub(crate) until: OffsetDateTime,
}

impl Validity {
    /// When all certificates of the PEM file at `path` hold: from the last beginning to the first end.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(crate) fn of_all(all: &[CertificateDer<'_>], path: &Path) -> Result<Validity, StoreError> {
        let terms = all.iter().map(Validity::of);
        let together = terms.reduce(|one, other| Some(one?.and(other?)));
        together
            .flatten()
            .ok_or_else(|| stores::because(path, "a certificate in it cannot be read"))
    }

    fn of(certificate: &CertificateDer<'_>) -> Option<Validity> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let validity = parsed.validity();
        Some(Validity {
            from: validity.not_before.to_datetime(),
            until: validity.not_after.to_datetime(),
        })
    }

    /// When all revocation `lists` of the PEM file at `path` hold: each from its making to its next update.
    ///
    /// # Errors
    /// One of them cannot be read, or names no next update (RFC 5280 section 5.1.2.5 wants one).
    pub(crate) fn of_lists(
        lists: &[CertificateRevocationListDer<'_>],
        path: &Path,
    ) -> Result<Validity, StoreError> {
        let terms = lists.iter().map(Validity::of_list);
        let together = terms.reduce(|one, other| Some(one?.and(other?)));
        together.flatten().ok_or_else(|| {
            stores::because(path, "a list in it cannot be read, or names no next update")
        })
    }

    fn of_list(list: &CertificateRevocationListDer<'_>) -> Option<Validity> {
        let (_, parsed) = x509_parser::parse_x509_crl(list).ok()?;
        Some(Validity {
            from: parsed.last_update().to_datetime(),
            until: parsed.next_update()?.to_datetime(),
        })
    }

    /// When both hold.
    pub(crate) fn and(self, other: Validity) -> Validity {
        Validity {
            from: self.from.max(other.from),
            until: self.until.min(other.until),
        }
    }

    /// Whether it holds at the moment `now`.
    pub(crate) fn covers(&self, now: OffsetDateTime) -> bool {
        self.from <= now && now <= self.until
    }
}
