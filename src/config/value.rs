//! Lowering: from the tree of a file to the types that the gate uses, one key at a time.
//!
//! Provides [`Value`], a value that must become something; the keys of a mapping are [`Fields`]. Every
//! function that finds a mistake notes it with its place and returns `None`; the caller goes on with the next
//! key and gives up its own result at the end (`Some(Rule { name: name?, .. })`), so one reading finds all
//! mistakes. Keys that nobody asked for are mistakes too. It deliberately knows no setting by name.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{
    fields::Fields,
    file::{Entry, Kind, Node, Plain},
    mistake::{Findings, Holds, Place, Wrong, quoted},
};

/// A value on its way into a type.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'t> {
    node: &'t Node,
    findings: &'t Findings,
}

impl<'t> Value<'t> {
    /// A value of a tree; its mistakes go to `findings`.
    pub(crate) fn new(node: &'t Node, findings: &'t Findings) -> Value<'t> {
        Value { node, findings }
    }

    /// Where the value stands.
    pub(crate) fn at(self) -> &'t Place {
        &self.node.at
    }

    /// Notes that this value is wrong.
    pub(crate) fn wrong<T>(self, wrong: Wrong) -> Option<T> {
        self.findings.mistake(self.at(), wrong);
        None
    }

    /// Notes what is worth a look about this value.
    pub(crate) fn warning(self, warning: Wrong) {
        self.findings.warning(self.at(), warning);
    }

    /// A mapping with the keys that `lower` asks for and no others.
    pub(crate) fn mapping<T>(self, lower: impl FnOnce(&mut Fields<'t>) -> Option<T>) -> Option<T> {
        let mut fields = Fields::new(self.at(), self.entries()?, self.findings);
        let lowered = lower(&mut fields);
        fields.report_unknown();
        lowered
    }

    /// The value of one key of a mapping, if it is written; the others are not looked at.
    pub(crate) fn key(self, key: &'static str) -> Option<Option<Value<'t>>> {
        let mut fields = Fields::new(self.at(), self.entries()?, self.findings);
        Some(fields.take(key))
    }

    /// A mapping from names that the writer chooses: `lower` gets each with its place.
    pub(crate) fn names<T>(
        self,
        mut lower: impl FnMut(Name<'t>, Value<'t>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let lowered = self.entries()?.iter().map(|entry| {
            let name = Name {
                text: &entry.key,
                at: &entry.key_at,
                findings: self.findings,
            };
            lower(name, self.with(&entry.value))
        });
        all(lowered)
    }

    /// A sequence; `lower` gets each of its values. An empty one is an empty list.
    pub(crate) fn each<T>(self, lower: impl FnMut(Value<'t>) -> Option<T>) -> Option<Vec<T>> {
        match &self.node.kind {
            Kind::Sequence(items) => all(items.iter().map(|item| self.with(item)).map(lower)),
            Kind::Scalar { .. } | Kind::Mapping(_) => self.expected("a list like [a, b]"),
            Kind::Reported => None,
        }
    }

    /// A sequence with at least one value.
    pub(crate) fn some_of<T>(self, lower: impl FnMut(Value<'t>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.each(lower)?;
        if items.is_empty() {
            return self.wrong(Wrong::new("this list is empty", "name one at least"));
        }
        Some(items)
    }

    /// A sequence, or one value in its place.
    pub(crate) fn one_or_more<T>(
        self,
        mut lower: impl FnMut(Value<'t>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.node.kind {
            Kind::Sequence(_) => self.some_of(lower),
            Kind::Scalar { .. } | Kind::Mapping(_) | Kind::Reported => Some(vec![lower(self)?]),
        }
    }

    /// Text for people: not empty, and no number or truth value unless in quotes.
    pub(crate) fn text(self) -> Option<String> {
        let (_, plain) = self.scalar("text")?;
        self.parse(|text| match Plain::of(text) {
            Plain::Boolean | Plain::Number if plain => Err(Wrong::new(
                format!("{} is no text", quoted(text)),
                "write it in quotes if it is meant as text",
            )),
            Plain::Null | Plain::Boolean | Plain::Number | Plain::Text => Ok(text.to_owned()),
        })
    }

    /// Text that is not empty and that `parse` accepts.
    pub(crate) fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        let (text, _) = self.scalar("text")?;
        if text.trim().is_empty() {
            return self.wrong(Wrong::new("this text is empty", "write one"));
        }
        match parse(text) {
            Ok(value) => Some(value),
            Err(wrong) => self.wrong(wrong),
        }
    }

    /// A text, a whole number or a truth value, as JSON has them.
    pub(crate) fn json_scalar(self) -> Option<Json> {
        let (text, plain) = self.scalar("text, a number, true or false")?;
        match Plain::of(text) {
            Plain::Boolean if plain => self.boolean().map(Json::from),
            Plain::Number if plain => match text.parse::<i64>() {
                Ok(number) if number.to_string() == text => Some(number.into()),
                Ok(_) | Err(_) => self.wrong(Wrong::new(
                    format!("{} is no whole number", quoted(text)),
                    "write it in decimal digits, or in quotes if it is meant as text",
                )),
            },
            Plain::Null | Plain::Boolean | Plain::Number | Plain::Text => Some(text.into()),
        }
    }

    /// One of `words`, with what it stands for.
    pub(crate) fn word<T: Copy>(self, words: &[(&str, T)]) -> Option<T> {
        self.parse(|text| {
            let found = words.iter().find(|(word, _)| *word == text);
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                Wrong::new(
                    format!("{} is not known here", quoted(text)),
                    format!("it is one of {}", known.join(", ")),
                )
            })
        })
    }

    /// `true` or `false`.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self.scalar("true or false")? {
            ("true", true) => Some(true),
            ("false", true) => Some(false),
            (text, _) => self.wrong(Wrong::new(
                format!("{} is no truth value", quoted(text)),
                "write true or false, without quotes",
            )),
        }
    }

    /// A whole number from `min` to `max`, in decimal digits.
    pub(crate) fn integer(self, min: u32, max: u32) -> Option<u32> {
        let (text, plain) = self.scalar("a number")?;
        let number = text.parse().ok();
        match number.filter(|n| plain && (min..=max).contains(n) && n.to_string() == text) {
            Some(number) => Some(number),
            None => self.wrong(Wrong::new(
                format!("{} is no number from {min} to {max}", quoted(text)),
                "write it in decimal digits, without quotes",
            )),
        }
    }

    /// A path, relative to the file in which it is written; nothing is opened.
    pub(crate) fn path(self) -> Option<PathBuf> {
        let text = self.text()?;
        if text.contains('\0') {
            return self.wrong(Wrong::new("a path with a NUL character", "name a file"));
        }
        let directory = Path::new(&*self.at().file).parent();
        Some(directory.unwrap_or(Path::new("")).join(text))
    }

    /// The path of a file that the gate opens later; it is noted, so that `check` can look for it.
    pub(crate) fn file(self) -> Option<PathBuf> {
        self.named_file(Holds::Settings)
    }

    /// The same of a file that holds a key or another secret.
    pub(crate) fn secret_file(self) -> Option<PathBuf> {
        self.named_file(Holds::Secret)
    }

    /// The same of a file that the gate itself writes, which may not be there yet.
    pub(crate) fn kept_file(self) -> Option<PathBuf> {
        self.named_file(Holds::State)
    }

    fn named_file(self, holds: Holds) -> Option<PathBuf> {
        let path = self.path()?;
        self.findings.file(path.clone(), self.at(), holds);
        Some(path)
    }

    /// Whether `null` is written here, in any of its spellings.
    pub(crate) fn is_null(self) -> bool {
        matches!(&self.node.kind, Kind::Scalar { text, plain: true } if Plain::of(text) == Plain::Null)
    }

    /// Whether an empty text is written here, in quotes.
    pub(crate) fn is_empty_text(self) -> bool {
        matches!(&self.node.kind, Kind::Scalar { text, plain: false } if text.is_empty())
    }

    /// Whether a single value is written here, no list and no mapping.
    pub(crate) fn is_scalar(self) -> bool {
        matches!(self.node.kind, Kind::Scalar { .. })
    }

    /// A scalar that is not null, and whether it stands without quotes.
    fn scalar(self, expected: &str) -> Option<(&'t str, bool)> {
        match &self.node.kind {
            Kind::Scalar { .. } if self.is_null() => self.absent(),
            Kind::Scalar { text, plain } => Some((text, *plain)),
            Kind::Sequence(_) | Kind::Mapping(_) => self.expected(expected),
            Kind::Reported => None,
        }
    }

    fn entries(self) -> Option<&'t [Entry]> {
        match &self.node.kind {
            Kind::Mapping(entries) => Some(entries),
            Kind::Scalar { .. } | Kind::Sequence(_) => self.expected("a mapping like {key: value}"),
            Kind::Reported => None,
        }
    }

    fn expected<T>(self, expected: &str) -> Option<T> {
        let found = match &self.node.kind {
            Kind::Scalar { .. } if self.is_null() => return self.absent(),
            Kind::Scalar { text, .. } => quoted(text),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
            Kind::Reported => return None,
        };
        self.wrong(Wrong::new(
            format!("{found} stands here"),
            format!("{expected} is needed"),
        ))
    }

    fn absent<T>(self) -> Option<T> {
        self.wrong(Wrong::new(
            "the value is missing",
            "write one, or take the key away if it is optional",
        ))
    }

    fn with(self, node: &'t Node) -> Value<'t> {
        Value { node, ..self }
    }
}

/// A name that the writer of the file chose as a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name<'t> {
    /// The name as written.
    pub(crate) text: &'t str,
    /// Where it stands.
    pub(crate) at: &'t Place,
    findings: &'t Findings,
}

impl<'t> Name<'t> {
    /// The name as `parse` reads it.
    pub(crate) fn parse<T>(self, parse: impl FnOnce(&str) -> Result<T, Wrong>) -> Option<T> {
        parse(self.text)
            .map_err(|wrong| self.findings.mistake(self.at, wrong))
            .ok()
    }
}

/// All values, or `None` once every one of them has been looked at.
fn all<T>(lowered: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let lowered: Vec<Option<T>> = lowered.collect();
    lowered.into_iter().collect()
}

#[cfg(test)]
mod tests;
