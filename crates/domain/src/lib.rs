//! The words of the business: what an instance is, what may be asked of it, what it costs and who owns it.
//!
//! Pure: this crate knows nothing about AWS, Fly.io, HTTP or time other than as values. Everything that crosses its border as text is
//! parsed into a type here once, with an error that says what to do, and is trusted from then on.
//!
//! ```
//! use domain::{InstanceName, State, Verb, Verdict};
//!
//! let name: InstanceName = "my-assistant".parse().expect("a DNS label");
//! assert_eq!(name.as_str(), "my-assistant");
//! assert_eq!(State::Stopped.allows(Verb::Start), Verdict::Run);
//! ```

mod id;
mod instance;
mod name;
mod notice;
mod plan;
mod region;
mod release;
#[cfg(feature = "testing")]
pub mod testing;
mod verb;

pub use id::{IdError, InstanceId, OperationId, OrganisationId};
pub use instance::{Climbed, Health, Instance, Placement, Rung, State, Trouble, Wanted};
pub use name::{InstanceName, NameError};
pub use notice::Notice;
pub use plan::{CpuKind, Machine, Money, PLANS, Plan, PlanId, UnknownPlan};
pub use region::{REGIONS, Region, RegionError};
pub use release::{Family, Release, UnknownFamily};
pub use verb::{RestartScope, Verb, Verdict};
