//! What the server warns of, told once.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// So many warnings are remembered; one more is not told, and there are far fewer kinds of them.
const WARNINGS_MAX: usize = 64;

/// Nothing behind this of a warning is told.
const WARNING_CHARS_MAX: usize = 240;

/// The words of the server for a time that it cut to the longest that it gives.
const CAPPED: &str = "exceeded the effective max_ttl";

/// The warnings that were told already.
#[derive(Default)]
pub(super) struct Warnings(Mutex<HashSet<String>>);

impl Warnings {
    /// Tells each of `warnings` that was not told before. They never make a call fail.
    pub(super) fn tell(&self, warnings: &[String]) {
        for warning in warnings {
            let warning: String = warning.chars().take(WARNING_CHARS_MAX).collect();
            if self.is_new(&warning) {
                tracing::warn!(?warning, "vault warns");
            }
        }
    }

    fn is_new(&self, warning: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < WARNINGS_MAX && told.insert(warning.to_owned())
    }
}

/// Whether the server says that it cut a time.
pub(super) fn capped(warnings: &[String]) -> bool {
    warnings.iter().any(|warning| warning.contains(CAPPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v15_a_warning_is_told_once_and_no_more_kinds_than_a_bound() {
        let warnings = Warnings::default();
        assert!(warnings.is_new("a") && !warnings.is_new("a") && warnings.is_new("b"));
        let kinds = (0..1000).filter(|kind| warnings.is_new(&kind.to_string()));
        assert_eq!(kinds.count(), WARNINGS_MAX - 2);
    }
}
