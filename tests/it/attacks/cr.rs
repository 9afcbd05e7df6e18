//! Answers that would give the credential back.
