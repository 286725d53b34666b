//! What the simulator remembers: apps, machines, volumes and snapshots. Everything else of an app (secrets, addresses, certificates) lies in its record.

mod app;
mod certificate;
mod machine;
mod snapshot;
mod volume;

pub(crate) use app::{App, DeployToken, IpAssignment, Secret};
pub(crate) use certificate::Certificate;
pub use certificate::CertificateStatus;
pub use machine::MachineState;
pub(crate) use machine::{CheckVerdict, Event, Lease, Machine, Stopping, Version};
pub(crate) use snapshot::{Snapshot, SnapshotStatus};
pub(crate) use volume::{Source, Volume, VolumeState};
