use super::{Fault, Reason};

/// Code, status and fault of a row of README's table of refusals; rows of other tables are none.
fn row(line: &str) -> Option<(&str, u16, &str)> {
    let mut cells = line.split('|').map(str::trim).skip(1);
    let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    Some((code, cells.next()?.parse().ok()?, cells.next()?))
}

fn word(fault: Fault) -> &'static str {
    match fault {
        Fault::Caller => "caller",
        Fault::Request => "request",
        Fault::Policy => "policy",
        Fault::Limit => "limit",
        Fault::Ourselves => "gate",
        Fault::Upstream => "upstream",
    }
}

#[test]
fn the_readme_lists_every_reason_and_no_other() {
    let readme = include_str!("../../README.md");
    let listed: Vec<_> = readme.lines().filter_map(row).collect();
    let reasons = Reason::ALL
        .iter()
        .map(|reason| (reason.code(), reason.status(), word(reason.fault())));
    assert_eq!(listed, reasons.collect::<Vec<_>>());
}
