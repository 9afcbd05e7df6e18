//! How a call that was made ended, and why a connection was cut off under it.

use std::sync::{Arc, OnceLock};

/// How a call that was made ended: the word of its event and of its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its answer went back whole.
    Complete,
    /// The upstream broke off.
    UpstreamAborted,
    /// The upstream stood still for too long.
    UpstreamIdle,
    /// The agent went away.
    Aborted,
    /// The settings changed, or a day ended, and it was no longer allowed.
    AccessWithdrawn,
    /// Every place for connections was taken, its agent had more than its part, and another one had less.
    MadeWay,
    /// The gate was told to end, and the time for open calls was over.
    DrainDeadline,
    /// The gate was told to end at once.
    DrainAtOnce,
    /// A defect of the gate's own ended it.
    Defect,
}

impl Outcome {
    /// The word of events and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Complete => "complete",
            Outcome::UpstreamAborted => "upstream_aborted",
            Outcome::UpstreamIdle => "upstream_idle",
            Outcome::Aborted => "aborted",
            Outcome::AccessWithdrawn => "access_withdrawn",
            Outcome::MadeWay => "made_way",
            Outcome::DrainDeadline => "drain_deadline",
            Outcome::DrainAtOnce => "drain_at_once",
            Outcome::Defect => "defect",
        }
    }
}

/// Why what is open was cut off, if it was the gate that did so: set before it is dropped, so that the drop, which
/// writes the last event of a call, knows. The first word stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cut {
    here: Arc<OnceLock<Outcome>>,
    /// Of all that this is a part of.
    around: Option<Arc<OnceLock<Outcome>>>,
}

impl Cut {
    /// A part of what `self` stands for, which can be cut off alone and is cut off with the whole.
    pub(crate) fn part(&self) -> Cut {
        Cut {
            here: Arc::default(),
            around: Some(self.here.clone()),
        }
    }

    /// Tells why what is open is about to be cut off.
    pub(crate) fn tell(&self, outcome: Outcome) {
        let _the_first_word_stays = self.here.set(outcome);
    }

    /// How a call ended that nobody closed: as it was cut off, or else because the agent went away.
    pub(crate) fn outcome(&self) -> Outcome {
        let around = self.around.as_ref().and_then(|around| around.get());
        let why = self.here.get().or(around);
        why.copied().unwrap_or(Outcome::Aborted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_off_with_the_whole_or_alone() {
        let whole = Cut::default();
        let (one, other) = (whole.part(), whole.part());
        one.tell(Outcome::DrainAtOnce);
        assert_eq!(
            (one.outcome(), other.outcome()),
            (Outcome::DrainAtOnce, Outcome::Aborted)
        );
        whole.tell(Outcome::DrainDeadline);
        assert_eq!(
            (one.outcome(), other.outcome()),
            (Outcome::DrainAtOnce, Outcome::DrainDeadline)
        );
    }
}
