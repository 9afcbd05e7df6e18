//! CPU time and memory of a process and its descendants, from `/proc`.

use std::{collections::HashMap, fs};

/// Clock ticks a second: fixed in Linux's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU time, of children that have ended too.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let ticks = tree(pid)
        .into_iter()
        .filter_map(|pid| stat(pid).map(|stat| stat.ticks));
    ticks.sum::<u64>() as f64 / TICKS_PER_SECOND
}

/// KiB resident; what several processes share counts for each.
pub(crate) fn memory_kib(pid: u32) -> u64 {
    let resident = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    tree(pid).into_iter().filter_map(resident).sum()
}

struct Stat {
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the parenthesis may hold anything.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let times = fields
        .get(11..15)?
        .iter()
        .filter_map(|ticks| ticks.parse::<u64>().ok());
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        ticks: times.sum(),
    })
}

fn tree(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for entry in entries {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut tree = vec![pid];
    let mut at = 0;
    while let Some(pid) = tree.get(at) {
        tree.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    tree
}
