//! Lines become events, and those that are wanted are printed.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Write},
};

use super::{
    event::Event,
    filter::Filter,
    follow::{Following, LOOK_TIME, Progress},
    lines::{End, Line, Lines},
    output::Output,
};
use crate::cli::say;

const READ_BYTES: usize = 64 * 1024;

/// One reading of a log.
pub(super) struct Reading<O: Write> {
    name: String,
    filter: Filter,
    before: Option<Before>,
    output: Output<O>,
}

/// What went wrong with it.
#[derive(Debug)]
pub(super) enum Fault {
    /// The log cannot be read.
    Reading(io::Error),
    /// Nothing can be printed.
    Printing(io::Error),
}

/// The last of what was found so far, not more than `max`.
struct Before {
    max: usize,
    found: VecDeque<Found>,
}

enum Found {
    Event(Box<Event>, Vec<u8>),
    /// A line that is none, and what is said of it.
    Other(String),
}

impl<O: Write> Reading<O> {
    /// A reading of the file called `name` for what `filter` wants, of which only the last `before` are printed that
    /// are there at first.
    pub(super) fn new(
        name: String,
        filter: Filter,
        before: Option<usize>,
        output: Output<O>,
    ) -> Reading<O> {
        Reading {
            name,
            filter,
            before: before.map(|max| Before {
                max,
                found: VecDeque::new(),
            }),
            output,
        }
    }

    /// Reads `log` to its end.
    pub(super) fn through(mut self, mut log: impl Read) -> Result<(), Fault> {
        let mut lines = Lines::default();
        let mut piece = vec![0; READ_BYTES];
        loop {
            let length = match log.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Fault::Reading(error)),
            };
            let piece = piece.get(..length).unwrap_or_default();
            lines.feed(piece, |line| self.take(line))?;
            self.output.flush().map_err(Fault::Printing)?;
        }
        lines.finish(|line| self.take(line))?;
        self.caught_up()
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), Fault> {
        let found = match Event::parse(line.bytes) {
            Some(event) if !self.filter.wants(&event) => return Ok(()),
            Some(event) if self.before.is_none() => {
                return self
                    .output
                    .print(&event, line.bytes)
                    .map_err(Fault::Printing);
            }
            Some(event) => Found::Event(Box::new(event), line.bytes.to_vec()),
            None => Found::Other(format!(
                "{}:{}: {}",
                self.name,
                line.number,
                no_event(line.end)
            )),
        };
        match &mut self.before {
            Some(before) => before.push(found),
            None => self.show(found)?,
        }
        Ok(())
    }

    /// Shows what was kept back: this is the end, or what comes from now on is new.
    fn caught_up(&mut self) -> Result<(), Fault> {
        for found in self
            .before
            .take()
            .into_iter()
            .flat_map(|before| before.found)
        {
            self.show(found)?;
        }
        self.output.flush().map_err(Fault::Printing)
    }

    fn show(&mut self, found: Found) -> Result<(), Fault> {
        match found {
            Found::Event(event, line) => self.output.print(&event, &line).map_err(Fault::Printing),
            Found::Other(said) => {
                // On a terminal it stands where the line would.
                self.output.flush().map_err(Fault::Printing)?;
                say(format_args!("logs: {said}"));
                Ok(())
            }
        }
    }
}

impl Reading<File> {
    /// Reads what `following` comes to, for as long as somebody reads what is printed.
    pub(super) fn and_on(mut self, mut following: Following) -> Result<(), Fault> {
        let mut waits = false;
        loop {
            if following.read(|line| self.take(line))? == Progress::Some {
                continue;
            }
            if !waits && !following.is_reading() {
                waits = true;
                say(format_args!("logs: {} is not there yet", self.name));
            }
            self.caught_up()?;
            self.output.wait(LOOK_TIME).map_err(Fault::Printing)?;
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Reading(error)
    }
}

impl Before {
    fn push(&mut self, found: Found) {
        self.found.push_back(found);
        if self.found.len() > self.max {
            self.found.pop_front();
        }
    }
}

fn no_event(end: End) -> &'static str {
    match end {
        End::Newline => "not an event, left out",
        End::File => "cut off, left out",
        End::Beyond => "longer than 1 MiB, left out",
    }
}
