//! The files that the settings are made of, those included that they only name.
//!
//! Provides [`Inputs`], which tells by a [`Digest`] whether any of them holds something else than before. Content
//! counts and nothing else: mounted files are swapped through links, copied with old dates, and nobody signals.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};
use zeroize::Zeroizing;

use crate::regular::{self, FILE_BYTES_MAX};

/// How much of a file is read at a time.
const PIECE_BYTES: usize = 8192;

/// A SHA-256 over names and contents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

/// Every file that settings are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Inputs {
    files: BTreeSet<PathBuf>,
    /// Directories whose every file counts.
    directories: BTreeSet<PathBuf>,
}

impl Digest {
    /// Over `text` and the contents of `files`; one that cannot be read counts as such.
    pub(crate) fn of<'p>(text: &str, files: impl IntoIterator<Item = &'p Path>) -> Digest {
        let mut contents = Context::new(&SHA256);
        add(&mut contents, text.as_bytes());
        for file in files {
            add_file(&mut contents, file);
        }
        Digest::from(contents)
    }

    /// Over `parts` in their order.
    pub(crate) fn over(parts: &[impl AsRef<[u8]>]) -> Digest {
        let mut contents = Context::new(&SHA256);
        parts
            .iter()
            .for_each(|part| add(&mut contents, part.as_ref()));
        Digest::from(contents)
    }
}

impl From<Context> for Digest {
    fn from(contents: Context) -> Digest {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(contents.finish().as_ref())
            .for_each(|(to, from)| *to = *from);
        Digest(bytes)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Inputs {
    pub(super) fn add(&mut self, file: &Path) {
        self.files.insert(file.to_owned());
    }

    pub(super) fn add_directory(&mut self, directory: &Path) {
        self.directories.insert(directory.to_owned());
    }

    /// These inputs and `others`: what settings in force and settings that were refused are made of.
    pub(crate) fn and(mut self, others: &Inputs) -> Inputs {
        self.files.extend(others.files.iter().cloned());
        self.directories.extend(others.directories.iter().cloned());
        self
    }

    /// What all of them hold now.
    pub(crate) fn digest(&self) -> Digest {
        let listed = self
            .directories
            .iter()
            .flat_map(|directory| members(directory));
        let files: BTreeSet<PathBuf> = listed.chain(self.files.iter().cloned()).collect();
        Digest::of("", files.iter().map(PathBuf::as_path))
    }
}

/// The files of a directory; none if it cannot be read.
fn members(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn add_file(contents: &mut Context, file: &Path) {
    add(contents, file.as_os_str().as_encoded_bytes());
    let mut inner = Context::new(&SHA256);
    match add_contents(&mut inner, file) {
        Ok(()) => add(contents, inner.finish().as_ref()),
        Err(error) => add(contents, error.kind().to_string().as_bytes()),
    }
}

/// Some of the files are secrets: what was read of one is wiped.
fn add_contents(contents: &mut Context, file: &Path) -> io::Result<()> {
    let mut open = regular::open(file)?.take(FILE_BYTES_MAX);
    let mut piece = Zeroizing::new([0; PIECE_BYTES]);
    loop {
        match open.read(piece.as_mut())? {
            0 => return Ok(()),
            length => contents.update(piece.get(..length).unwrap_or_default()),
        }
    }
}

/// Each part counts with its length, so that no two lists of parts look the same.
fn add(contents: &mut Context, part: &[u8]) {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
    contents.update(&length.to_be_bytes());
    contents.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(directory: &Path) -> Inputs {
        let mut inputs = Inputs::default();
        inputs.add(&directory.join("one"));
        inputs.add_directory(&directory.join("roles"));
        inputs
    }

    #[test]
    fn a_digest_changes_with_any_content_and_with_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let digest = || inputs(path).digest();
        let absent = digest();
        fs::write(path.join("one"), "1").unwrap();
        let one = digest();
        assert_ne!(absent, one);
        fs::create_dir(path.join("roles")).unwrap();
        assert_eq!(one, digest());
        fs::write(path.join("roles/a.yaml"), "").unwrap();
        let with_role = digest();
        assert_ne!(one, with_role);
        fs::write(path.join("one"), "1").unwrap();
        assert_eq!(with_role, digest());
        fs::write(path.join("one"), "2").unwrap();
        assert_ne!(with_role, digest());
    }

    #[test]
    fn a_file_behind_a_swapped_link_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for (name, text) in [("old", "1"), ("new", "2")] {
            fs::create_dir(path.join(name)).unwrap();
            fs::write(path.join(name).join("file"), text).unwrap();
        }
        std::os::unix::fs::symlink("old", path.join("data")).unwrap();
        std::os::unix::fs::symlink("data/file", path.join("one")).unwrap();
        let before = inputs(path).digest();
        std::os::unix::fs::symlink("new", path.join("fresh")).unwrap();
        fs::rename(path.join("fresh"), path.join("data")).unwrap();
        assert_ne!(before, inputs(path).digest());
    }
}
