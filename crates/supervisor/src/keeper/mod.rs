//! Keeps the gateway's process running: which configuration it gets, when it is started again, and how it is ended.

mod backoff;
mod children;
mod configs;
mod life;
mod lines;
mod orphan;
mod probe;
mod round;
mod volume;

pub(crate) use children::Children;
pub(crate) use configs::{Config, Configs};
pub(crate) use round::{Keeper, check};
