use std::{fs, os::unix::fs::symlink, path::PathBuf};

use super::*;

/// A log to one file, whose name is that of a device that takes nothing, like a disk that is full.
struct Full {
    path: PathBuf,
    log: Log,
    writer: Writer,
    _directory: tempfile::TempDir,
}

impl Full {
    /// With `line` in it, which the writer has tried to write.
    fn with(line: &[u8]) -> Full {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events");
        symlink("/dev/full", &path).unwrap();
        let sinks = vec![Sink::file(&path).unwrap()];
        let (log, writer) = Log::start(sinks, 1, Arc::new(Metrics::new())).unwrap();
        log.reserve(1).unwrap().append(line);
        let patience = Instant::now() + HANDOVER_TIMEOUT;
        while log.reserve(1).is_ok() {
            assert!(Instant::now() < patience, "the log takes more");
            std::thread::yield_now();
        }
        Full {
            path,
            log,
            writer,
            _directory: directory,
        }
    }
}

#[test]
fn a_full_disk_is_left_for_another_even_at_the_end() {
    let full = Full::with(b"one\n");
    fs::remove_file(&full.path).unwrap();
    full.log.reopen();
    full.writer.finish();
    assert_eq!(fs::read(&full.path).unwrap(), b"one\n");
    assert_eq!(*full.log.0.handed.borrow(), 1);
}

#[test]
fn a_line_that_was_lost_at_the_end_was_not_handed_over() {
    let full = Full::with(b"one\n");
    full.writer.finish();
    assert_eq!(*full.log.0.handed.borrow(), 0);
}
