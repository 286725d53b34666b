//! The edge: real sockets on both sides, a machine's program played by the test.

mod requests;
mod simulated;
mod support;
mod websockets;
