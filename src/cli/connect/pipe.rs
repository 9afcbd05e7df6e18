//! Bytes both ways between a client and the gate, each direction ending on its own.
//!
//! In TLS 1.3 a client learns that its certificate was refused only when it reads for the first time. So the pipe
//! watches for the gate's first byte: until it comes, a refusal can still become an answer that a person can read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes},
    net::TcpStream,
    time::timeout,
};

use super::{
    answer::Unserved,
    link::{Gate, tls_error},
};

/// The buffer for each direction: one TLS record.
const BUFFER_BYTES: usize = 16 * 1024;

/// How long to look for the reason when the gate has closed a connection that it never answered on.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries until both directions have ended. An error means that the client has not been answered and can be.
///
/// A connection that breaks later is reset on the client's side too, so that half an answer is not taken for one.
pub(super) async fn both_ways(client: &mut TcpStream, gate: Gate) -> Result<(), Unserved> {
    let mut gate = Watched { gate, silent: true };
    let Err(broken) =
        copy_bidirectional_with_sizes(client, &mut gate, BUFFER_BYTES, BUFFER_BYTES).await
    else {
        return Ok(());
    };
    if gate.silent
        && let Some(refused) = refusal(&mut gate, broken).await
    {
        return Err(refused);
    }
    // Nothing can be done about a socket that cannot be reset: it is closed either way.
    let _ = client.set_zero_linger();
    Ok(())
}

/// The gate's alert: what broke the pipe, or what is found behind a write that failed first.
async fn refusal(gate: &mut Watched, broken: io::Error) -> Option<Unserved> {
    let alert = if tls_error(&broken).is_some() {
        broken
    } else {
        timeout(REASON_TIMEOUT, gate.read_u8()).await.ok()?.err()?
    };
    match tls_error(&alert)? {
        rustls::Error::AlertReceived(alert) => Some(Unserved::CertificateRefused(*alert)),
        _ => None,
    }
}

/// The gate's side, with a note of whether it has said anything.
struct Watched {
    gate: Gate,
    silent: bool,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.gate).poll_read(cx, buf))?;
        self.silent &= buf.filled().len() == before;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.gate).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.gate).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.gate).poll_shutdown(cx)
    }
}
