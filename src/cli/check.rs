//! `tollgate check`: what is wrong in the settings, all of it, without starting anything.
//!
//! One line a mistake on stdout, `file:line:column: what is wrong; what would be right`, as editors and reviews
//! take it; warnings follow, with `warning:` before them, and then every credential that does not end by itself, with
//! `static:` and who answers for it. It reads the settings as `serve` does and opens none of the files that they name:
//! that one is missing, or open to those whom it should not be, is a warning, since it may be as it should only where
//! the gate runs.
#![allow(clippy::print_stderr, reason = "the command line speaks on stderr")]

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use time::{Date, OffsetDateTime};

use super::Failure;
use crate::{
    config::{self, AllowStatic, Holds, Mistake, Mistakes, NamedFile, Settings},
    regular,
    secret::Exposure,
};

/// What `check` is told.
#[derive(Args)]
pub(crate) struct Check {
    /// The main settings file; the others are found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    pub(crate) config: PathBuf,
}

/// Prints every mistake, every warning and every static credential, and how many there are.
///
/// # Errors
/// [`Failure::Usage`] if there is a mistake; warnings alone are none.
pub(crate) fn run(check: &Check) -> Result<(), Failure> {
    let found = Found::in_settings(&check.config, OffsetDateTime::now_utc().date());
    let printed = found.print(&mut io::stdout().lock());
    printed.map_err(|error| Failure::Run(format!("cannot write to stdout: {error}")))?;
    if found.mistakes.is_empty() {
        eprintln!("tollgate: {}", found.counts());
        return Ok(());
    }
    Err(Failure::Usage(found.counts()))
}

/// Says settings that do not load as `check` says them.
pub(super) fn report(Mistakes { mistakes, warnings }: Mistakes) -> Failure {
    let found = Found {
        mistakes,
        warnings,
        catalogue: None,
    };
    match found.print(&mut io::stdout().lock()) {
        Ok(()) => Failure::Usage(found.counts()),
        Err(error) => Failure::Run(format!("cannot write to stdout: {error}")),
    }
}

/// What was found in the settings.
struct Found {
    mistakes: Vec<Mistake>,
    warnings: Vec<Mistake>,
    /// Known only without a mistake.
    catalogue: Option<Catalogue>,
}

type Catalogue = BTreeMap<Arc<str>, Arc<config::Credential>>;

