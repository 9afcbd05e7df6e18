//! Bytes become numbered lines, none of them longer than a bound.

/// The longest line that is kept; the gate's own have less than 16 KiB.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'b> {
    /// Its number in the file, from 1.
    pub(super) number: u64,
    /// Its bytes without its end; none if it is too long.
    pub(super) bytes: &'b [u8],
    /// How it ends.
    pub(super) end: End,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With a newline.
    Newline,
    /// With the file.
    File,
    /// Beyond [`LINE_BYTES_MAX`].
    Beyond,
}

/// The lines of one file, as far as its bytes have come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    number: u64,
    /// What has come of a line without its end.
    rest: Vec<u8>,
    /// Whether that was too long and is not kept.
    beyond: bool,
}

impl Lines {
    /// Takes the next `bytes` of the file; every line that is whole by now goes to `each`.
    pub(super) fn feed<E>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end)
                    if self.rest.is_empty() && !self.beyond && end.len() <= LINE_BYTES_MAX =>
                {
                    self.number += 1;
                    each(Line {
                        number: self.number,
                        bytes: end,
                        end: End::Newline,
                    })?;
                }
                Some(end) => {
                    self.keep(end);
                    self.close(End::Newline, &mut each)?;
                }
                None => self.keep(piece),
            }
        }
        Ok(())
    }

    /// The file has ended, or begins again: what is left of it is a line of its own.
    pub(super) fn finish<E>(
        &mut self,
        mut each: impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.rest.is_empty() || self.beyond {
            self.close(End::File, &mut each)?;
        }
        self.number = 0;
        Ok(())
    }

    fn keep(&mut self, piece: &[u8]) {
        self.beyond |= self.rest.len() + piece.len() > LINE_BYTES_MAX;
        match self.beyond {
            true => self.rest.clear(),
            false => self.rest.extend_from_slice(piece),
        }
    }

    fn close<E>(
        &mut self,
        end: End,
        each: &mut impl FnMut(Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.number += 1;
        let end = if self.beyond { End::Beyond } else { end };
        let outcome = each(Line {
            number: self.number,
            bytes: &self.rest,
            end,
        });
        self.rest.clear();
        self.beyond = false;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Every line of a file whose bytes come in `pieces`, as `number bytes end`.
    fn lines_of(pieces: &[&[u8]]) -> Vec<String> {
        let mut seen = Vec::new();
        let mut each = |line: Line<'_>| -> Result<(), Infallible> {
            let text = String::from_utf8_lossy(line.bytes);
            seen.push(format!("{} {text} {:?}", line.number, line.end));
            Ok(())
        };
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, &mut each).unwrap();
        }
        lines.finish(&mut each).unwrap();
        seen
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let bytes = b"one\n\nthree\nfour";
        let expected = [
            "1 one Newline",
            "2  Newline",
            "3 three Newline",
            "4 four File",
        ];
        assert_eq!(lines_of(&[bytes]), expected);
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(lines_of(&[first, second]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_in_sight_is_not_kept_and_the_next_is() {
        let half = vec![b'x'; LINE_BYTES_MAX / 2 + 1];
        let seen = lines_of(&[&half, &half, b"\nnext\n"]);
        assert_eq!(seen, ["1  Beyond", "2 next Newline"]);
        let whole = [half.as_slice(), &half, b"\nnext\n"].concat();
        assert_eq!(lines_of(&[&whole]), seen);
    }
}
