//! `revoked`: who is let in no more.
//!
//! Provides [`Revoked`], read line by line: an identity or the SHA-256 of a certificate, with `#` before
//! comments. It is a file of its own, and not YAML, so that in an emergency one line added by any tool is
//! enough; so a line that cannot be read does not take the others out of force.

use std::{collections::HashSet, fs, io, path::PathBuf, sync::Arc};

use super::{
    file,
    mistake::{Findings, Mistakes, Place, Wrong, quoted},
};
use crate::identity::SpiffeId;

/// Identities and certificates that are let in no more.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Revoked {
    /// The entries: identities, and SHA-256 fingerprints of certificates in lower-case hex.
    pub(crate) entries: HashSet<Box<str>>,
}

/// Where the list is, and whether the settings name it: a list that is named must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevokedFile {
    pub(super) path: PathBuf,
    pub(super) named: bool,
}

impl RevokedFile {
    /// Reads the list anew, apart from all other settings.
    ///
    /// The second value is what could not be read of it; the first holds all the rest, and is to be applied.
    ///
    /// # Errors
    /// The file as a whole cannot be read: what was revoked before stays so.
    pub(crate) fn read(&self) -> Result<(Revoked, Option<Mistakes>), Mistakes> {
        let findings = Findings::default();
        let text = self.text(&findings);
        let Some(text) = text else {
            return findings.finish(None).map(|(never, _)| never);
        };
        let revoked = parse(&self.name(), &text, &findings);
        Ok((revoked, findings.finish(Some(())).err()))
    }

    /// The text of the list; a list that is not named and not there is empty.
    pub(super) fn text(&self, findings: &Findings) -> Option<String> {
        if !self.named && self.is_absent() {
            return Some(String::new());
        }
        file::read(&self.path, &self.name(), findings)
    }

    /// Whether nothing has the list's name. What is there and cannot be reached is not absent.
    fn is_absent(&self) -> bool {
        let seen = fs::symlink_metadata(&self.path);
        seen.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn name(&self) -> Arc<str> {
        self.path.to_string_lossy().into()
    }
}

/// Every line that can be read; the others are noted.
pub(super) fn parse(file: &Arc<str>, text: &str, findings: &Findings) -> Revoked {
    let mut entries = HashSet::new();
    for (line, text) in (1..).zip(text.lines()) {
        let written = text
            .split_once('#')
            .map_or(text, |(before, _)| before)
            .trim();
        let column = text.chars().take_while(|c| c.is_whitespace()).count() + 1;
        let at = Place {
            file: Arc::clone(file),
            line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
        };
        match entry(written) {
            Some(Ok(entry)) => drop(entries.insert(entry)),
            Some(Err(wrong)) => findings.mistake(&at, wrong),
            None => {}
        }
    }
    Revoked { entries }
}

/// `None` for a line with nothing on it.
fn entry(written: &str) -> Option<Result<Box<str>, Wrong>> {
    if written.is_empty() {
        return None;
    }
    let what = || format!("{} revokes nobody", quoted(written));
    if written.starts_with("spiffe:") {
        let id = SpiffeId::parse(written).map_err(|fault| Wrong::fault(what(), fault));
        return Some(id.map(|id| id.as_str().into()));
    }
    let fingerprint = fingerprint(written).ok_or_else(|| {
        let instead = "write an identity (spiffe://...) or the SHA-256 of a certificate in hex";
        Wrong::new(what(), instead)
    });
    Some(fingerprint)
}

/// 64 hexadecimal digits, also as tools print them: with `sha256:` before, in upper case, with colons between.
fn fingerprint(written: &str) -> Option<Box<str>> {
    let digits = written.strip_prefix("sha256:").unwrap_or(written);
    let digits = digits.replace(':', "").to_ascii_lowercase();
    let whole = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| digits.into())
}
