//! What the simulator remembers: apps, machines and volumes. Everything else of an app (secrets, addresses, certificates) lies in its record.

mod app;
mod machine;
mod volume;

pub(crate) use app::{App, Certificate, IpAssignment, Secret};
pub use machine::MachineState;
pub(crate) use machine::{CheckVerdict, Event, Lease, Machine, Stopping, Version};
pub(crate) use volume::{Volume, VolumeState};
