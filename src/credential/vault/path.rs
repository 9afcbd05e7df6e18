//! Which names of mounts and secrets may become part of a path.

/// Whether `text` is segments of letters, digits, `.`, `_` and `-`, joined by `/`, none of them a dot segment.
///
/// Anything else would be encoded, dropped or read in two ways on its way through the libraries and the server.
pub(crate) fn plain(text: &str) -> bool {
    text.split('/').all(segment)
}

fn segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(text, "" | "." | "..") && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_they_are_used_are_plain() {
        for text in ["secret", "github/triage", "team-a/kv_2", "v1.2/..data", "a"] {
            assert!(plain(text), "{text}");
        }
    }

    #[test]
    fn names_with_a_second_reading_are_not_plain() {
        for text in [
            "", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/./b", "a%2fb", "a?b", "a#b",
            "a b", "a\nb", "a\\b", "ä", "a;b", "a:b",
        ] {
            assert!(!plain(text), "{text:?}");
        }
    }
}
