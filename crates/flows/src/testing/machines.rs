//! The machines of a fake world and the supervisors in them.

use std::time::Duration;

use async_trait::async_trait;
use domain::InstanceId;
use durable::{Attempt, Setback};
use gateway::environment as env;
use jiff::Timestamp;

use crate::ports::{Gateways, MachineSpec, MachineState, Machines, Placed};
use crate::testing::{FakeMachine, FakeWorld, Provider};

/// The longest that a call waits for something to become true.
const LONG_POLL: Duration = Duration::from_secs(20);

#[async_trait]
impl Machines for FakeWorld {
    async fn ensure_machine(&self, machine: &MachineSpec) -> Attempt<Placed<String>> {
        let wanted = machine.clone();
        self.call(format!("ensure_machine {}", wanted.region), Duration::ZERO, move |provider, now| provider.create_machine(wanted, now))
            .await
    }

    async fn observe(&self, app: &str, machine: &str) -> Attempt<MachineState> {
        let (app, id) = (app.to_owned(), machine.to_owned());
        self.call("observe".to_owned(), Duration::ZERO, move |provider, now| {
            Ok(provider.machine(&app, &id).map_or(MachineState::Gone, |machine| machine.state(now)))
        })
        .await
    }

    async fn start(&self, app: &str, machine: &str) -> Attempt<()> {
        let (app, id) = (app.to_owned(), machine.to_owned());
        self.call("start".to_owned(), Duration::ZERO, move |provider, now| {
            boot(provider, &app, &id, now, |machine| match (machine.heads_for(), machine.state(now)) {
                (MachineState::Started, _) => Ok(false),
                (_, MachineState::Changing) => Err(Setback::not_yet(1, "the machine is still stopping")),
                _ => Ok(true),
            })
        })
        .await
    }

    async fn stop(&self, app: &str, machine: &str) -> Attempt<()> {
        let (app, id) = (app.to_owned(), machine.to_owned());
        self.call("stop".to_owned(), Duration::ZERO, move |provider, now| {
            if let Ok((machine, conditions)) = provider.machine_mut(&app, &id)
                && machine.heads_for() == MachineState::Started
            {
                machine.turn_off(MachineState::Stopped, now + conditions.drain);
            }
            Ok(())
        })
        .await
    }

    async fn restart(&self, app: &str, machine: &str) -> Attempt<()> {
        let (app, id) = (app.to_owned(), machine.to_owned());
        self.call("restart".to_owned(), Duration::ZERO, move |provider, now| {
            boot(provider, &app, &id, now, |machine| Ok(machine.state(now) != MachineState::Changing))
        })
        .await
    }

    async fn await_state(&self, app: &str, machine: &str, state: MachineState) -> Attempt<()> {
        let settles_at = self.provider().machine(app, machine).map(FakeMachine::settles_at);
        let wait = settles_at.map_or(Duration::ZERO, |at| self.until(at));
        let (app, id) = (app.to_owned(), machine.to_owned());
        self.call(format!("await {state:?}"), wait, move |provider, now| {
            let again = provider.conditions.look_again;
            match provider.machine_mut(&app, &id)?.0.state(now) {
                seen if seen == state => Ok(()),
                // A machine that failed does not run, which is all that a stop is for.
                MachineState::Failed if state == MachineState::Stopped => Ok(()),
                MachineState::Failed => Err(Setback::fatal("the machine could not boot")),
                seen => Err(Setback::NotYet { look_again_in: again, why: format!("the machine is {seen:?}") }),
            }
        })
        .await
    }

