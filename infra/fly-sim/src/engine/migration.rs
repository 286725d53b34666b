//! Machines that change their host (<https://fly.io/docs/reference/machine-migration/>).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::private_ip;
use crate::conditions::{OK, UNREACHABLE};
use crate::host::Disk;
use crate::records::{Machine, MachineState, Source, Volume, VolumeState};
use crate::tables::{Change, Tables};
use crate::world::World;

impl World {
    /// Has a machine moved to another host: at once if it rests; one that runs is stopped for it and booted there. Returns whether it is
    /// to move, which nothing does that is under way or whose host is silent.
    pub(crate) async fn migrate(self: &Arc<Self>, id: &str) -> rusqlite::Result<bool> {
        let movable = |machine: &&Machine| self.host_status(machine) != UNREACHABLE;
        match self.read(|tables| tables.machine(id).filter(movable).map(|machine| machine.state)) {
            Some(state @ (MachineState::Stopped | MachineState::Suspended | MachineState::Failed)) => self.change_host(id, state).await,
            Some(MachineState::Started) => {
                self.leave(id, MachineState::Started, |world, machine| {
                    machine.moving = true;
                    machine.launch = true;
                    machine.enter(MachineState::Restarting, world.event("restart", "restarting", "flyd", Value::Null));
                })?;
                self.kick(id);
                let mut changes = self.changes();
                let under_way = |machine: &Machine| machine.moving && !machine.state.rests() && machine.state != MachineState::Destroying;
                while self.read(|tables| tables.machine(id).is_some_and(under_way)) && !self.closing() {
                    if changes.changed().await.is_err() {
                        break;
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Moves a machine that does not run, if it is still in the state it was found in: its volume is copied, and with the copy it has another
    /// volume and another address.
    pub(super) async fn change_host(self: &Arc<Self>, id: &str, state: MachineState) -> rusqlite::Result<bool> {
        let old = self.read(|tables| tables.machine(id).and_then(|machine| mounted(tables, machine)));
        let new = self.ids.volume();
        if let Some(old) = &old
            && let Err(error) = self.options.host.copy(&Disk::Volume(old.clone()), &Disk::Volume(new.clone())).await
        {
            tracing::warn!(machine = id, volume = old, %error, "a volume could not be copied; its machine stays where it is");
            self.leave(id, state, |_, machine| machine.moving = false)?;
            return Ok(false);
        }
        let moved = self.change(|change| {
            let fits = |machine: &&Machine| machine.state == state && mounted(change.tables(), machine) == old;
            let Some(network) =
                change.tables().machine(id).filter(fits).map(|machine| change.tables().app(&machine.app).map(|app| app.number))
            else {
                return Ok::<_, rusqlite::Error>(false);
            };
            if let Some(old) = &old {
                self.replace_volume(change, old, &new);
            }
            if let Some(machine) = change.machine(id) {
                if old.is_some() {
                    machine.config["mounts"][0]["volume"] = json!(new);
                    if let Some(version) = machine.versions.last_mut() {
                        version.user_config["mounts"][0]["volume"] = json!(new);
                    }
                }
                // What was frozen stays behind.
                (machine.moving, machine.migrated, machine.frozen) = (false, true, false);
                machine.private_ip = private_ip(network.unwrap_or_default(), &self.ids.machine());
                OK.clone_into(&mut machine.host_status);
                machine.updated_at = self.now();
            }
            Ok(true)
        })?;
        if moved {
            // There is room on the new host.
            self.conditions.set_want(id, None);
            self.move_volume_on(&new);
        } else if old.is_some()
            && let Err(error) = self.options.host.delete_volume(&new).await
        {
            tracing::warn!(machine = id, volume = new, %error, "a copy that nobody needs could not be removed");
        }
        Ok(moved)
    }

    /// Puts a copy of a volume in its place. The old one is deleted, and kept for a week.
    fn replace_volume(&self, change: &mut Change<'_>, old: &str, new: &str) {
        let now = self.now();
        let Some(left) = change.volume(old) else { return };
        let taken = Volume {
            id: new.to_owned(),
            state: VolumeState::Hydrating,
            zone: self.ids.zone(),
            created_at: now,
            updated_at: now,
            source: Some(Source::Volume(old.to_owned())),
            host_status: OK.to_owned(),
            ..left.clone()
        };
        left.attached = None;
        left.state = VolumeState::PendingDestroy;
        left.deleted_at = Some(now);
        left.updated_at = now;
        left.left_behind = true;
        change.put_volume(taken);
    }
}

/// The volume that a machine has, if that is there.
fn mounted(tables: &Tables, machine: &Machine) -> Option<String> {
    let volume = machine.config["mounts"][0]["volume"].as_str()?;
    tables.volume(volume).map(|volume| volume.id.clone())
}
