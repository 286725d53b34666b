use std::time::Duration;

use durable::{Flow, Limits, Run};

use crate::outcome::Observed;
use crate::plan::MachinePlan;
use crate::ports::MachineState;
use crate::start::check_volume;
use crate::world::World;

/// OpenClaw drains for up to 325 s before it ends by itself; the provider kills it after 300 s.
const DRAIN: Limits = Limits { deadline: Duration::from_secs(600), attempts: 20 };

/// Stops a running instance and keeps its volume.
pub(crate) async fn stop<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a MachinePlan) -> Flow<Observed> {
    let World { machines, .. } = world;
    let (app, machine) = (&plan.placement.app, &plan.placement.machine);

    // Whether the gateway answers then is for the health checks to see: it may have been silent before, which would hold the way back
    // up until a person looks. Without its volume it is not booted on the way back either.
    run.undo("start_machine", async {
        check_volume(world, &plan.placement).await?;
        machines.start(app, machine).await?;
        machines.await_state(app, machine, MachineState::Started).await
    });
    run.step("stop_machine", machines.stop(app, machine)).await?;
    run.step_within("await_stopped", DRAIN, machines.await_state(app, machine, MachineState::Stopped)).await?;
    run.commit("out_of_service").await?;
    Ok(Observed::stopped())
}
