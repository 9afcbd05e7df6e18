//! Where events are printed, and in which form: rows for a person, or the lines as they are.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
    os::fd::AsFd,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    termios::tcgetwinsize,
};

use super::{
    event::Event,
    row::{day, row},
};
use crate::cli::ink::Ink;

/// The width of a terminal that does not tell it.
const COLUMNS_DEFAULT: usize = 80;

/// Standard output, and the form of what is printed there.
pub(super) struct Output<O: Write> {
    out: BufWriter<O>,
    form: Form,
}

/// The form of what is printed.
pub(super) enum Form {
    /// The line as it stands in the file, byte for byte.
    Line,
    /// The same JSON without a byte that a terminal acts upon.
    PrintableLine,
    /// A row, and before the first of a day the day.
    Row {
        /// How wide the terminal is now.
        columns: fn() -> usize,
        coloured: bool,
        /// The day of the last row.
        day: String,
    },
}

impl Output<File> {
    /// Standard output without its buffer: rows on a terminal unless `json` is wanted, lines anywhere else.
    pub(super) fn stdout(json: bool) -> io::Result<Output<File>> {
        let form = match (io::stdout().is_terminal(), json) {
            (true, false) => Form::Row {
                columns: terminal_columns,
                coloured: Ink::is_wanted(),
                day: String::new(),
            },
            (true, true) => Form::PrintableLine,
            (false, _) => Form::Line,
        };
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Output::new(out.into(), form))
    }

    /// Waits for `time`, or until nobody reads any more.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`]: nobody does.
    pub(super) fn wait(&mut self, time: Duration) -> io::Result<()> {
        let timeout = Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        // Nothing is asked for, so that only the end of the other side is told.
        let mut stdout = [PollFd::new(self.out.get_ref(), PollFlags::empty())];
        match poll(&mut stdout, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Ok(_) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl<O: Write> Output<O> {
    /// Events are printed on `out` in this form.
    pub(super) fn new(out: O, form: Form) -> Output<O> {
        Output {
            out: BufWriter::new(out),
            form,
        }
    }

    /// Prints `event`, which stands as `line` in the file.
    pub(super) fn print(&mut self, event: &Event, line: &[u8]) -> io::Result<()> {
        match &mut self.form {
            Form::Line => self.out.write_all(line)?,
            Form::PrintableLine => self.out.write_all(printable_json(line).as_bytes())?,
            Form::Row {
                columns,
                coloured,
                day: last,
            } => {
                let today = day(event);
                if *last != today {
                    let heading = vec![(Ink::Faint, format!("{today} UTC"))];
                    self.out
                        .write_all(painted(&heading, *coloured).as_bytes())?;
                    self.out.write_all(b"\n")?;
                    *last = today;
                }
                let row = row(event, columns());
                self.out.write_all(painted(&row, *coloured).as_bytes())?;
            }
        }
        self.out.write_all(b"\n")
    }

    /// Hands over everything printed so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn terminal_columns() -> usize {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        Ok(_) | Err(_) => COLUMNS_DEFAULT,
    }
}

fn painted(spans: &[(Ink, String)], coloured: bool) -> String {
    let paint = |(ink, text): &(Ink, String)| match coloured {
        true => ink.paint(text),
        false => text.clone(),
    };
    spans.iter().map(paint).collect()
}

/// The JSON text `line` in printable ASCII: inside strings the escapes of JSON mean the same (RFC 8259 section 7), and
/// outside of them only white space can be anything else.
fn printable_json(line: &[u8]) -> String {
    let mut printable = String::with_capacity(line.len());
    for character in String::from_utf8_lossy(line).chars() {
        match character {
            ' '..='~' => printable.push(character),
            '\0'..='\x1f' => printable.push(' '),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    printable.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    printable
}

#[cfg(test)]
mod tests;
