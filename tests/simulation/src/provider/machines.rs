//! The machines and the supervisors in them.

use std::time::Duration;

use async_trait::async_trait;
use domain::InstanceId;
use durable::{Attempt, Setback};
use flows::ports::{Gateways, MachineSpec, MachineState, Machines, Placed};
use gateway::environment as env;
use jiff::Timestamp;

use super::machine::Machine;
use super::sky::Sky;
use super::{LONG_POLL, Provider, app_at};

#[async_trait]
impl Machines for Provider {
    async fn ensure_machine(&self, machine: &MachineSpec) -> Attempt<Placed<String>> {
        let wanted = machine.clone();
        let (full, in_vain) = (matches!(self.room(wanted.region), Placed::Full), self.boots_in_vain());
        self.call(&machine.app, Duration::ZERO, move |sky, now| create(sky, &wanted, full, in_vain, now)).await
    }

    async fn observe(&self, app: &str, machine: &str) -> Attempt<MachineState> {
        let (of, id) = (app.to_owned(), machine.to_owned());
        self.call(app, Duration::ZERO, move |sky, now| Ok(sky.machine(&of, &id).map_or(MachineState::Gone, |machine| machine.state(now))))
            .await
    }

    async fn start(&self, app: &str, machine: &str) -> Attempt<()> {
        let (of, id, in_vain) = (app.to_owned(), machine.to_owned(), self.boots_in_vain());
        self.call(app, self.hang(app), move |sky, now| {
            boot(sky, &of, &id, in_vain, now, |machine| match (machine.heads_for(), machine.state(now)) {
                (MachineState::Started, _) => Ok(false),
                (_, MachineState::Changing) => Err(Setback::not_yet(1, "the machine is still stopping")),
                _ => Ok(true),
            })
        })
        .await
    }

    async fn stop(&self, app: &str, machine: &str) -> Attempt<()> {
        let (of, id) = (app.to_owned(), machine.to_owned());
        self.call(app, self.hang(app), move |sky, now| {
            sky.change(&of, &id, now, |machine| {
                if machine.heads_for() == MachineState::Started {
                    machine.stop(now);
                } else {
                    // One that died before is off because its owner wants it so, from now on.
                    machine.is_wanted_still = true;
                }
                Ok(())
            })?;
            sky.unseen.remove(&id);
            Ok(())
        })
        .await
    }

    async fn restart(&self, app: &str, machine: &str) -> Attempt<()> {
        let (of, id, in_vain) = (app.to_owned(), machine.to_owned(), self.boots_in_vain());
        self.call(app, self.hang(app), move |sky, now| {
            boot(sky, &of, &id, in_vain, now, |machine| Ok(machine.state(now) != MachineState::Changing))
        })
        .await
    }

    async fn await_state(&self, app: &str, machine: &str, state: MachineState) -> Attempt<()> {
        let settles_at = self.sky().machine(app, machine).map(Machine::settles_at);
        let (of, id) = (app.to_owned(), machine.to_owned());
        self.call(app, self.until(settles_at), move |sky, now| {
            let machine = sky.machine(&of, &id).ok_or_else(|| Setback::fatal(format!("the machine {id} is gone")))?;
            match machine.state(now) {
                _ if !sky.is_up(machine.host, now) => Err(Setback::not_yet(2, "the host does not answer")),
                seen if seen == state => Ok(()),
                // A machine that failed does not run, which is all that a stop is for.
                MachineState::Failed if state == MachineState::Stopped => Ok(()),
                MachineState::Failed => Err(Setback::fatal(format!("the machine {id} could not boot"))),
                seen => Err(Setback::not_yet(1, format!("the machine is {seen:?}"))),
            }
        })
        .await
    }

    async fn delete_machines(&self, app: &str, name: &str) -> Attempt<()> {
        let of = app.to_owned();
        // The look comes first: an order that lands late hits what was there then.
        let ids: Vec<String> = {
            let sky = self.sky();
            let machines = sky.apps.get(app).into_iter().flat_map(|app| &app.machines);
            machines.filter(|machine| machine.name == name).map(|machine| machine.id.clone()).collect()
        };
        self.call(app, self.hang(app), move |sky, now| {
            let there = |sky: &Sky, id: &str| sky.machine(&of, id).is_some_and(|machine| machine.heads_for() != MachineState::Gone);
            for id in ids {
                if !there(sky, &id) {
                    continue;
                }
                sky.change(&of, &id, now, |machine| {
                    machine.destroy(now);
                    Ok(())
                })?;
            }
            Ok(())
        })
        .await?;
        let gone_at = self.sky().apps.get(app).and_then(|app| app.machines.iter().map(Machine::settles_at).max());
        let (of, named) = (app.to_owned(), name.to_owned());
        self.call(app, self.until(gone_at.or(Some(Timestamp::MIN))), move |sky, _| {
            let left = sky.apps.get(&of).is_some_and(|app| app.machines.iter().any(|machine| machine.name == named));
            if left { Err(Setback::not_yet(1, "a machine is being destroyed")) } else { Ok(()) }
        })
        .await
    }
}

