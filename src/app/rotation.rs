//! SIGUSR1 says that the event file was moved: the log goes on in a new one under the same name.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::event::Log;

/// The signal, which does not end the process once it is listened to.
#[derive(Debug)]
pub(super) struct Rotation(Signal);

impl Rotation {
    /// Listens from now on; what comes before anything [`follow`](Rotation::follow)s is not forgotten.
    pub(super) fn listen() -> io::Result<Rotation> {
        signal(SignalKind::user_defined1()).map(Rotation)
    }

    /// Has the files of `log` opened anew at every signal.
    pub(super) async fn follow(mut self, log: Log) {
        while self.0.recv().await.is_some() {
            log.reopen();
        }
    }
}
