//! The bytes of an upstream, the head of each answer held to its grammar before hyper reads it (RFC 9112 sections 2.1
//! and 4).
//!
//! hyper forgives what another reader of the same bytes would read otherwise, or not at all: a line that ends in a bare
//! LF, empty lines before a status line, interim answers without end. Bodies pass unseen: hyper reads their framing
//! strictly, and it is made anew on the way to the agent.

use std::{
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, ReadBuf};

use crate::through::writes_through;

/// The most interim answers before a final one: a server that still works on a call may say so again and again.
const INTERIM_ANSWERS_MAX: u32 = 64;

/// Every head begins so.
const START: &[u8] = b"HTTP/1.";
/// Where the three digits of the status are in a head.
const STATUS: std::ops::Range<usize> = 9..12;

/// How many exchanges have begun on a connection; each has a head of its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchanges(Arc<AtomicU64>);

impl Exchanges {
    /// Another request is about to be sent: what comes next is a head.
    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn begun(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A stream that breaks off at a head which has no one reading.
#[derive(Debug)]
pub(super) struct Grammar<S> {
    stream: S,
    exchanges: Exchanges,
    /// The exchange whose final head has passed; what follows it is a body.
    passed: u64,
    head: Head,
    interim_answers: u32,
}

/// A head as far as it has come.
#[derive(Debug, Default)]
struct Head {
    bytes: usize,
    status: [u8; STATUS.end - STATUS.start],
    /// Whether the line at hand has no byte yet but those of its end.
    line_is_empty: bool,
    last: u8,
}

/// What a head has that its grammar does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NoStatusLine,
    BareLineFeed,
    BareCarriageReturn,
    TooManyInterimAnswers,
}

impl Fault {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Fault::NoStatusLine => "the answer does not begin with a status line",
            Fault::BareLineFeed => "a line of the answer's head ends in a bare LF",
            Fault::BareCarriageReturn => "a line of the answer's head has a bare CR",
            Fault::TooManyInterimAnswers => "too many interim answers",
        }
    }

    /// The fault for which hyper gave up, if it was one of these.
    pub(super) fn behind(error: &hyper::Error) -> Option<Fault> {
        let broken = error.source()?.downcast_ref::<io::Error>()?;
        broken.get_ref()?.downcast_ref::<Fault>().copied()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error for Fault {}

impl<S> Grammar<S> {
    pub(super) fn new(stream: S, exchanges: Exchanges) -> Grammar<S> {
        Grammar {
            stream,
            exchanges,
            passed: 0,
            head: Head::default(),
            interim_answers: 0,
        }
    }

    /// Looks at `bytes` as far as they are of a head.
    fn look(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let begun = self.exchanges.begun();
        if begun == self.passed {
            return Ok(());
        }
        for byte in bytes {
            if !self.head.ends_with(*byte)? {
                continue;
            }
            let ended = std::mem::take(&mut self.head);
            if !ended.is_interim() {
                self.passed = begun;
                self.interim_answers = 0;
                return Ok(());
            }
            self.interim_answers += 1;
            if self.interim_answers > INTERIM_ANSWERS_MAX {
                return Err(Fault::TooManyInterimAnswers);
            }
        }
        Ok(())
    }
}

impl Head {
    /// Whether `byte` is its last.
    fn ends_with(&mut self, byte: u8) -> Result<bool, Fault> {
        let place = self.bytes;
        self.bytes += 1;
        if START.get(place).is_some_and(|due| *due != byte) {
            return Err(Fault::NoStatusLine);
        }
        let digit = place.wrapping_sub(STATUS.start);
        if let Some(digit) = self.status.get_mut(digit) {
            *digit = byte;
        }
        let before = std::mem::replace(&mut self.last, byte);
        match (before, byte) {
            (b'\r', b'\n') => Ok(std::mem::replace(&mut self.line_is_empty, true)),
            (_, b'\n') => Err(Fault::BareLineFeed),
            (b'\r', _) => Err(Fault::BareCarriageReturn),
            (_, b'\r') => Ok(false),
            (_, _) => {
                self.line_is_empty = false;
                Ok(false)
            }
        }
    }

    /// Whether a final answer is still to come (RFC 9110 section 15.2); a switch of protocols is final.
    fn is_interim(&self) -> bool {
        self.status[0] == b'1' && self.status != *b"101"
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Grammar<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Ok(())) = polled
            && let Some(fresh) = buf.filled().get(before..)
            && let Err(fault) = self.look(fresh)
        {
            buf.set_filled(before);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
        }
        polled
    }
}

