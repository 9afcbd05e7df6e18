//! A question to an engine, and how its answer is read.

use super::{Answer, Fetched, Question, VaultError};

/// A question with the reader of its answer, who may add what was never asked for: a key, the text that was signed.
pub(in super::super) struct Ask<'e> {
    pub(in super::super) question: Question,
    read: Box<Read<'e>>,
}

type Read<'e> = dyn FnOnce(&Answer) -> Result<Fetched, VaultError> + Send + 'e;

impl<'e> Ask<'e> {
    /// `question`, whose answer `read` reads.
    pub(super) fn new(
        question: Question,
        read: impl FnOnce(&Answer) -> Result<Fetched, VaultError> + Send + 'e,
    ) -> Ask<'e> {
        Ask {
            question,
            read: Box::new(read),
        }
    }

    /// Reads what is at `segments`.
    ///
    /// # Errors
    ///
    /// [`VaultError::PathUnsafe`] when the path has more than one reading.
    pub(super) fn read(
        segments: &[&str],
        read: impl FnOnce(&Answer) -> Result<Fetched, VaultError> + Send + 'e,
    ) -> Result<Ask<'e>, VaultError> {
        Ok(Ask::new(Question::read(segments)?, read))
    }

    /// What `answer` gives.
    ///
    /// # Errors
    ///
    /// That there is nothing, or nothing any more; that a text is missing or is no secret; that the answer is none.
    pub(in super::super) fn fetched(self, answer: &Answer) -> Result<Fetched, VaultError> {
        (self.read)(answer)
    }
}
