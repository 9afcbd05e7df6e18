//! Other readers of the same bytes.

/// A whole message as llhttp, the parser of Node.js, reads it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The method of a request.
    pub method: Vec<u8>,
    /// The target of a request.
    pub target: Vec<u8>,
    /// The status of an answer.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// What messages are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Requests.
    Requests,
    /// Answers.
    Answers,
    /// Answers to HEAD.
    BodilessAnswers,
}

unsafe extern "C" {
    fn tollgate_llhttp(
        responses: i32,
        bodiless: i32,
        bytes: *const u8,
        length: usize,
        out: *mut u8,
        size: usize,
    ) -> usize;
}

/// The messages that llhttp reads out of `bytes`, all that ever comes, until one that it cannot read.
pub fn llhttp(expected: Expected, bytes: &[u8]) -> Vec<Message> {
    // A piece takes five bytes besides its own, and each is told for at least one byte, but for the ends.
    let mut told = vec![0; bytes.len() * 12 + 64];
    let responses = i32::from(expected != Expected::Requests);
    let bodiless = i32::from(expected == Expected::BodilessAnswers);
    // SAFETY: both buffers are valid for the lengths that are told beside them.
    let used = unsafe {
        tollgate_llhttp(
            responses,
            bodiless,
            bytes.as_ptr(),
            bytes.len(),
            told.as_mut_ptr(),
            told.len(),
        )
    };
    assert!(used <= told.len(), "the buffer is too small");
    messages(&told[..used])
}

fn messages(mut told: &[u8]) -> Vec<Message> {
    let (mut messages, mut message) = (Vec::new(), Message::default());
    while let [kind, a, b, c, d, rest @ ..] = told {
        let length = u32::from_ne_bytes([*a, *b, *c, *d]) as usize;
        let (piece, rest) = rest.split_at(length);
        match kind {
            1 => message.method.extend_from_slice(piece),
            2 => message.target.extend_from_slice(piece),
            3 => message.body.extend_from_slice(piece),
            5 => message.status = u16::from_ne_bytes([piece[0], piece[1]]),
            _ => messages.push(std::mem::take(&mut message)),
        }
        told = rest;
    }
    messages
}
