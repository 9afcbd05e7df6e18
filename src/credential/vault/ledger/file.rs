//! The ledger's file: nobody else's to read or write, had by one gate at a time, and always whole.
//!
//! A new content is written beside it and takes its place, so that a crash leaves the one or the other. The lock is on
//! the file itself: the new one is locked before it takes the place of the old one.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::entry::HEAD;
use crate::{
    regular::{self, OpenToAll},
    secret::Exposure,
};

/// The mode of the file: it is its owner's alone.
const MODE: u32 = 0o600;

/// No ledger is larger.
const BYTES_MAX: u64 = 1 << 20;

/// The file while it is ours.
#[derive(Debug)]
pub(super) struct Locked {
    path: PathBuf,
    /// Open for the lock, which ends with it.
    file: File,
}

impl Locked {
    /// Takes the file at `path`, which is made if there is none, and gives what it holds.
    ///
    /// # Errors
    ///
    /// Others may read or write it, another gate has it, or it is no ledger.
    pub(super) fn open(path: &Path) -> Result<(Locked, String), LedgerError> {
        let opened = try_open(path).map_err(|fault| LedgerError {
            path: path.to_owned(),
            fault,
        });
        let (file, text) = opened?;
        let path = path.to_owned();
        Ok((Locked { path, file }, text))
    }

    /// Has the file hold `text` and nothing else, for good.
    pub(super) fn rewrite(&mut self, text: &str) -> io::Result<()> {
        let beside = beside(&self.path);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&beside);
        let mut file = made?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        self.file = file;
        File::open(regular::directory_of(&self.path))?.sync_all()
    }
}

/// Where the next content is written.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn try_open(path: &Path) -> Result<(File, String), LedgerFault> {
    // Opening a pipe must not wait, and a link is not followed, since a new file would take its place.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(MODE)
        .custom_flags(i32::try_from(flags.bits()).map_err(io::Error::other)?)
        .open(path)?;
    let seen = file.metadata()?;
    if !seen.is_file() {
        return Err(LedgerFault::NotRegular);
    }
    if let Some(exposure) = Exposure::of(&seen) {
        return Err(LedgerFault::Exposed(exposure));
    }
    if let Some(open) = regular::open_to_all(path, &seen)? {
        return Err(LedgerFault::OpenToAll(open));
    }
    lock(&file, path)?;
    let bytes = regular::read_open(&file, BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| LedgerFault::Foreign)?;
    match text.is_empty() || text.starts_with(HEAD) {
        true => Ok((file, text.to_owned())),
        false => Err(LedgerFault::Foreign),
    }
}

/// Locks the file, and makes sure that no other took its place meanwhile.
fn lock(file: &File, path: &Path) -> Result<(), LedgerFault> {
    let locked = flock(file, FlockOperation::NonBlockingLockExclusive);
    locked.map_err(|error| match io::Error::from(error) {
        error if error.kind() == io::ErrorKind::WouldBlock => LedgerFault::InUse,
        error => LedgerFault::from(error),
    })?;
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    match (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
        true => Ok(()),
        false => Err(LedgerFault::InUse),
    }
}

/// A ledger that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerError {
    /// Which file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) fault: LedgerFault,
}

/// What is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LedgerFault {
    /// The operating system does not let us have it.
    Unusable(io::ErrorKind),
    /// A directory, a pipe or a device.
    NotRegular,
    /// Others know it, or choose it.
    Exposed(Exposure),
    /// Everybody may put another in its place.
    OpenToAll(OpenToAll),
    /// Another gate has it.
    InUse,
    /// It holds something else.
    Foreign,
}

impl From<io::Error> for LedgerFault {
    fn from(error: io::Error) -> LedgerFault {
        LedgerFault::Unusable(error.kind())
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for LedgerError {}

impl fmt::Display for LedgerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerFault::Unusable(kind) => write!(
                f,
                "it cannot be read and written ({kind}); the gate's user must own it and its directory"
            ),
            LedgerFault::NotRegular => f.write_str("it is not a regular file"),
            LedgerFault::Exposed(exposure) => exposure.fmt(f),
            LedgerFault::OpenToAll(open) => open.fmt(f),
            LedgerFault::InUse => f.write_str("another gate has it; give each a file of its own"),
            LedgerFault::Foreign => {
                f.write_str("it holds something else; name a file that only the gate writes")
            }
        }
    }
}
