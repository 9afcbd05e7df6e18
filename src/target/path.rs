//! One path, one reading: what the rules match is what the log shows and what is sent.
//!
//! Escapes of unreserved characters are decoded once and the rest keep their bytes with upper-case digits
//! (RFC 3986 6.2.2.1 and 6.2.2.2). Nothing is repaired: a path that some upstream could read in a second way
//! (dot segments, `//`, `;`, `\`, double encoding, broken UTF-8) is refused. Whether a rule accepts `%2F`
//! inside a segment is not decided here.

use std::fmt;

use super::escape::{escaped_byte, push_escaped};

/// The longest path as it was sent, in bytes.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// A path in its only spelling. It starts with `/`, and no segment but the last is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    text: String,
    encoded_slash: bool,
}

/// Why a text is not a path that has one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// It does not start with `/`.
    NotAbsolute,
    /// More than [`PATH_BYTES_MAX`] bytes.
    TooLong,
    /// `//`.
    EmptySegment,
    /// A segment `.` or `..`, also where `%2F` separates, and with spaces at its end; or of spaces alone.
    DotSegment,
    /// `%2e`, which clients and servers resolve at different times.
    EncodedDot,
    /// `\` or `%5c`, which some servers read as `/`.
    Backslash,
    /// `;` or `%3b`, which some servers take as the start of parameters and cut off.
    Semicolon,
    /// A control character, raw or as `%00` to `%1f` and `%7f`.
    Control,
    /// A byte that a path may not hold raw (RFC 3986 3.3): space, `#`, quotes, braces and the like.
    Character,
    /// A byte above 127 that is not escaped.
    NonAscii,
    /// `%` without two hexadecimal digits.
    BrokenEscape,
    /// `%25` and two hexadecimal digits: an escape once more decoded.
    DoubleEncoding,
    /// The escapes do not spell shortest-form UTF-8 (RFC 3629).
    Utf8,
}

impl Path {
    /// The path of a request target, without query: canonical, or refused.
    pub fn parse(raw: &str) -> Result<Path, PathFault> {
        if raw.len() > PATH_BYTES_MAX {
            return Err(PathFault::TooLong);
        }
        if !raw.starts_with('/') {
            return Err(PathFault::NotAbsolute);
        }
        let mut canonical = Canonical::with_capacity(raw.len());
        let mut rest = raw.bytes();
        while let Some(byte) = rest.next() {
            match byte {
                b'/' => canonical.slash()?,
                b'%' => {
                    canonical.escape(escaped_byte(&mut rest).ok_or(PathFault::BrokenEscape)?)?
                }
                _ if is_plain(byte) => canonical.plain(byte)?,
                _ => return Err(refused(byte)),
            }
        }
        canonical.finish()
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The texts between the slashes. A trailing slash gives a last, empty segment: `/a/` is `a` and ``.
    pub fn segments(&self) -> std::str::Split<'_, char> {
        self.text.strip_prefix('/').unwrap_or(&self.text).split('/')
    }

    /// Whether a segment holds `%2F`, which only some rules accept.
    pub fn has_encoded_slash(&self) -> bool {
        self.encoded_slash
    }
}

/// What RFC 3986 3.3 calls `pchar` without the escapes, and without `;`.
fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@'
        )
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn refused(byte: u8) -> PathFault {
    match byte {
        b'\\' => PathFault::Backslash,
        b';' => PathFault::Semicolon,
        0x00..=0x1f | 0x7f => PathFault::Control,
        0x80..=0xff => PathFault::NonAscii,
        _ => PathFault::Character,
    }
}

/// The canonical text as far as it is written, with what the next byte must be judged by.
struct Canonical {
    text: String,
    encoded_slash: bool,
    /// Bytes but spaces, and dots, since the last `/` or `%2F`: two counts that are equal mean a dot segment.
    part: (usize, usize),
    /// How many hexadecimal digits stand after the last `%25`, if nothing else does.
    digits_after_percent: Option<u8>,
    /// The decoded bytes above 127, in runs with a slash between them. Stays empty for almost every path.
    encoded: Vec<u8>,
}

