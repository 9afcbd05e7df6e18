//! How long things took, sorted into a few fixed steps.

use super::tally::Counter;

/// Durations by steps: an observation is two additions.
#[derive(Debug)]
pub(crate) struct Histogram {
    /// The longest duration of each step, in microseconds, growing.
    steps_us: &'static [u64],
    /// What was counted in each step, and above the last.
    counts: Box<[Counter]>,
    sum_us: Counter,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Observed {
    /// The sum of all durations, in seconds.
    pub(crate) sum_s: f64,
    /// How many there were.
    pub(crate) count: u64,
    /// The longest duration of each step in seconds, infinity at the end, and how many there were in it.
    pub(crate) steps: Vec<(f64, u64)>,
}

impl Histogram {
    /// A histogram with these steps.
    pub(super) fn new(steps_us: &'static [u64]) -> Histogram {
        Histogram {
            steps_us,
            counts: (0..=steps_us.len()).map(|_| Counter::default()).collect(),
            sum_us: Counter::default(),
        }
    }

    /// Counts one duration.
    pub(crate) fn observe(&self, took_us: u64) {
        let step = self.steps_us.partition_point(|longest| *longest < took_us);
        if let Some(count) = self.counts.get(step) {
            count.count();
        }
        self.sum_us.add(took_us);
    }

    /// What was observed so far.
    pub(crate) fn so_far(&self) -> Observed {
        let longest = self.steps_us.iter().map(|us| seconds(*us));
        let steps: Vec<_> = longest
            .chain([f64::INFINITY])
            .zip(self.counts.iter().map(Counter::so_far))
            .collect();
        Observed {
            sum_s: seconds(self.sum_us.so_far()),
            count: steps.iter().map(|(_, count)| count).sum(),
            steps,
        }
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
