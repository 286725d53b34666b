//! Volumes: <https://fly.io/docs/machines/api/volumes-resource/>.

pub(super) mod create;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::machines::reach::silent;
use super::query::{self, Params, body};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::records::{Volume, VolumeState};
use crate::tables::Tables;
use crate::world::World;

/// The sizes that a volume may have, in gigabytes.
const SIZES_GB: std::ops::RangeInclusive<u64> = 1..=500;

fn check_retention(days: u64) -> Answer<()> {
    if (1..=60).contains(&days) { Ok(()) } else { Err(Refusal::invalid("snapshot_retention must be between 1 and 60")) }
}

pub(super) async fn list(State(world): State<Shared>, Path(app): Path<String>, params: Params) -> Answer<Json<Value>> {
    world.purge().await?;
    let seen = params.list_seen(&world);
    let summary = params.flag("summary");
    world.read(|tables| {
        let app = query::app(tables, &app)?;
        let then = tables.volumes_at(seen).into_iter();
        let shown = then.filter(|volume| volume.app_id == app.id && volume.created_at <= seen);
        let mut list: Vec<Value> = shown.map(|volume| view(&world, volume)).collect();
        if summary {
            for volume in &mut list {
                strip(volume);
            }
        }
        Ok(Json(json!(list)))
    })
}

/// Leaves out what a summary does not have.
pub(super) fn strip(volume: &mut Value) {
    if let Some(fields) = volume.as_object_mut() {
        fields.retain(|field, _| !field.starts_with("block") && !field.starts_with("bytes"));
    }
}

pub(super) async fn read(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, params: Params) -> Answer<Json<Value>> {
    world.read(|tables| {
        let volume = find(&world, tables, &app, &id)?;
        // A read that lags does not know the newest volumes yet.
        if params.sees(&world, volume.created_at) { Ok(Json(view(&world, volume))) } else { Err(unknown(&id)) }
    })
}

fn find<'a>(world: &World, tables: &'a Tables, app_name: &str, id: &str) -> Answer<&'a Volume> {
    let app = query::app(tables, app_name)?;
    let now = world.now();
    let volume = tables.volume(id).filter(|volume| volume.app_id == app.id && !volume.expired(now));
    volume.ok_or_else(|| unknown(id))
}

pub(super) fn unknown(id: &str) -> Refusal {
    Refusal::not_found(format!("volume {id} not found"))
}

fn change(world: &World, app: &str, id: &str, change: impl FnOnce(&mut Volume) -> Answer<()>) -> Answer<Value> {
    world.change(|tables| {
        find(world, tables.tables(), app, id)?;
        let volume = tables.volume(id).ok_or_else(|| unknown(id))?;
        change(volume)?;
        volume.updated_at = world.now();
        Ok(view(world, volume))
    })
}

#[derive(Deserialize)]
struct Update {
    snapshot_retention: Option<u64>,
    auto_backup_enabled: Option<bool>,
}

pub(super) async fn update(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, bytes: Bytes) -> Answer<Json<Value>> {
    let asked: Update = body(&bytes)?;
    let answer = change(&world, &app, &id, |volume| {
        if let Some(days) = asked.snapshot_retention {
            check_retention(days)?;
            volume.snapshot_retention = days;
        }
        volume.auto_backup_enabled = asked.auto_backup_enabled.unwrap_or(volume.auto_backup_enabled);
        Ok(())
    })?;
    Ok(Json(answer))
}

/// Waits for the volume's host, as a machine's call does for the machine's.
pub(super) async fn answers(world: &World, app: &str, id: &str) -> Answer<()> {
    world.read(|tables| find(world, tables, app, id).map(|_| ()))?;
    if world.volume_answers(id, world.options.latencies.host_patience).await { Ok(()) } else { Err(silent()) }
}

#[derive(Deserialize)]
struct Extend {
    size_gb: u64,
}

pub(super) async fn extend(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, bytes: Bytes) -> Answer<Json<Value>> {
    let Extend { size_gb } = body(&bytes)?;
    answers(&world, &app, &id).await?;
    let volume = change(&world, &app, &id, |volume| {
        if volume.state.is_deleted() {
            return Err(Refusal::precondition("volume is pending destroy"));
        }
        if size_gb < volume.size_gb || !SIZES_GB.contains(&size_gb) {
            return Err(Refusal::invalid(format!("volume size must be between the current {} GB and 500 GB", volume.size_gb)));
        }
        volume.size_gb = size_gb;
        if volume.state == VolumeState::Created && !world.options.latencies.volume.is_zero() {
            volume.state = VolumeState::Extending;
        }
        Ok(())
    })?;
    world.move_volume_on(&id);
    Ok(Json(json!({ "volume": volume, "needs_restart": false })))
}

/// Deletes a volume softly: it can be named for a day more. On a silent host the deletion stays pending until the host returns.
pub(super) async fn remove(State(world): State<Shared>, Path((app, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    let answer = change(&world, &app, &id, |volume| {
        if let Some(machine) = &volume.attached {
            return Err(Refusal::precondition(format!("volume is currently bound to machine: {machine}")));
        }
        world.order_destruction(volume);
        Ok(())
    })?;
    world.move_volume_on(&id);
    Ok(Json(answer))
}

/// The volume on the wire. `attached_machine_id` is null when it is free: `""` would read as attached.
pub(super) fn view(world: &World, volume: &Volume) -> Value {
    const BLOCK: u64 = 4096;
    let blocks = volume.size_gb * 1_000_000_000 / BLOCK;
    json!({
        "id": volume.id, "name": volume.name, "state": volume.state.as_str(), "size_gb": volume.size_gb, "region": volume.region,
        "zone": volume.zone, "encrypted": volume.encrypted, "fstype": volume.fstype, "attached_machine_id": volume.attached,
        "attached_alloc_id": null, "created_at": volume.created_at, "updated_at": volume.updated_at, "blocks": blocks, "block_size": BLOCK,
        "blocks_free": blocks, "blocks_avail": blocks, "bytes_total": blocks * BLOCK, "bytes_used": 0,
        "snapshot_retention": volume.snapshot_retention, "auto_backup_enabled": volume.auto_backup_enabled, "host_status": world.volume_status(volume), "type": "local",
    })
}
