//! The client and the provider against a scripted server and against the simulated Fly.io.

#![allow(clippy::unwrap_used, reason = "all of this binary is tests; the lint's own exception knows only the functions marked as such")]

mod client;
mod conformance;
mod provider;
mod scripted;
mod simulated;
