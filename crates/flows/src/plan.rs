//! Plans: every name, size, region and choice of a run, made before it begins. Pure functions from what is recorded to what will be
//! done, so that a run that is walked again walks the same way.

use domain::{Instance, InstanceId, InstanceName, Machine, OperationId, OrganisationId, Placement, Region, Release, RestartScope, Rung};
use durable::NewRun;
use serde::{Deserialize, Serialize};

use crate::address::{run_id, subject};
use crate::deployment::Deployment;
use crate::ports::VolumeSpec;

/// The flows, as operations are named in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Make an instance.
    Provision,
    /// Start a stopped one.
    Start,
    /// Stop a running one.
    Stop,
    /// Restart its gateway or its machine.
    Restart,
    /// Bring back one that does not answer.
    Repair,
    /// Remove it and everything it had.
    Retire,
}

impl Kind {
    /// Every flow.
    pub const ALL: [Self; 6] = [Self::Provision, Self::Start, Self::Stop, Self::Restart, Self::Repair, Self::Retire];

    /// Its name in runs, in the API and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Repair => "repair",
            Self::Retire => "retire",
        }
    }

    /// The flow of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Whom every run is about: what settling its end and telling its owner need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The instance.
    pub instance: InstanceId,
    /// Its owner.
    pub organisation: OrganisationId,
    /// Its name when the run was started.
    pub name: InstanceName,
    /// The wish that this run fulfils.
    pub wanted_rev: u64,
}

/// The choices of a provision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionPlan {
    /// Whom it is about.
    #[serde(flatten)]
    pub target: Target,
    /// The deployment's name, for the machine's metadata.
    pub deployment: String,
    /// The app.
    pub app: String,
    /// The app's own private network.
    pub network: String,
    /// The secret in the vault.
    pub secret: String,
    /// Counts machines and volumes of this instance.
    pub generation: u32,
    /// The volume's name.
    pub volume: String,
    /// The machine's name.
    pub machine: String,
    /// Regions to try, in this order, and no others.
    pub regions: Vec<Region>,
    /// The machine's size.
    pub size: Machine,
    /// The volume's size.
    pub disk_gb: u32,
    /// The gateway.
    pub release: Release,
    /// Its image.
    pub image: String,
    /// The origin at which it will be reached.
    pub address: String,
}

/// The choices of a run on a machine that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachinePlan {
    /// Whom it is about.
    #[serde(flatten)]
    pub target: Target,
    /// This run's own identifier: what makes a request to the supervisor recognisable when it comes twice.
    pub request: String,
    /// Where it lives.
    pub placement: Placement,
}

/// The choices of a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPlan {
    /// Which machine.
    #[serde(flatten)]
    pub machine: MachinePlan,
    /// Process or machine.
    pub scope: RestartScope,
}

/// The choices of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepairPlan {
    /// Which machine.
    #[serde(flatten)]
    pub machine: MachinePlan,
    /// The rungs that may be climbed, lowest first: those not used within the window. None left means a person.
    pub rungs: Vec<Rung>,
}

/// The choices of a retirement. It assumes nothing about what exists: names only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetirePlan {
    /// Whom it is about.
    #[serde(flatten)]
    pub target: Target,
    /// The app.
    pub app: String,
    /// The secret in the vault.
    pub secret: String,
    /// Names of machines it may have, newest first.
    pub machines: Vec<String>,
    /// Names of volumes it may have, newest first.
    pub volumes: Vec<String>,
}

/// The name of the machine of a generation.
#[must_use]
pub fn machine_name(generation: u32) -> String {
    format!("gateway-{generation}")
}

/// The name of the volume of a generation.
#[must_use]
pub fn volume_name(generation: u32) -> String {
    format!("data_{generation}")
}

/// Plans how an instance is made.
#[must_use]
pub fn provision(deployment: &Deployment, instance: &Instance, operation: OperationId) -> NewRun {
    let app = deployment.app(&instance.id);
    let generation = 1;
    let size = instance.plan.plan();
    let plan = ProvisionPlan {
        target: target(instance),
        deployment: deployment.name.clone(),
        network: app.clone(),
        secret: deployment.secret(&instance.id),
        generation,
        volume: volume_name(generation),
        machine: machine_name(generation),
        regions: instance.regions.clone(),
        size: size.machine,
        disk_gb: size.disk_gb,
        release: instance.release.clone(),
        image: deployment.image(&instance.release),
        address: deployment.origin(&app),
        app,
    };
    new_run(Kind::Provision, instance, operation, &plan)
}

/// Plans a start.
#[must_use]
pub fn start(instance: &Instance, placement: &Placement, operation: OperationId) -> NewRun {
    new_run(Kind::Start, instance, operation, &machine_plan(instance, placement, operation))
}

/// Plans a stop.
#[must_use]
pub fn stop(instance: &Instance, placement: &Placement, operation: OperationId) -> NewRun {
    new_run(Kind::Stop, instance, operation, &machine_plan(instance, placement, operation))
}

/// Plans a restart.
#[must_use]
pub fn restart(instance: &Instance, placement: &Placement, scope: RestartScope, operation: OperationId) -> NewRun {
    let plan = RestartPlan { machine: machine_plan(instance, placement, operation), scope };
    new_run(Kind::Restart, instance, operation, &plan)
}

/// Plans a repair that climbs these rungs.
#[must_use]
pub fn repair(instance: &Instance, placement: &Placement, rungs: Vec<Rung>, operation: OperationId) -> NewRun {
    let plan = RepairPlan { machine: machine_plan(instance, placement, operation), rungs };
    new_run(Kind::Repair, instance, operation, &plan)
}

/// Plans a retirement. It needs no placement: what is not there is not missed.
#[must_use]
pub fn retire(deployment: &Deployment, instance: &Instance, operation: OperationId) -> NewRun {
    let newest = instance.placement.as_ref().map_or(1, |placement| placement.generation);
    let plan = RetirePlan {
        target: target(instance),
        app: deployment.app(&instance.id),
        secret: deployment.secret(&instance.id),
        machines: (1..=newest).rev().map(machine_name).collect(),
        volumes: (1..=newest).rev().map(volume_name).collect(),
    };
    new_run(Kind::Retire, instance, operation, &plan)
}

fn target(instance: &Instance) -> Target {
    Target { instance: instance.id, organisation: instance.organisation, name: instance.name.clone(), wanted_rev: instance.wanted_rev }
}

fn machine_plan(instance: &Instance, placement: &Placement, operation: OperationId) -> MachinePlan {
    MachinePlan { target: target(instance), request: operation.to_string(), placement: placement.clone() }
}

fn new_run(kind: Kind, instance: &Instance, operation: OperationId, plan: &impl Serialize) -> NewRun {
    NewRun {
        id: run_id(&instance.organisation, &operation),
        kind: kind.as_str().to_owned(),
        version: kind.newest_version(),
        subject: subject(&instance.organisation, &instance.id),
        plan: serde_json::to_value(plan).expect("a plan consists of texts and numbers"),
    }
}

impl ProvisionPlan {
    /// The volume, in one of the plan's regions.
    #[must_use]
    pub fn volume_in(&self, region: Region) -> VolumeSpec {
        VolumeSpec { app: self.app.clone(), name: self.volume.clone(), region, size_gb: self.disk_gb, machine: self.size }
    }
}

#[cfg(test)]
mod tests;