#[async_trait]
impl Gateways for Provider {
    async fn await_ready(&self, instance: &InstanceId, address: &str) -> Attempt<()> {
        let (app, instance) = (app_at(address).unwrap_or_default().to_owned(), instance.to_string());
        let answers_at = self.sky().apps.get(&app).and_then(|app| app.machines.iter().find_map(Machine::answers_at));
        self.call(&app.clone(), self.until(answers_at), move |sky, now| {
            let at_home = sky.apps.get(&app).is_some_and(|app| app.machines.iter().any(|machine| machine.instance == instance));
            if at_home && sky.answers(&app, now) {
                sky.served.insert(app);
                return Ok(());
            }
            Err(Setback::not_yet(1, "the gateway does not answer"))
        })
        .await
    }

    async fn restart_process(&self, instance: &InstanceId, address: &str, request: &str) -> Attempt<()> {
        let app = app_at(address).unwrap_or_default().to_owned();
        let (instance, request) = (instance.to_string(), request.to_owned());
        self.call(&app.clone(), self.hang(&app), move |sky, now| {
            let silent = || Setback::retry("the supervisor does not answer");
            let up = |machine: &&Machine| machine.instance == instance && machine.state(now) == MachineState::Started;
            let id =
                sky.apps.get(&app).and_then(|app| app.machines.iter().find(up)).map(|machine| machine.id.clone()).ok_or_else(silent)?;
            sky.change(&app, &id, now, |machine| {
                machine.restart_process(&request, now);
                Ok(())
            })
        })
        .await
    }
}

impl Provider {
    /// How long a call about an app hangs: as long as it can where a host that it needs is down.
    pub(super) fn hang(&self, app: &str) -> Duration {
        let (sky, now) = (self.sky(), self.inner.clock.now());
        let hosts = sky.apps.get(app).into_iter().flat_map(|app| app.volumes.iter().map(|volume| volume.host));
        if hosts.into_iter().all(|host| sky.is_up(host, now)) { Duration::ZERO } else { LONG_POLL }
    }
}

fn create(sky: &mut Sky, wanted: &MachineSpec, full: bool, in_vain: bool, now: Timestamp) -> Attempt<Placed<String>> {
    let id = sky.fresh("machine");
    let app = sky.app(&wanted.app)?;
    if let Some(found) = app.machines.iter_mut().find(|found| found.name == wanted.name) {
        if found.heads_for() == MachineState::Gone {
            return Err(Setback::not_yet(2, "the machine of this name is being destroyed"));
        }
        if found.volume == wanted.volume {
            return Ok(Placed::At(found.id.clone()));
        }
        found.destroy(now);
        return Err(Setback::not_yet(2, "the machine of this name is on another volume and is being destroyed"));
    }
    let volume = app.volumes.iter().find(|volume| volume.id == wanted.volume);
    let volume = volume.ok_or_else(|| Setback::fatal(format!("there is no volume {}", wanted.volume)))?;
    let place = (volume.region, volume.host);
    if full {
        return Ok(Placed::Full);
    }
    let too_early = app.secrets_version < wanted.min_secrets_version;
    let instance = wanted.env.get(env::INSTANCE).cloned().unwrap_or_default();
    sky.reach(place.1, now)?;
    let mut machine = Machine::ordered(id.clone(), wanted.name.clone(), place.1, wanted.volume.clone(), instance, now);
    if in_vain {
        machine.fail(now);
    }
    sky.app(&wanted.app)?.machines.push(machine);
    sky.note(&wanted.app, now);
    if too_early || place.0 != wanted.region {
        sky.complaints
            .push(format!("the machine of {} waits for secrets that are not there, or stands elsewhere than it is wanted", wanted.app));
    }
    Ok(Placed::At(id))
}

/// Boots a machine, if it is to be booted as it stands; perhaps in vain.
fn boot(
    sky: &mut Sky,
    app: &str,
    id: &str,
    in_vain: bool,
    now: Timestamp,
    is_to_boot: impl FnOnce(&Machine) -> Attempt<bool>,
) -> Attempt<()> {
    let volumes: Vec<String> = sky.app(app)?.volumes.iter().map(|volume| volume.id.clone()).collect();
    let (mut boots, mut without) = (false, None);
    sky.change(app, id, now, |machine| {
        boots = is_to_boot(machine)?;
        if boots {
            without = (!volumes.contains(&machine.volume)).then(|| format!("{id} is booted without the volume that holds its state"));
            machine.boot(now);
        }
        if boots && in_vain {
            machine.fail(now);
        }
        Ok(())
    })?;
    if boots || !sky.is_unseen {
        sky.meet(id);
    }
    sky.complaints.extend(without);
    Ok(())
}
