use async_trait::async_trait;
use durable::{Attempt, Setback};
use flows::ports::{MachineSpec, MachineState, Machines, Placed};
use futures::future::try_join_all;

use super::machine_config::machine_config;
use super::setback::setback;
use super::{LONGEST_WAIT, Provider};
use crate::api::{self, App, MachineFilter, MachineHandle, NewMachine, SecretsVersion, WaitFor, Waited};
use crate::refusal::Refusal;

#[async_trait]
impl Machines for Provider {
    async fn ensure_machine(&self, machine: &MachineSpec) -> Attempt<Placed<String>> {
        let client = self.client();
        let app = client.app(&machine.app);
        let refused = match app.create_machine(&new_machine(machine)).await {
            Ok(created) => return Ok(Placed::At(created.id)),
            Err(error) if error.refusal().is_some() => error,
            Err(error) => return Err(setback(error)),
        };
        // Whatever the refusal says, the machine may be there: an earlier attempt whose answer was lost has taken the name, the volume, or
        // the last place on the volume's host.
        if let Some(found) = find(&app, machine, refused.refusal()).await? {
            return adopt(&app, machine, &found).await;
        }
        match refused.refusal() {
            Some(refusal) if refusal.is_want_of_capacity() => Ok(Placed::Full),
            Some(Refusal::MachineNameTaken { .. }) => {
                Err(Setback::not_yet(2, format!("the name {} is taken by a machine that does not answer yet", machine.name)))
            }
            _ => Err(setback(refused)),
        }
    }

    async fn observe(&self, app: &str, machine: &str) -> Attempt<MachineState> {
        Ok(look(&self.client().app(app).machine(machine)).await?.map_or(MachineState::Gone, |seen| state(seen.state)))
    }

    async fn start(&self, app: &str, machine: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let handle = app.machine(machine);
        match recorded(&handle, machine).await?.state {
            api::MachineState::Started | api::MachineState::Starting | api::MachineState::Restarting => Ok(()),
            api::MachineState::Destroying | api::MachineState::Destroyed => Err(gone(machine)),
            _ => handle.start().await.map_err(setback),
        }
    }

    async fn stop(&self, app: &str, machine: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let handle = app.machine(machine);
        match recorded(&handle, machine).await?.state {
            api::MachineState::Stopped
            | api::MachineState::Stopping
            | api::MachineState::Failed
            | api::MachineState::Destroying
            | api::MachineState::Destroyed => Ok(()),
            _ => handle.stop().await.map_err(setback),
        }
    }

    async fn restart(&self, app: &str, machine: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let handle = app.machine(machine);
        let before = recorded(&handle, machine).await?;
        match before.state {
            api::MachineState::Destroying | api::MachineState::Destroyed => return Err(gone(machine)),
            api::MachineState::Stopped | api::MachineState::Suspended | api::MachineState::Failed => {
                return handle.start().await.map_err(setback);
            }
            api::MachineState::Started => {}
            // It is on its way down and up: that is the restart, perhaps an earlier attempt's.
            _ => return Ok(()),
        }
        let error = match handle.restart().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_ambiguous() => error,
            Err(error) => return Err(setback(error)),
        };
        // A second restart would interrupt the gateway again, so that the machine is asked whether the first one has begun. The time of this
        // call may be used up: a restart was perhaps answered only after the drain.
        let client = self.client.within(super::LAST_LOOK);
        let after = recorded(&client.app(app.name).machine(machine), machine).await?;
        let begun = after.state != api::MachineState::Started || after.events.first() != before.events.first();
        if begun { Ok(()) } else { Err(setback(error)) }
    }

    async fn await_state(&self, app: &str, machine: &str, wanted: MachineState) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let handle = app.machine(machine);
        let wait_for = match wanted {
            MachineState::Started => WaitFor::Started,
            MachineState::Stopped => WaitFor::Stopped,
            MachineState::Changing | MachineState::Failed | MachineState::Gone => {
                return Err(Setback::fatal(format!("{wanted:?} is no state to wait for")));
            }
        };
        match handle.wait(wait_for, LONGEST_WAIT).await {
            Ok(Waited::Reached) => return Ok(()),
            Ok(Waited::NotYet) => {}
            // The look below knows what a refusal here means: not there yet, or gone.
            Err(error) if error.refusal().is_some() => {}
            Err(error) => return Err(setback(error)),
        }
        let client = self.client.within(super::LAST_LOOK);
        let seen = recorded(&client.app(app.name).machine(machine), machine).await?;
        match (wanted, state(seen.state)) {
            (wanted, seen) if wanted == seen => Ok(()),
            (_, MachineState::Gone) => Err(gone(machine)),
            (MachineState::Started, MachineState::Failed) => {
                Err(Setback::fatal(format!("machine {machine} could not boot{}", last_exit(&seen))))
            }
            // A machine that failed does not run, which is all that a stop is for.
            (MachineState::Stopped, MachineState::Failed) => Ok(()),
            _ => Err(Setback::not_yet(1, format!("machine {machine} is {:?}", seen.state))),
        }
    }

    async fn delete_machines(&self, app: &str, name: &str) -> Attempt<()> {
        let client = self.client();
        let app = client.app(app);
        let machines = match app.machines(&MachineFilter::default()).await {
            Ok(machines) => machines,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(setback(error)),
        };
        let ours: Vec<_> = machines.into_iter().filter(|machine| machine.name == name && !machine.state.is_gone()).collect();
        let ours = if ours.is_empty() { unlisted(&app, name).await? } else { ours };
        try_join_all(ours.iter().map(|machine| destroy(&app, machine))).await.map(drop)
    }
}

