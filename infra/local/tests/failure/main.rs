//! The platform as real processes, when it is cut off, frozen or copied, and when its provider has a bad day: all ends
//! well or is refused in one clear line, and no process is left over or ended that was not the platform's own.
//!
//! One program, because the freeze has to outlast a lease: the other tests run meanwhile.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bad_day;
mod bystander;
mod copied_folder;
mod dice;
mod frozen;
mod household;
mod power_cut;
mod regional_outage;
mod remains;
#[path = "../support/mod.rs"]
mod support;

/// The built-in gateway, and ports of the system's choosing.
const STAND_IN: [&str; 4] = ["--gateway", "stand-in", "--port", "0"];
