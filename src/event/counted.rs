//! Refusals above a rate become one counted line a second: a flood neither blinds the log nor fills it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::shape;

/// Refusals of one identity that are written one by one in a second.
const SINGLE_LINES_MAX: u32 = 10;

/// The refusals of one identity, or the failed handshakes of all.
#[derive(Debug)]
pub(super) struct Window {
    second: Mutex<(Instant, u32)>,
    counted: AtomicU64,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            second: Mutex::new((Instant::now(), 0)),
            counted: AtomicU64::new(0),
        }
    }
}

impl Window {
    /// Whether this refusal gets a line of its own; if not, it is counted.
    pub(super) fn admits(&self) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if second.0.elapsed().as_secs() >= 1 {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        let single = second.1 <= SINGLE_LINES_MAX;
        if !single {
            self.counted.fetch_add(1, Ordering::Relaxed);
        }
        single
    }

    /// The counted line, if any refusal was counted since the last.
    pub(super) fn line(&self, identity: &str) -> Vec<u8> {
        let count = self.counted.swap(0, Ordering::Relaxed);
        if count == 0 {
            return Vec::new();
        }
        let identity = Some(identity).filter(|identity| !identity.is_empty());
        shape::counted(identity, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_refusal_in_a_second_is_counted() {
        let window = Window::default();
        let single = (0..15).filter(|_| window.admits()).count();
        assert_eq!(single, 10);
        let line = String::from_utf8(window.line("spiffe://a.test/x")).unwrap();
        assert!(
            line.contains("\"count\":5") && line.ends_with('\n'),
            "{line}"
        );
        assert!(window.line("spiffe://a.test/x").is_empty());
    }
}
