//! Files that are read whole: regular ones, and no more of them than a bound.
//!
//! A pipe or a device where a file was expected would hold up whoever reads it for as long as it likes, and with it
//! all that the same reading would have found out.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;
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

/// What the file at `path` holds; wiped when dropped, since it may be a key.
///
/// # Errors
/// It cannot be opened or read, or holds more than `bytes_max`.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = open(path)?;
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

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
