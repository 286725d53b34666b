//! The business processes: one file per flow, each one async function that reads from top to bottom.
//!
//! [`plan`] chooses every name, size and region before a run begins; [`decide`] says what a verb means for an instance; a flow acts
//! through the [`ports`]; [`settle`] says what the run's end means. This crate knows nothing about AWS, HTTP or Fly.io's API.

mod address;
mod catalogue;
mod decide;
mod degrade;
mod deployment;
pub mod health;
mod outcome;
pub mod plan;
pub mod ports;
mod provision;
mod repair;
mod restart;
mod retire;
mod settle;
mod start;
mod stop;
mod tenant;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod world;

pub use address::{AddressError, parse_run_id, parse_subject, run_id, subject};
pub use catalogue::Flows;
pub use decide::{Ask, Decision, decide, repair as decide_repair};
pub use deployment::Deployment;
pub use outcome::{Announcement, Observed};
pub use plan::Kind;
pub use settle::{SettleError, Settlement, settle};
pub use tenant::{GENERATED_SECRETS, machine_spec};
pub use world::{TenantKeys, World};
