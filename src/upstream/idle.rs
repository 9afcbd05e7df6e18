//! A deadline for the next piece of a stream: it costs nothing while pieces come without waiting.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// How long a stream may stand still.
#[derive(Debug)]
pub(crate) struct Idle {
    patience: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whether the sleep counts from the last piece.
    armed: bool,
}

impl Idle {
    pub(crate) fn new(patience: Duration) -> Idle {
        Idle {
            patience,
            sleep: None,
            armed: false,
        }
    }

    /// A piece came.
    pub(crate) fn reset(&mut self) {
        self.armed = false;
    }

    /// Ready once the stream has stood still for too long; to be polled whenever it stands still.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = Instant::now() + self.patience;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.armed {
            self.armed = true;
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }
}
