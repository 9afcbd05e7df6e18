//! Certificates and lists as no library makes them: a good one, with some of its bytes changed, signed anew.

use super::pki::Authority;

/// A value in DER (X.690) with its tag and length.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match length {
        0..0x80 => bytes.push(length as u8),
        0x80..0x100 => bytes.extend([0x81, length as u8]),
        _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    bytes.extend(content);
    bytes
}

/// What `signed` says, changed, with the signature of `authority` under it.
pub(crate) fn signed_anew(
    authority: &Authority,
    signed: &[u8],
    change: impl FnOnce(Vec<u8>) -> Vec<u8>,
) -> Vec<u8> {
    let (inside, _) = content(signed);
    let (says, rest) = content(inside);
    let (_, signature) = content(rest);
    let algorithm = &rest[..rest.len() - signature.len()];
    let says = tlv(0x30, &change(says.to_vec()));
    let signature = [&[0], &*authority.signature(&says)].concat();
    tlv(0x30, &[&says, algorithm, &tlv(0x03, &signature)].concat())
}

/// `bytes` with the only `from` in them changed `to` as many others.
pub(crate) fn changed(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places = bytes.windows(from.len()).enumerate();
    let mut places = places.filter_map(|(place, piece)| (piece == from).then_some(place));
    let (place, None) = (places.next().expect("it is there"), places.next()) else {
        panic!("{from:?} is there more than once");
    };
    bytes[place..place + from.len()].copy_from_slice(to);
    bytes
}

/// The content of the first value of `bytes`, and what comes after it.
fn content(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (from, length) = match bytes[1] {
        0x81 => (3, usize::from(bytes[2])),
        0x82 => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        length => (2, usize::from(length)),
    };
    bytes[from..].split_at(length)
}
