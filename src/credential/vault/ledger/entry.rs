//! The lines of the ledger: `ACCESSOR WHAT END`, a token each, and a first line that says what the file is.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// The first line of every ledger. A file that begins otherwise is somebody else's.
pub(super) const HEAD: &str =
    "# tollgate: Vault tokens that have not ended (accessor, whose, end in seconds since 1970)\n";

/// No accessor is longer.
const ACCESSOR_BYTES_MAX: usize = 128;

/// What a token is known by at the server, and cannot be used by. Not told in logs all the same.
#[derive(Clone, PartialEq, Eq)]
pub(in super::super) struct Accessor(Box<str>);

impl Accessor {
    /// One that is a single word; a server that gives another gives none.
    pub(in super::super) fn parse(text: &str) -> Option<Accessor> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=ACCESSOR_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| Accessor(text.into()))
    }

    pub(in super::super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Accessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accessor(..)")
    }
}

/// A token that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Entry {
    pub(in super::super) accessor: Accessor,
    /// Whose it is, in one word.
    pub(in super::super) whose: String,
    /// In seconds since 1970.
    pub(in super::super) end_s: u64,
}

impl Entry {
    /// Whether it was over for `time` at `now`.
    pub(super) fn past(&self, now: SystemTime, time: Duration) -> bool {
        seconds(now) > self.end_s.saturating_add(time.as_secs())
    }

    fn read(line: &str) -> Option<Entry> {
        let mut words = line.split(' ');
        let (accessor, whose, end) = (words.next()?, words.next()?, words.next()?);
        let whole = words.next().is_none() && !whose.is_empty();
        Some(Entry {
            accessor: Accessor::parse(accessor).filter(|_| whole)?,
            whose: whose.to_owned(),
            end_s: end.parse().ok()?,
        })
    }
}

/// Seconds since 1970.
pub(in super::super) fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// The entries of a ledger. A line that is not whole, or is none, is not believed.
pub(super) fn read(text: &str) -> Vec<Entry> {
    let lines = text.strip_prefix(HEAD).unwrap_or_default();
    let whole = lines.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(Entry::read).collect()
}

/// The text of a ledger.
pub(super) fn written(entries: &[Entry]) -> String {
    let lines = entries.iter().map(|entry| {
        let (accessor, whose) = (entry.accessor.as_str(), &entry.whose);
        format!("{accessor} {whose} {}\n", entry.end_s)
    });
    std::iter::once(HEAD.to_owned()).chain(lines).collect()
}
