use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::KILL;
use crate::faults::Chance;
use crate::host::Boot;
use crate::records::{Machine, MachineState};
use crate::tables::Tables;
use crate::world::{World, lock};

/// How long a boot waits for the secrets that `min_secrets_version` asks for.
const SECRETS_ARRIVE_WITHIN: Duration = Duration::from_secs(60);

impl World {
    /// Boots a machine in the state `starting`, unless it is frozen and can run on.
    pub(super) async fn boot(self: &Arc<Self>, id: &str) -> rusqlite::Result<()> {
        if self.read(|tables| starting(tables, id).is_some_and(|machine| machine.moving)) {
            self.change_host(id, MachineState::Starting).await?;
        }
        if self.run_on(id).await? {
            return Ok(());
        }
        if let Some(not_before) = self.read(|tables| tables.machine(id).and_then(|machine| machine.not_before)) {
            self.linger(id, MachineState::Starting, self.options.clock.until(not_before)).await;
        }
        self.await_secrets(id).await;
        let Some(boot) = self.begin_boot(id)? else { return Ok(()) };
        let instance_id = boot.instance_id.clone();
        match self.options.host.boot(boot).await {
            Ok(()) => self.booted(id, &instance_id),
            Err(error) => {
                tracing::warn!(machine = id, %error, "a machine could not be booted");
                self.leave(id, MachineState::Starting, |world, machine| {
                    machine.enter(MachineState::Failed, world.event("launch", "failed", "flyd", json!({ "error": error.to_string() })));
                })
            }
        }
    }

    /// Lets a frozen machine run on, with the secrets that it has. Returns false when it has to be booted.
    async fn run_on(self: &Arc<Self>, id: &str) -> rusqlite::Result<bool> {
        let frozen = self.read(|tables| starting(tables, id).filter(|machine| machine.frozen).map(|machine| machine.instance_id.clone()));
        let Some(instance_id) = frozen else { return Ok(false) };
        let runs = self.options.host.resume(id).await;
        self.leave(id, MachineState::Starting, |_, machine| machine.frozen = false)?;
        if runs {
            self.booted(id, &instance_id)?;
        }
        Ok(runs)
    }

    async fn await_secrets(&self, id: &str) {
        let deadline = Instant::now() + SECRETS_ARRIVE_WITHIN;
        let mut changes = self.changes();
        while self.read(|tables| starting(tables, id).is_some_and(|machine| secrets_lack(tables, machine))) {
            if !matches!(timeout_at(deadline, changes.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Gathers what the host needs. `None` when the machine is not to boot any more, or waited for its secrets in vain.
    fn begin_boot(&self, id: &str) -> rusqlite::Result<Option<Boot>> {
        let (boot, lacking) = self.read(|tables| match starting(tables, id) {
            Some(machine) => (Some(assemble(tables, machine)), secrets_lack(tables, machine)),
            None => (None, false),
        });
        if lacking {
            self.leave(id, MachineState::Starting, |world, machine| {
                let reason = json!({ "error": format!("secrets version {} did not arrive", machine.min_secrets_version) });
                machine.enter(MachineState::Failed, world.event("launch", "failed", "flyd", reason));
            })?;
            return Ok(None);
        }
        self.leave(id, MachineState::Starting, |world, machine| {
            machine.checks.clear();
            machine.not_before = None;
            machine.memory_limit_mb = None;
            if std::mem::take(&mut machine.migrated) {
                machine.record(world.event("launch", "created", "flyd", json!({ "migrated": true })));
            }
            lock(&world.exited).remove(id);
        })?;
        Ok(boot.filter(|_| !self.closing()))
    }

    fn booted(self: &Arc<Self>, id: &str, instance_id: &str) -> rusqlite::Result<()> {
        self.leave(id, MachineState::Starting, |world, machine| {
            machine.enter(MachineState::Started, world.event("start", "started", "flyd", Value::Null));
            // Its program may have ended before it counted as started.
            let early = lock(&world.exited).remove(id).filter(|(instance, _)| instance == instance_id);
            if let Some((_, exit)) = early {
                world.ended(machine, &exit);
            }
        })?;
        if let Some(after) = self.chance.as_ref().and_then(Chance::crash) {
            tokio::spawn(crash(Arc::downgrade(self), id.to_owned(), after));
        }
        Ok(())
    }
}

/// Kills a machine's main process some time after its boot, unless the machine has left that life by then.
async fn crash(world: Weak<World>, id: String, after: Duration) {
    let life = |world: &World| {
        let life = |machine: &Machine| machine.events.iter().rfind(|event| event.kind == "start").map(|event| event.id.clone());
        world.read(|tables| tables.machine(&id).filter(|machine| machine.state == MachineState::Started).and_then(life))
    };
    let Some(this_life) = world.upgrade().and_then(|world| life(&world)) else { return };
    tokio::time::sleep(after).await;
    let Some(world) = world.upgrade() else { return };
    if life(&world) == Some(this_life) {
        tracing::info!(machine = id, "a machine's program crashes by chance");
        world.options.host.signal(&id, KILL).await;
    }
}

fn starting<'a>(tables: &'a Tables, id: &str) -> Option<&'a Machine> {
    tables.machine(id).filter(|machine| machine.state == MachineState::Starting)
}

fn secrets_lack(tables: &Tables, machine: &Machine) -> bool {
    tables.app(&machine.app).is_none_or(|app| app.secrets_version < machine.min_secrets_version)
}

fn assemble(tables: &Tables, machine: &Machine) -> Boot {
    let secrets: BTreeMap<String, String> = tables
        .app(&machine.app)
        .filter(|app| app.id == machine.app_id)
        .map(|app| app.secrets.iter().map(|(name, secret)| (name.clone(), secret.value.clone())).collect())
        .unwrap_or_default();
    Boot {
        machine: machine.id.clone(),
        name: machine.name.clone(),
        app: machine.app.clone(),
        region: machine.region.clone(),
        instance_id: machine.instance_id.clone(),
        private_ip: machine.private_ip.clone(),
        config: machine.config.clone(),
        secrets,
    }
}
