use std::time::Duration;

use durable::{Flow, Limits, Run};

use crate::plan::RetirePlan;
use crate::world::World;

/// A machine may drain for 300 s, and a volume stays bound to it for some minutes more.
const DELETION: Limits = Limits { deadline: Duration::from_secs(1800), attempts: 60 };

/// Removes an instance and everything it had. It assumes nothing about what exists, so that it also ends what a parked run left.
///
/// The point of no return is its first entry: a deletion is not cancelled half-way.
pub(crate) async fn retire<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a RetirePlan) -> Flow<()> {
    let World { apps, volumes, machines, vault, .. } = world;

    run.commit("begin_deletion").await?;
    for machine in &plan.machines {
        run.step_within("delete_machine", DELETION, machines.delete_machines(&plan.app, machine)).await?;
    }
    for volume in &plan.volumes {
        run.step_within("delete_volume", DELETION, volumes.delete_volumes(&plan.app, volume, None)).await?;
    }
    run.step_within("delete_app", DELETION, apps.delete_app(&plan.app)).await?;
    run.step_within("delete_secret", DELETION, vault.delete_secret(&plan.secret)).await?;
    Ok(())
}
