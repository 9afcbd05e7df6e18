//! Text of a file in so many columns of a terminal.
//!
//! All of it is made printable first: one character is one column, and none does anything but stand there.

use crate::event::printable;

/// `text` in exactly so many columns, cut at its end.
pub(super) fn cell(text: &str, columns: usize) -> String {
    format!("{:<columns$}", end(text, columns))
}

/// `text` in exactly so many columns, cut in its middle.
pub(super) fn middle_cell(text: &str, columns: usize) -> String {
    format!("{:<columns$}", middle(text, columns))
}

/// `text` in at most so many columns, cut at its end.
pub(super) fn end(text: &str, columns: usize) -> String {
    let text = printable(text);
    if width(&text) <= columns {
        return text;
    }
    let kept = columns.saturating_sub(1);
    text.chars()
        .take(kept)
        .chain((columns > 0).then_some('…'))
        .collect()
}

/// `text` in at most so many columns, cut in its middle where both ends tell more.
pub(super) fn middle(text: &str, columns: usize) -> String {
    let text = printable(text);
    let whole = width(&text);
    if whole <= columns {
        return text;
    }
    let kept = columns.saturating_sub(1);
    let ending = kept / 2;
    let start = text.chars().take(kept - ending);
    let dots = (columns > 0).then_some('…');
    let ending = text.chars().skip(whole - ending);
    start.chain(dots).chain(ending).collect()
}

/// The columns that `text` takes, which went through one of these.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_never_wider_than_its_columns() {
        for columns in 0..12 {
            for text in [
                "",
                "short",
                "api.a.test/v1/items",
                "\u{1b}[2J\u{9b}\u{202e}\u{4e00}",
            ] {
                assert!(width(&end(text, columns)) <= columns);
                assert!(width(&middle(text, columns)) <= columns);
                assert_eq!(width(&cell(text, columns)), columns);
                assert_eq!(width(&middle_cell(text, columns)), columns);
            }
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(end("api.a.test/v1/items", 9), "api.a.te…");
        assert_eq!(middle("api.a.test/v1/items", 9), "api.…tems");
        assert_eq!(middle("api.a.test", 10), "api.a.test");
    }
}
