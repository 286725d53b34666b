//! Machines as real processes: small shell scripts, real signals, real folders.

mod boots;
mod ends;
mod health;
mod logs;
mod predecessors;
mod support;
