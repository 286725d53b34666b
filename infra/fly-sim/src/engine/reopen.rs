use std::sync::Arc;

use serde_json::Value;

use crate::records::{MachineState, SnapshotStatus};
use crate::world::World;

impl World {
    /// Goes on where an earlier simulator ended: machines that ran boot anew, transient states settle.
    pub(crate) async fn resume(self: &Arc<Self>) -> rusqlite::Result<()> {
        let ran: Vec<String> = self.read(|tables| {
            tables.machines().filter(|machine| machine.state == MachineState::Started).map(|machine| machine.id.clone()).collect()
        });
        self.change(|change| {
            for id in &ran {
                if let Some(machine) = change.machine(id) {
                    machine.checks.clear();
                    machine.enter(MachineState::Starting, self.event("start", "starting", "flyd", Value::Null));
                }
            }
            Ok::<(), rusqlite::Error>(())
        })?;
        self.purge().await?;
        let unsettled: Vec<String> =
            self.read(|tables| tables.machines().filter(|machine| !machine.state.rests()).map(|machine| machine.id.clone()).collect());
        for id in unsettled {
            self.kick(&id);
        }
        let (snapshots, volumes): (Vec<String>, Vec<String>) = self.read(|tables| {
            let pending = tables.snapshots().filter(|snapshot| snapshot.status != SnapshotStatus::Created);
            let moving = tables.volumes().filter(|volume| !volume.state.rests());
            (pending.map(|snapshot| snapshot.id.clone()).collect(), moving.map(|volume| volume.id.clone()).collect())
        });
        snapshots.iter().for_each(|id| self.take_snapshot(id));
        volumes.iter().for_each(|id| self.move_volume_on(id));
        Ok(())
    }

    /// Forgets the volumes that were deleted a day ago and the snapshots whose time is over. Their contents go first: a crash in between leaves a record that is purged again.
    pub(crate) async fn purge(&self) -> rusqlite::Result<()> {
        let now = self.now();
        let expired: Vec<String> =
            self.read(|tables| tables.volumes().filter(|volume| volume.expired(now)).map(|volume| volume.id.clone()).collect());
        for id in expired {
            if let Err(error) = self.options.host.delete_volume(&id).await {
                tracing::warn!(volume = id, %error, "a volume's contents could not be removed; it is tried again later");
                continue;
            }
            self.change(|change| {
                change.remove_volume(&id);
                Ok::<(), rusqlite::Error>(())
            })?;
        }
        let expired: Vec<String> =
            self.read(|tables| tables.snapshots().filter(|snapshot| snapshot.expired(now)).map(|snapshot| snapshot.id.clone()).collect());
        for id in expired {
            if let Err(error) = self.options.host.delete_snapshot(&id).await {
                tracing::warn!(snapshot = id, %error, "a snapshot's contents could not be removed; it is tried again later");
                continue;
            }
            self.forget_snapshot(&id)?;
        }
        Ok(())
    }
}
