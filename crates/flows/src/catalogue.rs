use std::pin::Pin;

use durable::{Catalogue, Execute, Flow, Run, RunId, Unknown};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Span;

use crate::address::{parse_run_id, parse_subject};
use crate::plan::{Kind, MachinePlan, ProvisionPlan, RepairPlan, RestartPlan, RetirePlan};
use crate::world::World;
use crate::{provision, repair, restart, retire, start, stop};

/// Every flow that this code knows, by kind and version.
pub struct Flows {
    world: World,
}

impl Flows {
    /// The flows, acting on this world.
    #[must_use]
    pub const fn new(world: World) -> Self {
        Self { world }
    }

    /// Whether this code knows a flow in this version: what a deployment has to ask of every run under way.
    #[must_use]
    pub fn know(kind: &str, version: u32) -> bool {
        Kind::named(kind).is_some_and(|kind| versions(kind).contains(&version))
    }
}

impl Kind {
    /// The version in which this code begins a flow.
    #[must_use]
    pub fn newest_version(self) -> u32 {
        versions(self).last().copied().expect("every flow has a version")
    }
}

impl Catalogue for Flows {
    fn open(&self, kind: &str, version: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown> {
        let world = &self.world;
        if !Self::know(kind, version) {
            return Err(Unknown::Version);
        }
        match (Kind::named(kind), version) {
            (Some(Kind::Provision), 1) => Ok(Box::new(Provision1 { world, plan: read(plan)? })),
            (Some(Kind::Provision), 2) => Ok(Box::new(Provision { world, plan: read(plan)? })),
            (Some(Kind::Start), 1) => Ok(Box::new(Start { world, plan: read(plan)? })),
            (Some(Kind::Stop), 1) => Ok(Box::new(Stop { world, plan: read(plan)? })),
            (Some(Kind::Restart), 1) => Ok(Box::new(Restart { world, plan: read(plan)? })),
            (Some(Kind::Repair), 1) => Ok(Box::new(Repair { world, plan: read(plan)? })),
            (Some(Kind::Retire), 1) => Ok(Box::new(Retire { world, plan: read(plan)? })),
            _ => Err(Unknown::Version),
        }
    }

    fn span(&self, run: &RunId, kind: &str, subject: &str) -> Span {
        let Ok((organisation, instance)) = parse_subject(subject) else { return tracing::info_span!("run", %run, kind, subject) };
        let operation = parse_run_id(run).map(|(_, operation)| tracing::field::display(operation)).ok();
        tracing::info_span!("run", %run, kind, %organisation, operation, %instance)
    }
}

/// The versions of a flow that runs may still be in, the newest last. One is taken out when no run of it is left.
const fn versions(kind: Kind) -> &'static [u32] {
    match kind {
        Kind::Provision => &[1, 2],
        Kind::Start | Kind::Stop | Kind::Restart | Kind::Repair | Kind::Retire => &[1],
    }
}

fn read<P: DeserializeOwned>(plan: &Value) -> Result<P, Unknown> {
    P::deserialize(plan).map_err(|error| Unknown::Plan(error.to_string()))
}

/// A step's result is recorded as JSON, and so is a flow's.
fn value<T: Serialize>(result: Flow<T>) -> Flow<Value> {
    result.map(|value| serde_json::to_value(value).expect("what a flow returns consists of texts and numbers"))
}

macro_rules! execute {
    ($($name:ident($plan:ty) = $flow:path;)*) => {$(
        struct $name<'w> {
            world: &'w World,
            plan: $plan,
        }

        impl Execute for $name<'_> {
            fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>> {
                Box::pin(async move { value($flow(run, self.world, &self.plan).await) })
            }
        }
    )*};
}

execute! {
    Provision1(ProvisionPlan) = provision::provision_1;
    Provision(ProvisionPlan) = provision::provision;
    Start(MachinePlan) = start::start;
    Stop(MachinePlan) = stop::stop;
    Restart(RestartPlan) = restart::restart;
    Repair(RepairPlan) = repair::repair;
    Retire(RetirePlan) = retire::retire;
}
