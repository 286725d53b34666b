//! Whole worlds: the API's router, the sweep and every worker, on one virtual clock, with customers who change their minds, a provider
//! whose hosts and regions fail, queues that lose and double, a store whose answers are lost, and workers that are ended in the middle.
//!
//! [`live`] lets a world live for hours or weeks, brings it to rest and judges it: every operation ended, nothing left over, exactly one
//! machine for each instance that runs, on its own volume, names and quota as they should be, every notice once, nobody repaired who was
//! well. All of it is drawn from a seed: a world that fails prints one line that lets it live again.
//!
//! What is real: `api::router`, `sweep::Sweep`, `flow_runner::FlowRunner`, `health_checker::HealthChecker`, `notifier::Notifier`,
//! `durable::Engine`, `flows::Flows` and `dynamo::Store`. What is not: the table (in memory: `dynamo::memory`), the queues, the provider and
//! the way to the instances.

mod chance;
mod clock;
mod code;
mod crew;
mod customer;
mod fate;
mod front;
mod ground;
mod item;
mod judge;
mod mirror;
mod post;
mod provider;
mod scale;
mod storm;
mod tally;
mod watch;
mod world;

pub use scale::Scale;
pub use tally::Report;
pub use watch::{BOUND_MINUTES, OPERATION_BOUND_MINUTES};
pub use world::{Failure, live, replay_line};
