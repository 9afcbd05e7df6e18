use std::{fs, os::unix::fs::symlink, path::PathBuf};

use super::*;
use crate::event::{Record, Source};

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
        log.reserve_own().unwrap().append(line);
        let patience = Instant::now() + HANDOVER_TIMEOUT;
        while log.reserve_own().is_ok() {
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

/// A log to one file of `directory`.
fn log_in(directory: &tempfile::TempDir) -> (PathBuf, Log, Writer) {
    let path = directory.path().join("events");
    let sinks = vec![Sink::file(&path).unwrap()];
    let (log, writer) = Log::start(sinks, 1, Arc::new(Metrics::new())).unwrap();
    (path, log, writer)
}

#[test]
fn a_writer_that_is_gone_leaves_no_room() {
    let (log, writer) = Log::start(Vec::new(), 1, Arc::new(Metrics::new())).unwrap();
    let held = log.clone();
    let thread = std::thread::spawn(move || {
        let _told = Silence(held);
        panic!("a defect");
    });
    assert!(thread.join().is_err());
    assert!(log.reserve_own().is_err());
    writer.finish();
}

#[test]
fn one_identity_has_its_part_of_what_waits_for_a_slow_sink() {
    let (reader, pipe) = io::pipe().unwrap();
    let file = std::os::fd::OwnedFd::from(pipe);
    let sinks = vec![Sink::of(file.into())];
    let (log, writer) = Log::start(sinks, 1, Arc::new(Metrics::new())).unwrap();
    let (greedy, other) = (log.window("greedy"), log.window("other"));
    let line = [b'x'; 1023].into_iter().chain(*b"\n").collect::<Vec<_>>();
    let mut waiting = 0;
    while let Ok(mut room) = log.reserve(1, &greedy) {
        room.append(&line);
        waiting += 1;
    }
    assert!(waiting < WAITING_MAX / 2, "{waiting} lines of one identity");
    drop(log.reserve(1, &other).unwrap());
    drop(log.reserve_own().unwrap());
    drop(reader);
    writer.finish();
}

#[test]
fn a_call_that_a_defect_ends_has_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let (path, log, writer) = log_in(&directory);
    let record = Record::open(&log, &Source::nobody(&log), &"snapshot".into()).unwrap();
    let ended = std::thread::spawn(move || {
        let _record = record;
        panic!("a defect");
    });
    assert!(ended.join().is_err());
    writer.finish();
    let line = fs::read_to_string(path).unwrap();
    assert!(line.contains("\"outcome\":\"defect\""), "{line}");
}
