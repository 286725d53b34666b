use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::query;
use super::refusal::Refusal;
use super::volumes::{answers, unknown};
use super::{Answer, Shared};
use crate::records::{Snapshot, SnapshotStatus};

type Names = Path<(String, String)>;

/// The snapshots of a volume, newest first. A deleted volume's can be listed as long as there are some, by whoever knows its identifier.
pub(super) async fn list(State(world): State<Shared>, Path((app, volume)): Names) -> Answer<Json<Value>> {
    world.purge().await?;
    world.read(|tables| {
        let app = query::app(tables, &app)?;
        let mut snapshots: Vec<&Snapshot> =
            tables.snapshots().filter(|snapshot| snapshot.volume == volume && snapshot.app_id == app.id).collect();
        if snapshots.is_empty() && tables.volume(&volume).is_none_or(|volume| volume.app_id != app.id) {
            return Err(unknown(&volume));
        }
        snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.created_at));
        Ok(Json(snapshots.into_iter().map(view).collect()))
    })
}

/// Orders a snapshot. The answer does not name it: it is found by listing. There is one at a time for each volume.
pub(super) async fn create(State(world): State<Shared>, Path((app, volume)): Names) -> Answer<StatusCode> {
    world.purge().await?;
    answers(&world, &app, &volume).await?;
    world.read(|tables| {
        query::app(tables, &app)?;
        let found = tables.volume(&volume).ok_or_else(|| unknown(&volume))?;
        if found.state.is_deleted() {
            return Err(Refusal::precondition("volume is pending destroy"));
        }
        Ok(())
    })?;
    match world.order_snapshot(&volume)? {
        Some(at) => Err(Refusal::precondition(format!("snapshot is already scheduled at {at}"))),
        None => Ok(StatusCode::OK),
    }
}

fn view(snapshot: &Snapshot) -> Value {
    let digest = if snapshot.status == SnapshotStatus::Created { format!("simulated:{}", snapshot.id) } else { String::new() };
    json!({
        "id": snapshot.id, "status": snapshot.status.as_str(), "size": snapshot.bytes, "volume_size": snapshot.size_gb * 1_000_000_000,
        "digest": digest, "created_at": snapshot.created_at, "retention_days": snapshot.retention_days,
    })
}
