use std::time::Duration;

use domain::Rung;
use durable::{Flow, Limits, Run};

use crate::degrade::degrade;
use crate::outcome::Observed;
use crate::plan::RepairPlan;
use crate::ports::MachineState;
use crate::world::World;

/// A rung may take this long before the next one is climbed.
const RUNG: Limits = Limits { deadline: Duration::from_secs(300), attempts: 3 };

/// Brings back an instance that does not answer: its process, then its machine, then a person.
///
/// Each rung of the plan is climbed once. What a rung said is recorded as a fact, so that a run that lost its worker does not climb it
/// again.
pub(crate) async fn repair<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a RepairPlan) -> Flow<Observed> {
    let mut trouble = "its gateway does not answer, and it was restarted within the last hour".to_owned();
    for rung in &plan.rungs {
        match climb(run, world, plan, *rung).await? {
            Ok(()) => {
                run.commit("in_service").await?;
                return Ok(Observed::running());
            }
            Err(why) => trouble = why,
        }
    }

    degrade(run, world, &plan.machine, trouble).await
}

/// Climbs one rung and sees whether it helped; otherwise says why not.
async fn climb<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a RepairPlan, rung: Rung) -> Flow<Result<(), String>> {
    let World { machines, gateways, volumes, .. } = world;
    let (placement, instance) = (&plan.machine.placement, &plan.machine.target.instance);
    let (app, machine) = (&placement.app, &placement.machine);

    let climbed = match rung {
        Rung::Process => {
            run.attempt("restart_process", RUNG, gateways.restart_process(instance, &placement.address, &plan.machine.request)).await?
        }
        Rung::Machine => {
            match run.attempt("check_volume", RUNG, volumes.volume_exists(app, machine, &placement.volume)).await? {
                Ok(true) => {}
                Ok(false) => return Ok(Err(format!("the volume {} that holds its state is missing", placement.volume))),
                // Left to fail, it would be repaired again every few minutes, and nobody would be called.
                Err(why) => return Ok(Err(why)),
            }
            let reboot = async {
                match machines.observe(app, machine).await? {
                    MachineState::Started => machines.restart(app, machine).await,
                    _ => machines.start(app, machine).await,
                }
            };
            run.attempt("restart_machine", RUNG, reboot).await?
        }
    };
    Ok(match climbed {
        Ok(()) => run.attempt("await_healthy", RUNG, gateways.await_ready(instance, &placement.address)).await?,
        Err(why) => Err(why),
    })
}
