//! Room in the log: what a call must have before it begins, and where its lines go.

use std::sync::Arc;

use super::{BATCH_BYTES, HANDOVER_TIMEOUT, Log, Unavailable};
use crate::event::counted::Window;

/// Room for lines, given back when dropped.
#[derive(Debug)]
#[must_use = "room is for a line"]
pub(crate) struct Room {
    log: Log,
    lines: usize,
    /// The part of whom the lines are about.
    window: Arc<Window>,
}

impl Room {
    /// Room for `lines` lines, which `log` has counted as taken.
    pub(super) fn of(log: &Log, lines: usize, window: &Arc<Window>) -> Room {
        Room {
            log: log.clone(),
            lines,
            window: window.clone(),
        }
    }

    /// The log that gave it.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Appends one line, which ends in a newline; the answer is its number. Room for it must be left.
    pub(crate) fn append(&mut self, line: &[u8]) -> u64 {
        debug_assert!(self.lines > 0, "a line without room");
        self.lines = self.lines.saturating_sub(1);
        let mut queue = self.log.queue();
        let before = queue.bytes.len();
        queue.bytes.extend_from_slice(line);
        queue.waiting += 1;
        queue.last += 1;
        self.window.appended(queue.batch);
        // The first line starts the wait for others, the one that fills the batch ends it. To wake the writer is a system
        // call, so it is not done for those that follow while the writer is on its way.
        let fills = before < BATCH_BYTES && queue.bytes.len() >= BATCH_BYTES;
        if before == 0 || fills {
            self.log.0.wake.notify_one();
        }
        queue.last
    }

    /// Appends one line and waits until it was handed to the operating system.
    pub(crate) async fn hand_over(&mut self, line: &[u8]) -> Result<(), Unavailable> {
        let mut handed = self.log.0.handed.subscribe();
        let number = self.append(line);
        self.log.queue().urgent = true;
        self.log.0.wake.notify_one();
        let waiting =
            tokio::time::timeout(HANDOVER_TIMEOUT, handed.wait_for(|last| *last >= number)).await;
        waiting
            .ok()
            .and_then(Result::ok)
            .map(drop)
            .ok_or(Unavailable)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.lines > 0 {
            self.log.queue().taken -= self.lines;
        }
    }
}
