//! The search for tokens in everything that the tour put out: whole or in part, plain or in the encodings in which
//! values travel.
//!
//! It finds what it knows: each token, its first and its last characters, as they are and in hex, percent encoding,
//! JSON's escapes and base64 at every alignment. It deliberately does not guess at anything that was encrypted or
//! compressed; nothing that the tour reads is.

use std::{collections::HashMap, fmt::Write as _};

/// How many characters at either end of a token give it away by themselves.
const PIECE_CHARS: usize = 12;

/// The alphabet of base64 (RFC 4648 section 4).
pub(super) const BASE64: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The alphabet of base64url (RFC 4648 section 5).
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every form of every token that is looked for, by its first two bytes, the longest first.
pub(super) struct Search {
    by_start: HashMap<[u8; 2], Vec<Vec<u8>>>,
}

impl Search {
    /// A search for `tokens`, each longer than a piece.
    pub(super) fn of<'t>(tokens: impl Iterator<Item = &'t str>) -> Search {
        let mut by_start: HashMap<[u8; 2], Vec<Vec<u8>>> = HashMap::new();
        for form in tokens.flat_map(pieces).flat_map(forms) {
            if let Some(start) = form.first_chunk() {
                by_start.entry(*start).or_default().push(form);
            }
        }
        for forms in by_start.values_mut() {
            forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        }
        Search { by_start }
    }

    /// In how many places of `text` a token stands; a whole one is one place, and so is a piece of one.
    pub(super) fn places(&self, text: &[u8]) -> usize {
        let (mut places, mut rest) = (0, text);
        while let Some(start) = rest.first_chunk() {
            let forms = self.by_start.get(start).into_iter().flatten();
            let found = forms.map(Vec::as_slice).find(|form| rest.starts_with(form));
            places += usize::from(found.is_some());
            let passed = found.map_or(1, <[u8]>::len);
            rest = rest.get(passed..).unwrap_or_default();
        }
        places
    }
}

/// The token itself and both of its ends.
fn pieces(token: &str) -> [&[u8]; 3] {
    let bytes = token.as_bytes();
    let first = bytes.first_chunk::<PIECE_CHARS>();
    let last = bytes.last_chunk::<PIECE_CHARS>();
    [
        bytes,
        first.map_or(bytes, <[u8; PIECE_CHARS]>::as_slice),
        last.map_or(bytes, <[u8; PIECE_CHARS]>::as_slice),
    ]
}

/// How `piece` looks in each encoding.
fn forms(piece: &[u8]) -> Vec<Vec<u8>> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = |byte: &u8| match *byte {
        b'/' => b"\\/".to_vec(),
        byte => vec![byte],
    };
    let mut forms = vec![piece.to_vec(), piece.iter().flat_map(escaped).collect()];
    forms.extend(in_both_cases(piece, "", |_| false));
    forms.extend(in_both_cases(piece, "%", |_| false));
    forms.extend(in_both_cases(piece, "%", unreserved));
    for before in 0..3 {
        forms.push(base64(piece, before, BASE64));
        forms.push(base64(piece, before, BASE64_URL));
    }
    forms
}

/// `piece` in hex, each byte after `mark` except those that are `kept` as they are; digits in lower and upper case.
fn in_both_cases(piece: &[u8], mark: &str, kept: impl Fn(u8) -> bool) -> [Vec<u8>; 2] {
    let mut forms = [String::new(), String::new()];
    let [lower, upper] = &mut forms;
    for &byte in piece {
        // Writing to a string does not fail.
        let _ = match kept(byte) {
            true => write!(lower, "{0}", byte as char).and(write!(upper, "{0}", byte as char)),
            false => write!(lower, "{mark}{byte:02x}").and(write!(upper, "{mark}{byte:02X}")),
        };
    }
    forms.map(String::into_bytes)
}

/// The characters of a base64 text that depend on `piece` alone, when so many bytes stand `before` it.
fn base64(piece: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bits: Vec<u8> = piece
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let shared = (6 - before * 8 % 6) % 6;
    let own = bits.get(shared..).unwrap_or_default().chunks_exact(6);
    own.map(|six| {
        six.iter()
            .fold(0, |value, bit| value * 2 + usize::from(*bit))
    })
    .filter_map(|value| alphabet.get(value).copied())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "q7/Zk+3Bv0xW/9aYtL2+HcRm5UdJ8sNe1Gf6PoIi";

    fn places(text: &str) -> usize {
        Search::of([TOKEN, "another-token-that-is-not-there-at-all"].into_iter())
            .places(text.as_bytes())
    }

    #[test]
    fn finds_a_planted_token_in_each_encoding() {
        for (encoding, planted) in [
            ("plain", TOKEN.to_owned()),
            ("in JSON", TOKEN.replace('/', "\\/")),
            ("percent", TOKEN.replace('/', "%2F").replace('+', "%2B")),
            (
                "percent, lower",
                TOKEN.replace('/', "%2f").replace('+', "%2b"),
            ),
            (
                "hex",
                "71372f5a6b2b3342763078572f396159744c322b4863526d3555644a38734e6531476636506f4969"
                    .to_owned(),
            ),
            ("hex, upper, cut", "71372F5A6B2B334276307857".to_owned()),
            (
                "percent, each byte, cut",
                "%71%37%2f%5a%6b%2b%33%42%76%30%78%57%2f%39".to_owned(),
            ),
            // What `printf %s "$TOKEN" | base64` writes, then with one and with two bytes before the token.
            (
                "base64",
                "cTcvWmsrM0J2MHhXLzlhWXRMMitIY1JtNVVkSjhzTmUxR2Y2UG9JaQ==".to_owned(),
            ),
            (
                "base64 after one",
                "eHE3L1prKzNCdjB4Vy85YVl0TDIrSGNSbTVVZEo4c05lMUdmNlBvSWk=".to_owned(),
            ),
            (
                "base64 after two",
                "eHlxNy9aayszQnYweFcvOWFZdEwyK0hjUm01VWRKOHNOZTFHZjZQb0lp".to_owned(),
            ),
        ] {
            let around = format!("{{\"field\":\"Bearer {planted}\"}}");
            assert_eq!(places(&around), 1, "{encoding}");
        }
    }

    #[test]
    fn finds_either_end_of_a_token() {
        assert_eq!(places("token q7/Zk+3Bv0xW... was refused"), 1);
        assert_eq!(places("token ...8sNe1Gf6PoIi was refused"), 1);
        assert_eq!(places("q7/Zk+3Bv0xW and 8sNe1Gf6PoIi"), 2);
    }

    #[test]
    fn finds_nothing_where_nothing_is() {
        assert_eq!(places(""), 0);
        assert_eq!(places("q"), 0);
        assert_eq!(places("sha256 of it: 1f0e; q7/Zk+3Bv0x is too little"), 0);
    }

    #[test]
    fn base64_is_what_the_standard_says() {
        // RFC 4648 section 10.
        assert_eq!(base64(b"foobar", 0, BASE64), b"Zm9vYmFy");
        assert_eq!(base64(b"oobar", 1, BASE64), b"9vYmFy");
        assert_eq!(base64(b"obar", 2, BASE64), b"vYmFy");
    }
}