/// Machines of a name that the list of machines does not show, because it lags: volumes name those that hold them.
///
/// Both lists may lag at once. The volume then refuses to be deleted, and its refusal names the machine.
async fn unlisted(app: &App<'_>, name: &str) -> Attempt<Vec<api::Machine>> {
    let volumes = match app.volumes().await {
        Ok(volumes) => volumes,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(setback(error)),
    };
    let holders = volumes.into_iter().filter_map(|volume| volume.attached_machine_id);
    let seen = try_join_all(holders.map(async |holder| look(&app.machine(&holder)).await)).await?;
    Ok(seen.into_iter().flatten().filter(|machine| machine.name == name && !machine.state.is_gone()).collect())
}

/// Has the machine destroyed that holds a volume which is to be deleted. It does not wait for the end.
///
/// Whoever deletes the volume has had its machines deleted before, by name and in a list that may not have shown this one yet.
pub(super) async fn destroy_holder(app: &App<'_>, machine: &str) -> Attempt<()> {
    let handle = app.machine(machine);
    let state = look(&handle).await?.map(|seen| seen.state);
    if matches!(state, Some(api::MachineState::Destroying | api::MachineState::Destroyed)) {
        return Ok(());
    }
    // Also one that does not answer yet: the volume knows it.
    begin_destruction(&handle).await.map(drop)
}

/// The volume that a machine names in its configuration; none if it has none, or is gone.
pub(super) async fn mounted(app: &App<'_>, machine: &str) -> Attempt<Option<String>> {
    let alive = |seen: &api::Machine| !matches!(seen.state, api::MachineState::Destroying | api::MachineState::Destroyed);
    let Some(seen) = look(&app.machine(machine)).await?.filter(alive) else { return Ok(None) };
    // A host that does not answer tells nothing of mounts, which is not the same as none.
    let config = seen.config.ok_or_else(|| Setback::retry(format!("the host of machine {machine} does not answer")))?;
    Ok(config.mounts.into_iter().map(|mount| mount.volume).find(|volume| !volume.is_empty()))
}

/// Has a machine destroyed. Returns whether there is an end to wait for.
async fn begin_destruction(handle: &MachineHandle<'_>) -> Attempt<bool> {
    match handle.destroy().await {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() || error.refusal() == Some(&Refusal::Destroyed) => Ok(false),
        Err(error) => Err(setback(error)),
    }
}