    async fn delete_machines(&self, app: &str, name: &str) -> Attempt<()> {
        let key = (app.to_owned(), name.to_owned());
        let ours = move |machine: &FakeMachine| (&machine.spec.app, &machine.spec.name) == (&key.0, &key.1);
        let still = ours.clone();
        self.call("delete_machines".to_owned(), Duration::ZERO, move |provider, now| {
            let gone_at = now + provider.conditions.destruction;
            for machine in provider.machines.iter_mut().filter(|machine| ours(machine) && machine.heads_for() != MachineState::Gone) {
                machine.turn_off(MachineState::Gone, gone_at);
            }
            Ok(())
        })
        .await?;
        let gone_at = self.provider().machines.iter().filter(|machine| still(machine)).map(FakeMachine::settles_at).max();
        let wait = gone_at.map_or(Duration::ZERO, |at| self.until(at));
        self.call("await Gone".to_owned(), wait, move |provider, _| {
            if provider.machines.iter().any(still) { Err(Setback::not_yet(1, "a machine is being destroyed")) } else { Ok(()) }
        })
        .await
    }
}

#[async_trait]
impl Gateways for FakeWorld {
    async fn await_ready(&self, instance: &InstanceId, address: &str) -> Attempt<()> {
        let at_home = lives_at(instance, address);
        let answers_at = self.provider().machines.iter().find(|machine| at_home(machine)).and_then(FakeMachine::answers_at);
        let wait = answers_at.map_or(LONG_POLL, |at| self.until(at));
        self.call("await_ready".to_owned(), wait, move |provider, now| {
            let machine = provider.machines.iter().find(|machine| at_home(machine));
            let routed = machine.and_then(|machine| provider.apps.get(&machine.spec.app)).is_some_and(|app| !app.addresses.is_empty());
            let answers = machine.and_then(FakeMachine::answers_at).is_some_and(|at| at <= now);
            let why = "the gateway does not answer".to_owned();
            if routed && answers { Ok(()) } else { Err(Setback::NotYet { look_again_in: provider.conditions.look_again, why }) }
        })
        .await
    }

    async fn restart_process(&self, instance: &InstanceId, address: &str, request: &str) -> Attempt<()> {
        let (at_home, request) = (lives_at(instance, address), request.to_owned());
        self.call("restart_process".to_owned(), Duration::ZERO, move |provider, now| {
            let Provider { machines, conditions, .. } = provider;
            let machine = machines.iter_mut().find(|machine| at_home(machine) && machine.state(now) == MachineState::Started);
            let machine = machine.ok_or_else(|| Setback::retry("the supervisor does not answer"))?;
            if !machine.process_restarts.contains(&request) {
                machine.restart_process(&request, conditions, now);
            }
            Ok(())
        })
        .await
    }
}

impl FakeWorld {
    /// How long a long poll for something that becomes true at this moment takes.
    fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or_default().min(LONG_POLL)
    }
}

/// Boots a machine, if it is to be booted as it stands.
fn boot(
    provider: &mut Provider,
    app: &str,
    id: &str,
    now: Timestamp,
    is_to_boot: impl FnOnce(&FakeMachine) -> Attempt<bool>,
) -> Attempt<()> {
    let volumes: Vec<String> = provider.volumes.iter().map(|volume| volume.id.clone()).collect();
    let (machine, conditions) = provider.machine_mut(app, id)?;
    if machine.heads_for() == MachineState::Gone {
        return Err(Setback::fatal(format!("the machine {id} is gone")));
    }
    if !is_to_boot(machine)? {
        return Ok(());
    }
    let on_its_volume = volumes.contains(&machine.spec.volume);
    machine.boot(conditions, now);
    if !on_its_volume {
        provider.complain(format!("{id} is booted without the volume that holds its state"));
    }
    Ok(())
}

/// Requests reach a machine by its public address, and its supervisor knows for whom it stands there.
fn lives_at(instance: &InstanceId, address: &str) -> impl Fn(&FakeMachine) -> bool + Send + 'static {
    let (instance, address) = (instance.to_string(), address.to_owned());
    move |machine| machine.spec.env.get(env::INSTANCE) == Some(&instance) && machine.spec.env.get(env::ADDRESS) == Some(&address)
}
