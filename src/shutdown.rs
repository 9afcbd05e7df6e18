//! How an end is announced and waited for.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Tells that the gate is ending.
#[derive(Debug, Clone)]
pub(crate) struct Ending(watch::Receiver<bool>);

/// Announces the end; dropping it announces it too.
#[derive(Debug)]
pub(crate) struct Announce(watch::Sender<bool>);

/// An announcement and what hears it.
pub(crate) fn announcement() -> (Announce, Ending) {
    let (sender, receiver) = watch::channel(false);
    (Announce(sender), Ending(receiver))
}

impl Announce {
    /// Announces the end to everybody who waits.
    pub(crate) fn now(&self) {
        self.0.send_replace(true);
    }
}

impl Ending {
    /// Waits for the announcement.
    pub(crate) async fn wait(&mut self) {
        // An error says that the announcer is gone, which is an end as well.
        let _gone = self.0.wait_for(|ending| *ending).await;
    }
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// The signals cannot be listened to.
pub(crate) async fn signalled() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}
