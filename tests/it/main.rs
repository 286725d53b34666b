//! The rooms of the workspace together: functions and workers on simulated AWS and Fly.io, by a clock that is moved by hand.
//!
//! What one crate can be asked alone is asked in that crate. Here are the workers on a real store, the whole way of an instance from the
//! API to its machine and back, and what holds for the workspace as a whole.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod architecture;
mod checking;
mod document;
mod events;
mod health;
mod incidents;
mod journey;
mod ledger;
mod notifying;
mod poison;
mod provider;
mod running;
mod support;
mod sweeping;
mod template;
