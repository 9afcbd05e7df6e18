use std::{fs, io::Write as _};

use super::*;

/// A log in a directory of its own, and whoever follows it.
struct Scene {
    directory: tempfile::TempDir,
    following: Following,
    seen: Vec<String>,
}

impl Scene {
    fn new() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let following = Following::new(&directory.path().join("log"));
        Scene {
            directory,
            following,
            seen: Vec::new(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Adds `text` to a file, which is made if it is not there.
    fn add(&self, name: &str, text: &str) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.file(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.file(from), self.file(to)).unwrap();
    }

    /// Every line that is new since the last look, with its number, and what kept it from being whole.
    fn look(&mut self) -> Vec<String> {
        let seen = &mut self.seen;
        let mut each = |line: Line<'_>| -> io::Result<()> {
            let text = String::from_utf8_lossy(line.bytes);
            seen.push(match line.end {
                crate::cli::logs::lines::End::Newline => format!("{} {text}", line.number),
                end => format!("{} {text} {end:?}", line.number),
            });
            Ok(())
        };
        while self.following.read(&mut each).unwrap() == Progress::Some {}
        std::mem::take(&mut self.seen)
    }
}

#[test]
fn a_file_that_is_not_there_yet_is_read_from_its_start() {
    let mut scene = Scene::new();
    assert_eq!(scene.look(), [""; 0]);
    assert!(!scene.following.is_reading());
    scene.add("log", "a\nb\nhal");
    assert_eq!(scene.look(), ["1 a", "2 b"]);
    scene.add("log", "f\n");
    assert_eq!(scene.look(), ["3 half"]);
}

#[test]
fn a_file_that_was_moved_is_read_until_the_next_has_something() {
    let mut scene = Scene::new();
    scene.add("log", "a\n");
    assert_eq!(scene.look(), ["1 a"]);
    scene.rename("log", "log.1");
    scene.add("log.1", "b\n");
    assert_eq!(scene.look(), ["2 b"]);
    scene.add("log", "");
    scene.add("log.1", "c\n");
    assert_eq!(scene.look(), ["3 c"]);
    scene.add("log.1", "d\n");
    scene.add("log", "e\n");
    assert_eq!(scene.look(), ["4 d", "1 e"]);
}

#[test]
fn a_file_that_was_moved_twice_between_two_lines_is_read_to_its_end() {
    let mut scene = Scene::new();
    scene.add("log", "a\n");
    assert_eq!(scene.look(), ["1 a"]);
    for (number, text) in [("1", ""), ("2", "b\n"), ("3", "")] {
        scene.rename("log", &format!("log.{number}"));
        scene.add("log", text);
        scene.following.look().unwrap();
    }
    scene.add("log.1", "c\n");
    scene.add("log.3", "d\n");
    scene.add("log", "e\n");
    assert_eq!(scene.look(), ["2 c", "1 b", "2 d", "1 e"]);
}

#[test]
fn a_file_that_was_emptied_is_read_from_its_start() {
    let mut scene = Scene::new();
    scene.add("log", "a\nb\nhal");
    assert_eq!(scene.look(), ["1 a", "2 b"]);
    fs::write(scene.file("log"), "").unwrap();
    assert_eq!(scene.look(), ["3 hal File"]);
    scene.add("log", "c\n");
    assert_eq!(scene.look(), ["1 c"]);
}

#[test]
fn a_file_that_was_emptied_and_has_grown_beyond_is_read_from_its_start() {
    let mut scene = Scene::new();
    scene.add("log", "a\nb\n");
    assert_eq!(scene.look(), ["1 a", "2 b"]);
    fs::write(scene.file("log"), "longer than what was there\n").unwrap();
    assert_eq!(scene.look(), ["1 longer than what was there"]);
}

#[test]
fn a_line_that_a_moved_file_has_in_part_is_said_to_be_cut_off() {
    let mut scene = Scene::new();
    scene.add("log", "a\nhal");
    assert_eq!(scene.look(), ["1 a"]);
    scene.rename("log", "log.1");
    scene.add("log", "b\n");
    assert_eq!(scene.look(), ["2 hal File", "1 b"]);
}

#[test]
fn a_file_whose_name_is_free_is_read_on() {
    let mut scene = Scene::new();
    scene.add("log", "a\n");
    assert_eq!(scene.look(), ["1 a"]);
    fs::hard_link(scene.file("log"), scene.file("kept")).unwrap();
    fs::remove_file(scene.file("log")).unwrap();
    scene.add("kept", "b\n");
    assert_eq!(scene.look(), ["2 b"]);
    scene.add("log", "c\n");
    assert_eq!(scene.look(), ["1 c"]);
}

#[test]
fn what_is_left_behind_has_a_bound() {
    let mut scene = Scene::new();
    scene.add("log", "a\n");
    assert_eq!(scene.look(), ["1 a"]);
    for number in 0..2 * FILES_MAX {
        scene.rename("log", &format!("log.{number}"));
        scene.add("log", "");
        assert_eq!(scene.look(), [""; 0]);
    }
    assert!(scene.following.files.len() < FILES_MAX);
    scene.add("log", "b\n");
    assert_eq!(scene.look(), ["1 b"]);
}
