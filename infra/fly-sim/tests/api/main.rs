//! The API as a client meets it, over virtual machines and, where time matters, on tokio's paused clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails, also in its helpers")]

mod apps;
mod capacity;
mod certificates;
mod chance;
mod durable;
mod faults;
mod fly_go;
mod harness;
mod hostile;
mod hosts;
mod inside;
mod leases;
mod life;
mod listing;
mod machines;
mod metadata;
mod migration;
mod network;
mod restart;
mod secrets;
mod snapshots;
mod volumes;
mod wait;
