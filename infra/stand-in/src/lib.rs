//! A small gateway that stands in for OpenClaw and Clawdbot where npm or time is missing: in ordinary tests, and in the demo.
//!
//! It is as strict as the real ones, because a lenient stand-in hides what breaks with them: the same command line and environment, the
//! same refusal of configurations with the same texts and exit codes, the same health paths, rules for forwarded headers and WebSocket
//! handshake, the same end on SIGTERM. Its answers were taken from the programs. What it does not do is think: there is no agent, no
//! channel and no model in it, and it takes a device's signature on trust.
//!
//! Beyond them it remembers things in the state folder (`standin.remember`, `standin.recall`, `standin.boots`), so that a test can see
//! what survived, and misbehaves when told to ([`Steering`]).

mod arguments;
mod configuration;
mod doctor;
mod frames;
mod http;
mod memory;
mod page;
mod proxy;
mod serve;
mod session;
mod socket;
mod steering;

pub use arguments::{Arguments, program};
pub use serve::{run, serve};
pub use steering::Steering;
