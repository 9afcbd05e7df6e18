//! The two hexadecimal digits after a `%` (RFC 3986 2.1), for paths and queries alike.

/// The byte that the next two characters spell, or `None` when they are not two hexadecimal digits.
pub(super) fn escaped_byte(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let high = hex_value(rest.next()?)?;
    let low = hex_value(rest.next()?)?;
    Some(high << 4 | low)
}

/// Appends `byte` as `%XX` with upper-case digits (RFC 3986 6.2.2.1).
pub(super) fn push_escaped(text: &mut String, byte: u8) {
    text.push('%');
    for digit in [byte >> 4, byte & 0x0f] {
        let letter = if digit < 10 {
            b'0' + digit
        } else {
            b'A' + digit - 10
        };
        text.push(char::from(letter));
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
