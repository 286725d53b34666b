//! The supervisor as a real process, with real gateways' stand-ins, real sockets and a folder for a machine.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod doctor;
mod ending;
mod entering;
mod keeping;
mod ordering;
mod proxying;
mod support;
mod volume;
