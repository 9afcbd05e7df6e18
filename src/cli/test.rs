//! `tollgate test`: whether the settings answer a table of calls as they are expected to.
//!
//! A case that differs is told on stdout with its place and the explanation of the answer that it got, a rule that no
//! case touches in a note. Nothing is called: the answers are those of `explain`.
#![allow(clippy::print_stderr, reason = "the command line speaks on stderr")]

use std::{collections::HashSet, fmt::Write, path::PathBuf};

use clap::Args;
use time::{Date, OffsetDateTime};

use super::{Failure, check, explain};
use crate::{
    config::{self, Case, Expected, Mistakes, Settings},
    explain::{Call, Explanation},
};

/// What `test` is told.
#[derive(Args)]
pub(crate) struct Test {
    /// The main settings file; the others are found from it.
    #[arg(long, value_name = "FILE", default_value = "config/tollgate.yaml")]
    config: PathBuf,
    /// The table: a list of {as, method, url, expect}, and if it matters {name, rule, credential, on}.
    #[arg(value_name = "FILE")]
    table: PathBuf,
}

/// Asks every call of the table and compares the answers.
///
/// # Errors
/// [`Failure::Run`] if an answer differs, [`Failure::Usage`] if settings or table have a mistake.
pub(crate) fn run(test: &Test) -> Result<(), Failure> {
    let today = OffsetDateTime::now_utc().date();
    let (settings, cases) = read(test, today)?;
    let mut outcome = Outcome::default();
    for case in &cases {
        outcome.add(case, &settings, today);
    }
    outcome.note_untouched(&settings);
    explain::print(&outcome.text)?;
    let told = outcome.counts(cases.len());
    if outcome.differing == 0 {
        eprintln!("tollgate: {told}");
        return Ok(());
    }
    Err(Failure::Run(told))
}

/// Settings and table, or the mistakes of both.
fn read(test: &Test, today: Date) -> Result<(Settings, Vec<Case>), Failure> {
    match (
        config::load(&test.config, today),
        config::cases(&test.table),
    ) {
        (Ok(settings), Ok(cases)) => Ok((settings, cases)),
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => Err(check::report(wrong)),
        (Err(settings), Err(table)) => Err(check::report(Mistakes {
            mistakes: [settings.mistakes, table.mistakes].concat(),
            warnings: settings.warnings,
        })),
    }
}

/// What came of the cases so far.
#[derive(Default)]
struct Outcome {
    text: String,
    differing: usize,
    /// Role and rule of every decision.
    touched: HashSet<(Box<str>, Box<str>)>,
    roles: HashSet<Box<str>>,
}

impl Outcome {
    fn add(&mut self, case: &Case, settings: &Settings, today: Date) {
        let call = Call {
            caller: case.caller.clone(),
            spelled: case.spelled.clone(),
        };
        let explanation = Explanation::of(settings, &call, case.on.unwrap_or(today));
        if let Some(role) = explanation.role() {
            self.roles.insert((&*role.name).into());
            let rule = explanation.rule();
            let decided = rule.map(|rule| ((&*role.name).into(), (&*rule.name).into()));
            self.touched.extend(decided);
        }
        let Some(difference) = difference(case, &explanation) else {
            return;
        };
        self.differing += 1;
        let name = case.name.as_ref().map(|name| format!("{name}: "));
        let name = name.unwrap_or_default();
        self.line(format_args!("{}: {name}{difference}", case.at));
        for line in explanation.to_string().lines() {
            self.line(format_args!("    {line}"));
        }
    }

    /// Names the rules that no case touches, of the roles in which some case acts.
    fn note_untouched(&mut self, settings: &Settings) {
        let roles = settings.roles.iter();
        let tested: Vec<_> = roles
            .filter(|role| self.roles.contains(&*role.name))
            .collect();
        for role in tested {
            for rule in role.rules() {
                let key = ((&*role.name).into(), (&*rule.name).into());
                if !self.touched.contains(&key) {
                    let (file, line) = (&rule.written.file, rule.written.line);
                    let name = &rule.name;
                    self.line(format_args!(
                        "note: {file}:{line}: no case touches the rule {name}"
                    ));
                }
            }
        }
    }

    fn counts(&self, cases: usize) -> String {
        let as_expected = cases - self.differing;
        let word = if cases == 1 { "case" } else { "cases" };
        match self.differing {
            0 => format!("{cases} {word}, all as expected"),
            differing => format!("{cases} {word}, {as_expected} as expected, {differing} not"),
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// What of the answer is not as expected, if anything is.
fn difference(case: &Case, explanation: &Explanation<'_>) -> Option<String> {
    let reason = explanation.reason();
    let answered = match (case.expected, reason) {
        (Expected::Allow, None) | (Expected::Deny, Some(_)) => true,
        (Expected::Because(expected), Some(reason)) => expected == reason,
        (Expected::Allow, Some(_)) | (Expected::Deny | Expected::Because(_), None) => false,
    };
    if !answered {
        let answer = reason.map_or("allow", |reason| reason.code());
        let expected = case.expected.as_str();
        return Some(format!("{expected} is expected, the answer is {answer}"));
    }
    let rule = explanation.rule().map(|rule| &*rule.name);
    if let Some(expected) = &case.rule
        && rule != Some(&**expected)
    {
        let decided = rule.unwrap_or("none");
        return Some(format!(
            "the rule {expected} is expected, {decided} decided"
        ));
    }
    let credential = explanation.credential().map(|linked| &*linked.name);
    let expected = case.credential.as_ref()?.as_deref();
    (expected != credential).then(|| {
        let [expected, credential] = [expected, credential].map(|name| name.unwrap_or("none"));
        format!("the credential {expected} is expected, the call has {credential}")
    })
}