writes_through!(Grammar);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of `answer`, which comes in pieces of `size` bytes to the first request of a connection.
    fn looked_at(answer: &[u8], size: usize) -> Result<(), Fault> {
        let mut grammar = Grammar::new((), Exchanges::default());
        grammar.exchanges.begin();
        answer
            .chunks(size)
            .try_for_each(|piece| grammar.look(piece))
    }

    fn all_say(answer: &[u8], expected: Result<(), Fault>) {
        for size in 1..=answer.len() {
            let text = answer.escape_ascii();
            assert_eq!(looked_at(answer, size), expected, "{text} by {size}");
        }
    }

    #[test]
    fn a_head_by_the_book_passes_with_whatever_body() {
        all_say(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n\nbody\r\r\n\n", Ok(()));
        all_say(b"HTTP/1.0 200\r\n\r\n\n", Ok(()));
        all_say(b"HTTP/1.1 101 Switching\r\n\r\n\n", Ok(()));
    }

    #[test]
    fn a_head_that_is_read_in_two_ways_does_not() {
        for (answer, fault) in [
            (&b"HTTP/1.1 200 OK\nA: b\r\n\r\n"[..], Fault::BareLineFeed),
            (
                b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
                Fault::BareLineFeed,
            ),
            (b"HTTP/1.1 200 OK\r\nA: b\r\n\n", Fault::BareLineFeed),
            (
                b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
                Fault::BareCarriageReturn,
            ),
            (
                b"HTTP/1.1 200 OK\r\nA: b\r\n\r\r\n",
                Fault::BareCarriageReturn,
            ),
            (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Fault::NoStatusLine),
            (b"http/1.1 200 OK\r\n\r\n", Fault::NoStatusLine),
            (b"HTTP/0.9 200 OK\r\n\r\n", Fault::NoStatusLine),
            (b"<html>", Fault::NoStatusLine),
        ] {
            all_say(answer, Err(fault));
        }
    }

    #[test]
    fn a_head_behind_interim_ones_is_held_to_the_same() {
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
        let last = b"HTTP/1.1 200 OK\nA: b\n\n";
        all_say(
            &[&interim[..], &interim[..], &last[..]].concat(),
            Err(Fault::BareLineFeed),
        );
        let most = INTERIM_ANSWERS_MAX as usize;
        let good = b"HTTP/1.1 200 OK\r\n\r\n";
        let enough = [interim.repeat(most), good.to_vec()].concat();
        assert_eq!(looked_at(&enough, 100), Ok(()));
        let more = interim.repeat(most + 1);
        assert_eq!(looked_at(&more, 100), Err(Fault::TooManyInterimAnswers));
    }

    #[test]
    fn each_exchange_has_a_head() {
        let mut grammar = Grammar::new((), Exchanges::default());
        for _ in 0..3 {
            grammar.exchanges.begin();
            assert_eq!(grammar.look(b"HTTP/1.1 200 OK\r\n\r\nbody\n"), Ok(()));
            assert_eq!(grammar.look(b"more body\n\n"), Ok(()));
        }
        grammar.exchanges.begin();
        assert_eq!(grammar.look(b"HTTP/1.1 200 OK\n"), Err(Fault::BareLineFeed));
    }
}
