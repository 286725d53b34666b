use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use crate::host::{Exit, HostEvent};
use crate::records::{CheckVerdict, Machine, MachineState};
use crate::world::{World, lock};

/// The window in which restarts are counted against `max_retries`.
const WINDOW: SignedDuration = SignedDuration::from_mins(5);
/// Restarts that `on-failure` tries within the window unless the configuration says otherwise.
const RETRIES: u64 = 10;
/// The longest pause between two restarts.
const LONGEST_PAUSE_SECONDS: i64 = 30;

impl World {
    /// Takes what the host reports.
    pub(crate) fn heard(self: &Arc<Self>, event: HostEvent) {
        if self.closing() {
            return;
        }
        let outcome = match event {
            HostEvent::Exited { machine, instance_id, exit } => self.exited(&machine, instance_id, exit),
            HostEvent::Check { machine, name, status, output } => self.checked(&machine, name, status, output),
        };
        if let Err(error) = outcome {
            tracing::error!(%error, "the state file refused what the host reported");
        }
    }

    fn exited(self: &Arc<Self>, id: &str, instance_id: String, exit: Exit) -> rusqlite::Result<()> {
        self.change(|change| {
            let Some(machine) = change.tables().machine(id) else { return Ok(()) };
            if machine.state == MachineState::Started && machine.instance_id == instance_id {
                if let Some(machine) = change.machine(id) {
                    machine.updated_at = self.now();
                    self.ended(machine, &exit);
                }
            } else {
                lock(&self.exited).insert(id.to_owned(), (instance_id, exit));
            }
            Ok::<(), rusqlite::Error>(())
        })?;
        self.kick(id);
        Ok(())
    }

    /// Applies the restart policy (<https://fly.io/docs/machines/guides-examples/machine-restart-policy/>) to a machine whose program ended by itself.
    pub(super) fn ended(&self, machine: &mut Machine, exit: &Exit) {
        let now = self.now();
        machine.checks.clear();
        machine.restarts.retain(|at| now.duration_since(*at) < WINDOW);
        let restart = &machine.config["restart"];
        let retries = restart["max_retries"].as_u64().filter(|retries| *retries > 0).unwrap_or(RETRIES);
        let failed = exit.code != Some(0) || exit.signal.is_some() || exit.oom_killed;
        let again = match restart["policy"].as_str() {
            Some("always") => true,
            Some("no") => false,
            _ => failed && (machine.restarts.len() as u64) < retries,
        };
        let event = self.exit_event(exit, false, again, machine.restarts.len());
        if again {
            // The first restart comes at once and the following ones after 1, 2, 4… seconds: a program that ends at once must not keep the host busy.
            let earlier = u32::try_from(machine.restarts.len()).unwrap_or(u32::MAX);
            let pause = earlier.checked_sub(1).map_or(0, |doublings| 1i64.checked_shl(doublings.min(5)).unwrap_or(LONGEST_PAUSE_SECONDS));
            machine.not_before = Some(now + SignedDuration::from_secs(pause.min(LONGEST_PAUSE_SECONDS)));
            machine.restarts.push(now);
            machine.enter(MachineState::Starting, event);
        } else if machine.config["auto_destroy"] == true {
            machine.record(event);
            machine.enter(MachineState::Destroying, self.event("destroy", "destroying", "flyd", Value::Null));
        } else {
            machine.enter(MachineState::Stopped, event);
        }
    }

    fn checked(&self, id: &str, name: String, status: String, output: String) -> rusqlite::Result<()> {
        self.change(|change| {
            let verdict = CheckVerdict { status, output, updated_at: self.now() };
            if change.tables().machine(id).is_some()
                && let Some(machine) = change.machine(id)
            {
                machine.checks.insert(name, verdict);
            }
            Ok(())
        })
    }
}
