use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::query::{Params, body, platform_app, unknown_app};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::forms::go_duration;
use crate::records::{App, DeployToken, MachineState, VolumeState};
use crate::tables::{Change, Tables};
use crate::world::World;

/// How long a token lasts unless it is asked for less.
const TWENTY_YEARS: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

#[derive(Deserialize)]
struct Create {
    /// The documentation's name for the field; the OpenAPI file and Fly's own client say `name`.
    app_name: Option<String>,
    name: Option<String>,
    org_slug: Option<String>,
    network: Option<String>,
}

pub(super) async fn create(State(world): State<Shared>, bytes: Bytes) -> Answer<(StatusCode, Json<Value>)> {
    let Create { app_name, name, org_slug, network } = body(&bytes)?;
    let name = app_name.or(name).filter(|name| !name.is_empty()).ok_or_else(|| refused("Validation failed: Name can't be blank"))?;
    let network = network.filter(|network| !network.is_empty()).unwrap_or_else(|| "default".to_owned());
    if org_slug.as_deref() != Some(&world.options.organisation) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "Could not find Organization"));
    }
    if !is_app_name(&name) {
        return Err(refused("Validation failed: Name under 63 chars using numbers, lowercase letters and dashes"));
    }
    if !is_network_name(&network) {
        return Err(refused("Validation failed: Network name must start with a letter and use letters, numbers and dashes"));
    }
    let app = App::new(world.ids.app(), world.ids.number(), name, network, world.now());
    let answer = json!({ "id": app.id, "created_at": app.created_at.as_millisecond() });
    world.change(|change| {
        if change.tables().app(&app.name).is_some_and(|app| !app.deleted) {
            return Err(Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, "Validation failed: Name has already been taken", "name_taken"));
        }
        change.put_app(app);
        Ok(())
    })?;
    Ok((StatusCode::CREATED, Json(answer)))
}

fn refused(text: &str) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, text)
}

fn is_app_name(name: &str) -> bool {
    name.len() < 63 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_network_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

pub(super) async fn list(State(world): State<Shared>, params: Params) -> Answer<Json<Value>> {
    let organisation = params.get("org_slug").ok_or_else(|| Refusal::platform(StatusCode::BAD_REQUEST, "org_slug is required"))?;
    if organisation != world.options.organisation {
        return Err(Refusal::platform(StatusCode::NOT_FOUND, "Could not find Organization"));
    }
    let seen = params.list_seen(&world);
    let apps: Vec<Value> = world.read(|tables| {
        let then = tables.apps_at(seen).into_iter();
        let shown = then.filter(|app| !app.deleted && !app.foreign && app.created_at <= seen);
        shown.map(|app| view(&world, tables, app)).collect()
    });
    Ok(Json(json!({ "total_apps": apps.len(), "apps": apps })))
}

pub(super) async fn read(State(world): State<Shared>, Path(name): Path<String>, params: Params) -> Answer<Json<Value>> {
    world.read(|tables| {
        let app = platform_app(tables, &name)?;
        // A read that lags does not know the newest apps yet.
        if params.sees(&world, app.created_at) { Ok(Json(view(&world, tables, app))) } else { Err(unknown_app()) }
    })
}

fn view(world: &World, tables: &Tables, app: &App) -> Value {
    let machines = tables.machines().filter(|machine| machine.app_id == app.id && machine.state != MachineState::Destroyed).count();
    let volumes = tables.volumes().filter(|volume| volume.app_id == app.id && volume.state != VolumeState::PendingDestroy).count();
    json!({
        "id": app.id, "name": app.name, "internal_numeric_id": app.number, "network": app.network,
        "status": if machines > 0 { "deployed" } else { "pending" },
        "machine_count": machines, "volume_count": volumes, "cname_target": format!("{}.fly.dev", app.name),
        "organization": { "name": world.options.organisation, "slug": world.options.organisation, "internal_numeric_id": 1 },
    })
}

/// Deletes an app and all that is in it: machines are destroyed in the background, volumes stay `pending_destroy` for a day.
pub(super) async fn remove(State(world): State<Shared>, Path(name): Path<String>) -> Answer<StatusCode> {
    let (machines, volumes) = world.change(|change| {
        let app_id = platform_app(change.tables(), &name)?.id.clone();
        if let Some(app) = change.app(&name) {
            app.deleted = true;
            app.secrets.clear();
            app.ips.clear();
            app.certificates.clear();
            app.deploy_tokens.clear();
        }
        Ok::<_, Refusal>((destroy_machines(&world, change, &app_id), delete_volumes(&world, change, &app_id)))
    })?;
    machines.iter().for_each(|id| world.kick(id));
    volumes.iter().for_each(|id| world.move_volume_on(id));
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize)]
struct Expiry {
    expiry: Option<String>,
}

/// Makes a token that is good for this app alone, for twenty years unless the call says otherwise.
pub(super) async fn deploy_token(State(world): State<Shared>, Path(name): Path<String>, bytes: Bytes) -> Answer<Json<Value>> {
    let lasts = match body::<Expiry>(&bytes)?.expiry.filter(|expiry| !expiry.is_empty()) {
        Some(expiry) => go_duration(&expiry).ok_or_else(|| Refusal::platform(StatusCode::BAD_REQUEST, "expiry must be a duration"))?,
        None => TWENTY_YEARS,
    };
    let token = format!("fm2_{}{}", world.ids.nonce(), world.ids.nonce());
    let expires_at = world.now().checked_add(lasts).unwrap_or(Timestamp::MAX);
    world.change(|change| {
        platform_app(change.tables(), &name)?;
        let app = change.app(&name).ok_or_else(unknown_app)?;
        app.deploy_tokens.push(DeployToken { token: token.clone(), expires_at });
        Ok(Json(json!({ "token": token })))
    })
}

fn destroy_machines(world: &World, change: &mut Change<'_>, app_id: &str) -> Vec<String> {
    let ids: Vec<_> =
        change.tables().machines().filter(|machine| machine.app_id == app_id).map(|machine| (machine.id.clone(), machine.state)).collect();
    let (gone, dying): (Vec<_>, Vec<_>) = ids.into_iter().partition(|(_, state)| *state == MachineState::Destroyed);
    for (id, _) in gone {
        change.remove_machine(&id);
    }
    for (id, _) in &dying {
        if let Some(machine) = change.machine(id) {
            machine.enter(MachineState::Destroying, world.event("destroy", "destroying", "user", Value::Null));
        }
    }
    dying.into_iter().map(|(id, _)| id).collect()
}

fn delete_volumes(world: &World, change: &mut Change<'_>, app_id: &str) -> Vec<String> {
    let live = change.tables().volumes().filter(|volume| volume.app_id == app_id && !volume.state.is_deleted());
    let live: Vec<String> = live.map(|volume| volume.id.clone()).collect();
    for id in &live {
        if let Some(volume) = change.volume(id) {
            world.order_destruction(volume);
            volume.updated_at = world.now();
        }
    }
    live
}
