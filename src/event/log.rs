//! The one writer of events: a bounded queue of lines and the thread that hands them to the operating system.
//!
//! Room for a call's lines is reserved before the call begins, so a line is never lost for want of it. Lines are
//! written in batches; a call that must be on record before it leaves waits until its line was handed over. When
//! a sink cannot be written to, lines are kept and no new room is given: no record, no call. The writer itself opens
//! its files anew when it is asked to, between two writes, so that each line is in exactly one of them.

mod room;

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::watch;

pub(crate) use self::room::Room;

use super::{
    counted::{Window, Windows},
    sink::{Reopened, Sink},
};
use crate::{metrics::Metrics, outcome::Cut};

/// Lines that may wait to be written.
const WAITING_MAX: usize = 8192;
/// Lines for which an open call has room.
pub(super) const LINES_PER_CALL: usize = 2;
/// How long a line may wait for others to be written with it, unless somebody waits for it.
const BATCH_TIME: Duration = Duration::from_millis(20);
/// A batch of this size is written at once.
const BATCH_BYTES: usize = 64 * 1024;
/// How often counted lines are written.
const COUNT_TIME: Duration = Duration::from_secs(1);
/// How long a call may wait for its line to be handed over.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the writer waits before it tries a failing sink again.
const RETRY_TIME: Duration = Duration::from_millis(100);
/// One identity has this part of the lines that may wait for a slow sink, in what is written and in what is next to be.
const IDENTITY_SHARE: usize = 8;
/// Identities that are remembered besides those who are connected.
const WINDOWS_SPARE: usize = 4096;

/// The log: cheap to clone, shared by every call.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Lines that may be reserved or waiting at a time.
    lines_max: usize,
    queue: Mutex<Queue>,
    wake: Condvar,
    handed: watch::Sender<u64>,
    windows: Windows,
    metrics: Arc<Metrics>,
    /// Why every open call is cut off, once they are.
    cut: Cut,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// Lines in `bytes`.
    waiting: usize,
    /// Lines given as room and not written yet, those in `bytes` and those being written included.
    taken: usize,
    /// The number of the last line appended.
    last: u64,
    /// The number of the batch that `bytes` will be.
    batch: u64,
    /// Whether somebody waits for a line in `bytes`.
    urgent: bool,
    /// Whether a sink cannot be written to, or there is nobody to write any more.
    failing: bool,
    /// Whether the files are to be opened anew.
    reopening: bool,
    closing: bool,
}

/// How full the queue of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Lines that wait, or for which room is reserved.
    pub(crate) lines: usize,
    /// Lines above which no room is given.
    pub(crate) lines_max: usize,
    /// Whether a sink cannot be written to.
    pub(crate) failing: bool,
}

/// The log cannot take a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// The writer thread, to be ended by [`Writer::finish`].
#[derive(Debug)]
pub(crate) struct Writer {
    log: Log,
    thread: JoinHandle<()>,
}

impl Log {
    /// A log to `sinks`, with its writer: so many open calls never want for room by their number alone.
    pub(crate) fn start(
        sinks: Vec<Sink>,
        calls_max: usize,
        metrics: Arc<Metrics>,
    ) -> io::Result<(Log, Writer)> {
        let shared = Shared {
            lines_max: WAITING_MAX + calls_max * LINES_PER_CALL,
            queue: Mutex::default(),
            wake: Condvar::new(),
            handed: watch::Sender::new(0),
            windows: Windows::up_to(calls_max + WINDOWS_SPARE),
            metrics,
            cut: Cut::default(),
        };
        let log = Log(Arc::new(shared));
        let writing = log.clone();
        let thread = std::thread::Builder::new()
            .name("events".into())
            .spawn(move || {
                let _told = Silence(writing.clone());
                Writing {
                    log: writing,
                    sinks,
                }
                .run()
            })?;
        Ok((log.clone(), Writer { log, thread }))
    }

    /// Room for `lines` lines about the identity of `window`, if the log can take them and it has not more than its
    /// part of what waits.
    pub(super) fn reserve(&self, lines: usize, window: &Arc<Window>) -> Result<Room, Unavailable> {
        let mut queue = self.queue();
        let full = queue.taken + lines > self.0.lines_max
            || window.lines_in(queue.batch) >= self.0.lines_max / IDENTITY_SHARE;
        if queue.failing || queue.closing || full {
            return Err(Unavailable);
        }
        queue.taken += lines;
        Ok(Room::of(self, lines, window))
    }

    /// Room for a line about no identity.
    pub(super) fn reserve_own(&self) -> Result<Room, Unavailable> {
        self.reserve(1, &self.window(""))
    }

    /// How full the queue is.
    pub(crate) fn queue_depth(&self) -> Depth {
        let queue = self.queue();
        Depth {
            lines: queue.taken,
            lines_max: self.0.lines_max,
            failing: queue.failing,
        }
    }

    /// What is counted of what is written.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Why every open call is cut off: to be set before they are.
    pub(crate) fn cut(&self) -> &Cut {
        &self.0.cut
    }

