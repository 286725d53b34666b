use durable::{Flow, Run};

use crate::outcome::{Announcement, Observed};
use crate::plan::MachinePlan;
use crate::world::World;

/// How a run ends whose gateway does not answer and for which nothing more can be done here: a person is called, the owner is told, and
/// the instance is degraded until it is healthy again.
///
/// The person is called before the run ends, so that no instance is degraded without anybody knowing.
pub(crate) async fn degrade<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a MachinePlan, trouble: String) -> Flow<Observed> {
    let target = &plan.target;
    run.step("raise_alarm", world.alarms.raise("instance_degraded", &target.instance, &trouble, &plan.request)).await?;
    run.commit("degraded").await?;
    let message = "does not answer, and starting it again did not help. We have been called and are looking at it.";
    run.notify(Announcement::new(target.instance, "instance_degraded", message));
    Ok(Observed::degraded(trouble))
}

/// How a run ends that has waited for a gateway: in service if it answers, else degraded.
pub(crate) async fn in_service<'a>(
    run: &mut Run<'a>,
    world: &'a World,
    plan: &'a MachinePlan,
    answers: Result<(), String>,
) -> Flow<Observed> {
    match answers {
        Ok(()) => {
            run.commit("in_service").await?;
            Ok(Observed::running())
        }
        Err(trouble) => degrade(run, world, plan, trouble).await,
    }
}
