//! The keys of one mapping, asked for one by one.
//!
//! Provides [`Fields`], which [`Value::mapping`] opens and closes: what nobody asked for is reported there, so no
//! lowering can forget it.

use super::{
    file::Entry,
    mistake::{Findings, Place, Wrong, quoted},
    value::Value,
};

/// The keys of one mapping while they are asked for.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    at: &'t Place,
    entries: &'t [Entry],
    findings: &'t Findings,
    asked: Vec<&'static str>,
}

impl<'t> Fields<'t> {
    /// A mapping that begins at `at`, nothing of it asked for yet.
    pub(super) fn new(at: &'t Place, entries: &'t [Entry], findings: &'t Findings) -> Fields<'t> {
        Fields {
            at,
            entries,
            findings,
            asked: Vec::new(),
        }
    }

    /// Where the mapping begins.
    pub(crate) fn at(&self) -> &'t Place {
        self.at
    }

    /// Notes that the mapping as a whole is wrong.
    pub(crate) fn wrong<T>(&self, wrong: Wrong) -> Option<T> {
        self.findings.mistake(self.at, wrong);
        None
    }

    /// Notes what is worth a look about the mapping as a whole.
    pub(crate) fn warning(&self, warning: Wrong) {
        self.findings.warning(self.at, warning);
    }

    /// Where the value of `key` stands, right or wrong, if it is written.
    pub(crate) fn place_of(&self, key: &str) -> Option<Place> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(entry.value.at.clone())
    }

    /// The value of `key`, if it is written. Each key is asked for once.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Value::new(&entry.value, self.findings))
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        lower: impl FnOnce(Value<'t>) -> Option<T>,
    ) -> Option<T> {
        match self.take(key) {
            Some(value) => lower(value),
            None => self.wrong(Wrong::new(
                format!("the key {} is missing", quoted(key)),
                "it is mandatory",
            )),
        }
    }

    /// The value of a key that may be absent: `Some(None)` if it is, `None` if it is wrong.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        lower: impl FnOnce(Value<'t>) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.take(key) {
            Some(value) => lower(value).map(Some),
            None => Some(None),
        }
    }

    /// The value of a key that may be absent and then is `default`.
    pub(crate) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        lower: impl FnOnce(Value<'t>) -> Option<T>,
    ) -> Option<T> {
        self.take(key).map_or(Some(default), lower)
    }

    /// Lets `keys` stand without reading them: where another mistake leaves open what they mean.
    pub(crate) fn leave(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Notes every key that was not asked for.
    pub(super) fn report_unknown(&self) {
        for entry in self.entries {
            if !self.asked.contains(&entry.key.as_str()) {
                let wrong = Wrong::new(
                    format!("unknown key {}", quoted(&entry.key)),
                    self.known_instead_of(&entry.key),
                );
                self.findings.mistake(&entry.key_at, wrong);
            }
        }
    }

    /// The nearest known key, or all of them if none is near.
    fn known_instead_of(&self, key: &str) -> String {
        let near = self.asked.iter().map(|known| (distance(key, known), known));
        match near.min() {
            Some((distance, known)) if distance <= 1 + key.len() / 4 => {
                format!("did you mean {}?", quoted(known))
            }
            Some(_) | None => format!("the keys here are {}", self.asked.join(", ")),
        }
    }
}

/// How many characters to add, drop or change to get from `from` to `to` (Levenshtein).
pub(crate) fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, old) in from.chars().enumerate() {
        let mut next = vec![line + 1];
        for (above, (diagonal, new)) in row.iter().skip(1).zip(row.iter().zip(&to)) {
            let left = next.last().copied().unwrap_or_default();
            let changed = diagonal + usize::from(old != *new);
            next.push(changed.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
