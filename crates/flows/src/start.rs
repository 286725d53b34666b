use std::time::Duration;

use domain::Placement;
use durable::{Attempt, Flow, Limits, Run, Setback};

use crate::degrade::in_service;
use crate::outcome::Observed;
use crate::plan::MachinePlan;
use crate::ports::MachineState;
use crate::world::World;

/// How long a gateway that has been started before may take to answer.
pub(crate) const GATEWAY_START: Limits = Limits { deadline: Duration::from_secs(420), attempts: 20 };

/// Starts a stopped instance. Its volume has held the customer's state, so a missing one is never replaced: the run fails closed.
///
/// A machine that boots with a gateway that does not answer is not switched off again: the instance is degraded, and can be reached.
pub(crate) async fn start<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a MachinePlan) -> Flow<Observed> {
    let World { machines, gateways, .. } = world;
    let (app, machine) = (&plan.placement.app, &plan.placement.machine);

    run.step("check_volume", check_volume(world, &plan.placement)).await?;

    run.undo("stop_machine", async {
        machines.stop(app, machine).await?;
        machines.await_state(app, machine, MachineState::Stopped).await
    });
    run.step("start_machine", machines.start(app, machine)).await?;
    run.step("await_started", machines.await_state(app, machine, MachineState::Started)).await?;
    let answers = run.attempt("await_healthy", GATEWAY_START, gateways.await_ready(&plan.target.instance, &plan.placement.address)).await?;
    in_service(run, world, plan, answers).await
}

/// Sees that the volume is there before anything boots: it is the one thing that must never be repaired by making a new one.
pub(crate) async fn check_volume(world: &World, placement: &Placement) -> Attempt<()> {
    let Placement { app, machine, volume, .. } = placement;
    if world.volumes.volume_exists(app, machine, volume).await? {
        return Ok(());
    }
    Err(Setback::fatal(format!("the volume {volume} that holds this instance's state is missing; it was not started without it")))
}
