//! Instances to try things with: always the same, so that a schedule that failed can be replayed.

use std::time::Duration;

use domain::{Family, Health, Instance, InstanceId, OperationId, OrganisationId, Placement, PlanId, Region, Release, State, Wanted};
use jiff::Timestamp;
use uuid::Uuid;

use crate::deployment::Deployment;
use crate::plan::{self, ProvisionPlan};
use crate::ports::{MachineState, Placed};
use crate::tenant::{GENERATED_SECRETS, machine_spec};
use crate::testing::{FakeApp, FakeWorld, Sickness};

/// A deployment.
#[must_use]
pub fn deployment() -> Deployment {
    Deployment {
        name: "test".to_owned(),
        address: "https://{app}.fly.test".to_owned(),
        image_repository: "registry.fly.test/rockpool-tenant".to_owned(),
    }
}

/// The n-th operation.
#[must_use]
pub const fn operation(n: u128) -> OperationId {
    OperationId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n))
}

/// Regions by their codes.
///
/// # Panics
/// If one of them is none.
#[must_use]
pub fn regions(codes: &[&str]) -> Vec<Region> {
    codes.iter().map(|code| code.parse().expect("the code of a region")).collect()
}

/// An instance that is being made, by operation 1, in the first of these regions that has room.
#[must_use]
pub fn instance(codes: &[&str]) -> Instance {
    let now = Timestamp::from_second(1_767_225_600).expect("a moment within range");
    Instance {
        id: InstanceId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_a001)),
        organisation: OrganisationId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_b001)),
        name: "aria".parse().expect("a DNS label"),
        plan: PlanId::Pro,
        release: Release { family: Family::Openclaw, version: "2026.9.6".to_owned() },
        regions: regions(codes),
        wanted: Wanted::Running,
        wanted_rev: 1,
        state: State::Provisioning,
        operation: Some(operation(1)),
        placement: None,
        ever_ran: false,
        trouble: None,
        health: Health::default(),
        created_at: now,
        updated_at: now,
    }
}

/// An instance at rest in this state: in `fra` unless it has failed.
#[must_use]
pub fn at_rest(state: State) -> Instance {
    let placement = Placement {
        region: "fra".parse().expect("the code of a region"),
        app: deployment().app(&instance(&["fra"]).id),
        machine: "machine_2".to_owned(),
        volume: "vol_1".to_owned(),
        generation: 1,
        address: deployment().origin(&deployment().app(&instance(&["fra"]).id)),
    };
    Instance {
        wanted: if state == State::Stopped { Wanted::Stopped } else { Wanted::Running },
        state,
        operation: None,
        placement: (state != State::Failed).then_some(placement),
        ever_ran: state != State::Failed,
        ..instance(&["fra"])
    }
}

/// Puts into the world what an instance of [`at_rest`] has there.
///
/// # Panics
/// If the world has no room.
pub fn settle_in(world: &FakeWorld, instance: &Instance, sickness: Option<Sickness>) {
    let placement = instance.placement.as_ref().expect("the instance has a place");
    let plan = plan::provision(&deployment(), instance, operation(1)).plan;
    let plan: ProvisionPlan = serde_json::from_value(plan).expect("a plan is read as it is written");
    let long_ago = world.now() - Duration::from_secs(3600);
    let spec = machine_spec(&plan, &world.world().keys, placement.region, &placement.volume, 1);
    let secrets = crate::ports::SecretValues(GENERATED_SECRETS.map(|name| (name.to_owned(), "made long ago".to_owned())).into());
    let app =
        FakeApp { network: plan.network.clone(), secrets: secrets.clone(), secrets_version: 1, addresses: ["shared_v4", "v6"].into() };

    let mut provider = world.provider();
    provider.secrets.insert(plan.secret.clone(), secrets);
    provider.apps.insert(plan.app.clone(), app);
    let volume = provider.create_volume(plan.volume_in(placement.region), long_ago).expect("the app is there");
    assert_eq!(volume, Placed::At(placement.volume.clone()), "the sample's volume");
    let machine = provider.create_machine(spec, long_ago).expect("the volume is there");
    assert_eq!(machine, Placed::At(placement.machine.clone()), "the sample's machine");
    provider.served.insert(plan.app);
    let (machine, _) = provider.machine_mut(&placement.app, &placement.machine).expect("it was just made");
    if instance.state == State::Stopped {
        machine.turn_off(MachineState::Stopped, long_ago);
    }
    if let Some(sickness) = sickness {
        machine.fall_sick(sickness);
    }
}
