//! What moves machines on: one worker per machine that is in a transient state, and the consumer of what the host reports.
//!
//! The state in the record alone says what is to be done next, so a simulator that starts on existing data goes on where it was.

mod boot;
mod disks;
mod exit;
mod migration;
mod reopen;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::host::Exit;
use crate::records::{Machine, MachineState, Stopping};
use crate::tables::{Change, Tables};
use crate::world::{World, lock};

/// How long the worker of a machine rests after the state file refused a write.
const AFTER_A_REFUSED_WRITE: Duration = Duration::from_secs(1);

/// `SIGKILL`.
const KILL: i32 = 9;

impl World {
    /// Sees to it that a machine in a transient state is moved on.
    pub(crate) fn kick(self: &Arc<Self>, id: &str) {
        if lock(&self.working).insert(id.to_owned()) {
            tokio::spawn(Arc::clone(self).work(id.to_owned()));
        }
    }

    async fn work(self: Arc<Self>, id: String) {
        while !self.closing() {
            let Some(state) = self.transient(&id) else {
                // Looked at again under the lock: whoever changed the state after the look above has found a worker at work and left.
                let mut working = lock(&self.working);
                if self.transient(&id).is_some() {
                    continue;
                }
                working.remove(&id);
                return;
            };
            if let Err(error) = self.advance(&id, state).await {
                tracing::error!(machine = id, %error, "the state file refused a write; the machine waits");
                tokio::time::sleep(AFTER_A_REFUSED_WRITE).await;
            }
        }
    }

    fn transient(&self, id: &str) -> Option<MachineState> {
        self.read(|tables| tables.machine(id).map(|machine| machine.state)).filter(|state| !state.rests())
    }

    async fn advance(self: &Arc<Self>, id: &str, state: MachineState) -> rusqlite::Result<()> {
        // Nothing moves while the host is silent; a call may change what is to be done meanwhile.
        if !self.machine_answers(id, Some(state), Duration::MAX).await {
            return Ok(());
        }
        match state {
            MachineState::Created | MachineState::Updating => self.prepare(id, state).await,
            MachineState::LaunchFailed => self.give_up(id).await,
            MachineState::Starting => self.boot(id).await,
            MachineState::Destroying => self.destroy(id).await,
            MachineState::Suspending => self.suspend(id).await,
            MachineState::Stopping | MachineState::Restarting | MachineState::Replacing => self.halt(id, state).await,
            MachineState::Started | MachineState::Stopped | MachineState::Suspended | MachineState::Failed | MachineState::Destroyed => {
                Ok(())
            }
        }
    }

    /// Fetches the image of a new machine or of a new version.
    async fn prepare(&self, id: &str, state: MachineState) -> rusqlite::Result<()> {
        self.linger(id, state, self.options.latencies.prepare).await;
        let image = self.read(|tables| tables.machine(id).and_then(|machine| machine.config["image"].as_str().map(str::to_owned)));
        let pulled = self.options.host.pull(&image.unwrap_or_default()).await;
        self.leave(id, state, |world, machine| {
            if let Err(refused) = pulled {
                // A machine that never had a version is given up; one that had stays, for the next update.
                let next = if state == MachineState::Created { MachineState::LaunchFailed } else { MachineState::Failed };
                machine.enter(next, world.event("launch", next.as_str(), "flyd", json!({ "error": refused.to_string() })));
            } else if machine.launch {
                machine.enter(MachineState::Starting, world.event("start", "starting", "flyd", Value::Null));
            } else {
                machine.enter(MachineState::Stopped, world.event("stop", "stopped", "flyd", Value::Null));
            }
        })
    }

    async fn give_up(&self, id: &str) -> rusqlite::Result<()> {
        self.linger(id, MachineState::LaunchFailed, self.options.latencies.give_up).await;
        self.leave(id, MachineState::LaunchFailed, |world, machine| {
            machine.enter(MachineState::Destroying, world.event("destroy", "destroying", "flyd", Value::Null));
        })
    }

