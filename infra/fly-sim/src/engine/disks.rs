//! What moves snapshots on.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::host::Disk;
use crate::records::{Snapshot, SnapshotStatus, Volume, VolumeState};
use crate::world::World;

/// How often it is looked which volumes lack their daily snapshot.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The age at which a volume, or its last snapshot, calls for the next daily one.
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl World {
    /// Takes note of a snapshot and has it taken. Of one volume there is one at a time: returns when the pending one was ordered, if there is.
    pub(crate) fn order_snapshot(self: &Arc<Self>, volume: &str) -> rusqlite::Result<Option<Timestamp>> {
        let id = self.ids.snapshot();
        let now = self.now();
        let pending = self.change(|change| {
            let tables = change.tables();
            let pending = |snapshot: &&Snapshot| snapshot.volume == volume && snapshot.status != SnapshotStatus::Created;
            if let Some(pending) = tables.snapshots().find(pending) {
                return Ok(Some(pending.created_at));
            }
            let Some(volume) = tables.volume(volume) else { return Ok(None) };
            let snapshot = Snapshot {
                id: id.clone(),
                volume: volume.id.clone(),
                app_id: volume.app_id.clone(),
                region: volume.region.clone(),
                status: SnapshotStatus::Waiting,
                size_gb: volume.size_gb,
                bytes: 0,
                created_at: now,
                retention_days: volume.snapshot_retention,
            };
            change.put_snapshot(snapshot);
            Ok::<_, rusqlite::Error>(None)
        })?;
        if pending.is_none() {
            self.take_snapshot(&id);
        }
        Ok(pending)
    }

    /// Goes on with a snapshot that is not taken yet.
    pub(crate) fn take_snapshot(self: &Arc<Self>, id: &str) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = world.snapshot_taken(&id).await {
                tracing::error!(snapshot = id, %error, "a snapshot could not be taken");
            }
        });
    }

    async fn snapshot_taken(&self, id: &str) -> std::io::Result<()> {
        let Some(volume) = self.read(|tables| tables.snapshot(id).map(|snapshot| snapshot.volume.clone())) else { return Ok(()) };
        let takes = self.options.latencies.snapshot;
        pass(takes).await;
        // A silent host takes no snapshots; this one is taken when it returns.
        self.volume_answers(&volume, Duration::MAX).await;
        self.set_snapshot(id, |snapshot| snapshot.status = SnapshotStatus::Running)?;
        let copied = self.options.host.copy(&Disk::Volume(volume), &Disk::Snapshot(id.to_owned())).await;
        let Ok(bytes) = copied else {
            // It never came about: the next one may be ordered.
            self.forget_snapshot(id).map_err(std::io::Error::other)?;
            return copied.map(drop);
        };
        pass(takes).await;
        self.set_snapshot(id, |snapshot| {
            snapshot.status = SnapshotStatus::Created;
            snapshot.bytes = bytes;
        })
    }

    pub(super) fn forget_snapshot(&self, id: &str) -> rusqlite::Result<()> {
        self.change(|change| {
            change.remove_snapshot(id);
            Ok(())
        })
    }

    fn set_snapshot(&self, id: &str, set: impl FnOnce(&mut Snapshot)) -> std::io::Result<()> {
        if self.closing() {
            return Ok(());
        }
        let changed = self.change(|change| {
            if let Some(snapshot) = change.snapshot(id) {
                set(snapshot);
            }
            Ok::<_, rusqlite::Error>(())
        });
        changed.map_err(std::io::Error::other)
    }

    /// Takes snapshots day by day, if it is to.
    pub(crate) fn take_daily_snapshots(self: &Arc<Self>) {
        if !self.options.daily_snapshots {
            return;
        }
        let world = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(world) = world.upgrade().filter(|world| !world.closing()) else { return };
                for volume in world.lacking_a_daily_snapshot() {
                    if let Err(error) = world.order_snapshot(&volume) {
                        tracing::error!(volume, %error, "a daily snapshot could not be ordered");
                    }
                }
            }
        });
    }

    fn lacking_a_daily_snapshot(&self) -> Vec<String> {
        let now = self.now();
        let old = |at| now.duration_since(at) >= DAY;
        self.read(|tables| {
            let lacks = |volume: &&Volume| {
                volume.auto_backup_enabled
                    && volume.state == VolumeState::Created
                    && old(volume.created_at)
                    && tables.snapshots().filter(|snapshot| snapshot.volume == volume.id).all(|snapshot| old(snapshot.created_at))
            };
            tables.volumes().filter(lacks).map(|volume| volume.id.clone()).collect()
        })
    }
}

/// Waits on tokio's clock, and not at all for zero.
pub(super) async fn pass(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
