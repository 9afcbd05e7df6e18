//! Another meaning than the rule's: method overrides, batches, upgrades.
