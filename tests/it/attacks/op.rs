//! Failing parts: full disks, jumping clocks, signals.
