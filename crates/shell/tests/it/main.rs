//! The composition root's parts, on simulated services.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod aws;
mod http;
mod queues;
mod records;
mod secrets;
