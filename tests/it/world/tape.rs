//! What came through a stream, kept: every byte up to a bound, and the count of all.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes kept per stream; beyond them only the count goes on.
const TAPE_BYTES_MAX: usize = 4 << 20;

/// A stream of either side of the gate.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The record of one stream's incoming bytes.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<(Vec<u8>, u64)>>);

impl Tape {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().0.clone()
    }

    /// How many bytes came in all.
    pub(crate) fn total(&self) -> u64 {
        self.0.lock().unwrap().1
    }

    pub(crate) fn record(&self, bytes: &[u8]) {
        let mut tape = self.0.lock().unwrap();
        let room = TAPE_BYTES_MAX.saturating_sub(tape.0.len());
        tape.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        tape.1 += bytes.len() as u64;
    }
}

/// All tapes of one kind in a world.
#[derive(Clone, Default)]
pub(crate) struct Tapes(Arc<Mutex<Vec<Tape>>>);

impl Tapes {
    pub(crate) fn start(&self) -> Tape {
        let tape = Tape::default();
        self.0.lock().unwrap().push(tape.clone());
        tape
    }

    pub(crate) fn all(&self) -> Vec<Tape> {
        self.0.lock().unwrap().clone()
    }
}

/// A stream that records what is read from it.
pub(crate) struct Taped<S> {
    stream: S,
    tape: Tape,
}

impl<S> Taped<S> {
    pub(crate) fn new(stream: S, tape: Tape) -> Taped<S> {
        Taped { stream, tape }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.tape.record(&buf.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taped<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
