//! What the tests stand on.

pub(crate) mod alarms;
mod bench;
mod fleet;
mod seeding;
mod stage;
mod supervisors;
mod time;

pub(crate) use bench::Bench;
pub(crate) use fleet::{Fleet, checks};
pub(crate) use seeding::Seeding;
pub(crate) use stage::{Stage, alice};
pub(crate) use supervisors::{Mood, Supervisors};
pub(crate) use time::VirtualClock;
