use serde_json::Value;

use crate::records::{Machine, MachineState, VolumeState};
use crate::tables::Tables;

/// What is there and would cost money: for "nothing is left over".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Names of the apps.
    pub apps: Vec<String>,
    /// `app/name` of the machines that are not destroyed.
    pub machines: Vec<String>,
    /// `app/name` of the volumes that are not `pending_destroy`; a name appears as often as there are volumes of it.
    pub volumes: Vec<String>,
    /// `app/address` of the addresses.
    pub ips: Vec<String>,
    /// `app/NAME` of the secrets.
    pub secrets: Vec<String>,
}

impl Inventory {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn take(tables: &Tables) -> Self {
        let apps: Vec<_> = tables.apps().filter(|app| !app.deleted && !app.foreign).collect();
        Self {
            apps: apps.iter().map(|app| app.name.clone()).collect(),
            machines: tables
                .machines()
                .filter(|machine| machine.state != MachineState::Destroyed)
                .map(|machine| format!("{}/{}", machine.app, machine.name))
                .collect(),
            volumes: tables
                .volumes()
                .filter(|volume| volume.state != VolumeState::PendingDestroy)
                .map(|volume| format!("{}/{}", volume.app, volume.name))
                .collect(),
            ips: apps.iter().flat_map(|app| app.ips.iter().map(|ip| format!("{}/{}", app.name, ip.ip))).collect(),
            secrets: apps.iter().flat_map(|app| app.secrets.keys().map(|name| format!("{}/{name}", app.name))).collect(),
        }
    }
}

/// A machine as the proxy and tests see it.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineView {
    /// Its identifier.
    pub id: String,
    /// Its name within the app.
    pub name: String,
    /// Its app.
    pub app: String,
    /// Its region.
    pub region: String,
    /// The version.
    pub instance_id: String,
    /// Its state.
    pub state: MachineState,
    /// Whether it was taken out of routing.
    pub cordoned: bool,
    /// Its configuration.
    pub config: Value,
    /// Whether every check that gates routing passes; true if there is none.
    pub checks_passing: bool,
}

impl MachineView {
    pub(crate) fn of(machine: &Machine) -> Self {
        let gating = crate::checks::declared(&machine.config).into_iter().filter(|check| check.gates_routing);
        let passes = |name: &str| machine.checks.get(name).is_some_and(|verdict| verdict.status == "passing");
        Self {
            id: machine.id.clone(),
            name: machine.name.clone(),
            app: machine.app.clone(),
            region: machine.region.clone(),
            instance_id: machine.instance_id.clone(),
            state: machine.state,
            cordoned: machine.cordoned,
            config: machine.config.clone(),
            checks_passing: gating.map(|check| check.name).all(|name| passes(&name)),
        }
    }

    /// Whether Fly's proxy would send it requests.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        self.state == MachineState::Started && !self.cordoned && self.checks_passing
    }
}
