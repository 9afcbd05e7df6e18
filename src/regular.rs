//! Files that are read whole: regular ones, no more of them than a bound, and none that everybody may change.
//!
//! A pipe or a device where a file was expected would hold up whoever reads it for as long as it likes, and with it
//! all that the same reading would have found out. What everybody may write to says what anybody wants.

use std::{
    fmt,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{OFlags, StatVfsMountFlags, statvfs};
use zeroize::Zeroizing;

/// The most bytes that are read of any file, so that no change is overlooked behind what is looked at.
pub(crate) const FILE_BYTES_MAX: u64 = 16 << 20;

/// The kind of the error that says that something is no regular file.
pub(crate) const NOT_REGULAR: io::ErrorKind = io::ErrorKind::InvalidInput;

/// Opens the file at `path`, wherever links lead.
///
/// # Errors
/// It cannot be opened, or is a directory, a pipe or a device.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Without it, opening a pipe waits for a writer. To a regular file it says nothing.
    let unwaiting = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(unwaiting)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(NOT_REGULAR, "it is no regular file"))
    }
}

/// What an open file holds; wiped when dropped, since it may be a key.
///
/// # Errors
/// It cannot be read, or holds more than `bytes_max`.
pub(crate) fn read_open(file: &File, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for everything at once: a buffer that grows leaves copies behind.
    let room = file.metadata()?.len().min(bytes_max).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(room).unwrap_or_default(),
    ));
    let length = file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if length as u64 > bytes_max {
        let what = format!("it is longer than {} MiB", bytes_max >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

/// What lets everybody say what a file says: its own mode, or that of a directory where another can take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenToAll {
    place: PathBuf,
    /// The permission bits of it.
    pub(crate) mode: u32,
}

impl fmt::Display for OpenToAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, mode) = (self.place.display(), self.mode);
        write!(
            f,
            "everybody may write to {place} (mode {mode:04o}); chmod o-w it"
        )
    }
}

/// What lets everybody change the file at `path`, which was seen like this. Where nobody can write, as in what an
/// orchestrator mounts read-only, modes say nothing.
///
/// # Errors
/// The system does not say it.
pub(crate) fn open_to_all(path: &Path, seen: &Metadata) -> io::Result<Option<OpenToAll>> {
    if let Some(itself) = OpenToAll::seen(path, seen.mode())? {
        return Ok(Some(itself));
    }
    let real = fs::canonicalize(path)?;
    for directory in [path, &real].map(directory_of) {
        if let Some(open) = exchangeable_in(directory)? {
            return Ok(Some(open));
        }
    }
    Ok(None)
}

/// The same of a directory all of whose files count: what lets everybody put one into it.
///
/// # Errors
/// The system does not say it.
pub(crate) fn directory_open_to_all(directory: &Path) -> io::Result<Option<OpenToAll>> {
    match OpenToAll::seen(directory, fs::metadata(directory)?.mode())? {
        Some(itself) => Ok(Some(itself)),
        None => exchangeable_in(directory),
    }
}

/// What lets everybody take away what is in `directory`, and put something else in its place. Where the sticky bit is
/// set they may only add names.
fn exchangeable_in(directory: &Path) -> io::Result<Option<OpenToAll>> {
    for place in fs::canonicalize(directory)?.ancestors() {
        let mode = fs::metadata(place)?.mode();
        if mode & STICKY != 0 {
            continue;
        }
        if let Some(open) = OpenToAll::seen(place, mode)? {
            return Ok(Some(open));
        }
    }
    Ok(None)
}

/// The directory that `path` names a file in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

impl OpenToAll {
    fn seen(place: &Path, mode: u32) -> io::Result<Option<OpenToAll>> {
        if mode & WRITABLE_BY_ALL == 0 {
            return Ok(None);
        }
        let mounted = statvfs(place)?.f_flag;
        let open = OpenToAll {
            place: place.to_owned(),
            mode: mode & 0o7777,
        };
        Ok((!mounted.contains(StatVfsMountFlags::RDONLY)).then_some(open))
    }
}

/// The permission bit that lets others write.
const WRITABLE_BY_ALL: u32 = 0o002;
/// The permission bit of a directory in which only owners may take away names.
const STICKY: u32 = 0o1000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn read(path: &Path, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        read_open(&open(path)?, bytes_max)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_everybody_may_change_is_told_by_what_lets_them() {
        let directory = tempfile::tempdir().unwrap();
        let (above, inner) = (
            directory.path().join("above"),
            directory.path().join("above/inner"),
        );
        let (path, link) = (inner.join("file"), directory.path().join("link"));
        fs::create_dir_all(&inner).unwrap();
        fs::write(&path, "").unwrap();
        symlink(&path, &link).unwrap();
        let open_to_all = |path: &Path| {
            let open = super::open_to_all(path, &fs::metadata(path).unwrap()).unwrap();
            open.map(|open| open.place)
        };
        for (place, mode) in [(&path, 0o602), (&inner, 0o702), (&above, 0o777)] {
            let usual = fs::metadata(place).unwrap().mode();
            set_mode(place, mode);
            for path in [&path, &link] {
                let told = open_to_all(path).map(|place| place.canonicalize().unwrap());
                assert_eq!(told.as_ref(), Some(place), "{path:?} {mode:o}");
            }
            set_mode(place, usual);
        }
        // names that are there stay there, and only a directory is what can be added to it
        set_mode(&inner, 0o1777);
        let told = directory_open_to_all(&inner).unwrap();
        assert_eq!(told.map(|open| open.mode), Some(0o1777));
        set_mode(&path, 0o664);
        assert_eq!((open_to_all(&path), open_to_all(&link)), (None, None));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [&*pipe, directory.path(), Path::new("/dev/zero")] {
            let error = read(path, 1).unwrap_err();
            assert_eq!(error.to_string(), "it is no regular file", "{path:?}");
        }
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "four").unwrap();
        assert_eq!(&**read(&path, 4).unwrap(), b"four");
        let error = read(&path, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
