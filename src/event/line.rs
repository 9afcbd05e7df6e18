//! A line while it is written: a JSON object, field by field.
//!
//! Every call writes one, so its keys are constants and a text that stands as it is in JSON is copied whole; whatever
//! needs escaping is serde_json's. The gate's own words and what agents wrote go the same way.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use time::OffsetDateTime;

/// What most lines take.
const LINE_BYTES: usize = 1024;

/// The key of an object's first field; it opens the object.
macro_rules! first {
    ($name:literal) => {
        concat!("{\"", $name, "\":")
    };
}

/// The key of a field that follows another.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

pub(super) use {first, key};

/// The bytes of a line so far; every key is one of [`first!`] or [`key!`].
#[derive(Debug)]
pub(super) struct Line(Vec<u8>);

/// Fields that are the same in many lines: written once, and copied into each.
#[derive(Clone)]
pub(crate) struct Fields(Arc<[u8]>);

impl Fields {
    /// What `fields` writes.
    pub(super) fn written(fields: impl FnOnce(&mut Line)) -> Fields {
        let mut line = Line(Vec::new());
        fields(&mut line);
        Fields(line.0.into())
    }

    /// What `place` keeps, which is what `written` gave when it was first asked for.
    pub(crate) fn kept(place: &OnceLock<Arc<[u8]>>, written: impl FnOnce() -> Fields) -> Fields {
        Fields(place.get_or_init(|| written().0).clone())
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Line {
    /// A line with what all of them have.
    pub(super) fn begin(id: &str, kind: &'static str) -> Line {
        let mut line = Line(Vec::with_capacity(LINE_BYTES));
        line.word(first!("schema"), super::SCHEMA);
        line.text(key!("id"), id);
        line.time(key!("time"), OffsetDateTime::now_utc());
        line.word(key!("kind"), kind);
        line
    }

    /// The whole line, with its newline.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    /// A field that is an object: its own fields are written by `fields`, the first with [`first!`].
    pub(super) fn object(&mut self, key: &'static str, fields: impl FnOnce(&mut Line)) {
        self.key(key);
        fields(self);
        self.0.push(b'}');
    }

    /// Fields that were written before.
    pub(super) fn fields(&mut self, fields: &Fields) {
        self.0.extend_from_slice(&fields.0);
    }

    /// A field that is one of the gate's own words, which never need escaping.
    pub(super) fn word(&mut self, key: &'static str, word: &'static str) {
        debug_assert!(stands_as_it_is(word), "{word:?} is no word");
        self.key(key);
        self.quoted(word.as_bytes());
    }

    pub(super) fn word_if(&mut self, key: &'static str, word: Option<&'static str>) {
        if let Some(word) = word {
            self.word(key, word);
        }
    }

    pub(super) fn text(&mut self, key: &'static str, text: &str) {
        self.key(key);
        self.value(text);
    }

    pub(super) fn text_if(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// A field that is a list of texts, if there are any.
    pub(super) fn texts_if(&mut self, key: &'static str, texts: impl Iterator<Item = String>) {
        let mut texts = texts.peekable();
        if texts.peek().is_none() {
            return;
        }
        self.key(key);
        for (place, text) in texts.enumerate() {
            self.0.push(if place == 0 { b'[' } else { b',' });
            self.value(&text);
        }
        self.0.push(b']');
    }

    pub(super) fn number(&mut self, key: &'static str, number: u64) {
        self.key(key);
        self.digits(number);
    }

    pub(super) fn number_if(&mut self, key: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.number(key, number);
        }
    }

    pub(super) fn yes(&mut self, key: &'static str) {
        self.key(key);
        self.0.extend_from_slice(b"true");
    }

    /// A field that is an address with its port.
    pub(super) fn address(&mut self, key: &'static str, address: SocketAddr) {
        let SocketAddr::V4(address) = address else {
            return self.text(key, &address.to_string());
        };
        let [first, octets @ ..] = address.ip().octets();
        self.key(key);
        self.0.push(b'"');
        self.digits(first.into());
        for octet in octets {
            self.0.push(b'.');
            self.digits(octet.into());
        }
        self.0.push(b':');
        self.digits(address.port().into());
        self.0.push(b'"');
    }

    /// A field that is a moment: RFC 3339 in UTC with microseconds.
    pub(super) fn time(&mut self, key: &'static str, time: OffsetDateTime) {
        let time = time.to_offset(time::UtcOffset::UTC);
        let (hour, minute, second, micros) = time.to_hms_micro();
        self.key(key);
        self.padded::<4>(b'"', time.year().unsigned_abs());
        self.padded::<2>(b'-', u8::from(time.month()).into());
        self.padded::<2>(b'-', time.day().into());
        self.padded::<2>(b'T', hour.into());
        self.padded::<2>(b':', minute.into());
        self.padded::<2>(b':', second.into());
        self.padded::<6>(b'.', micros);
        self.0.extend_from_slice(b"Z\"");
    }

    /// The last `N` digits of `number`, after a byte that stands before them.
    fn padded<const N: usize>(&mut self, before: u8, number: u32) {
        let mut digits = [0; N];
        let mut left = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.0.push(before);
        self.0.extend_from_slice(&digits);
    }

    fn digits(&mut self, number: u64) {
        if let Err(error) = serde_json::to_writer(&mut self.0, &number) {
            tracing::error!(%error, "a number could not be written as JSON");
        }
    }

    fn key(&mut self, key: &'static str) {
        self.0.extend_from_slice(key.as_bytes());
    }

    fn value(&mut self, text: &str) {
        if stands_as_it_is(text) {
            self.quoted(text.as_bytes());
        } else if let Err(error) = serde_json::to_writer(&mut self.0, text) {
            tracing::error!(%error, "a text could not be written as JSON");
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        self.0.reserve(text.len() + 2);
        self.0.push(b'"');
        self.0.extend_from_slice(text);
        self.0.push(b'"');
    }
}

/// Whether JSON takes `text` between quotes as it is (RFC 8259 section 7): printable ASCII without quote and backslash.
fn stands_as_it_is(text: &str) -> bool {
    // Every byte is looked at whatever was found, which compiles to fewer steps than stopping: it nearly always stands.
    text.bytes().fold(0, |stays, byte| {
        stays
            | u8::from(byte < b' ')
            | u8::from(byte > b'~')
            | u8::from(byte == b'"')
            | u8::from(byte == b'\\')
    }) == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn written(fields: impl FnOnce(&mut Line)) -> String {
        let mut line = Line(Vec::new());
        fields(&mut line);
        String::from_utf8(line.end()).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_json_writes_it(text in any::<String>()) {
            let line = written(|line| line.text(first!("a"), &text));
            prop_assert_eq!(line, format!("{}\n", serde_json::json!({"a": text})));
        }

        #[test]
        fn any_number_is_written_as_serde_json_writes_it(number in any::<u64>()) {
            let line = written(|line| line.number(first!("a"), number));
            prop_assert_eq!(line, format!("{}\n", serde_json::json!({"a": number})));
        }
    }

    #[test]
    fn quotes_backslashes_and_controls_are_escaped() {
        for text in ["\"", "\\", "\n", "\u{7f}", "\u{1f}", "ä"] {
            let line = written(|line| line.text(first!("a"), text));
            assert_eq!(line, format!("{}\n", serde_json::json!({ "a": text })));
        }
    }

    #[test]
    fn an_address_is_written_as_it_is_displayed() {
        for text in ["127.0.0.1:443", "255.0.10.9:65535", "[2001:db8::1]:8443"] {
            let address = text.parse().unwrap();
            let line = written(|line| line.address(first!("a"), address));
            assert_eq!(line, format!("{{\"a\":\"{text}\"}}\n"));
        }
    }

    #[test]
    fn the_ends_of_the_numbers_have_all_their_digits() {
        let line = written(|line| {
            line.number(first!("a"), 0);
            line.number(key!("b"), u64::MAX);
        });
        assert_eq!(line, "{\"a\":0,\"b\":18446744073709551615}\n");
    }

    #[test]
    fn a_moment_is_told_in_utc_with_all_its_digits() {
        let moment = datetime!(2026-01-02 01:04:05.000_006 +02:00);
        let line = written(|line| line.time(first!("a"), moment));
        assert_eq!(line, "{\"a\":\"2026-01-01T23:04:05.000006Z\"}\n");
    }

    #[test]
    fn a_list_of_nothing_is_no_field() {
        let line = written(|line| {
            line.number(first!("a"), 1);
            line.texts_if(key!("b"), std::iter::empty());
            line.texts_if(key!("c"), ["x".to_owned(), "\"".to_owned()].into_iter());
        });
        assert_eq!(line, "{\"a\":1,\"c\":[\"x\",\"\\\"\"]}\n");
    }
}
