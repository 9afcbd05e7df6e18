//! The answers an upstream can be told to give.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    sync::watch,
};

use super::{
    http1::{self, Body, Head, Length},
    patience::until,
    tape::{Stream, Taped},
};

/// What an upstream does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// 200 with this text, after the whole request.
    Text(String),
    /// Exactly these bytes, after the whole request; the connection stays open.
    Bytes(Vec<u8>),
    /// Exactly these bytes, after the whole request, then the end of the connection.
    BytesThenClose(Vec<u8>),
    /// These bytes as soon as the head came; whatever comes after it is no request any more.
    Early(Vec<u8>),
    /// 200 with the length of the request's body as its text.
    BodyLength,
    /// 200 with a body of so many bytes, chunked, and a trailer `x-checksum`.
    Stream(u64, Meter),
    /// These bytes one by one, each after this time.
    Drip(Vec<u8>, Duration),
    /// These bytes at once, then the rest when the hold is released.
    Interrupted(Vec<u8>, Hold, Vec<u8>),
    /// The other answer, but the request's body is read only after the hold is released.
    Held(Hold, Box<Answer>),
    /// Reads and never answers.
    Silence,
    /// Closes without an answer.
    Close,
}

impl Answer {
    /// A whole answer with this status, these header lines (each with its CRLF) and this text.
    pub(crate) fn with(status: &str, headers: &str, text: &str) -> Answer {
        let length = text.len();
        Answer::Bytes(
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{text}").into(),
        )
    }
}

/// Something that waits until a test says go.
#[derive(Clone)]
pub(crate) struct Hold(watch::Sender<bool>);

impl Hold {
    pub(crate) fn new() -> Hold {
        Hold(watch::Sender::new(false))
    }

    pub(crate) fn release(&self) {
        self.0.send_replace(true);
    }

    async fn released(&self) {
        let _ = self.0.subscribe().wait_for(|released| *released).await;
    }
}

/// How far something has come.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::AcqRel);
    }

    /// How far it has come.
    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Waits until it has come so far.
    pub(crate) async fn reaches(&self, far: u64) {
        until("some way", || (self.so_far() >= far).then_some(())).await;
    }

    /// Waits until it goes no further; how far it came.
    pub(crate) async fn stalled(&self) -> u64 {
        let (mut last, mut same) = (0, 0);
        until("a stall", || {
            let now = self.0.load(Ordering::Acquire);
            same = if now == last && now > 0 { same + 1 } else { 0 };
            last = now;
            (same == 200).then_some(now)
        })
        .await
    }
}

/// What came of an answer.
pub(super) struct Played {
    pub(super) body: Body,
    /// Whether no further request is read from this connection.
    pub(super) last: bool,
}

/// Reads the body and gives the answer.
pub(super) async fn play<S: Stream>(
    answer: Answer,
    head: &Head,
    stream: &mut BufReader<Taped<S>>,
) -> io::Result<Played> {
    let mut answer = answer;
    while let Answer::Held(hold, then) = answer {
        hold.released().await;
        answer = *then;
    }
    if let Answer::Early(bytes) = &answer {
        write(stream, bytes).await?;
        drain(stream).await?;
        return Ok(Played {
            body: Body::default(),
            last: true,
        });
    }
    continue_if_expected(head, stream).await?;
    let body = http1::read_body(stream, http1::request_length(head)).await?;
    let last = give(answer, &body, stream).await?;
    let last = last
        || head
            .value("connection")
            .is_some_and(|c| c.eq_ignore_ascii_case("close"));
    Ok(Played { body, last })
}

/// Gives the answer; whether the connection ends with it.
async fn give<S: Stream>(
    answer: Answer,
    body: &Body,
    stream: &mut BufReader<Taped<S>>,
) -> io::Result<bool> {
    match answer {
        Answer::Text(text) => write(stream, plain(&text).as_bytes()).await?,
        Answer::Bytes(bytes) => write(stream, &bytes).await?,
        Answer::BytesThenClose(bytes) => {
            write(stream, &bytes).await?;
            return Ok(true);
        }
        Answer::BodyLength => write(stream, plain(&body.total.to_string()).as_bytes()).await?,
        Answer::Stream(length, meter) => stream_body(length, &meter, stream).await?,
        Answer::Drip(bytes, every) => {
            for byte in bytes {
                tokio::time::sleep(every).await;
                write(stream, &[byte]).await?;
            }
        }
        Answer::Interrupted(first, hold, rest) => {
            write(stream, &first).await?;
            hold.released().await;
            write(stream, &rest).await?;
        }
        Answer::Silence => {
            drain(stream).await?;
            return Ok(true);
        }
        Answer::Close => return Ok(true),
        Answer::Held(..) | Answer::Early(_) => unreachable!("played before the body is read"),
    }
    Ok(false)
}

fn plain(text: &str) -> String {
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}")
}

async fn write<S: Stream>(stream: &mut BufReader<Taped<S>>, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn stream_body<S: Stream>(
    length: u64,
    meter: &Meter,
    stream: &mut BufReader<Taped<S>>,
) -> io::Result<()> {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n";
    stream.write_all(head).await?;
    let piece = vec![b'.'; 64 << 10];
    let mut left = length;
    while left > 0 {
        let next = left.min(piece.len() as u64) as usize;
        stream.write_all(format!("{next:x}\r\n").as_bytes()).await?;
        stream.write_all(&piece[..next]).await?;
        stream.write_all(b"\r\n").await?;
        left -= next as u64;
        meter.add(next);
    }
    write(stream, b"0\r\nX-Checksum: all-of-it\r\n\r\n").await
}

/// Reads to the end of the connection; only the tape keeps it.
async fn drain<S: Stream>(stream: &mut BufReader<Taped<S>>) -> io::Result<()> {
    http1::read_body(stream, Length::UntilClose).await.map(drop)
}

async fn continue_if_expected<S: Stream>(
    head: &Head,
    stream: &mut BufReader<Taped<S>>,
) -> io::Result<()> {
    if head.value("expect") == Some("100-continue") {
        write(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    Ok(())
}
