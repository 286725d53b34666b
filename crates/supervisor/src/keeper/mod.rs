//! Keeps the gateway's process running: which configuration it gets, when it is started again, and how it is ended.

mod backoff;
mod children;
mod configs;
mod doctor;
mod life;
mod lines;
mod orphan;
mod probe;
mod process;
mod round;
mod volume;

pub(crate) use children::Children;
pub(crate) use configs::{Config, Configs};
pub(crate) use round::{Keeper, check};
