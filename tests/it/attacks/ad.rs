//! The admin listener and the settings.
