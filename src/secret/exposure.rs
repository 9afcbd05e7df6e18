//! Whether a file that holds a secret is for its owner alone, and the owner somebody who may know it.

use std::{fmt, fs::Metadata, os::unix::fs::MetadataExt};

use procfs::process::Process;

/// What makes a secret in a file known to others, or theirs to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Group or others can reach it; the mode is the file's permission bits.
    OpenToOthers {
        /// The permission bits.
        mode: u32,
    },
    /// It belongs to another user, who can change it.
    ForeignOwner {
        /// The user it belongs to.
        uid: u32,
    },
    /// The system does not say who we are.
    UnknownUser,
}

impl Exposure {
    /// What exposes a file that was seen like this; nothing if only its owner may reach it, and the owner is this
    /// process's user or root.
    pub(crate) fn of(seen: &Metadata) -> Option<Exposure> {
        match own_uid() {
            Some(own_uid) => exposure(seen.mode(), (seen.uid(), seen.gid()), own_uid),
            None => Some(Exposure::UnknownUser),
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exposure::OpenToOthers { mode } => write!(
                f,
                "its mode {mode:04o} lets others at it; make it 0600 or 0400"
            ),
            Exposure::ForeignOwner { uid } => write!(
                f,
                "it belongs to user {uid}; it must belong to the user of this process or to root"
            ),
            Exposure::UnknownUser => {
                f.write_str("the system does not say which user this process runs as")
            }
        }
    }
}

fn exposure(mode: u32, (owner, group): (u32, u32), own_uid: u32) -> Option<Exposure> {
    if open_to_others(mode, owner, group) {
        let mode = mode & 0o7777;
        return Some(Exposure::OpenToOthers { mode });
    }
    (owner != own_uid && owner != 0).then_some(Exposure::ForeignOwner { uid: owner })
}

/// Whether a file of this mode, owner and group lets anybody at it but its owner and root.
///
/// systemd hands a unit its credentials as files of root's, mode 0440, with an access list that names the unit's user:
/// what looks like the group's right to read is that list's (systemd issue 29435).
fn open_to_others(mode: u32, owner: u32, group: u32) -> bool {
    let of_the_service_manager = mode & 0o777 == 0o440 && (owner, group) == (0, 0);
    mode & 0o077 != 0 && !of_the_service_manager
}

/// The user whose rights this process has. Not asked of `/proc/self` itself, which belongs to root when the process
/// forbids dumps of its memory.
fn own_uid() -> Option<u32> {
    let status = Process::myself().and_then(|process| process.status());
    status.map(|status| status.euid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_or_one_that_systemd_made() {
        assert!(!open_to_others(0o100_600, 1000, 1000));
        assert!(!open_to_others(0o100_400, 0, 0));
        assert!(!open_to_others(0o100_440, 0, 0));
        for (mode, owner, group) in [
            (0o440, 0, 1000),
            (0o440, 1000, 0),
            (0o640, 0, 0),
            (0o444, 0, 0),
            (0o601, 0, 0),
        ] {
            assert!(
                open_to_others(mode, owner, group),
                "{mode:o} {owner}:{group}"
            );
        }
    }

    #[test]
    fn the_owner_is_the_gates_user_or_root() {
        assert_eq!(exposure(0o100_600, (1000, 1000), 1000), None);
        assert_eq!(exposure(0o100_400, (0, 0), 1000), None);
        let foreign = Some(Exposure::ForeignOwner { uid: 1001 });
        assert_eq!(exposure(0o100_600, (1001, 1000), 1000), foreign);
        assert_eq!(exposure(0o100_600, (1001, 0), 0), foreign);
    }
}
