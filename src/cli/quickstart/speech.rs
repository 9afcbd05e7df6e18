//! What the gate says of itself during the tour: kept in memory, to be searched like everything else.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::cli::serve;

/// How much of it is kept.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The gate's speech so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Speech(Arc<Mutex<Vec<u8>>>);

impl Speech {
    /// Listens from now on, to more than `serve` says by itself.
    pub(super) fn listen() -> Speech {
        let speech = Speech::default();
        let writer = speech.clone();
        let lines = fmt::layer()
            .log_internal_errors(false)
            .with_writer(move || writer.clone())
            .with_ansi(false);
        let listening = tracing_subscriber::registry()
            .with(serve::own_words(LevelFilter::DEBUG))
            .with(lines)
            .try_init();
        // Where somebody listens already, that one hears it.
        drop(listening);
        speech
    }

    /// What was said so far.
    pub(super) fn said(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl io::Write for Speech {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() + bytes.len() <= KEPT_BYTES_MAX {
            said.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
