//! A stream whose first bytes were read before it was known what they are.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

use crate::through::writes_through;

/// Gives the bytes that were already read, then those of the stream.
#[derive(Debug)]
pub(crate) struct Rewind<S> {
    first: Bytes,
    stream: S,
}

impl<S> Rewind<S> {
    pub(crate) fn new(first: Bytes, stream: S) -> Rewind<S> {
        Rewind { first, stream }
    }

    /// The same stream, which gives `read` once more: what was just read from it.
    pub(crate) fn again(mut self, read: Bytes) -> Rewind<S> {
        // More than was read at once stays where it is, behind what was.
        self.first = match self.first.is_empty() {
            true => read,
            false => [read, self.first].concat().into(),
        };
        self
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first.split_to(length));
        if !self.first.has_remaining() {
            self.first = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

writes_through!(Rewind);
