//! How an end is announced, step by step, and waited for.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// How far the end of the gate has come. Each phase is past all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// No end is in sight.
    Serving,
    /// Not ready any more, but what still comes is served.
    Draining,
    /// No new connections; what is open may finish.
    Closing,
    /// What is open is cut off.
    AtOnce,
}

/// Tells how far the end of the gate has come.
#[derive(Debug, Clone)]
pub(crate) struct Ending(watch::Receiver<Phase>);

/// Announces the end; dropping it ends at once.
#[derive(Debug)]
pub(crate) struct Announce(watch::Sender<Phase>);

/// An announcement and what hears it.
pub(crate) fn announcement() -> (Announce, Ending) {
    let (sender, receiver) = watch::channel(Phase::Serving);
    (Announce(sender), Ending(receiver))
}

impl Announce {
    /// Announces `phase` to everybody who waits; there is no way back.
    pub(crate) fn now(&self, phase: Phase) {
        self.0.send_if_modified(|at| {
            let further = phase > *at;
            *at = phase.max(*at);
            further
        });
    }
}

impl Ending {
    /// Waits until no new connections are taken.
    pub(crate) async fn wait(&mut self) {
        self.reached(Phase::Closing).await;
    }

    /// Waits until what is open is to be cut off.
    pub(crate) async fn at_once(&mut self) {
        self.reached(Phase::AtOnce).await;
    }

    /// How far it has come.
    pub(crate) fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    async fn reached(&mut self, phase: Phase) {
        // An error says that the announcer is gone, which is an end as well.
        let _gone = self.0.wait_for(|at| *at >= phase).await;
    }
}

/// SIGTERM and SIGINT, heard from the moment it is made: none in between is lost.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// The signals cannot be listened to.
    pub(crate) fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for SIGTERM or SIGINT, once.
///
/// # Errors
/// The signals cannot be listened to.
pub(crate) async fn signalled() -> std::io::Result<()> {
    Signals::listen()?.next().await;
    Ok(())
}
