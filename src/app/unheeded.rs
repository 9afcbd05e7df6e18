//! Signals that mean nothing to the gate and would end it, were they not listened to.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGUSR2 may be meant for another program, and SIGXFSZ says only that a file is as large as it may be: the write says
/// so too, and calls are refused until the log can be written to again.
const UNHEEDED: [Number; 2] = [Number::USR2, Number::XFSZ];

/// The signals, which do not end the process once it is made.
#[derive(Debug)]
pub(super) struct Unheeded {
    _signals: Vec<Signal>,
}

impl Unheeded {
    /// Ignores them from now on.
    pub(super) fn listen() -> io::Result<Unheeded> {
        let signals = UNHEEDED.map(|number| signal(SignalKind::from_raw(number.as_raw())));
        let signals = signals.into_iter().collect::<io::Result<_>>()?;
        Ok(Unheeded { _signals: signals })
    }
}
