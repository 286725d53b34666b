use domain::RestartScope;
use durable::{Flow, Limits, Run};

use crate::degrade::{degrade, in_service};
use crate::outcome::Observed;
use crate::plan::RestartPlan;
use crate::ports::MachineState;
use crate::start::{GATEWAY_START, check_volume};
use crate::world::World;

/// Restarts the gateway's process, or its machine. There is nothing to undo: what was running runs again, or is degraded.
pub(crate) async fn restart<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a RestartPlan) -> Flow<Observed> {
    let World { machines, gateways, .. } = world;
    let (placement, instance) = (&plan.machine.placement, &plan.machine.target.instance);

    match plan.scope {
        RestartScope::Process => {
            run.step("restart_process", gateways.restart_process(instance, &placement.address, &plan.machine.request)).await?;
        }
        RestartScope::Machine => {
            run.step("restart_machine", async {
                check_volume(world, placement).await?;
                machines.restart(&placement.app, &placement.machine).await
            })
            .await?;
            let booted = machines.await_state(&placement.app, &placement.machine, MachineState::Started);
            if let Err(why) = run.attempt("await_started", Limits::DEFAULT, booted).await? {
                return degrade(run, world, &plan.machine, why).await;
            }
        }
    }
    let answers = run.attempt("await_healthy", GATEWAY_START, gateways.await_ready(instance, &placement.address)).await?;
    in_service(run, world, &plan.machine, answers).await
}
