//! One method per endpoint, one file per resource. The structures hold only the fields that are read; unknown ones are ignored.

mod addresses;
mod apps;
mod certificates;
mod config;
mod leases;
mod logs;
mod machines;
mod metadata;
mod organisation;
mod secrets;
mod states;
mod volumes;
mod wait;

pub use addresses::{Address, AddressKind};
pub use apps::{App, AppInfo, AppSummary, NewApp, OrganisationInfo};
pub use certificates::{Certificate, CertificateSummary, DnsRequirements, DnsTarget};
pub use config::{Check, Concurrency, ConfigFile, Guest, Init, MachineConfig, Metrics, Mount, Port, Restart, Service, StopConfig};
pub use leases::Lease;
pub use logs::{LogEntry, LogPage, LogQuery};
pub use machines::{
    CheckStatus, Event, ExitEvent, Machine, MachineFilter, MachineHandle, NewMachine, ObservedConfig, ObservedMount, UpdateMachine,
};
pub use organisation::{OrganisationMachine, OrganisationPage, OrganisationVolume};
pub use secrets::{SecretInfo, SecretsVersion};
pub use states::{HostStatus, MachineState, VolumeState};
pub use volumes::{NewVolume, VolumeInfo};
pub use wait::{WaitFor, Waited};
