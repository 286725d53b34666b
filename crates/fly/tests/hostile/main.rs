//! Answers that Fly.io should never give, and gives on a bad day, or that something in between gives in its place.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod answers;
mod calls;
mod floods;
mod ports;
#[allow(dead_code, reason = "it serves other tests too")]
#[path = "../it/scripted.rs"]
mod scripted;
mod server;
