//! The file as a source of secrets: one secret a file, as orchestrators and service managers mount them.
//!
//! Symbolic links are followed, because mounted secrets are swapped through them; what counts is the file at the
//! end. Nothing is cached or watched here.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    regular,
    secret::{Exposure, Secret, Unfit},
};

/// No secret is larger.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The secret in the file at `path`: only its owner may reach it, and the owner is this process's user or root.
///
/// # Errors
///
/// [`FileError`] names the path and what is wrong with it, never what is in it.
pub(crate) async fn read(path: &Path) -> Result<Secret, FileError> {
    read_checked(path.to_owned(), Privacy::Required).await
}

/// The text in the file at `path`, which others may read too: an identifier that is no secret by itself.
///
/// # Errors
///
/// As [`read`], without the check of owner and mode.
pub(crate) async fn read_shared(path: &Path) -> Result<Secret, FileError> {
    read_checked(path.to_owned(), Privacy::NotNeeded).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Privacy {
    Required,
    NotNeeded,
}

async fn read_checked(path: PathBuf, privacy: Privacy) -> Result<Secret, FileError> {
    let blocking = {
        let path = path.clone();
        tokio::task::spawn_blocking(move || read_now(&path, privacy))
    };
    blocking
        .await
        .unwrap_or(Err(FileFault::Unreadable(io::ErrorKind::Interrupted)))
        .map_err(|fault| FileError { path, fault })
}

fn read_now(path: &Path, privacy: Privacy) -> Result<Secret, FileFault> {
    let file = regular::open(path)?;
    let seen = file.metadata()?;
    if let (Privacy::Required, Some(exposure)) = (privacy, Exposure::of(&seen)) {
        return Err(FileFault::Exposed(exposure));
    }
    if let Some(open) = regular::open_to_all(path, &seen)? {
        return Err(FileFault::OpenToAll { mode: open.mode });
    }
    Ok(Secret::from_outside(text_of(file)?)?)
}

fn text_of(file: File) -> Result<Zeroizing<String>, FileFault> {
    // Room for everything at once: a buffer that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX as usize + 1));
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileFault::TooLarge);
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(FileFault::Unfit(Unfit::Unprintable)),
    }
}

/// A secret file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileError {
    /// Which file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) fault: FileFault,
}

/// What is wrong with a secret file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFault {
    /// There is none.
    Missing,
    /// The operating system does not let us read it.
    Unreadable(io::ErrorKind),
    /// A directory, a pipe or a device.
    NotRegular,
    /// Others know it, or choose it.
    Exposed(Exposure),
    /// Everybody may write to it or put another in its place.
    OpenToAll {
        /// The permission bits of what lets them, which is the file or a directory above it.
        mode: u32,
    },
    /// It is larger than 64 KiB.
    TooLarge,
    /// What is in it is no secret.
    Unfit(Unfit),
}

impl From<io::Error> for FileFault {
    fn from(error: io::Error) -> FileFault {
        match error.kind() {
            io::ErrorKind::NotFound => FileFault::Missing,
            regular::NOT_REGULAR => FileFault::NotRegular,
            kind => FileFault::Unreadable(kind),
        }
    }
}

impl From<Unfit> for FileFault {
    fn from(unfit: Unfit) -> FileFault {
        FileFault::Unfit(unfit)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for FileError {}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileFault::Missing => f.write_str("there is no such file"),
            FileFault::Unreadable(kind) => write!(f, "it cannot be read ({kind})"),
            FileFault::NotRegular => f.write_str("it is not a regular file"),
            FileFault::Exposed(exposure) => exposure.fmt(f),
            FileFault::OpenToAll { mode } => write!(
                f,
                "everybody may write to it or to its directory (mode {mode:04o}); chmod o-w it"
            ),
            FileFault::TooLarge => write!(f, "it is larger than {FILE_BYTES_MAX} bytes"),
            FileFault::Unfit(unfit) => unfit.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use tempfile::TempDir;

    use super::*;

    fn file(dir: &TempDir, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    async fn fault(path: &Path) -> FileFault {
        read(path).await.unwrap_err().fault
    }

    #[tokio::test]
    async fn reads_a_private_file_without_its_newline() {
        let dir = TempDir::new().unwrap();
        for mode in [0o600, 0o400] {
            let path = file(&dir, &format!("token-{mode:o}"), b"s3cret\n", mode);
            assert_eq!(read(&path).await.unwrap().expose(), "s3cret");
        }
    }

    #[tokio::test]
    async fn follows_the_links_that_mounted_secrets_are_swapped_through() {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("..data_1")).unwrap();
        file(&dir, "..data_1/token", b"s3cret", 0o600);
        symlink("..data_1", dir.path().join("..data")).unwrap();
        symlink("..data/token", dir.path().join("token")).unwrap();
        let secret = read(&dir.path().join("token")).await.unwrap();
        assert_eq!(secret.expose(), "s3cret");
    }

    #[tokio::test]
    async fn refuses_a_file_that_others_can_reach() {
        let dir = TempDir::new().unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let path = file(&dir, &format!("token-{mode:o}"), b"s3cret", mode);
            let exposed = FileFault::Exposed(Exposure::OpenToOthers { mode });
            assert_eq!(fault(&path).await, exposed);
        }
    }

    #[tokio::test]
    async fn reads_an_identifier_that_others_can_reach_when_it_is_no_secret() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "role_id", b"3f2a\n", 0o644);
        assert_eq!(read_shared(&path).await.unwrap().expose(), "3f2a");
    }

    #[tokio::test]
    async fn refuses_a_file_in_whose_place_everybody_may_put_another() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "token", b"s3cret", 0o600);
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(fault(&path).await, FileFault::OpenToAll { mode: 0o777 });
    }

    #[tokio::test]
    async fn refuses_what_is_not_a_regular_file() {
        let dir = TempDir::new().unwrap();
        assert_eq!(fault(dir.path()).await, FileFault::NotRegular);
        assert_eq!(fault(Path::new("/dev/null")).await, FileFault::NotRegular);
        assert_eq!(fault(&dir.path().join("none")).await, FileFault::Missing);
    }

    #[tokio::test]
    async fn refuses_a_file_over_its_bound() {
        let dir = TempDir::new().unwrap();
        let most = file(&dir, "most", &[b'x'; 64 * 1024], 0o600);
        assert_eq!(read(&most).await.unwrap().expose().len(), 64 * 1024);
        let more = file(&dir, "more", &[b'x'; 64 * 1024 + 1], 0o600);
        assert_eq!(fault(&more).await, FileFault::TooLarge);
    }

    #[tokio::test]
    async fn refuses_a_value_that_is_no_secret() {
        let dir = TempDir::new().unwrap();
        let empty = file(&dir, "empty", b"\n", 0o600);
        assert_eq!(fault(&empty).await, FileFault::Unfit(Unfit::Empty));
        let binary = file(&dir, "binary", b"a\xff", 0o600);
        assert_eq!(fault(&binary).await, FileFault::Unfit(Unfit::Unprintable));
    }

    #[tokio::test]
    async fn an_error_names_the_file_and_not_its_content() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, "token", b"s3cret\nsecond line", 0o600);
        let error = read(&path).await.unwrap_err();
        assert!(error.to_string().contains("token: the value has bytes"));
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
