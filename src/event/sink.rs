//! Where lines go: standard output, or a file, which can be opened anew once its name was taken from it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    },
    path::{Display, Path, PathBuf},
};

/// Where lines go, with how far it has come with the batch at hand.
#[derive(Debug)]
pub(crate) struct Sink {
    file: File,
    /// The name of the file; standard output has none.
    path: Option<PathBuf>,
    /// The bytes of the batch at hand that were taken.
    taken: usize,
}

/// What a file became that was to be opened anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reopened {
    /// Lines go to another file from here on.
    Another,
    /// The name still means the same file.
    Same,
    /// There is nothing to open: it is standard output.
    Nothing,
}

impl Sink {
    /// Standard output, without the buffer of [`io::stdout`]: that one keeps a part of what it could not write, and
    /// would write it a second time.
    pub(crate) fn stdout() -> io::Result<Sink> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Sink::of(stdout.into()))
    }

    /// A file that is open, and has no name to be opened anew by.
    pub(super) fn of(file: File) -> Sink {
        Sink {
            file,
            path: None,
            taken: 0,
        }
    }

    /// Opens a file for appending; a new one is readable by its owner only.
    pub(crate) fn file(path: &Path) -> io::Result<Sink> {
        let mut file = open(path)?;
        end_line(path, &mut file)?;
        Ok(Sink {
            file,
            path: Some(path.to_owned()),
            taken: 0,
        })
    }

    /// The name of the file, or of what it is else.
    pub(super) fn name(&self) -> Display<'_> {
        self.path
            .as_deref()
            .unwrap_or(Path::new("stdout"))
            .display()
    }

    /// The next batch is another.
    pub(super) fn begin(&mut self) {
        self.taken = 0;
    }

    /// Writes the rest of `batch`.
    ///
    /// # Errors
    /// The sink has not all of it.
    pub(super) fn advance(&mut self, batch: &[u8]) -> io::Result<()> {
        while let Some(rest) = batch.get(self.taken..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.taken += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens what the file's name means now. A line of `batch` of which the old file took a part goes whole into the
    /// new one.
    ///
    /// # Errors
    /// It cannot be opened; lines still go to the old file.
    pub(super) fn reopen(&mut self, batch: &[u8]) -> io::Result<Reopened> {
        let Some(path) = &self.path else {
            return Ok(Reopened::Nothing);
        };
        let (old, mut file) = (self.file.metadata()?, open(path)?);
        let new = file.metadata()?;
        if (old.dev(), old.ino()) == (new.dev(), new.ino()) {
            return Ok(Reopened::Same);
        }
        end_line(path, &mut file)?;
        self.file = file;
        let taken = batch.get(..self.taken).unwrap_or(batch);
        let whole_lines = taken.iter().rposition(|byte| *byte == b'\n');
        self.taken = whole_lines.map_or(0, |end| end + 1);
        Ok(Reopened::Another)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Ends the last line of a file that a crash cut off, lest it swallow the next one.
fn end_line(path: &Path, file: &mut File) -> io::Result<()> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok(());
    }
    let mut last = *b"\n";
    // Whoever may write to it need not be one who may read it.
    let _unread =
        File::open(path).and_then(|file| file.read_exact_at(&mut last, metadata.len() - 1));
    match last == *b"\n" {
        true => Ok(()),
        false => file.write_all(b"\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const BATCH: &[u8] = b"one\ntwo\nthree\n";

    fn sink_that_took(bytes: usize) -> (tempfile::TempDir, PathBuf, Sink) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events");
        let mut sink = Sink::file(&path).unwrap();
        sink.advance(&BATCH[..bytes]).unwrap();
        (directory, path, sink)
    }

    fn moved(path: &Path) -> PathBuf {
        let old = path.with_extension("1");
        fs::rename(path, &old).unwrap();
        old
    }

    #[test]
    fn a_line_that_the_old_file_has_in_part_is_whole_in_the_new_one() {
        let (_directory, path, mut sink) = sink_that_took(b"one\ntw".len());
        let old = moved(&path);
        assert_eq!(sink.reopen(BATCH).unwrap(), Reopened::Another);
        sink.advance(BATCH).unwrap();
        assert_eq!(fs::read(old).unwrap(), b"one\ntw");
        assert_eq!(fs::read(&path).unwrap(), b"two\nthree\n");
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_file_that_was_not_moved_gets_nothing_twice() {
        let (_directory, path, mut sink) = sink_that_took(b"one\ntw".len());
        assert_eq!(sink.reopen(BATCH).unwrap(), Reopened::Same);
        sink.advance(BATCH).unwrap();
        assert_eq!(fs::read(path).unwrap(), BATCH);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_does_not_swallow_the_next() {
        let (_directory, path, sink) = sink_that_took(b"one\ntw".len());
        drop(sink);
        for _ in 0..2 {
            let mut sink = Sink::file(&path).unwrap();
            sink.advance(BATCH).unwrap();
        }
        let expected = [b"one\ntw\n", BATCH, BATCH].concat();
        assert_eq!(fs::read(path).unwrap(), expected);
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_stays() {
        let (directory, path, mut sink) = sink_that_took(0);
        let old = moved(&path);
        fs::create_dir(&path).unwrap();
        assert!(sink.reopen(BATCH).is_err());
        sink.advance(BATCH).unwrap();
        assert_eq!(fs::read(old).unwrap(), BATCH);
        drop(directory);
    }
}
