use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, symlink},
};

use tempfile::TempDir;

use super::{entry::HEAD, *};

const HOUR: u64 = 3600;

fn entry(accessor: &str, in_s: u64) -> Entry {
    Entry {
        accessor: Accessor::parse(accessor).unwrap(),
        whose: "gate".to_owned(),
        end_s: seconds(SystemTime::now()) + in_s,
    }
}

fn accessors(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry.accessor.as_str())
        .collect()
}

fn fault(path: &Path) -> LedgerFault {
    Ledger::open(path).unwrap_err().fault
}

/// A file of this content and mode.
fn file(dir: &TempDir, content: &str, mode: u32) -> PathBuf {
    let path = dir.path().join("tokens");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[tokio::test]
async fn what_was_noted_and_not_forgotten_is_known_to_the_next_run_for_once() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokens");
    let ledger = Ledger::open(&path).unwrap();
    assert!(ledger.take_left().is_empty());
    for noted in [entry("a", HOUR), entry("b", HOUR), entry("a", 2 * HOUR)] {
        ledger.note(noted).await.unwrap();
    }
    ledger.note(entry("c", HOUR)).await.unwrap();
    ledger.forget(Accessor::parse("b").unwrap()).await;
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(ledger.take_left().is_empty());
    drop(ledger);

    let next = Ledger::open(&path).unwrap();
    let left = next.take_left();
    assert_eq!(accessors(&left), ["a", "c"]);
    assert!(left[0].end_s > entry("a", HOUR + 60).end_s);
    assert!(next.take_left().is_empty());
    // taken is not ended: it stands there until it is forgotten
    next.note(entry("d", HOUR)).await.unwrap();
    drop(next);
    assert_eq!(
        accessors(&Ledger::open(&path).unwrap().take_left()),
        ["a", "c", "d"]
    );
}

#[tokio::test]
async fn what_is_past_its_end_is_forgotten() {
    let dir = TempDir::new().unwrap();
    let past = seconds(SystemTime::now()) - 61;
    let path = file(&dir, &format!("{HEAD}old gate {past}\n"), 0o600);
    let ledger = Ledger::open(&path).unwrap();
    assert!(ledger.take_left().is_empty());
    ledger.note(entry("a", HOUR)).await.unwrap();
    assert!(!fs::read_to_string(&path).unwrap().contains("old"));
}

#[test]
fn a_line_that_is_not_whole_is_not_believed() {
    let dir = TempDir::new().unwrap();
    let end = seconds(SystemTime::now()) + HOUR;
    let lines = [
        format!("whole gate {end}\n"),
        format!("../x gate {end}\n"),
        format!(" gate {end}\n"),
        "late gate\n".to_owned(),
        format!("long gate {end} more\n"),
        format!("half gate {end}"),
    ];
    let path = file(&dir, &format!("{HEAD}{}", lines.concat()), 0o600);
    assert_eq!(
        accessors(&Ledger::open(&path).unwrap().take_left()),
        ["whole"]
    );
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    for content in ["s3cret", "a gate 1\n", &HEAD[1..]] {
        let path = file(&dir, content, 0o600);
        assert_eq!(fault(&path), LedgerFault::Foreign);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
}

#[test]
fn a_file_that_others_may_read_or_write_is_refused() {
    let dir = TempDir::new().unwrap();
    for mode in [0o640, 0o604, 0o620] {
        let path = file(&dir, HEAD, mode);
        let exposed = LedgerFault::Exposed(crate::secret::Exposure::OpenToOthers { mode });
        assert_eq!(fault(&path), exposed);
    }
    let path = file(&dir, HEAD, 0o600);
    // Only root may give files away.
    if chown(&path, Some(1001), None).is_ok() {
        let foreign = crate::secret::Exposure::ForeignOwner { uid: 1001 };
        assert_eq!(fault(&path), LedgerFault::Exposed(foreign));
    }
    let path = file(&TempDir::new().unwrap(), HEAD, 0o600);
    assert!(!path.exists());
    assert_eq!(fault(&path), LedgerFault::Unusable(io::ErrorKind::NotFound));
}

#[test]
fn a_file_in_whose_place_everybody_may_put_another_and_what_is_none_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = file(&dir, HEAD, 0o600);
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(fault(&link), LedgerFault::Unusable(_)));
    assert!(matches!(fault(dir.path()), LedgerFault::Unusable(_)));
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(fault(&path), LedgerFault::OpenToAll(_)));
}

#[tokio::test]
async fn two_gates_do_not_share_a_file_whenever_it_was_last_written() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokens");
    let ledger = Ledger::open(&path).unwrap();
    assert_eq!(fault(&path), LedgerFault::InUse);
    ledger.note(entry("a", HOUR)).await.unwrap();
    assert_eq!(fault(&path), LedgerFault::InUse);
    drop(ledger);
    assert!(Ledger::open(&path).is_ok());
}

#[tokio::test]
async fn what_a_crash_left_beside_the_file_is_in_nobodys_way() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokens");
    fs::write(dir.path().join("tokens.new"), "# toll").unwrap();
    let ledger = Ledger::open(&path).unwrap();
    ledger.note(entry("a", HOUR)).await.unwrap();
    drop(ledger);
    assert_eq!(accessors(&Ledger::open(&path).unwrap().take_left()), ["a"]);
}
