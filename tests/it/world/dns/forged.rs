//! Answers of a name server, byte by byte (RFC 1035 section 4): those that no library would make.

/// What is asked for.
pub(crate) const A: u16 = 1;
/// Flags of an answer: it is one, recursion was desired and is available.
const ANSWER: u16 = 0x8180;
/// The flag that sends the asker to TCP.
const TRUNCATED: u16 = 0x0200;
/// A pointer to the name of the question.
pub(crate) const THE_NAME: [u8; 2] = [0xc0, 0x0c];

/// The query's id, flags and question, with so many answers announced.
pub(crate) fn head(query: &[u8], answers: u16) -> Vec<u8> {
    flagged(query, ANSWER, answers)
}

/// An answer without any, but for the word that there is more by TCP.
pub(crate) fn truncated(query: &[u8]) -> Vec<u8> {
    flagged(query, ANSWER | TRUNCATED, 0)
}

/// A record of class IN.
pub(crate) fn record(name: &[u8], kind: u16, seconds: u32, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [
        name,
        &kind.to_be_bytes(),
        &1_u16.to_be_bytes(),
        &seconds.to_be_bytes(),
        &length.to_be_bytes(),
        value,
    ]
    .concat()
}

/// A name in its labels.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').flat_map(|label| {
        let length = u8::try_from(label.len()).unwrap();
        [&[length], label.as_bytes()].concat()
    });
    labels.chain([0]).collect()
}

/// What `query` asks for: [`A`], or another type.
pub(crate) fn kind(query: &[u8]) -> u16 {
    let end = end_of_name(query);
    u16::from_be_bytes([query[end], query[end + 1]])
}

fn flagged(query: &[u8], flags: u16, answers: u16) -> Vec<u8> {
    let question = &query[12..end_of_name(query) + 4];
    let counts = [1, answers, 0, 0].map(u16::to_be_bytes).concat();
    [&query[..2], &flags.to_be_bytes(), &counts, question].concat()
}

fn end_of_name(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += 1 + usize::from(query[at]);
    }
    at + 1
}
