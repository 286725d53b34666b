//! The platform with the real gateways, from npm, and a real browser: `cargo test -p local --features real-gateway --test real`.
//!
//! Gateways and browser are fetched into `target/` and stay there. Here a missing npm is a failure: nothing stands in.

mod browser;
mod clawdbot;
mod client;
mod doctor;
mod house;
#[path = "../../examples/start_time/measure.rs"]
mod measure;
mod openclaw;
mod power_cut;
mod refused;
mod start_time;
#[path = "../support/mod.rs"]
mod support;
