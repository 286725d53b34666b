//! What the tests stand on.

mod alarms;
mod bench;
mod fleet;
mod stage;
mod supervisors;

pub(crate) use bench::Bench;
pub(crate) use fleet::{Fleet, checks};
pub(crate) use stage::{Stage, alice};
pub(crate) use supervisors::{Mood, Supervisors};
