//! For how long the machine has been suspended: what the clock of timers leaves out.
//!
//! A laptop that is closed, a virtual machine that is paused or moved: `CLOCK_MONOTONIC` stands still meanwhile, and
//! the ends that others count do not (clock_gettime(2)).

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Less is not sleep but the time between the readings of two clocks.
const SLEEP_MIN: Duration = Duration::from_secs(1);

/// All the time since boot in which the machine was suspended; grows while it is, and at no other time.
///
/// The two clocks are read one after the other, so that it may be some microseconds too long.
pub(crate) fn suspended() -> Duration {
    let running = since_boot(clock_gettime(ClockId::Monotonic));
    let all = since_boot(clock_gettime(ClockId::Boottime));
    all.saturating_sub(running) + imagined()
}

/// How long the machine slept between two moments at which it had been suspended for so long.
pub(crate) fn slept(before: Duration, now: Duration) -> Duration {
    let slept = now.saturating_sub(before);
    match slept < SLEEP_MIN {
        true => Duration::ZERO,
        false => slept,
    }
}

fn since_boot(time: Timespec) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(test))]
fn imagined() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
pub(crate) use imagination::as_if_suspended_for;
#[cfg(test)]
use imagination::imagined;

/// A test cannot suspend its machine: its thread is told that the machine was.
#[cfg(test)]
mod imagination {
    use std::{cell::Cell, time::Duration};

    thread_local! {
        static IMAGINED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    pub(super) fn imagined() -> Duration {
        IMAGINED.get()
    }

    /// Has this thread see a machine that was suspended for so long, until the value is dropped.
    pub(crate) fn as_if_suspended_for(time: Duration) -> impl Drop {
        IMAGINED.set(time);
        Slept
    }

    struct Slept;

    impl Drop for Slept {
        fn drop(&mut self) {
            IMAGINED.set(Duration::ZERO);
        }
    }
}
