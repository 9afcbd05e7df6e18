//! What a lease is called in the record.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

use super::Fetched;

/// Names leases for the record by a hash whose key is drawn at start and never leaves the process: equal within one
/// run, meaningless outside of it, and nothing can be found from it.
#[derive(Clone)]
pub(crate) struct LeaseNames(Arc<hmac::Key>);

impl LeaseNames {
    /// Draws the key.
    ///
    /// # Errors
    ///
    /// When the system has no randomness; the gate cannot work then.
    pub(crate) fn random() -> Result<LeaseNames, aws_lc_rs::error::Unspecified> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        hmac::Key::generate(hmac::HMAC_SHA256, &random).map(|key| LeaseNames(Arc::new(key)))
    }

    /// The first 8 bytes, in hex, of the hash of the source's lease id, or else of the value's place and version.
    pub(super) fn name(&self, source: &str, fetched: &Fetched, generation: u64) -> String {
        let text = match (&fetched.lease, fetched.version) {
            (Some(lease), _) => format!("lease {}", lease.id),
            (None, Some(version)) => format!("version {version} of {source}"),
            (None, None) => format!("generation {generation} of {source}"),
        };
        let tag = hmac::sign(&self.0, text.as_bytes());
        let hex = |byte: &u8| format!("{byte:02x}");
        tag.as_ref().iter().take(8).map(hex).collect()
    }
}

impl fmt::Debug for LeaseNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseNames(..)")
    }
}
