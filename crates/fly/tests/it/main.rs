//! The client and the provider against a scripted server and against the simulated Fly.io.

mod client;
mod scripted;
