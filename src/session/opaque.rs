//! An opaque tunnel: bytes both ways, counted and timed, each direction ending on its own.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    time::sleep,
};

use crate::{event::Record, outcome::Outcome, proxy::opaque::FarEnd, upstream::Bytes};

/// The buffer for each direction: one TLS record.
const BUFFER_BYTES: usize = 16 * 1024;

/// An opaque tunnel whose far end is open; its record is closed with it, however it ends.
#[derive(Debug)]
pub(super) struct Opaque {
    far: FarEnd,
    record: Record,
    /// How long nothing may pass in either direction.
    patience: Duration,
}

impl Opaque {
    /// A tunnel to `far` through which something must pass within `patience`, or within twice as long.
    pub(super) fn new(far: FarEnd, record: Record, patience: Duration) -> Opaque {
        Opaque {
            far,
            record,
            patience,
        }
    }

    /// Carries until both directions have ended, either side breaks, or nothing has passed for too long.
    pub(super) async fn carry<S>(self, mut near: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let counts = Arc::new(Counts::default());
        let closing = Closing {
            record: Some(self.record),
            counts: counts.clone(),
        };
        let FarEnd { bytes, underway } = self.far;
        let mut far = Counted {
            bytes,
            counts: counts.clone(),
        };
        let outcome = tokio::select! {
            carried = copy_bidirectional_with_sizes(&mut near, &mut far, BUFFER_BYTES, BUFFER_BYTES) => match carried {
                Ok(_) => Outcome::Complete,
                Err(_) if counts.broken.load(Ordering::Acquire) => Outcome::UpstreamAborted,
                Err(_) => Outcome::Aborted,
            },
            () = stillness(&counts, self.patience) => Outcome::UpstreamIdle,
        };
        closing.close(outcome);
        drop(underway);
    }
}

/// Ready once nothing has passed for `patience`.
async fn stillness(counts: &Counts, patience: Duration) {
    let mut before = None;
    loop {
        let now = (counts.up(), counts.down());
        if before.replace(now) == Some(now) {
            return;
        }
        sleep(patience).await;
    }
}

/// What passed so far.
#[derive(Debug, Default)]
struct Counts {
    up_bytes: AtomicU64,
    down_bytes: AtomicU64,
    /// Whether the far side broke.
    broken: AtomicBool,
}

impl Counts {
    fn up(&self) -> u64 {
        self.up_bytes.load(Ordering::Acquire)
    }

    fn down(&self) -> u64 {
        self.down_bytes.load(Ordering::Acquire)
    }

    fn count<T>(&self, counter: &AtomicU64, bytes: usize, polled: &Poll<io::Result<T>>) {
        counter.fetch_add(bytes as u64, Ordering::AcqRel);
        if matches!(polled, Poll::Ready(Err(_))) {
            self.broken.store(true, Ordering::Release);
        }
    }
}

/// Closes the record with what passed, also when the tunnel is dropped.
struct Closing {
    record: Option<Record>,
    counts: Arc<Counts>,
}

impl Closing {
    fn close(mut self, outcome: Outcome) {
        let Some(record) = self.counted() else { return };
        match outcome {
            Outcome::Complete => record.ended(),
            Outcome::Aborted => record.aborted(),
            broken => record.broken(broken),
        }
    }

    fn counted(&mut self) -> Option<Record> {
        let mut record = self.record.take()?;
        record.sent_bytes(self.counts.up());
        record.answer_bytes(self.counts.down());
        Some(record)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(record) = self.counted() {
            record.aborted();
        }
    }
}

/// The far side, counted.
struct Counted {
    bytes: Bytes,
    counts: Arc<Counts>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.bytes).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.counts.count(&self.counts.down_bytes, read, &polled);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.bytes).poll_write(cx, buf);
        let written = match &polled {
            Poll::Ready(Ok(written)) => *written,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.counts.count(&self.counts.up_bytes, written, &polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.bytes).poll_shutdown(cx)
    }
}
