//! The credential store of the tour: a file whose token is replaced every two seconds, as an orchestrator that mounts
//! short-lived secrets does it.
//!
//! Each token is told to the API before it is put into the file, and the file is replaced whole, so that a reader has
//! either the old token or the new one. Every token ever issued is remembered, to be looked for later.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{api::Taken, leaks};
use crate::{cli::Failure, secret::Secret};

/// How long a token stays in the file.
pub(super) const ROTATION: Duration = Duration::from_secs(2);

/// Characters of a token: 240 random bits.
const TOKEN_CHARS: usize = 40;

/// How many tokens are remembered; a tour issues about ten.
const ISSUED_MAX: usize = 4096;

/// The store; nobody else writes its file.
pub(super) struct Store {
    path: PathBuf,
    taken: Taken,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    issued: Vec<Secret>,
    gone: bool,
}

impl Store {
    /// A store with a first token in the file at `path`; `taken` is what the API takes.
    pub(super) fn open(path: PathBuf, taken: Taken) -> Result<Store, Failure> {
        let shelf = Mutex::default();
        let store = Store { path, taken, shelf };
        store.replace()?;
        Ok(store)
    }

    /// Replaces the token again and again.
    pub(super) async fn rotate(&self) {
        loop {
            tokio::time::sleep(ROTATION).await;
            if let Err(failure) = self.replace() {
                tracing::error!(%failure, "the store of the tour could not replace its token");
            }
        }
    }

    /// Takes the token away, as a store that is down does.
    pub(super) fn take_away(&self) -> Result<(), Failure> {
        self.shelf().gone = true;
        fs::remove_file(&self.path).map_err(|error| self.failed(&error))
    }

    /// Puts a new token where the old one was.
    pub(super) fn bring_back(&self) -> Result<(), Failure> {
        self.shelf().gone = false;
        self.replace()
    }

    /// How many tokens were issued so far.
    pub(super) fn issued(&self) -> usize {
        self.shelf().issued.len()
    }

    /// A search for every token that was issued so far.
    pub(super) fn search(&self) -> leaks::Search {
        leaks::Search::of(self.shelf().issued.iter().map(Secret::expose))
    }

    /// Issues the next token, unless the store is down.
    fn replace(&self) -> Result<(), Failure> {
        let mut shelf = self.shelf();
        if shelf.gone {
            return Ok(());
        }
        let token = random_token().map_err(|error| self.failed(&error))?;
        self.taken.take(&token);
        put(&self.path, &token).map_err(|error| self.failed(&error))?;
        if shelf.issued.len() < ISSUED_MAX {
            shelf.issued.push(token);
        }
        Ok(())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::Run(format!("{}: {error}", self.path.display()))
    }
}

/// Puts `token` into the file at `path`, its owner's only from the first byte on, in one step.
fn put(path: &Path, token: &Secret) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(token.expose().as_bytes())?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Letters, digits, `+` and `/`, so that a token looks different in each encoding.
fn random_token() -> io::Result<Secret> {
    let mut random = [0; TOKEN_CHARS];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random bytes"))?;
    let letter = |byte: &u8| leaks::BASE64.get(usize::from(*byte % 64)).copied();
    let letters = random.iter().filter_map(letter);
    Ok(Secret::new(letters.map(char::from).collect()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_token_is_its_owners_only_and_the_api_takes_it_with_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let taken = Taken::default();
        let store = Store::open(path.clone(), taken.clone()).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        store.replace().unwrap();
        let second = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_ne!(first, second);
        assert!(taken.takes(&first) && taken.takes(&second));
        store.replace().unwrap();
        assert!(!taken.takes(&first) && taken.takes(&second));
        assert_eq!(store.search().places(second.as_bytes()), 1);
        assert_eq!(store.issued(), 3);
    }

    #[test]
    fn a_store_that_is_gone_issues_nothing_until_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let store = Store::open(path.clone(), Taken::default()).unwrap();
        store.take_away().unwrap();
        store.replace().unwrap();
        assert!(!path.exists() && store.issued() == 1);
        store.bring_back().unwrap();
        assert!(path.exists() && store.issued() == 2);
    }
}
