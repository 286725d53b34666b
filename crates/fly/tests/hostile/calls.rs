//! One of each kind of call.

use std::collections::BTreeMap;
use std::time::Duration;

use fly::api::{AddressKind, LogQuery, MachineConfig, MachineFilter, NewApp, NewMachine, NewVolume, WaitFor};
use fly::{CallError, Client};
use proptest::prelude::*;

pub(crate) const SECRET: &str = "the-secret-that-nobody-must-see";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    GetApp,
    CreateApp,
    ListMachines,
    GetMachine,
    CreateMachine,
    Stop,
    Wait,
    Events,
    ListVolumes,
    GetVolume,
    CreateVolume,
    SetSecrets,
    Secrets,
    Addresses,
    Assign,
    Lease,
    Metadata,
    Logs,
}

pub(crate) const ALL: [Call; 18] = [
    Call::GetApp,
    Call::CreateApp,
    Call::ListMachines,
    Call::GetMachine,
    Call::CreateMachine,
    Call::Stop,
    Call::Wait,
    Call::Events,
    Call::ListVolumes,
    Call::GetVolume,
    Call::CreateVolume,
    Call::SetSecrets,
    Call::Secrets,
    Call::Addresses,
    Call::Assign,
    Call::Lease,
    Call::Metadata,
    Call::Logs,
];

impl Call {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        prop::sample::select(ALL.to_vec())
    }

    /// Whether what comes of it depends on what stands in the body of a success.
    pub(crate) fn reads_its_answer(self) -> bool {
        !matches!(self, Self::CreateApp | Self::Stop | Self::Wait | Self::Assign)
    }

    /// Makes the call. What it gave is shown as text.
    pub(crate) async fn make(self, client: &Client, app: &str) -> Result<String, CallError> {
        let app_of = client.app(app);
        let machine = app_of.machine("148e21f71d9e89");
        Ok(match self {
            Self::GetApp => format!("{:?}", app_of.get().await?),
            Self::CreateApp => {
                client.create_app(&NewApp { name: app.to_owned(), org_slug: "acme".to_owned(), network: "n".to_owned() }).await?;
                String::new()
            }
            Self::ListMachines => format!("{:?}", app_of.machines(&MachineFilter::default()).await?),
            Self::GetMachine => format!("{:?}", machine.get().await?),
            Self::CreateMachine => {
                let config = MachineConfig { image: "registry.fly.io/i:1".to_owned(), ..MachineConfig::default() };
                let (name, region) = ("gateway-1".to_owned(), "fra".to_owned());
                let new = NewMachine { name, region, config, min_secrets_version: None, skip_launch: false };
                format!("{:?}", app_of.create_machine(&new).await?)
            }
            Self::Stop => format!("{:?}", machine.stop().await?),
            Self::Wait => format!("{:?}", machine.wait(WaitFor::Started, Duration::from_secs(1)).await?),
            Self::Events => format!("{:?}", machine.events(5).await?),
            Self::ListVolumes => format!("{:?}", app_of.volumes().await?),
            Self::GetVolume => format!("{:?}", app_of.volume("vol_1").await?),
            Self::CreateVolume => {
                let new = NewVolume { name: "data_1".to_owned(), region: "fra".to_owned(), size_gb: 5, compute: None };
                format!("{:?}", app_of.create_volume(&new).await?)
            }
            Self::SetSecrets => {
                let values = BTreeMap::from([("KEY".to_owned(), Some(SECRET.to_owned().into()))]);
                format!("{:?}", app_of.set_secrets(&values).await?)
            }
            Self::Secrets => format!("{:?}", app_of.secrets().await?),
            Self::Addresses => format!("{:?}", app_of.addresses().await?),
            Self::Assign => format!("{:?}", app_of.assign_address(AddressKind::V6).await?),
            Self::Lease => format!("{:?}", machine.take_lease(Duration::from_secs(10), "test").await?),
            Self::Metadata => format!("{:?}", machine.metadata().await?),
            Self::Logs => format!("{:?}", app_of.logs(&LogQuery::default()).await?),
        })
    }
}
