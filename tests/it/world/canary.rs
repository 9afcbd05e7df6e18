//! Secrets that must be seen nowhere but at their own upstream, and the scanner that looks for them.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex},
};

/// A random secret, and the only host that may receive it (`None`: no recorded host at all).
#[derive(Clone)]
pub(crate) struct Canary {
    pub(crate) value: String,
    pub(crate) host: Option<String>,
}

/// All secrets of one world; it grows when a test rotates one.
#[derive(Clone, Default)]
pub(crate) struct Canaries(Arc<Mutex<Vec<Canary>>>);

impl Canaries {
    /// Makes a new secret for `host`.
    pub(crate) fn add(&self, host: Option<&str>) -> String {
        let value = random_secret();
        self.0.lock().unwrap().push(Canary {
            value: value.clone(),
            host: host.map(str::to_owned),
        });
        value
    }

    /// `secret` is one too, for no recorded host.
    pub(crate) fn know(&self, secret: &str) {
        self.0.lock().unwrap().push(Canary {
            value: secret.to_owned(),
            host: None,
        });
    }

    /// `secret` is one that others made for `host`.
    pub(crate) fn know_of(&self, host: &str, secret: &str) {
        self.0.lock().unwrap().push(Canary {
            value: secret.to_owned(),
            host: Some(host.to_owned()),
        });
    }

    pub(crate) fn all(&self) -> Vec<Canary> {
        self.0.lock().unwrap().clone()
    }

    /// A scanner for every secret that `host` must not see; `None` for the places that may see none.
    pub(crate) fn forbidden_to(&self, host: Option<&str>) -> Scanner {
        Scanner::new(
            self.all()
                .iter()
                .filter(|canary| host.is_none() || canary.host.as_deref() != host)
                .map(|canary| canary.value.as_str()),
        )
    }
}

/// 40 characters with `+`, `/` and `=` among them, so that its encodings differ from it.
fn random_secret() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = [0u8; 40];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let mut secret: Vec<u8> = random
        .iter()
        .map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()])
        .collect();
    for (place, mark) in [(7, b'/'), (19, b'+'), (31, b'='), (35, b'/')] {
        secret[place] = mark;
    }
    String::from_utf8(secret).unwrap()
}

/// Finds secrets in bytes, in every form in which they are known to travel.
pub(crate) struct Scanner {
    patterns: Vec<(&'static str, Vec<u8>)>,
    by_start: HashMap<[u8; 2], Vec<usize>>,
}

impl Scanner {
    fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Scanner {
        let patterns: Vec<_> = secrets.flat_map(forms).collect();
        let mut by_start: HashMap<[u8; 2], Vec<usize>> = HashMap::new();
        for (index, (_, pattern)) in patterns.iter().enumerate() {
            by_start
                .entry([pattern[0], pattern[1]])
                .or_default()
                .push(index);
        }
        Scanner { patterns, by_start }
    }

    /// The form in which a secret stands in `bytes`, if one does.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        for (at, pair) in bytes.windows(2).enumerate() {
            let Some(candidates) = self.by_start.get(pair) else {
                continue;
            };
            for &candidate in candidates {
                let (form, pattern) = &self.patterns[candidate];
                if bytes[at..].starts_with(pattern) {
                    return Some(form);
                }
            }
        }
        None
    }
}

/// Every form of `secret` that the scanner looks for.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let mut forms = vec![
        ("raw", bytes.to_vec()),
        ("its first 16 characters", bytes[..16].to_vec()),
        ("its last 16 characters", bytes[bytes.len() - 16..].to_vec()),
        ("reversed", bytes.iter().rev().copied().collect()),
        ("hex", each_byte(bytes, |out, b| write!(out, "{b:02x}"))),
        (
            "hex, upper case",
            each_byte(bytes, |out, b| write!(out, "{b:02X}")),
        ),
        ("percent", each_byte(bytes, percent)),
        ("percent, lower case", each_byte(bytes, percent_lower)),
        (
            "percent, every byte",
            each_byte(bytes, |out, b| write!(out, "%{b:02X}")),
        ),
        (
            "JSON, escaped solidus",
            secret.replace('/', "\\/").into_bytes(),
        ),
        (
            "JSON, escaped for HTML",
            secret
                .replace('+', "\\u002b")
                .replace('=', "\\u003d")
                .into_bytes(),
        ),
        (
            "UTF-16LE",
            secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        (
            "UTF-16BE",
            secret.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ),
    ];
    for shift in 0..3 {
        forms.push(("base64", base64_core(bytes, shift, b"+/")));
        forms.push(("base64url", base64_core(bytes, shift, b"-_")));
    }
    forms
}

fn each_byte(bytes: &[u8], mut form: impl FnMut(&mut String, u8) -> std::fmt::Result) -> Vec<u8> {
    let mut out = String::new();
    for &byte in bytes {
        form(&mut out, byte).unwrap();
    }
    out.into_bytes()
}

fn percent(out: &mut String, byte: u8) -> std::fmt::Result {
    if byte.is_ascii_alphanumeric() {
        out.write_char(char::from(byte))
    } else {
        write!(out, "%{byte:02X}")
    }
}

fn percent_lower(out: &mut String, byte: u8) -> std::fmt::Result {
    if byte.is_ascii_alphanumeric() {
        out.write_char(char::from(byte))
    } else {
        write!(out, "%{byte:02x}")
    }
}

/// The characters of the base64 of `..secret..` that depend on the secret alone, when `shift` bytes stand before it.
fn base64_core(secret: &[u8], shift: usize, last_two: &[u8; 2]) -> Vec<u8> {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .collect();
    alphabet.extend_from_slice(last_two);
    let bits: Vec<bool> = std::iter::repeat_n(0u8, shift)
        .chain(secret.iter().copied())
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
        .collect();
    bits.chunks_exact(6)
        .skip((shift * 8).div_ceil(6))
        .map(|six| {
            alphabet[six
                .iter()
                .fold(0, |value, bit| value * 2 + usize::from(*bit))]
        })
        .collect()
}

#[test]
fn the_scanner_finds_a_secret_in_every_form() {
    let canaries = Canaries::default();
    let secret = canaries.add(Some("api.a.test"));
    let scanner = canaries.forbidden_to(None);
    for (form, bytes) in forms(&secret) {
        let around = [b"{\"body\":\"".as_slice(), &bytes, b"\"}"].concat();
        assert!(scanner.find(&around).is_some(), "{form}");
    }
    assert_eq!(scanner.find(b"nothing of it"), None);
    assert_eq!(
        canaries
            .forbidden_to(Some("api.a.test"))
            .find(secret.as_bytes()),
        None
    );
    assert!(
        canaries
            .forbidden_to(Some("api.b.test"))
            .find(secret.as_bytes())
            .is_some()
    );
}

#[test]
fn base64_at_each_alignment_is_what_an_encoder_writes() {
    // RFC 4648 section 10: base64("foobar") = "Zm9vYmFy"
    assert_eq!(base64_core(b"foobar", 0, b"+/"), b"Zm9vYmFy");
    assert_eq!(base64_core(b"bar", 0, b"+/"), b"YmFy");
    // behind one other byte, the first character that "oobar" alone decides is the third of "Zm9vYmFy"
    assert_eq!(base64_core(b"oobar", 1, b"+/"), b"9vYmFy");
}
