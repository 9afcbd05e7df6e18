//! What is wrong in the settings, where, and what would be right.
//!
//! Provides [`Mistake`] (one line for a person), [`Mistakes`] (all of them, the error of [`super::load`]) and
//! [`Findings`], which collects while lowering goes on. It deliberately knows no setting: what counts as a
//! mistake is said by the code that lowers the setting.

use std::{
    cell::RefCell,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A position in a settings file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The file, as its path was given.
    pub(crate) file: Arc<str>,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The column in characters, from 1.
    pub(crate) column: u32,
}

impl Place {
    /// The first character of `file`: for what concerns the file as a whole.
    pub(crate) fn start(file: &Arc<str>) -> Place {
        Place {
            file: Arc::clone(file),
            line: 1,
            column: 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One thing that is wrong in the settings. Displays as one line: `file:line:column: what; instead`.
///
/// The order of mistakes is that of their places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// Where it stands.
    pub(crate) place: Place,
    /// What is wrong.
    pub(crate) what: String,
    /// What would be right.
    pub(crate) instead: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.instead)
    }
}

/// Everything found wrong in the settings, in the order of file, line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistakes {
    /// Why the settings do not load: one at least.
    pub(crate) mistakes: Vec<Mistake>,
    /// What would be worth a look even without them.
    pub(crate) warnings: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.mistakes.iter().map(Mistake::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// A file that the settings name, for the gate to open when it needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedFile {
    /// The file, relative to the working directory or absolute.
    pub(crate) path: PathBuf,
    /// Where it is named.
    pub(crate) place: Place,
    /// What it holds.
    pub(crate) holds: Holds,
}

/// What a named file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// What everybody may know.
    Settings,
    /// What is nobody else's to read.
    Secret,
    /// What the gate itself keeps there: nobody else's to read either, and no part of the settings.
    State,
}

/// What has been found so far. Lowering notes a mistake here and goes on to the next key.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    mistakes: RefCell<Vec<Mistake>>,
    warnings: RefCell<Vec<Mistake>>,
    files: RefCell<Vec<NamedFile>>,
}

/// What settings without a mistake have beside their values.
#[derive(Debug)]
pub(crate) struct Remarks {
    /// What is worth a look, sorted.
    pub(crate) warnings: Vec<Mistake>,
    /// The files named, in the order of reading.
    pub(crate) files: Vec<NamedFile>,
}

impl Findings {
    /// Notes a mistake: the settings will not load.
    pub(crate) fn mistake(&self, at: &Place, wrong: Wrong) {
        self.mistakes.borrow_mut().push(wrong.at(at));
    }

    /// Notes a warning: the settings load all the same.
    pub(crate) fn warning(&self, at: &Place, wrong: Wrong) {
        self.warnings.borrow_mut().push(wrong.at(at));
    }

    /// Notes that the settings name a file.
    pub(crate) fn file(&self, path: PathBuf, at: &Place, holds: Holds) {
        let place = at.clone();
        let named = NamedFile { path, place, holds };
        self.files.borrow_mut().push(named);
    }

    /// Tells of every file that was noted and that settings are made of.
    pub(crate) fn each_file(&self, mut tell: impl FnMut(&Path)) {
        let files = self.files.borrow();
        let settings = files.iter().filter(|file| file.holds != Holds::State);
        settings.for_each(|file| tell(&file.path));
    }

    /// Ends the search: `value` if there was no mistake, all mistakes otherwise.
    ///
    /// `value` is `None` only if a mistake was noted.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<(T, Remarks), Mistakes> {
        let mut mistakes = self.mistakes.into_inner();
        let mut warnings = self.warnings.into_inner();
        let files = self.files.into_inner();
        mistakes.sort();
        warnings.sort();
        match value {
            Some(value) if mistakes.is_empty() => Ok((value, Remarks { warnings, files })),
            Some(_) | None => Err(Mistakes { mistakes, warnings }),
        }
    }
}

/// A mistake that does not know its place yet: what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    what: String,
    instead: String,
}

impl Wrong {
    /// Both halves are phrases without a full stop; values in them go through [`quoted`].
    pub(crate) fn new(what: impl Into<String>, instead: impl Into<String>) -> Wrong {
        Wrong {
            what: what.into(),
            instead: instead.into(),
        }
    }

    /// What a type of the domain says of a text that it does not take: its sentence is the second half.
    pub(crate) fn fault(what: String, fault: impl fmt::Display) -> Wrong {
        let sentence = fault.to_string();
        let mut letters = sentence.trim_end_matches('.').chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        Wrong::new(what, first.into_iter().chain(letters).collect::<String>())
    }

    fn at(self, place: &Place) -> Mistake {
        Mistake {
            place: place.clone(),
            what: self.what,
            instead: self.instead,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.instead)
    }
}

/// How many characters of a value a mistake repeats.
const QUOTED_CHARS_MAX: usize = 80;

/// `text` in quotes, escaped and cut, so that a mistake stays one line whatever the file holds.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
