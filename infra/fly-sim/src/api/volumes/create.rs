use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::{SIZES_GB, check_retention, find, view};
use crate::api::config::{Guest, place};
use crate::api::query::{self, body};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::conditions::UNREACHABLE;
use crate::host::Disk;
use crate::records::{SnapshotStatus, Source, Volume, VolumeState};
use crate::world::World;

/// What a volume has unless the call says otherwise, in gigabytes.
const DEFAULT_SIZE_GB: u64 = 3;

#[derive(Deserialize)]
struct Create {
    name: Option<String>,
    region: Option<String>,
    size_gb: Option<u64>,
    encrypted: Option<bool>,
    fstype: Option<String>,
    snapshot_id: Option<String>,
    source_volume_id: Option<String>,
    snapshot_retention: Option<u64>,
    auto_backup_enabled: Option<bool>,
    compute: Option<Guest>,
}

/// Makes a volume. Names need not be unique: a repeated call makes a second volume of the same name.
pub(crate) async fn create(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<Json<Value>> {
    world.purge().await?;
    let asked: Create = body(&bytes)?;
    let app_id = world.read(|tables| query::app(tables, &app).map(|app| app.id.clone()))?;
    let source = source(&world, &app, &asked)?;
    let volume = ordered(&world, app, app_id, asked, source)?;
    make(&world, &volume).await.map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("internal: {error}")))?;
    let id = volume.id.clone();
    let answer = world.change(|change| {
        query::app(change.tables(), &volume.app)?;
        let answer = view(&world, &volume);
        change.put_volume(volume);
        Ok::<_, Refusal>(answer)
    })?;
    world.move_volume_on(&id);
    Ok(Json(answer))
}

/// A fork has its contents as of now; what a snapshot holds stays as it is and comes in the background.
async fn make(world: &World, volume: &Volume) -> std::io::Result<()> {
    match &volume.source {
        None => world.options.host.create_volume(&volume.id).await,
        Some(Source::Volume(source)) => {
            world.options.host.copy(&Disk::Volume(source.clone()), &Disk::Volume(volume.id.clone())).await.map(drop)
        }
        Some(Source::Snapshot(_)) => Ok(()),
    }
}

/// What a volume is to be made from, with what it inherits: size and region.
struct Origin {
    source: Source,
    size_gb: u64,
    region: String,
}

fn source(world: &World, app: &str, asked: &Create) -> Answer<Option<Origin>> {
    let named = |field: &Option<String>| field.clone().filter(|id| !id.is_empty());
    match (named(&asked.snapshot_id), named(&asked.source_volume_id)) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Refusal::invalid("only one of snapshot_id and source_volume_id can be given")),
        (Some(id), None) => world.read(|tables| {
            let known = tables.snapshot(&id).filter(|snapshot| !snapshot.expired(world.now()));
            let snapshot = known.ok_or_else(|| Refusal::not_found(format!("snapshot {id} not found")))?;
            if snapshot.status != SnapshotStatus::Created {
                return Err(Refusal::precondition(format!("snapshot {id} is {}, not yet created", snapshot.status.as_str())));
            }
            Ok(Some(Origin { source: Source::Snapshot(id), size_gb: snapshot.size_gb, region: snapshot.region.clone() }))
        }),
        (None, Some(id)) => {
            let origin = world.read(|tables| {
                let volume = find(world, tables, app, &id)?;
                let silent = world.volume_status(volume) == UNREACHABLE;
                if silent || volume.state != VolumeState::Created {
                    let why = if silent { "its host is unreachable" } else { volume.state.as_str() };
                    return Err(Refusal::precondition(format!("volume {id} cannot be forked: {why}")));
                }
                Ok(Origin { source: Source::Volume(id.clone()), size_gb: volume.size_gb, region: volume.region.clone() })
            })?;
            Ok(Some(origin))
        }
    }
}

fn ordered(world: &World, app: String, app_id: String, asked: Create, origin: Option<Origin>) -> Answer<Volume> {
    let name = asked.name.unwrap_or_default();
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || name.len() > 30 || !name.bytes().all(legal) {
        return Err(Refusal::invalid("volume name must be at most 30 characters of lowercase letters, numbers and underscores"));
    }
    if let Some(guest) = &asked.compute {
        guest.validate()?;
    }
    let fstype = asked.fstype.filter(|fstype| !fstype.is_empty()).unwrap_or_else(|| "ext4".to_owned());
    if !["ext4", "raw"].contains(&fstype.as_str()) {
        return Err(Refusal::invalid("fstype must be ext4 or raw"));
    }
    let least = origin.as_ref().map(|origin| origin.size_gb);
    let size_gb = asked.size_gb.or(least).unwrap_or(DEFAULT_SIZE_GB);
    if least.is_some_and(|least| size_gb < least) {
        return Err(Refusal::invalid(format!("volume size must be at least the {} GB of what it is made from", least.unwrap_or_default())));
    }
    if !SIZES_GB.contains(&size_gb) {
        return Err(Refusal::invalid("size_gb must be between 1 and 500"));
    }
    let snapshot_retention = asked.snapshot_retention.unwrap_or(5);
    check_retention(snapshot_retention)?;
    let now = world.now();
    Ok(Volume {
        id: world.ids.volume(),
        app,
        app_id,
        name,
        state: match origin.as_ref().map(|origin| &origin.source) {
            _ if !world.options.latencies.volume.is_zero() => VolumeState::Creating,
            None => VolumeState::Created,
            Some(Source::Snapshot(_)) => VolumeState::Restoring,
            Some(Source::Volume(_)) => VolumeState::Hydrating,
        },
        size_gb,
        region: place(
            world,
            asked.region.as_deref().filter(|wish| !wish.is_empty()).or(origin.as_ref().map(|origin| origin.region.as_str())),
        )?,
        zone: world.ids.zone(),
        encrypted: asked.encrypted.unwrap_or(true),
        fstype,
        attached: None,
        snapshot_retention,
        auto_backup_enabled: asked.auto_backup_enabled.unwrap_or(true),
        created_at: now,
        updated_at: now,
        deleted_at: None,
        left_behind: false,
        host_status: "ok".to_owned(),
        source: origin.map(|origin| origin.source),
    })
}
