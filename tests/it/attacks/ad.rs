//! The admin listener and the settings.

mod listener;
mod settings;
