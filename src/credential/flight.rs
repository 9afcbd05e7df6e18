//! One run for all who wait for the same thing.
//!
//! The run is a task of its own: a waiter that goes away takes nothing from the others. How long to wait is the
//! waiter's business, and what the outcome means too.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::watch;

/// So many may wait for one run; the next is sent away at once.
const WAITERS_MAX: usize = 16 * 1024;

/// The place where those who want the same thing meet. At most one run is under way.
pub(crate) struct Flight<T> {
    /// The run keeps its sender alive, so a weak reference that leads nowhere is a run that ended, however it ended.
    under_way: Mutex<Weak<watch::Sender<Option<T>>>>,
}

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// A flight with nobody on it.
    pub(crate) fn new() -> Flight<T> {
        Flight {
            under_way: Mutex::default(),
        }
    }

    /// Takes a seat on the run under way, or starts one; must be called inside a tokio runtime.
    ///
    /// `ready` is asked first, under the lock: what a run left behind that ended between the caller's last look
    /// and this call is seen, so that nothing runs twice.
    pub(crate) fn board<F>(
        &self,
        ready: impl FnOnce() -> Option<T>,
        run: impl FnOnce() -> F,
    ) -> Seat<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(outcome) = ready() {
            return Seat::Ready(outcome);
        }
        if let Some(sender) = under_way.upgrade() {
            return match sender.receiver_count() {
                0..WAITERS_MAX => Seat::Waiting(sender.subscribe()),
                WAITERS_MAX.. => Seat::Full,
            };
        }
        let (sender, landing) = watch::channel(None);
        let sender = Arc::new(sender);
        *under_way = Arc::downgrade(&sender);
        let run = run();
        tokio::spawn(async move { sender.send_replace(Some(run.await)) });
        Seat::Waiting(landing)
    }
}

/// A place among those who wait for an outcome. Dropping it changes nothing for the others.
#[must_use = "only a seat that is waited on brings the outcome"]
pub(crate) enum Seat<T> {
    /// The outcome was there already.
    Ready(T),
    /// A run is under way.
    Waiting(watch::Receiver<Option<T>>),
    /// Too many wait already.
    Full,
}

impl<T: Clone> Seat<T> {
    /// Waits for the outcome, without a deadline of its own.
    pub(crate) async fn outcome(self) -> Result<T, Lost> {
        match self {
            Seat::Ready(outcome) => Ok(outcome),
            Seat::Waiting(mut landing) => landing
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|outcome| outcome.clone())
                .ok_or(Lost::Died),
            Seat::Full => Err(Lost::Full),
        }
    }
}

/// Why a seat brought no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Too many wait already.
    Full,
    /// The run ended without an outcome.
    Died,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Full => "too many calls wait for it",
            Lost::Died => "the attempt was given up",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_who_wait_share_one_run() {
        let (flight, runs) = (Flight::new(), Arc::new(AtomicU32::new(0)));
        let seats: Vec<_> = (0..100)
            .map(|_| {
                let runs = Arc::clone(&runs);
                flight.board(
                    || None,
                    || async move { runs.fetch_add(1, Ordering::SeqCst) },
                )
            })
            .collect();
        for seat in seats {
            assert_eq!(seat.outcome().await, Ok(0));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_waiter_that_goes_away_does_not_stop_the_run() {
        let (flight, (tell, hear)) = (Flight::new(), tokio::sync::oneshot::channel());
        drop(flight.board(|| None, || async move { tell.send("done") }));
        assert_eq!(hear.await, Ok("done"));
    }

    #[tokio::test]
    async fn a_run_that_died_makes_room_for_the_next() {
        let flight: Flight<u32> = Flight::new();
        let dies = flight.board(|| None, || async { panic!("by design of this test") });
        assert_eq!(dies.outcome().await, Err(Lost::Died));
        assert_eq!(flight.board(|| None, || async { 7 }).outcome().await, Ok(7));
    }

    #[tokio::test]
    async fn an_outcome_that_is_there_starts_no_run() {
        let flight: Flight<u32> = Flight::new();
        let seat = flight.board(|| Some(1), || async { unreachable!("it was ready") });
        assert_eq!(seat.outcome().await, Ok(1));
    }

    #[tokio::test]
    async fn one_waiter_too_many_is_sent_away() {
        let flight: Flight<()> = Flight::new();
        let seats: Vec<_> = (0..WAITERS_MAX)
            .map(|_| flight.board(|| None, std::future::pending))
            .collect();
        let seat = flight.board(|| None, std::future::pending);
        assert_eq!(seat.outcome().await, Err(Lost::Full));
        drop(seats);
    }
}
