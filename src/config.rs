//! The settings.

mod file;
mod mistake;
mod scalar;
mod value;