    /// Ends the machine's program for one of the reasons there are, and moves on to what follows.
    async fn halt(&self, id: &str, state: MachineState) -> rusqlite::Result<()> {
        let stopping =
            self.read(|tables| tables.machine(id).map(|machine| machine.stopping.unwrap_or_else(|| stop_config(&machine.config))));
        let Some(stopping) = stopping else { return Ok(()) };
        let exit = self.options.host.stop(id, stopping.signal, stopping.timeout()).await;
        self.leave(id, state, |world, machine| {
            machine.stopping = None;
            machine.not_before = None;
            machine.checks.clear();
            if !std::mem::take(&mut machine.frozen) {
                machine.record(world.exit_event(&exit, true, false, machine.restarts.len()));
            }
            let (next, kind) = match state {
                MachineState::Stopping => (MachineState::Stopped, "stop"),
                MachineState::Replacing => (MachineState::Updating, "update"),
                _ if machine.launch => (MachineState::Starting, "start"),
                _ => (MachineState::Stopped, "stop"),
            };
            machine.enter(next, world.event(kind, next.as_str(), "flyd", Value::Null));
        })
    }

    async fn suspend(&self, id: &str) -> rusqlite::Result<()> {
        let frozen = self.options.host.suspend(id).await;
        self.leave(id, MachineState::Suspending, |world, machine| {
            machine.frozen = frozen;
            machine.checks.clear();
            machine.enter(MachineState::Suspended, world.event("suspend", "suspended", "flyd", Value::Null));
        })
    }

    async fn destroy(&self, id: &str) -> rusqlite::Result<()> {
        self.options.host.stop(id, KILL, Duration::ZERO).await;
        self.options.host.destroy(id).await;
        if self.closing() {
            return Ok(());
        }
        self.change(|change| {
            lock(&self.exited).remove(id);
            let bound: Vec<String> =
                change.tables().volumes().filter(|volume| volume.attached.as_deref() == Some(id)).map(|volume| volume.id.clone()).collect();
            for volume in bound {
                if let Some(volume) = change.volume(&volume) {
                    volume.attached = None;
                }
            }
            let now = self.now();
            let app_is_gone = !change.tables().machine(id).is_some_and(|machine| has_app(change.tables(), machine));
            if app_is_gone {
                change.remove_machine(id);
            } else if let Some(machine) = change.machine(id) {
                machine.lease = None;
                machine.updated_at = now;
                machine.enter(MachineState::Destroyed, self.event("destroy", "destroyed", "flyd", Value::Null));
            }
            Ok(())
        })
    }

    /// Changes a machine that is still in the state it was found in. If a call has changed it meanwhile, or the simulator ends, nothing happens.
    fn leave(&self, id: &str, state: MachineState, change: impl FnOnce(&Self, &mut Machine)) -> rusqlite::Result<()> {
        if self.closing() {
            return Ok(());
        }
        self.change(|tables: &mut Change<'_>| {
            if tables.tables().machine(id).is_some_and(|machine| machine.state == state)
                && let Some(machine) = tables.machine(id)
            {
                machine.updated_at = self.now();
                change(self, machine);
            }
            Ok(())
        })
    }

    /// Waits, unless the machine leaves the state.
    async fn linger(&self, id: &str, state: MachineState, time: Duration) {
        let end = Instant::now() + time;
        let mut changes = self.changes();
        while Instant::now() < end && self.transient(id) == Some(state) {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    fn exit_event(&self, exit: &Exit, requested: bool, restarting: bool, restarts: usize) -> crate::records::Event {
        let mut told = json!({
            "exited_at": self.now(), "oom_killed": exit.oom_killed, "requested_stop": requested, "restarting": restarting,
            "guest_signal": exit.signal.unwrap_or_default(), "signal": exit.signal.unwrap_or_default(), "guest_exit_code": exit.code.unwrap_or_default(),
        });
        // Fly leaves a zero exit code out.
        if let Some(code) = exit.code.filter(|code| *code != 0) {
            told["exit_code"] = json!(code);
        }
        self.event("exit", "stopped", "flyd", json!({ "exit_event": told, "restart_count": restarts }))
    }
}

/// Whether the app that the machine was made in is still there: another one may bear its name by now.
fn has_app(tables: &Tables, machine: &Machine) -> bool {
    tables.app(&machine.app).is_some_and(|app| app.id == machine.app_id && !app.deleted)
}

/// How a machine ends unless the call says otherwise: its `stop_config`, else `SIGINT` and five seconds.
pub(crate) fn stop_config(config: &Value) -> Stopping {
    let configured = &config["stop_config"];
    let timeout = crate::forms::duration(&configured["timeout"], crate::forms::Bare::Nanoseconds).unwrap_or(Duration::from_secs(5));
    let signal = configured["signal"].as_str().and_then(crate::forms::signal).unwrap_or(2);
    Stopping { signal, timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) }
}
