//! How long the head of a request may take: long to its first byte, for a connection may rest between calls, and short
//! from there to its last.
//!
//! hyper has one time for both and asks its timer for it whenever it begins to wait for a head. The timer here hears from
//! the connection whether something came since then.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

/// How long a connection may rest before the first byte of a request.
pub(super) const REST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long the head of a request may take from its first byte to its last.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether something was received since it was last asked to forget.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<AtomicBool>);

impl Heard {
    /// Something was received.
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn anything(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The timer of a connection on which something is `heard`.
#[derive(Debug)]
pub(super) struct HeadTimer(pub(super) Heard);

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.0.forget();
        Box::pin(Head {
            heard: self.0.clone(),
            begun: false,
            sleep: Box::pin(tokio::time::sleep_until(deadline.into())),
        })
    }
}

/// The time of one head.
struct Head {
    heard: Heard,
    /// Whether its first byte came.
    begun: bool,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl Sleep for Head {}

impl Future for Head {
    type Output = ();

    /// Polled whenever hyper has read all that there is and the head is not whole.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.begun && self.heard.anything() {
            self.begun = true;
            let deadline = tokio::time::Instant::now() + HEAD_TIMEOUT;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_has_little_time_and_one_that_has_not_has_much() {
        let heard = Heard::default();
        let timer = HeadTimer(heard.clone());
        heard.note();
        let begun = tokio::time::Instant::now();
        let rest = |begun: tokio::time::Instant| timer.sleep_until((begun + REST_TIMEOUT).into());
        rest(begun).await;
        assert_eq!(begun.elapsed(), REST_TIMEOUT);
        let sleep = rest(begun + REST_TIMEOUT);
        heard.note();
        sleep.await;
        assert_eq!(begun.elapsed(), REST_TIMEOUT + HEAD_TIMEOUT);
    }
}
