//! The edge: real sockets on both sides, a machine's program played by the test.

#![allow(clippy::unwrap_used, reason = "the lint exempts tests, but not the functions that tests share")]

mod requests;
mod simulated;
mod support;
mod websockets;
