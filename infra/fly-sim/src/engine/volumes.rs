//! What moves volumes on: those that are made from something, and those that are to go.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::disks::pass;
use crate::conditions::UNREACHABLE;
use crate::host::Disk;
use crate::records::{Source, Volume, VolumeState};
use crate::world::World;

impl World {
    /// Says that a volume is to go: it does at once, unless that takes its time or its host is silent.
    pub(crate) fn order_destruction(&self, volume: &mut Volume) {
        if volume.state.is_deleted() {
            return;
        }
        if !self.options.latencies.volume.is_zero() || self.volume_status(volume) == UNREACHABLE {
            volume.state = VolumeState::SchedulingDestroy;
        } else {
            self.delete_softly(volume);
        }
    }

    fn delete_softly(&self, volume: &mut Volume) {
        volume.state = VolumeState::PendingDestroy;
        volume.deleted_at = Some(self.now());
    }

    /// Moves a volume on until it rests.
    pub(crate) fn move_volume_on(self: &Arc<Self>, id: &str) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            while let Some(state) = world.moving(&id) {
                if let Err(error) = world.advance_volume(&id, state).await {
                    // As on Fly, where a restore that fails stays as it is until somebody deletes the volume.
                    tracing::error!(volume = id, %error, "a volume could not be moved on");
                    return;
                }
            }
        });
    }

    fn moving(&self, id: &str) -> Option<VolumeState> {
        if self.closing() {
            return None;
        }
        self.read(|tables| tables.volume(id).map(|volume| volume.state)).filter(|state| !state.rests())
    }

    async fn advance_volume(&self, id: &str, state: VolumeState) -> io::Result<()> {
        let latencies = self.options.latencies;
        match state {
            VolumeState::Creating => {
                pass(latencies.volume).await;
                self.leave_volume(id, state, |volume| {
                    volume.state = match volume.source {
                        None => VolumeState::Created,
                        Some(Source::Snapshot(_)) => VolumeState::Restoring,
                        Some(Source::Volume(_)) => VolumeState::EnablingRemoteExport,
                    };
                })
            }
            VolumeState::EnablingRemoteExport => {
                pass(latencies.volume).await;
                self.leave_volume(id, state, |volume| volume.state = VolumeState::Hydrating)
            }
            VolumeState::Extending => {
                pass(latencies.volume).await;
                self.leave_volume(id, state, |volume| volume.state = VolumeState::Created)
            }
            VolumeState::Restoring => {
                let source = self.read(|tables| tables.volume(id).and_then(|volume| volume.source.clone()));
                if let Some(Source::Snapshot(snapshot)) = source {
                    self.options.host.copy(&Disk::Snapshot(snapshot), &Disk::Volume(id.to_owned())).await?;
                }
                pass(latencies.hydrate).await;
                self.leave_volume(id, state, |volume| volume.state = VolumeState::Created)
            }
            // A fork has its contents before it is there at all.
            VolumeState::Hydrating => {
                pass(latencies.hydrate).await;
                self.leave_volume(id, state, |volume| volume.state = VolumeState::Created)
            }
            VolumeState::SchedulingDestroy => {
                pass(latencies.volume).await;
                self.volume_answers(id, Duration::MAX).await;
                self.leave_volume(id, state, |volume| self.delete_softly(volume))
            }
            VolumeState::Created | VolumeState::PendingDestroy => Ok(()),
        }
    }

    /// Changes a volume that is still in the state it was found in, unless the simulator ends.
    fn leave_volume(&self, id: &str, state: VolumeState, change: impl FnOnce(&mut Volume)) -> io::Result<()> {
        if self.closing() {
            return Ok(());
        }
        let changed = self.change(|tables| {
            if let Some(volume) = tables.volume(id).filter(|volume| volume.state == state) {
                change(volume);
                volume.updated_at = self.now();
            }
            Ok::<_, rusqlite::Error>(())
        });
        changed.map_err(io::Error::other)
    }
}