    /// Asks the writer to open its files anew: their names were given to other files, or are free again.
    pub(crate) fn reopen(&self) {
        self.queue().reopening = true;
        self.0.wake.notify_one();
    }

    /// The part of `identity`.
    pub(super) fn window(&self, identity: &str) -> Arc<Window> {
        self.0.windows.of(identity)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Writes what waits, within the patience of [`HANDOVER_TIMEOUT`], and ends the thread.
    pub(crate) fn finish(self) {
        self.log.queue().closing = true;
        self.log.0.wake.notify_one();
        let patience = Instant::now() + HANDOVER_TIMEOUT;
        while !self.thread.is_finished() && Instant::now() < patience {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        if !self.thread.is_finished() {
            tracing::error!(
                "events were lost: a sink made its writer wait for too long at the end"
            );
        }
    }
}

/// Held by the writer thread: if it ends by a defect, nothing is written any more, and so no call is made.
struct Silence(Log);

impl Drop for Silence {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue().failing = true;
            tracing::error!("events are not written any more; calls are refused until a restart");
        }
    }
}

/// The writer thread's own state.
struct Writing {
    log: Log,
    sinks: Vec<Sink>,
}

impl Writing {
    fn run(mut self) {
        let mut batch = Vec::new();
        let mut counted = Instant::now();
        let mut lossless = true;
        loop {
            let (lines, last, closing) = self.wait(&mut batch, &mut counted);
            lossless &= self.write(&batch, closing);
            batch.clear();
            self.log.queue().taken -= lines;
            // Whoever waits for a line that was lost must not make its call.
            if lossless {
                self.log.0.handed.send_replace(last);
            }
            if closing {
                return;
            }
        }
    }

    /// Waits for lines that are due and takes them; counted lines are added once a [`COUNT_TIME`].
    fn wait(&self, batch: &mut Vec<u8>, counted: &mut Instant) -> (usize, u64, bool) {
        let mut queue = self.log.queue();
        loop {
            if counted.elapsed() >= COUNT_TIME || queue.closing {
                *counted = Instant::now();
                let lines = self.log.0.windows.lines();
                queue.bytes.extend_from_slice(&lines);
            }
            let now = queue.urgent || queue.closing || queue.reopening;
            if now || queue.bytes.len() >= BATCH_BYTES {
                break;
            }
            let patience = if queue.bytes.is_empty() {
                COUNT_TIME
            } else {
                BATCH_TIME
            };
            let (woken, waited) = self
                .log
                .0
                .wake
                .wait_timeout(queue, patience)
                .unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if waited.timed_out() && !queue.bytes.is_empty() {
                break;
            }
        }
        queue.urgent = false;
        queue.batch += 1;
        std::mem::swap(batch, &mut queue.bytes);
        (
            std::mem::take(&mut queue.waiting),
            queue.last,
            queue.closing,
        )
    }

    /// Writes `batch` to every sink; keeps at it until all have it, or until the log is closing and no file is to be
    /// opened anew. The answer is whether all have it.
    fn write(&mut self, batch: &[u8], closing: bool) -> bool {
        self.sinks.iter_mut().for_each(Sink::begin);
        let mut failing = false;
        while let Err((file, error)) = self.advance(batch) {
            if self.gives_up(closing) {
                tracing::error!("events were lost: a sink could not be written to at the end");
                return false;
            }
            if !failing {
                failing = true;
                tracing::error!(%file, %error, "events cannot be written; calls are refused until they can");
            }
            self.log.queue().failing = true;
            std::thread::park_timeout(RETRY_TIME);
        }
        if failing {
            tracing::info!("events can be written again");
            self.log.queue().failing = false;
        }
        true
    }

    fn gives_up(&self, closing: bool) -> bool {
        let queue = self.log.queue();
        (closing || queue.closing) && !queue.reopening
    }

    /// Writes the rest of `batch` to every sink that takes it; an error is that of the first that has not all of it.
    /// Files are opened anew before, not after: whoever moved the old one waits for the last line in it.
    fn advance(&mut self, batch: &[u8]) -> Result<(), (String, io::Error)> {
        if std::mem::take(&mut self.log.queue().reopening) {
            self.reopen(batch);
        }
        let mut done = Ok(());
        for sink in &mut self.sinks {
            let taken = sink.advance(batch);
            done = done.and(taken.map_err(|error| (sink.name().to_string(), error)));
        }
        done
    }

    fn reopen(&mut self, batch: &[u8]) {
        for sink in &mut self.sinks {
            let reopened = sink.reopen(batch);
            let file = sink.name();
            match reopened {
                Ok(Reopened::Another) => tracing::info!(%file, "events go to a new file"),
                Ok(Reopened::Same) => tracing::info!(%file, "events go on to the same file"),
                Ok(Reopened::Nothing) => tracing::info!(%file, "nothing to open anew"),
                Err(error) => {
                    tracing::error!(%file, %error, "the file cannot be opened anew; events go on to the old one")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
