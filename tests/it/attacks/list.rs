//! The list itself: each attack has a test that runs, or says what must exist before it can be made, or has a test that
//! what it attacks is absent.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

const LIST: &str = include_str!("../../attacks.tsv");

/// What the list says of an attack.
#[derive(Debug)]
enum Word<'l> {
    /// The test that makes it.
    Tested(&'l str),
    /// What must exist before it can be made.
    Later,
    /// The test that what it attacks is not there.
    Absent(&'l str),
}

impl<'l> Word<'l> {
    fn read(line: &'l str) -> (&'l str, Word<'l>) {
        let columns: Vec<&str> = line.split('\t').collect();
        match columns[..] {
            [id, what] if what.starts_with("later: ") => (id, Word::Later),
            [id, what, test] if what.starts_with("absent: ") => (id, Word::Absent(test)),
            [id, test] => (id, Word::Tested(test)),
            _ => panic!("neither a test nor why there is none: {line:?}"),
        }
    }

    fn test(&self) -> Option<&'l str> {
        match self {
            Word::Tested(test) | Word::Absent(test) => Some(test),
            Word::Later => None,
        }
    }
}

fn rows() -> BTreeMap<&'static str, Word<'static>> {
    let lines = LIST
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut rows = BTreeMap::new();
    for line in lines {
        let (id, word) = Word::read(line);
        assert!(rows.insert(id, word).is_none(), "{id} stands twice");
    }
    rows
}

/// The tests of this program that make attacks, as it lists them itself.
fn tests() -> Vec<String> {
    let program = std::env::current_exe().unwrap();
    let listed = Command::new(program)
        .args(["--list", "--format", "terse", "attacks::"])
        .output()
        .unwrap();
    String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect()
}

/// `sm_01` of `attacks::sm::sm_01_two_lengths`, as the list writes it: `SM-01`.
fn id_of(test: &str) -> Option<String> {
    let name = test.rsplit("::").next()?;
    let mut words = name.split('_');
    let (section, number) = (words.next()?, words.next()?);
    let is_id =
        section.len() == 2 && number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    is_id.then(|| format!("{}-{number}", section.to_uppercase()))
}

/// How many attacks there are.
const ATTACKS: usize = 260;

#[test]
fn every_attack_has_its_row() {
    assert_eq!(rows().len(), ATTACKS);
}

#[test]
fn every_row_has_the_test_that_it_names() {
    let tests = tests();
    for (id, word) in rows() {
        let Some(test) = word.test() else { continue };
        assert!(tests.iter().any(|one| one == test), "{id}: no test {test}");
        assert_eq!(
            id_of(test).as_deref(),
            Some(id),
            "{test} is named by another id"
        );
    }
}

#[test]
fn every_test_of_an_attack_is_in_the_list() {
    let rows = rows();
    for test in tests() {
        let Some(id) = id_of(&test) else { continue };
        let named = rows.get(&*id).and_then(Word::test);
        assert_eq!(named, Some(&*test), "{id}");
    }
}

/// What takes a defence away, one in a file.
fn patches() -> Vec<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken"));
    let files = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|ext| ext == "patch"))
        .collect()
}

#[test]
fn every_defence_is_still_where_a_patch_would_take_it_away() {
    for patch in patches() {
        let tried = Command::new("patch")
            .args([
                "--dry-run",
                "--force",
                "--strip=1",
                "--reject-file=-",
                "--input",
            ])
            .arg(&patch)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&tried.stdout);
        assert!(tried.status.success(), "{}: {told}", patch.display());
    }
}

#[test]
fn every_patch_names_tests_that_are_there() {
    let tests = tests();
    for patch in patches() {
        let text = fs::read_to_string(&patch).unwrap();
        let red: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("Red: "))
            .flat_map(str::split_whitespace)
            .collect();
        assert!(!red.is_empty(), "{} names no test", patch.display());
        // those that stand beside the code are in another program
        for test in red.iter().filter(|test| test.starts_with("attacks::")) {
            assert!(
                tests.iter().any(|one| one == test),
                "{}: no test {test}",
                patch.display()
            );
        }
    }
}

#[test]
fn the_security_policy_names_tests_that_are_there() {
    let policy = include_str!("../../../.github/SECURITY.md");
    let named: Vec<&str> = policy
        .split('`')
        .filter(|word| {
            word.strip_prefix("attacks::")
                .is_some_and(|section| !section.is_empty())
        })
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let tests = tests();
    for section in named {
        let inside = format!("{section}::");
        assert!(
            tests.iter().any(|test| test.starts_with(&inside)),
            "no test in {section}"
        );
    }
}