impl Canonical {
    fn with_capacity(bytes: usize) -> Canonical {
        Canonical {
            text: String::with_capacity(bytes),
            encoded_slash: false,
            part: (0, 0),
            digits_after_percent: None,
            encoded: Vec::new(),
        }
    }

    fn slash(&mut self) -> Result<(), PathFault> {
        if self.text.ends_with('/') {
            return Err(PathFault::EmptySegment);
        }
        self.end_part()?;
        self.text.push('/');
        Ok(())
    }

    fn plain(&mut self, byte: u8) -> Result<(), PathFault> {
        self.end_encoded_run();
        self.digits_after_percent = match self.digits_after_percent {
            Some(1) if byte.is_ascii_hexdigit() => return Err(PathFault::DoubleEncoding),
            Some(_) if byte.is_ascii_hexdigit() => Some(1),
            Some(_) | None => None,
        };
        self.part.0 += 1;
        self.part.1 += usize::from(byte == b'.');
        self.text.push(char::from(byte));
        Ok(())
    }

    fn escape(&mut self, byte: u8) -> Result<(), PathFault> {
        match byte {
            b'.' => Err(PathFault::EncodedDot),
            0x00..=0x1f | 0x7f | b'\\' | b';' => Err(refused(byte)),
            _ if is_unreserved(byte) => self.plain(byte),
            b'/' => {
                self.end_part()?;
                self.encoded_slash = true;
                push_escaped(&mut self.text, byte);
                Ok(())
            }
            _ => {
                self.keep_escaped(byte);
                Ok(())
            }
        }
    }

    fn keep_escaped(&mut self, byte: u8) {
        if byte.is_ascii() {
            self.end_encoded_run();
        } else {
            self.encoded.push(byte);
        }
        self.digits_after_percent = (byte == b'%').then_some(0);
        // Some file systems drop a space at the end of a segment, so it makes no other of a dot segment.
        self.part.0 += usize::from(byte != b' ');
        push_escaped(&mut self.text, byte);
    }

    fn end_part(&mut self) -> Result<(), PathFault> {
        self.end_encoded_run();
        self.digits_after_percent = None;
        let (bytes, dots) = std::mem::take(&mut self.part);
        let is_blank = bytes == 0 && self.text.ends_with("%20");
        if is_blank || bytes == dots && (1..=2).contains(&dots) {
            return Err(PathFault::DotSegment);
        }
        Ok(())
    }

    fn end_encoded_run(&mut self) {
        if self.encoded.last().is_some_and(|byte| !byte.is_ascii()) {
            self.encoded.push(b'/');
        }
    }

    fn finish(mut self) -> Result<Path, PathFault> {
        self.end_part()?;
        if std::str::from_utf8(&self.encoded).is_err() {
            return Err(PathFault::Utf8);
        }
        Ok(Path {
            text: self.text,
            encoded_slash: self.encoded_slash,
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathFault::NotAbsolute => "The path does not start with a slash.",
            PathFault::TooLong => "The path is longer than 8 KiB.",
            PathFault::EmptySegment => "The path has two slashes in a row.",
            PathFault::DotSegment => "The path has a dot segment.",
            PathFault::EncodedDot => "The path has an encoded dot.",
            PathFault::Backslash => "The path has a backslash.",
            PathFault::Semicolon => "The path has a semicolon.",
            PathFault::Control => "The path has a control character.",
            PathFault::Character => "The path has a character that must be encoded.",
            PathFault::NonAscii => "The path is not ASCII.",
            PathFault::BrokenEscape => {
                "The path has a percent sign without two hexadecimal digits."
            }
            PathFault::DoubleEncoding => "The path is encoded twice.",
            PathFault::Utf8 => "The path does not decode to UTF-8.",
        })
    }
}

impl std::error::Error for PathFault {}

#[cfg(test)]
mod tests;
