//! Reads HTTP/1.1 messages off a stream as they are, for both ends of the gate: nothing is repaired.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Body bytes kept; a longer body is read to its end and only counted.
const BODY_KEPT_BYTES_MAX: usize = 1 << 20;

/// A start line and its header lines, as they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The values of every header line of this name, whatever its case.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(line, _)| line.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The header's value; more than one line of the name is an error in every message the tests look at.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} stands more than once: {values:?}");
        values.first().copied()
    }
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    None,
    Fixed(u64),
    Chunked,
    UntilClose,
}

/// A body that was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    /// Its first bytes, up to a bound.
    pub(crate) bytes: Vec<u8>,
    /// How long it was.
    pub(crate) total: u64,
    pub(crate) trailers: Vec<(String, String)>,
    /// Whether its framing came to its end; otherwise the stream ended before.
    pub(crate) complete: bool,
}

/// The next head, or `None` when the stream ends before its first byte.
pub(crate) async fn read_head(
    stream: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<Head>> {
    let start = read_line(stream).await?;
    let Some(start) = start else {
        return Ok(None);
    };
    let headers = read_fields(stream).await?;
    Ok(Some(Head { start, headers }))
}

/// Where the body of a request ends (RFC 9112 section 6.3).
pub(crate) fn request_length(head: &Head) -> Length {
    length(head).unwrap_or(Length::None)
}

/// Where the body of an answer to `method` ends.
pub(crate) fn answer_length(method: &str, status: u16, head: &Head) -> Length {
    if method == "HEAD" || status < 200 || status == 204 || status == 304 {
        return Length::None;
    }
    length(head).unwrap_or(Length::UntilClose)
}

fn length(head: &Head) -> Option<Length> {
    if let Some(coding) = head.value("transfer-encoding") {
        assert_eq!(coding, "chunked", "a transfer coding nobody asked for");
        assert_eq!(head.value("content-length"), None, "both framings at once");
        return Some(Length::Chunked);
    }
    let length = head.value("content-length")?;
    Some(Length::Fixed(length.parse().unwrap()))
}

/// Reads a body to its end, or to the end of the stream.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncBufRead + Unpin),
    length: Length,
) -> io::Result<Body> {
    let mut body = Body::default();
    match length {
        Length::None => body.complete = true,
        Length::Fixed(length) => body.complete = take(stream, length, &mut body).await?,
        Length::UntilClose => {
            take(stream, u64::MAX, &mut body).await?;
            body.complete = true;
        }
        Length::Chunked => read_chunks(stream, &mut body).await?,
    }
    Ok(body)
}

async fn read_chunks(stream: &mut (impl AsyncBufRead + Unpin), body: &mut Body) -> io::Result<()> {
    loop {
        let Some(size) = read_line(stream).await? else {
            return Ok(());
        };
        let Ok(size) = u64::from_str_radix(&size, 16) else {
            return Err(malformed("chunk size", &size));
        };
        if size == 0 {
            body.trailers = read_fields(stream).await?;
            body.complete = true;
            return Ok(());
        }
        if !take(stream, size, body).await? {
            return Ok(());
        }
        match read_line(stream).await? {
            Some(end) if end.is_empty() => {}
            Some(end) => return Err(malformed("chunk end", &end)),
            None => return Ok(()),
        }
    }
}

/// Takes `length` bytes into `body`; whether they all came.
async fn take(
    stream: &mut (impl AsyncBufRead + Unpin),
    length: u64,
    body: &mut Body,
) -> io::Result<bool> {
    let mut part = stream.take(length);
    let mut piece = vec![0; 64 << 10];
    let end = body.total.saturating_add(length);
    loop {
        let read = part.read(&mut piece).await?;
        if read == 0 {
            return Ok(body.total == end);
        }
        let room = BODY_KEPT_BYTES_MAX.saturating_sub(body.bytes.len());
        body.bytes.extend_from_slice(&piece[..read.min(room)]);
        body.total += read as u64;
    }
}

async fn read_fields(
    stream: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(stream).await?;
        let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| malformed("header line", &line))?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// A line without its CRLF; bytes beyond ASCII come out as the replacement character.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(Some(String::from_utf8_lossy(line).into_owned())),
        None => Err(malformed("line end", &String::from_utf8_lossy(&line))),
    }
}

fn malformed(what: &str, text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: {text:?}"))
}