/// Destroys one machine and returns when it is gone.
async fn destroy(app: &App<'_>, machine: &api::Machine) -> Attempt<()> {
    let handle = app.machine(&machine.id);
    if machine.state != api::MachineState::Destroying && !begin_destruction(&handle).await? {
        return Ok(());
    }
    match handle.wait(WaitFor::Destroyed, LONGEST_WAIT).await {
        Ok(Waited::Reached) => Ok(()),
        Ok(Waited::NotYet) => Err(Setback::not_yet(1, format!("machine {} is being destroyed", machine.id))),
        Err(error) if error.is_not_found() || error.refusal() == Some(&Refusal::Destroyed) => Ok(()),
        Err(error) => Err(setback(error)),
    }
}

/// The machine that bears the planned name, if there is one: the one that the refusal names, or else the one in the list.
async fn find(app: &App<'_>, wanted: &MachineSpec, refusal: Option<&Refusal>) -> Attempt<Option<api::Machine>> {
    let found = match refusal {
        Some(Refusal::MachineNameTaken { machine: Some(id) }) => look(&app.machine(id)).await?,
        _ => match app.machines(&MachineFilter::default()).await {
            Ok(machines) => machines.into_iter().find(|machine| machine.name == wanted.name && !machine.state.is_gone()),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(setback(error)),
        },
    };
    Ok(found.filter(|machine| machine.name == wanted.name && !machine.state.is_gone()))
}

/// Takes a machine that an earlier attempt made as the wanted one, if it is.
async fn adopt(app: &App<'_>, wanted: &MachineSpec, found: &api::Machine) -> Attempt<Placed<String>> {
    let id = &found.id;
    let ours = found.known_config().is_none_or(|known| wanted.metadata.iter().all(|(key, value)| known.metadata.get(key) == Some(value)));
    if !ours {
        return Err(Setback::fatal(format!("the machine {id} bears the name {} and is not this instance's", wanted.name)));
    }
    if found.state == api::MachineState::Destroying {
        return Err(Setback::not_yet(2, format!("the machine {id} of this name is being destroyed")));
    }
    let elsewhere = found.region != wanted.region.code();
    let other_volume = found.config.as_ref().is_some_and(|config| config.mounts.iter().all(|mount| mount.volume != wanted.volume));
    if elsewhere || other_volume {
        // An answer that was given up as lost has taken effect after all, for a region or volume that the plan has left since. It never
        // served anybody, and its volume is not touched.
        app.machine(id).destroy().await.map_err(setback)?;
        return Err(Setback::not_yet(2, format!("the machine {id} of this name is on another volume and is being destroyed")));
    }
    Ok(Placed::At(id.clone()))
}

/// The machine, or none if it does not exist.
async fn look(handle: &MachineHandle<'_>) -> Attempt<Option<api::Machine>> {
    match handle.get().await {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(setback(error)),
    }
}

/// A machine whose identifier is on record, and which is therefore there or was.
///
/// That it is not found is no answer about it: Fly.io answers about a destroyed machine with its state, so that a 404 comes from a copy
/// that does not know the machine yet, or of one that was forgotten long ago.
async fn recorded(handle: &MachineHandle<'_>, machine: &str) -> Attempt<api::Machine> {
    let unknown = || Setback::Retry { after: Some(super::LISTS_LAG), why: format!("there is no machine {machine}") };
    look(handle).await?.ok_or_else(unknown)
}

fn gone(machine: &str) -> Setback {
    Setback::fatal(format!("the machine {machine} is gone"))
}

fn last_exit(machine: &api::Machine) -> String {
    machine.events.iter().find_map(api::Event::exit).map(|exit| format!(" (exit code {})", exit.exit_code)).unwrap_or_default()
}

const fn state(state: api::MachineState) -> MachineState {
    match state {
        api::MachineState::Started => MachineState::Started,
        api::MachineState::Stopped | api::MachineState::Suspended => MachineState::Stopped,
        api::MachineState::Failed | api::MachineState::LaunchFailed => MachineState::Failed,
        api::MachineState::Destroyed => MachineState::Gone,
        _ => MachineState::Changing,
    }
}

fn new_machine(spec: &MachineSpec) -> NewMachine {
    NewMachine {
        name: spec.name.clone(),
        region: spec.region.code().to_owned(),
        config: machine_config(spec),
        // Version 0 is that of an app without secrets.
        min_secrets_version: (spec.min_secrets_version > 0).then_some(SecretsVersion(spec.min_secrets_version)),
        skip_launch: false,
    }
}
