//! Machines as real processes: small shell scripts, real signals, real folders.

#![allow(clippy::unwrap_used, reason = "the lint exempts tests, but not the functions that tests share")]

mod boots;
mod disks;
mod ends;
mod exec;
mod health;
mod logs;
mod predecessors;
mod support;
mod suspend;
