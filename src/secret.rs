//! A value that never prints and is wiped when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text: a credential's value, a Vault token, a secret id.
///
/// It has no `Display`, `Serialize` or `Clone`, its `Debug` says only that it is there, and its memory is
/// overwritten on drop. What is made of it (a header value) must be marked sensitive by the maker.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over `value`; the caller keeps no copy.
    pub fn new(value: String) -> Secret {
        Secret(Zeroizing::new(value))
    }

    /// The value itself. Each call site is a place where a secret could leak: keep them few.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
