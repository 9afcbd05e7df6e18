//! How many descriptors the process may have open, and how many connections fit into them.
//!
//! A gate that runs out of descriptors refuses calls for reasons that are no agent's, so it takes no more connections
//! than it can serve, whatever the settings say.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy::TURNED_AWAY_MAX;

/// Handshakes that may be unfinished at a time.
const HANDSHAKES_MAX: u64 = 512;
/// Of a small number of descriptors, handshakes have this part.
const HANDSHAKES_PART: u64 = 4;
/// What a connection may need: its own, the one to its call's upstream, and one that rests or asks for a name.
const PER_CONNECTION: u64 = 3;
/// What the gate needs besides: the log, listeners, signals, Vault, and connections that are turned away.
const OWN: u64 = 64 + TURNED_AWAY_MAX as u64;

/// How many connections of each kind there may be at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fitting {
    /// Of agents that are served, at least one.
    pub(super) connections_max: u32,
    /// Whose handshakes are unfinished, at least one.
    pub(super) handshakes_max: usize,
}

impl Fitting {
    /// As many of `connections` as fit into the descriptors that the process may have.
    pub(super) fn into_the_process(connections: u32) -> Fitting {
        let descriptors = raised();
        let fitting = Fitting::into(descriptors, connections);
        if fitting.connections_max < connections {
            tracing::warn!(
                "connections: {connections} do not fit into {descriptors} descriptors; {} are taken at a time (raise \
                 the limit: `ulimit -n`, or LimitNOFILE in a unit)",
                fitting.connections_max
            );
        }
        fitting
    }

    fn into(descriptors: u64, connections: u32) -> Fitting {
        let agents = descriptors.saturating_sub(OWN);
        let handshakes = (agents / HANDSHAKES_PART).clamp(1, HANDSHAKES_MAX);
        let fit = agents.saturating_sub(handshakes) / PER_CONNECTION;
        let fit = u32::try_from(fit).unwrap_or(u32::MAX).max(1);
        Fitting {
            connections_max: connections.min(fit),
            handshakes_max: usize::try_from(handshakes).unwrap_or(1),
        }
    }
}

/// Raises what the process may have to the most that it may ask for; the answer is how many that is.
fn raised() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let asked = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, asked) {
        Ok(()) => maximum.unwrap_or(u64::MAX),
        Err(_) => current.unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_as_many_as_the_settings_say_or_as_fit() {
        let fitting = |descriptors, connections| {
            let fitting = Fitting::into(descriptors, connections);
            (fitting.connections_max, fitting.handshakes_max)
        };
        assert_eq!(fitting(65_536, 4096), (4096, 512));
        assert_eq!(fitting(u64::MAX, 1 << 20), (1 << 20, 512));
        assert_eq!(fitting(1024, 4096), (224, 224));
        assert_eq!(fitting(256, 4096), (32, 32));
        assert_eq!(fitting(64, 4096), (1, 1));
    }
}
