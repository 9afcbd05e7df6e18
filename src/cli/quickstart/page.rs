//! What the tour prints: headings, aligned pairs and numbered lines, at most [`COLUMNS_MAX`] wide.
//!
//! Colour is for terminals only, and not for people who set `NO_COLOR`. A copy of everything printed is kept, without
//! its colours, to be searched. A page knows nothing about what is printed on it.

use std::io::{self, Write};

use super::checks::Check;
use crate::cli::Failure;
pub(super) use crate::cli::ink::Ink;

/// No line is wider; what is longer is cut, and ends in `…`.
pub(super) const COLUMNS_MAX: usize = 100;

/// Where the second column of a pair begins.
const LABEL_COLUMNS: usize = 15;

/// How much of what was printed is kept to be searched.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// A part of a line.
pub(super) type Span<'t> = (Ink, &'t str);

/// Where the tour is printed.
pub(super) struct Page {
    out: Box<dyn Write + Send>,
    coloured: bool,
    printed: String,
    fault: Option<io::Error>,
}

impl Page {
    /// Standard output, with colour if a person looks at it and wants it (no-color.org).
    pub(super) fn on_stdout() -> Page {
        Page::on(Box::new(io::stdout()), Ink::is_wanted())
    }

    /// A page on `out`.
    pub(super) fn on(out: Box<dyn Write + Send>, coloured: bool) -> Page {
        Page {
            out,
            coloured,
            printed: String::new(),
            fault: None,
        }
    }

    /// Begins a chapter.
    pub(super) fn chapter(&mut self, number: usize, title: &str) {
        let rule = "─".repeat(COLUMNS_MAX.saturating_sub(columns_of(title) + 6));
        self.gap();
        self.line(&[
            (Ink::Faint, "── "),
            (Ink::Strong, &format!("{number} {title} ")),
            (Ink::Faint, &rule),
        ]);
    }

    /// Begins a part of a chapter.
    pub(super) fn part(&mut self, title: &str) {
        self.gap();
        self.line(&[(Ink::Strong, &format!(" {title}"))]);
    }

    /// A pair: what it is, and what it says, in as many lines as that needs.
    pub(super) fn pair(&mut self, label: &str, text: &str) {
        self.pair_in(Ink::Plain, label, text);
    }

    /// A pair whose second half is in `ink`.
    pub(super) fn pair_in(&mut self, ink: Ink, label: &str, text: &str) {
        let mut label = label;
        for line in wrapped(text, COLUMNS_MAX - LABEL_COLUMNS) {
            let padded = format!("   {label:<width$}", width = LABEL_COLUMNS - 3);
            self.line(&[(Ink::Faint, &padded), (ink, &line)]);
            label = "";
        }
    }

    /// What was held against its expectation, a line each.
    pub(super) fn checks(&mut self, checks: &[Check]) {
        for check in checks {
            let (ink, mark) = match check.holds() {
                true => (Ink::Good, "   ✓ "),
                false => (Ink::Bad, "   ✗ "),
            };
            self.line(&[(ink, mark), (Ink::Plain, &check.to_string())]);
        }
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.put("\n", "\n");
    }

    /// A line as it is, however long: for what a reader copies.
    pub(super) fn exact(&mut self, text: &str) {
        let line = format!("{text}\n");
        self.put(&line, &line);
    }

    /// A line of parts, cut to the width of the page.
    pub(super) fn line(&mut self, spans: &[Span<'_>]) {
        let (mut seen, mut painted) = (String::new(), String::new());
        for (ink, text) in fit(spans) {
            seen.push_str(&text);
            painted.push_str(&ink.paint(&text));
        }
        let seen = format!("{}\n", seen.trim_end());
        let painted = format!("{painted}\n");
        self.put(&seen, if self.coloured { &painted } else { &seen });
    }

    /// Everything printed so far, without colours.
    pub(super) fn printed(&self) -> &str {
        &self.printed
    }

    /// Whether everything could be printed; a tour that nobody can read is not given.
    pub(super) fn readable(&self) -> Result<(), Failure> {
        match &self.fault {
            None => Ok(()),
            Some(fault) => Err(Failure::Run(format!("nothing can be printed: {fault}"))),
        }
    }

    fn put(&mut self, seen: &str, painted: &str) {
        if self.printed.len() + seen.len() <= KEPT_BYTES_MAX {
            self.printed.push_str(seen);
        }
        let put = self.out.write_all(painted.as_bytes());
        if let Err(fault) = put.and_then(|()| self.out.flush()) {
            self.fault.get_or_insert(fault);
        }
    }
}

/// `text` in lines of at most `columns`, broken at spaces where there are some.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        match lines.last_mut() {
            Some(line)
                if line.is_empty() || columns_of(line) + columns_of(word.trim_end()) <= columns =>
            {
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
        .iter()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn columns_of(text: &str) -> usize {
    text.chars().count()
}

/// The parts that fit into the width of the page.
fn fit(spans: &[Span<'_>]) -> Vec<(Ink, String)> {
    let whole: usize = spans.iter().map(|(_, text)| columns_of(text)).sum();
    let mut left = COLUMNS_MAX;
    let mut fitting = Vec::with_capacity(spans.len());
    for (ink, text) in spans {
        let columns = columns_of(text);
        if columns < left || (columns == left && whole <= COLUMNS_MAX) {
            fitting.push((*ink, (*text).to_owned()));
            left -= columns;
        } else {
            let cut: String = text.chars().take(left.saturating_sub(1)).collect();
            fitting.push((*ink, format!("{cut}…")));
            break;
        }
    }
    fitting
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(coloured: bool, write: impl Fn(&mut Page)) -> (String, String) {
        let paper = Paper::default();
        let mut page = Page::on(Box::new(paper.clone()), coloured);
        write(&mut page);
        let out = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        (out, page.printed().to_owned())
    }

    #[test]
    fn a_line_is_never_wider_than_the_page() {
        let (out, _) = written(false, |page| {
            page.chapter(1, "A title");
            page.pair("label", &"ä".repeat(300));
            page.pair("label", &"four ".repeat(20));
            page.line(&[(Ink::Good, &"a".repeat(60)), (Ink::Bad, &"b".repeat(40))]);
            page.line(&[(Ink::Good, &"a".repeat(100)), (Ink::Bad, "b")]);
        });
        let widths: Vec<usize> = out.lines().map(|line| line.chars().count()).collect();
        assert_eq!(widths, [0, 100, 100, 99, 29, 100, 100], "{out}");
        assert_eq!(out.matches('…').count(), 2, "{out}");
    }

    #[test]
    fn colour_is_on_the_paper_and_not_in_what_is_kept() {
        let write = |page: &mut Page| page.line(&[(Ink::Bad, "no"), (Ink::Plain, " it is not")]);
        let (out, kept) = written(true, write);
        assert_eq!(out, "\x1b[31mno\x1b[0m it is not\n");
        assert_eq!(kept, "no it is not\n");
        assert_eq!(written(false, write).0, kept);
    }

    #[test]
    fn what_a_reader_copies_is_not_cut() {
        let long = "x".repeat(150);
        assert_eq!(
            written(false, |page| page.exact(&long)).0,
            format!("{long}\n")
        );
    }

    #[test]
    fn a_page_that_cannot_be_written_to_is_noticed() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut page = Page::on(Box::new(Gone), false);
        assert!(page.readable().is_ok());
        page.gap();
        assert!(page.readable().is_err());
    }
}
