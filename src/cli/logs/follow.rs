//! A file that grows, and whose name is given to another one from time to time.
//!
//! A file that was moved is read until the one that took its name has something in it: only then has its writer left
//! it. A file that was emptied in place is known by its last bytes, which are no longer there. What is moved away
//! within [`LOOK_TIME`] of its making is not seen, and what a rotation that empties files in place does not copy is
//! nowhere.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::lines::{Line, Lines};

/// How often the name is looked at while there is nothing to read.
pub(super) const LOOK_TIME: Duration = Duration::from_millis(100);
/// Files that had the name and are not read to their end.
const FILES_MAX: usize = 64;
/// How many of the last bytes that were read tell whether they are still there.
const MARK_BYTES: usize = 256;
const READ_BYTES: usize = 64 * 1024;

/// The files that had the name, the oldest first.
pub(super) struct Following {
    path: PathBuf,
    files: VecDeque<Followed>,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something was read; there may be more.
    Some,
    /// There is nothing more for now.
    None,
}

struct Followed {
    file: File,
    /// Device and inode: what it is, whatever its name.
    identity: (u64, u64),
    /// Bytes that were read.
    read: u64,
    /// The last of them, at most [`MARK_BYTES`].
    mark: Vec<u8>,
    lines: Lines,
}

impl Following {
    /// Whatever has the name `path`, from now on.
    pub(super) fn new(path: &Path) -> Following {
        Following {
            path: path.to_owned(),
            files: VecDeque::new(),
        }
    }

    /// Whether there is a file.
    pub(super) fn is_reading(&self) -> bool {
        !self.files.is_empty()
    }

    /// Reads a piece of what was added; each line that is whole by now goes to `each`.
    ///
    /// # Errors
    /// A file cannot be opened or read, or what `each` says.
    pub(super) fn read<E: From<io::Error>>(
        &mut self,
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<Progress, E> {
        self.look()?;
        // Asked before the last read: what its writer wrote, it wrote before it went to another file.
        let mut later = self.files.iter().skip(1);
        let full = later.len() + 1 >= FILES_MAX;
        let left = full || later.any(Followed::has_something);
        let Some(first) = self.files.front_mut() else {
            return Ok(Progress::None);
        };
        if first.read(&mut each)? == Progress::Some {
            return Ok(Progress::Some);
        }
        if !left {
            return Ok(Progress::None);
        }
        first.lines.finish(&mut each)?;
        self.files.pop_front();
        Ok(Progress::Some)
    }

    /// Opens what has the name now, if it is none of those that had it.
    fn look(&mut self) -> io::Result<()> {
        if self.files.len() >= FILES_MAX {
            return Ok(());
        }
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // The next one may not be readable until whoever made it has said who may.
            Err(error) if self.is_reading() && error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let identity = (metadata.dev(), metadata.ino());
        if self
            .files
            .back()
            .is_none_or(|last| last.identity != identity)
        {
            self.files.push_back(Followed {
                file,
                identity,
                read: 0,
                mark: Vec::new(),
                lines: Lines::default(),
            });
        }
        Ok(())
    }
}

impl Followed {
    fn has_something(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.len() > 0)
    }

    fn read<E: From<io::Error>>(
        &mut self,
        each: &mut impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<Progress, E> {
        if self.was_emptied()? {
            self.lines.finish(&mut *each)?;
            self.read = 0;
            self.mark.clear();
        }
        let mut piece = vec![0; READ_BYTES];
        let length = self.file.read_at(&mut piece, self.read)?;
        piece.truncate(length);
        if piece.is_empty() {
            return Ok(Progress::None);
        }
        self.read += length as u64;
        self.mark.extend_from_slice(&piece);
        self.mark
            .drain(..self.mark.len().saturating_sub(MARK_BYTES));
        self.lines.feed(&piece, each)?;
        Ok(Progress::Some)
    }

    /// Whether the last bytes that were read are no longer where they were.
    fn was_emptied(&self) -> io::Result<bool> {
        let mut there = vec![0; self.mark.len()];
        let from = self.read.saturating_sub(self.mark.len() as u64);
        match self.file.read_exact_at(&mut there, from) {
            Ok(()) => Ok(there != self.mark),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
