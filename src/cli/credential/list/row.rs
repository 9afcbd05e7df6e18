//! A credential as a row of a table for a person.

use std::time::Duration;

use super::super::{class, span};
use crate::{
    admin::credentials::{AtHandTold, CredentialTold},
    config,
};

/// A credential, and what a gate says of it.
pub(super) struct Row<'s> {
    pub(super) credential: &'s config::Credential,
    pub(super) told: Option<&'s CredentialTold>,
}

/// The columns before the last, which is as long as it is.
const COLUMNS: usize = 5;

impl Row<'_> {
    fn cells(&self) -> [String; COLUMNS] {
        let Row { credential, told } = self;
        let role = told.and_then(|told| told.role.as_ref());
        [
            match role {
                Some(role) => format!("{}@{role}", credential.name),
                None => credential.name.to_string(),
            },
            class(credential).to_owned(),
            credential.source.name(),
            credential.binding.roles.join(","),
            match &credential.allow_static {
                Some(allowed) => format!("{} until {}", allowed.owner, allowed.rotate_by),
                None => "-".to_owned(),
            },
        ]
    }

    fn stands(&self) -> String {
        match self.told {
            Some(told) => stands(told),
            None => "-".to_owned(),
        }
    }
}

/// `17m old, 43m left; 3 fetched, 1 renewed`, and what goes wrong.
fn stands(told: &CredentialTold) -> String {
    let mut text = match &told.at_hand {
        Some(AtHandTold {
            age_s, remaining_s, ..
        }) => format!("{} old, {} left", seconds(*age_s), seconds(*remaining_s)),
        None => "not at hand".to_owned(),
    };
    let counts = [
        (told.fetched, "fetched"),
        (told.renewed, "renewed"),
        (told.failed, "failed"),
        (told.given_up, "given up"),
        (told.waited, "waited for it"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if !counts.is_empty() {
        text += &format!("; {}", counts.join(", "));
    }
    if let Some(failure) = &told.failure {
        let since = seconds(told.failing_s.unwrap_or_default());
        text += &format!("; failing for {since}: {failure}");
    }
    text
}

fn seconds(seconds: u64) -> String {
    span(Duration::from_secs(seconds))
}

/// All rows, each column as wide as its widest cell.
pub(super) fn table(rows: Vec<Row<'_>>) -> String {
    let rows: Vec<_> = rows.iter().map(|row| (row.cells(), row.stands())).collect();
    let mut widths = [0; COLUMNS];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |(cells, last): (_, String)| padded(cells, widths) + &last + "\n";
    rows.into_iter().map(line).collect()
}

fn padded(cells: [String; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let cells = cells.iter().zip(widths);
    cells
        .map(|(cell, width)| format!("{cell:width$}  "))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gate_tells_is_one_line_with_what_goes_wrong_last() {
        let mut told = CredentialTold {
            name: "queues".into(),
            role: None,
            at_hand: Some(AtHandTold {
                class: "dynamic".into(),
                lease: "a0c716d10fb94d9b".into(),
                age_s: 1020,
                remaining_s: 2580,
                expires: "2026-11-25T17:00:51Z".into(),
            }),
            failure: Some("vault: it is sealed or in maintenance".into()),
            failing_s: Some(40),
            fetched: 3,
            failed: 2,
            renewed: 1,
            waited: 1,
            made: 3,
            given_up: 0,
        };
        assert_eq!(
            stands(&told),
            "17m old, 43m left; 3 fetched, 1 renewed, 2 failed, 1 waited for it; \
             failing for 40s: vault: it is sealed or in maintenance"
        );
        (told.at_hand, told.failure) = (None, None);
        (told.fetched, told.renewed, told.failed, told.waited) = (0, 0, 0, 0);
        assert_eq!(stands(&told), "not at hand");
    }
}
