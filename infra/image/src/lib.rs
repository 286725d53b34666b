//! Installs the pinned gateways: on a laptop for `cargo run`, and in the Dockerfile beside this crate for Fly.io. Both get the same files.
//!
//! The gateways are npm packages. What is installed is decided by `pins.toml` and the committed lockfiles alone, each package held by its
//! digest. The only thing taken from the system is some npm, to fetch the pinned Node.js and npm with.
//!
//! This crate starts no gateway for anybody to use and knows nothing about machines: it returns the argv prefix that starts one.

mod disk;
mod error;
mod install;
mod layout;
mod npm;
mod progress;
mod recipe;
mod warm;

pub use error::InstallError;
pub use install::{Installed, install, installed};
pub use progress::{Bar, Phase, Progress, Silent};
