//! Colour on a terminal: what a part of a line is, not which colour it has.

use std::{
    env,
    io::{self, IsTerminal as _},
};

/// How a part of a line looks on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// As the terminal writes.
    Plain,
    /// What a reader looks for.
    Strong,
    /// What a reader may skip.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Odd,
    /// Not as it should be, or refused.
    Bad,
}

impl Ink {
    /// Whether whoever reads standard output has a terminal and wants colour on it (no-color.org).
    pub(crate) fn is_wanted() -> bool {
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        io::stdout().is_terminal() && !unwanted
    }

    /// `text` in this ink.
    pub(crate) fn paint(self, text: &str) -> String {
        match self {
            Ink::Plain => text.to_owned(),
            ink => format!("\x1b[{}m{text}\x1b[0m", ink.sgr()),
        }
    }

    /// The parameters of `SGR` (ECMA-48 section 8.3.117).
    fn sgr(self) -> &'static str {
        match self {
            Ink::Plain => "0",
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Odd => "33",
            Ink::Bad => "31",
        }
    }
}
