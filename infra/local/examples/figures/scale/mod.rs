//! The figures of a fleet. They take minutes, so each is measured only where it is named.

pub(crate) mod burst;
pub(crate) mod checks;
pub(crate) mod crowd;
mod fill;
pub(crate) mod growth;
mod plot;
mod spent;
mod stamped;
pub(crate) mod steps;
pub(crate) mod supervisor;
mod targets;
