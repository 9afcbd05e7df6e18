//! The gate's own tokens that have not ended, in a file that outlives the gate: what a run that was cut short left
//! behind is ended by the next one.
//!
//! No token stands there, only accessors, by which a token is ended and cannot be used. One gate at a time has the
//! file. When a token is noted, forgotten or ended is not decided here (that is `session`).

mod entry;
mod file;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::task::spawn_blocking;

pub(super) use self::entry::{Accessor, Entry, seconds};
pub(crate) use self::file::LedgerFault;
use self::file::{LedgerError, Locked};
use super::error::VaultError;

/// So long after its end a token still stands there, since the clock that tells it may be wrong.
const ENDED_TIME: Duration = Duration::from_secs(60);

/// So many tokens are noted; one more takes the place of the one that ends first. A gate has far fewer.
const ENTRIES_MAX: usize = 4096;

/// The file while this gate has it.
pub(crate) struct Ledger {
    path: PathBuf,
    kept: Mutex<Kept>,
}

struct Kept {
    file: Locked,
    entries: Vec<Entry>,
    /// Those of an earlier run, until somebody ends them.
    left: Vec<Entry>,
}

impl Ledger {
    /// Takes the file at `path`, for as long as the value lives; makes one where there is none.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] says why it is not to be had.
    pub(crate) fn open(path: &Path) -> Result<Arc<Ledger>, LedgerError> {
        let (file, text) = Locked::open(path)?;
        let now = SystemTime::now();
        let mut left = entry::read(&text);
        left.retain(|entry| !entry.past(now, ENDED_TIME));
        let kept = Kept {
            file,
            entries: left.clone(),
            left,
        };
        Ok(Arc::new(Ledger {
            path: path.to_owned(),
            kept: Mutex::new(kept),
        }))
    }

    /// Whether it is the file at `path`.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// What an earlier run left behind; the first who asks is given it.
    pub(super) fn take_left(&self) -> Vec<Entry> {
        std::mem::take(&mut self.kept().left)
    }

    /// Notes a token, or its new end; the file has it for good when this returns.
    ///
    /// # Errors
    ///
    /// [`VaultError::Unnoted`] when the file may not have it.
    pub(super) async fn note(self: &Arc<Ledger>, entry: Entry) -> Result<(), VaultError> {
        let noted = self.change(move |entries| {
            entries.retain(|known| known.accessor != entry.accessor);
            if entries.len() >= ENTRIES_MAX {
                entries.sort_by_key(|known| known.end_s);
                entries.remove(0);
            }
            entries.push(entry);
        });
        noted
            .await
            .map_err(|error| VaultError::Unnoted(error.kind()))
    }

    /// Notes that a token has ended, or is to be left alone.
    pub(super) async fn forget(self: &Arc<Ledger>, accessor: Accessor) {
        let forgotten = self.change(move |entries| {
            entries.retain(|known| known.accessor != accessor);
        });
        if let Err(error) = forgotten.await {
            let path = self.path.display();
            tracing::warn!(%path, %error, "that a vault token has ended is not noted");
        }
    }

    async fn change(
        self: &Arc<Ledger>,
        change: impl FnOnce(&mut Vec<Entry>) + Send + 'static,
    ) -> io::Result<()> {
        let ledger = Arc::clone(self);
        let written = spawn_blocking(move || {
            let mut kept = ledger.kept();
            let now = SystemTime::now();
            kept.entries.retain(|entry| !entry.past(now, ENDED_TIME));
            change(&mut kept.entries);
            let text = entry::written(&kept.entries);
            kept.file.rewrite(&text)
        });
        let interrupted = |_| Err(io::ErrorKind::Interrupted.into());
        written.await.unwrap_or_else(interrupted)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ledger(..)")
    }
}

#[cfg(test)]
mod tests;
