//! Each identity has its part of the log and no more: refusals above a rate become one counted line a second, and lines
//! above a number wait for no slow sink. A flood neither blinds the log, nor fills it, nor keeps others out of it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::shape;

/// Refusals of one identity that are written one by one in a second.
const SINGLE_LINES_MAX: u32 = 10;

/// The part of every identity that was here lately.
#[derive(Debug)]
pub(super) struct Windows {
    of: Mutex<HashMap<Arc<str>, Arc<Window>>>,
    windows_max: usize,
}

impl Windows {
    /// None yet; `windows_max` must be more than the identities that can be there at a time.
    pub(super) fn up_to(windows_max: usize) -> Windows {
        Windows {
            of: Mutex::default(),
            windows_max,
        }
    }

    /// The part of `identity`. Those that nobody has in hand give way to new ones, so that each who is here has its
    /// own: if two shared one, either could keep the other's refusals out of the log.
    pub(super) fn of(&self, identity: &str) -> Arc<Window> {
        let mut windows = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get(identity) {
            return window.clone();
        }
        if windows.len() >= self.windows_max {
            windows.retain(|_, window| Arc::strong_count(window) > 1 || !window.is_spent());
        }
        let key = match windows.len() < self.windows_max {
            true => identity,
            false => "",
        };
        windows.entry(key.into()).or_default().clone()
    }

    /// The counted lines of all.
    pub(super) fn lines(&self) -> Vec<u8> {
        let windows = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        windows
            .iter()
            .flat_map(|(identity, window)| window.line(identity))
            .collect()
    }
}

/// The part of one identity, or of all connections without one.
#[derive(Debug)]
pub(super) struct Window {
    second: Mutex<(Instant, u32)>,
    counted: AtomicU64,
    /// The batch of the log in which its last line is, and how many lines of that batch are its own. The log looks at
    /// them under its lock alone.
    batch: AtomicU64,
    lines: AtomicUsize,
}

impl Default for Window {
    fn default() -> Window {
        Window {
            second: Mutex::new((Instant::now(), 0)),
            counted: AtomicU64::new(0),
            batch: AtomicU64::new(0),
            lines: AtomicUsize::new(0),
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

    /// Notes a line in `batch`.
    pub(super) fn appended(&self, batch: u64) {
        self.lines
            .store(self.lines_in(batch) + 1, Ordering::Relaxed);
        self.batch.store(batch, Ordering::Relaxed);
    }

    /// How many lines of `batch`, which is the log's last, are its own.
    pub(super) fn lines_in(&self, batch: u64) -> usize {
        match self.batch.load(Ordering::Relaxed) == batch {
            true => self.lines.load(Ordering::Relaxed),
            false => 0,
        }
    }

    /// Whether a new one would be the same.
    fn is_spent(&self) -> bool {
        let second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        second.0.elapsed().as_secs() >= 1 && self.counted.load(Ordering::Relaxed) == 0
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

    #[test]
    fn each_identity_has_a_window_of_its_own_however_many_came_before() {
        let windows = Windows::up_to(4);
        let here: Vec<_> = ["a", "b"].map(|name| windows.of(name)).into();
        for name in 0..1000 {
            let window = windows.of(&name.to_string());
            // Its second is over, as that of whoever came before must be.
            window.second.lock().unwrap().0 -= std::time::Duration::from_secs(2);
        }
        let one = windows.of("one");
        assert!(here.iter().all(|window| !Arc::ptr_eq(window, &one)));
        assert!(Arc::ptr_eq(&here[0], &windows.of("a")));
        assert!(windows.of.lock().unwrap().len() <= 4);
    }

    #[test]
    fn a_window_with_something_to_tell_is_not_forgotten() {
        let windows = Windows::up_to(1);
        let a = windows.of("a");
        assert_eq!((0..15).filter(|_| a.admits()).count(), 10);
        a.second.lock().unwrap().0 -= std::time::Duration::from_secs(2);
        drop(a);
        drop(windows.of("b"));
        let told = String::from_utf8(windows.lines()).unwrap();
        assert!(told.contains("\"id\":\"a\""), "{told}");
    }
}