impl Found {
    fn in_settings(path: &Path, today: Date) -> Found {
        match config::load(path, today) {
            Ok(mut settings) => Found {
                mistakes: Vec::new(),
                catalogue: Some(std::mem::take(&mut settings.credentials)),
                warnings: with_named_files(settings),
            },
            Err(Mistakes { mistakes, warnings }) => Found {
                mistakes,
                warnings,
                catalogue: None,
            },
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for mistake in &self.mistakes {
            writeln!(out, "{mistake}")?;
        }
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for (credential, allowed) in self.statics() {
            writeln!(
                out,
                "static: {}: {} is {}; {} answers for it until {}",
                allowed.place,
                credential.name,
                credential.source.name(),
                allowed.owner,
                allowed.rotate_by
            )?;
        }
        Ok(())
    }

    /// The credentials that do not end by themselves.
    fn statics(&self) -> impl Iterator<Item = (&config::Credential, &AllowStatic)> {
        let credentials = self.catalogue.iter().flat_map(BTreeMap::values);
        credentials
            .filter_map(|credential| Some((&**credential, credential.allow_static.as_ref()?)))
    }

    fn counts(&self) -> String {
        let count = |number: usize, one: &str| match number {
            0 => format!("no {one}s"),
            1 => format!("1 {one}"),
            _ => format!("{number} {one}s"),
        };
        let mistakes = count(self.mistakes.len(), "mistake");
        let warnings = count(self.warnings.len(), "warning");
        match self.catalogue.as_ref().map(BTreeMap::len) {
            None | Some(0) => format!("{mistakes}, {warnings}"),
            Some(all) => {
                let are = match self.statics().count() {
                    0 => format!("none of {all} credentials is static"),
                    1 => format!("1 of {all} credentials is static"),
                    number => format!("{number} of {all} credentials are static"),
                };
                format!("{mistakes}, {warnings}; {are}")
            }
        }
    }
}

/// The warnings of `settings`, and one for every file that they name and the gate would not take, by place.
fn with_named_files(settings: Settings) -> Vec<Mistake> {
    let unfit = settings.files.into_iter().filter_map(unfit);
    let mut warnings: Vec<Mistake> = settings.warnings.into_iter().chain(unfit).collect();
    warnings.sort();
    warnings
}

/// Why the gate would not start with a file, as far as that can be seen without opening it. Whose it is, is not held
/// against it: who checks may be another user than the gate's.
fn unfit(file: NamedFile) -> Option<Mistake> {
    let NamedFile { path, place, holds } = file;
    let Ok(seen) = fs::metadata(&path) else {
        let (missing, instead) = match holds {
            Holds::Settings | Holds::Secret => (&*path, "the gate needs it when it starts"),
            Holds::State => (
                regular::directory_of(&path),
                "the gate makes the file, and not its directory",
            ),
        };
        return (missing == path || !missing.is_dir()).then(|| Mistake {
            place,
            what: format!("{} is not there", missing.display()),
            instead: instead.to_owned(),
        });
    };
    let exposure = Exposure::of(&seen).filter(|_| holds != Holds::Settings);
    let why = match (exposure, regular::open_to_all(&path, &seen)) {
        (Some(exposure @ Exposure::OpenToOthers { .. }), _) => exposure.to_string(),
        (_, Ok(Some(open_to_all))) => open_to_all.to_string(),
        (_, _) => return None,
    };
    Some(Mistake {
        place,
        what: format!("{}: {why}", path.display()),
        instead: "the gate does not take it like this".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use time::macros::date;

    use super::*;

    fn printed(path: &str) -> String {
        let found = Found::in_settings(Path::new(path), date!(2026 - 11 - 22));
        let mut out = Vec::new();
        found.print(&mut out).unwrap();
        format!("{}{}", String::from_utf8(out).unwrap(), found.counts())
    }

    /// What is said of settings with this part, whose key is not there.
    fn printed_of(directory: &tempfile::TempDir, part: &str) -> String {
        let settings = "\
listen: 127.0.0.1:0
certificate: {chain: gate.crt, key: gate.key}
trust_domains: {example.org: {bundle: gate.crt}}
interception: {ca: gate.crt, key: gate.key}
";
        std::fs::create_dir_all(directory.path().join("roles")).unwrap();
        for (file, text) in [
            ("tollgate.yaml", &*format!("{settings}{part}")),
            ("credentials.yaml", ""),
            ("gate.crt", ""),
        ] {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let path = directory.path().join("tollgate.yaml");
        let printed = printed(path.to_str().unwrap());
        printed.replace(&format!("{}/", directory.path().display()), "")
    }

    fn run_on(path: &str) -> Result<(), Failure> {
        run(&Check {
            config: PathBuf::from(path),
        })
    }

    #[test]
    fn the_shipped_settings_have_no_mistake() {
        assert_eq!(run_on("config/tollgate.yaml"), Ok(()));
    }

    #[test]
    fn a_file_that_is_not_there_is_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        insta::assert_snapshot!(printed_of(&directory, ""), @r#"
        warning: tollgate.yaml:2:37: gate.key is not there; the gate needs it when it starts
        warning: tollgate.yaml:4:35: gate.key is not there; the gate needs it when it starts
        no mistakes, 2 warnings
        "#);
    }

    #[test]
    fn a_file_that_the_gate_writes_may_be_missing_but_not_its_directory_and_is_not_open_to_others()
    {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("open"), "").unwrap();
        let mode = Permissions::from_mode(0o640);
        std::fs::set_permissions(directory.path().join("open"), mode).unwrap();
        let said = |state: &str| {
            let vault = format!(
                "vault: {{address: https://vault.test, ca: gate.crt, kubernetes: {{role: a}}, state: {state}}}\n"
            );
            printed_of(&directory, &vault)
        };
        assert!(!said("tokens").contains("tokens"), "{}", said("tokens"));
        let nowhere = "none is not there; the gate makes the file, and not its directory";
        assert!(
            said("none/tokens").contains(nowhere),
            "{}",
            said("none/tokens")
        );
        let open = "open: its mode 0640 lets others at it";
        assert!(said("open").contains(open), "{}", said("open"));
    }

    #[test]
    fn every_static_credential_is_a_line_with_who_answers_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let shipped = std::fs::read_to_string("config/tollgate.yaml").unwrap();
        let role = std::fs::read_to_string("config/roles/triage.yaml").unwrap();
        let catalogue = "\
github-triage:
  roles: [triage]
  hosts: [api.github.com]
  vault: {kv2: secret, path: github/triage, field: token}
  place: {header: Authorization, value: \"Bearer {token}\"}
  max_ttl: 1h
  allow_static: {owner: platform-ai@example.com, rotate_by: 2027-01-31}
pages:
  roles: [triage]
  hosts: [api.github.com]
  file: /nowhere/pages
  place: {header: Authorization, value: \"Bearer {token}\"}
  max_ttl: 1h
  allow_static: {owner: web@example.com, rotate_by: 2026-10-31}
queues:
  roles: [triage]
  hosts: [api.github.com]
  vault: {rabbitmq: rabbitmq, role: reader}
  place: {basic: {user: \"{username}\", password: \"{password}\"}}
  max_ttl: 1h
";
        std::fs::create_dir(directory.path().join("roles")).unwrap();
        for (file, text) in [
            ("tollgate.yaml", &*shipped),
            ("credentials.yaml", catalogue),
            ("roles/triage.yaml", &*role),
            ("revoked", ""),
        ] {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let path = directory.path().join("tollgate.yaml");
        let printed = printed(path.to_str().unwrap());
        let printed = printed.replace(&format!("{}/", directory.path().display()), "");
        let told = |line: &&str| !line.contains("is not there");
        let printed: Vec<_> = printed.lines().filter(told).collect();
        insta::assert_snapshot!(printed.join("\n"), @r#"
        warning: credentials.yaml:8:1: no rule names the credential "pages"; take it away if nobody needs it
        warning: credentials.yaml:14:53: this credential was to be replaced by 2026-10-31; replace the value and move the date
        warning: credentials.yaml:15:1: no rule names the credential "queues"; take it away if nobody needs it
        static: credentials.yaml:7:17: github-triage is vault:secret/github/triage#token; platform-ai@example.com answers for it until 2027-01-31
        static: credentials.yaml:14:17: pages is file:/nowhere/pages; web@example.com answers for it until 2026-10-31
        no mistakes, 12 warnings; 2 of 3 credentials are static
        "#);
    }

    #[test]
    fn every_mistake_is_a_line_and_the_answer_is_wrong_settings() {
        let path = "tests/fixtures/twelve-mistakes-in-three-files/tollgate.yaml";
        let printed = printed(path);
        assert_eq!(printed.lines().count(), 13, "{printed}");
        assert!(printed.ends_with("\n12 mistakes, no warnings"), "{printed}");
        let failure = Failure::Usage("12 mistakes, no warnings".into());
        assert_eq!(run_on(path), Err(failure));
    }

    #[test]
    fn settings_that_are_not_there_are_one_mistake() {
        insta::assert_snapshot!(printed("config/nowhere.yaml"), @r#"
        config/nowhere.yaml:1:1: cannot read this file: No such file or directory (os error 2); it must be there and readable
        1 mistake, no warnings
        "#);
    }
}
