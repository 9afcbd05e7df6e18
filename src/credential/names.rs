//! What a lease is called in the record.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::hmac;

use super::{End, Fetched};

/// Names leases for the record by a hash whose key is drawn at start and never leaves the process: equal within one
/// run, meaningless outside of it, and nothing can be found from it.
#[derive(Clone)]
pub(crate) struct LeaseNames(Arc<Names>);

struct Names {
    key: hmac::Key,
    generations: AtomicU64,
}

impl LeaseNames {
    /// Draws the key.
    ///
    /// # Errors
    ///
    /// When the system has no randomness; the gate cannot work then.
    pub(crate) fn random() -> Result<LeaseNames, aws_lc_rs::error::Unspecified> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random)?;
        let generations = AtomicU64::new(0);
        Ok(LeaseNames(Arc::new(Names { key, generations })))
    }

    /// The next generation of a value. They are counted over all entries, so that an entry which takes the place of
    /// another has no generation in common with it.
    pub(super) fn next_generation(&self) -> u64 {
        self.0.generations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The first 8 bytes, in hex, of the hash of the source's lease id, or else of the value's place and version.
    pub(super) fn name(&self, source: &str, fetched: &Fetched, generation: u64) -> String {
        let text = match (&fetched.end, fetched.version) {
            (End::Lease(lease), _) => format!("lease {}", lease.id),
            (End::Open | End::Rotation(_) | End::After(_), Some(version)) => {
                format!("version {version} of {source}")
            }
            (End::Open | End::Rotation(_) | End::After(_), None) => {
                format!("generation {generation} of {source}")
            }
        };
        let tag = hmac::sign(&self.0.key, text.as_bytes());
        let hex = |byte: &u8| format!("{byte:02x}");
        tag.as_ref().iter().take(8).map(hex).collect()
    }
}

impl fmt::Debug for LeaseNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeaseNames(..)")
    }
}
