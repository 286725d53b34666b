use domain::Placement;
use durable::{Flow, Limits, Run, Setback};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::outcome::Announcement;
use crate::plan::ProvisionPlan;
use crate::ports::{MachineState, Placed};
use crate::tenant::{GENERATED_SECRETS, machine_spec};
use crate::world::World;

/// A first boot pulls the image and may install channel plugins: Fly was seen to need 90 s, OpenClaw 165 s.
const FIRST_BOOT: Limits = Limits { deadline: Duration::from_secs(900), attempts: 20 };

/// Makes an instance: app, secrets, addresses, volume, machine; in service when its gateway answers.
///
/// Regions are tried in the plan's order. What a region that turned out to be full left behind is released before the next is tried.
///
/// Volumes that a lost answer or a late effect left are looked for at last: by then every list has shown them for a long time.
pub(crate) async fn provision<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a ProvisionPlan) -> Flow<Placement> {
    provision_in(run, world, plan, Surplus::GoesAtLast).await
}

/// The first version, of which runs may be under way: it has its step for surplus volumes where lists may not show them yet, and looks
/// again as soon as the gateway answers.
pub(crate) async fn provision_1<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a ProvisionPlan) -> Flow<Placement> {
    provision_in(run, world, plan, Surplus::GoesFirst).await
}

/// When volumes go that nobody wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Surplus {
    GoesFirst,
    GoesAtLast,
}

async fn provision_in<'a>(run: &mut Run<'a>, world: &'a World, plan: &'a ProvisionPlan, surplus: Surplus) -> Flow<Placement> {
    let World { apps, volumes, machines, gateways, vault, keys, .. } = world;
    let ProvisionPlan { target, app, network, secret, generation, volume, machine, address, .. } = plan;

    run.undo("delete_secret", vault.delete_secret(secret));
    run.step("create_secret", vault.ensure_secret(secret, &GENERATED_SECRETS)).await?;

    run.undo("delete_app", apps.delete_app(app));
    run.step("create_app", apps.ensure_app(app, network)).await?;
    let secrets_version = run
        .step("set_secrets", async {
            let values = vault.read_secret(secret).await?;
            apps.set_secrets(app, &values).await
        })
        .await?;
    run.step("assign_ips", apps.ensure_addresses(app)).await?;

    let mut placed = None;
    for region in plan.regions.iter().copied() {
        let mark = run.mark();
        let known = Arc::new(OnceLock::<String>::new());
        run.undo("delete_volume", {
            let known = Arc::clone(&known);
            async move { volumes.delete_volumes(app, volume, known.get().map(String::as_str)).await }
        });
        let disk = plan.volume_in(region);
        if let Placed::At(volume_id) = run.step("create_volume", volumes.ensure_volume(&disk)).await? {
            // A region that is full for machines says so within a second, and lists lag by more than that.
            known.get_or_init(|| volume_id.clone());
            run.undo("delete_machine", machines.delete_machines(app, machine));
            let spec = machine_spec(plan, keys, region, &volume_id, secrets_version);
            if let Placed::At(machine_id) = run.step("create_machine", machines.ensure_machine(&spec)).await? {
                placed = Some((region, volume_id, machine_id));
                break;
            }
        }
        run.release(mark).await?;
    }
    let (region, volume_id, machine_id) = run.step("choose_region", async { placed.ok_or_else(|| no_room(plan)) }).await?;

    let delete_surplus = || volumes.delete_surplus(app, volume, &machine_id, &volume_id);
    if surplus == Surplus::GoesFirst {
        run.step("delete_surplus_volumes", delete_surplus()).await?;
    }
    run.step_within("await_started", FIRST_BOOT, machines.await_state(app, &machine_id, MachineState::Started)).await?;
    let healthy = async {
        gateways.await_ready(&target.instance, address).await?;
        // Where the look came too early, it is repeated here, because no step may be added to runs that are under way.
        if surplus == Surplus::GoesFirst { delete_surplus().await } else { Ok(()) }
    };
    run.step_within("await_healthy", FIRST_BOOT, healthy).await?;
    if surplus == Surplus::GoesAtLast {
        run.step("delete_surplus_volumes", delete_surplus()).await?;
    }
    run.commit("in_service").await?;

    run.notify(Announcement::new(target.instance, "instance_ready", format!("is ready at {address}.")));
    Ok(Placement { region, app: app.clone(), machine: machine_id, volume: volume_id, generation: *generation, address: address.clone() })
}

fn no_room(plan: &ProvisionPlan) -> Setback {
    let tried: Vec<_> = plan.regions.iter().map(|region| region.code()).collect();
    Setback::fatal(format!(
        "no region that this instance may live in has room for it now (tried {}); delete it and create it again with more allowed regions, or later",
        tried.join(", ")
    ))
}
