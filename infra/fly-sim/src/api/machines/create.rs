use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::view::full;
use super::{lease, reach};
use crate::api::config::{candidates, normalise, place};
use crate::api::query::{self, body};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::records::{App, Machine, MachineState, Version};
use crate::tables::Tables;
use crate::world::World;

#[derive(Deserialize)]
struct Create {
    name: Option<String>,
    region: Option<String>,
    #[serde(default)]
    config: Value,
    skip_launch: Option<bool>,
    lease_ttl: Option<i64>,
    min_secrets_version: Option<u64>,
}

/// Creates a machine. The answer comes in state `created`, before the image is there; the rest happens in the background.
pub(crate) async fn create(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<Json<Value>> {
    let asked: Create = body(&bytes)?;
    world.read(|tables| query::app(tables, &app).map(|_| ()))?;
    let config = normalise(asked.config)?;
    if let Some(volume) = config["mounts"][0]["volume"].as_str()
        && world.read(|tables| tables.volume(volume).is_some())
        && !world.volume_answers(volume, world.options.latencies.host_patience).await
    {
        return Err(reach::silent());
    }
    let id = world.ids.machine();
    let now = world.now();
    let name = asked.name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("machine-{}", &id[..6]));
    let mut lease = asked.lease_ttl.filter(|ttl| *ttl > 0).map(|ttl| lease::grant(&world, ttl, ""));
    let nonce = lease.as_ref().map(|lease| lease.nonce.clone());
    let answer = world.change(|change| {
        let owner = query::app(change.tables(), &app)?;
        refuse_a_taken_name(change.tables(), owner, &name)?;
        let volume = config["mounts"][0]["volume"].as_str().map(str::to_owned);
        let region = match &volume {
            Some(volume) => at_the_volume(&world, change.tables(), owner, volume, asked.region.as_deref())?,
            None => place(&world, asked.region.as_deref())?,
        };
        let machine = Machine {
            app_id: owner.id.clone(),
            private_ip: private_ip(owner.number, &id),
            instance_id: world.ids.ulid(now),
            launch: !asked.skip_launch.unwrap_or(false),
            min_secrets_version: asked.min_secrets_version.unwrap_or_default(),
            lease: lease.take(),
            ..blank(&world, &id, &app, &name, region, config, now)
        };
        if let Some(volume) = volume.and_then(|volume| change.volume(&volume)) {
            volume.attached = Some(id.clone());
            volume.updated_at = now;
        }
        let mut answer = full(&world, &machine);
        if let Some(nonce) = nonce {
            answer["nonce"] = json!(nonce);
        }
        change.put_machine(with_first_version(machine));
        Ok::<_, Refusal>(answer)
    })?;
    world.kick(&id);
    Ok(Json(answer))
}

fn blank(world: &World, id: &str, app: &str, name: &str, region: String, config: Value, now: Timestamp) -> Machine {
    Machine {
        id: id.to_owned(),
        app: app.to_owned(),
        app_id: String::new(),
        name: name.to_owned(),
        region,
        state: MachineState::Created,
        launch: true,
        instance_id: String::new(),
        private_ip: String::new(),
        config,
        min_secrets_version: 0,
        created_at: now,
        updated_at: now,
        events: vec![world.event("launch", "created", "user", Value::Null)],
        versions: Vec::new(),
        checks: BTreeMap::new(),
        cordoned: false,
        lease: None,
        stopping: None,
        frozen: false,
        moving: false,
        migrated: false,
        restarts: Vec::new(),
        not_before: None,
        host_status: "ok".to_owned(),
        memory_limit_mb: None,
    }
}

fn with_first_version(mut machine: Machine) -> Machine {
    machine.versions.push(Version { version: machine.instance_id.clone(), user_config: machine.config.clone() });
    machine
}

/// Names are unique among an app's machines that are not destroyed; the refusal tells whom to adopt.
fn refuse_a_taken_name(tables: &Tables, app: &App, name: &str) -> Answer<()> {
    let mut live = tables.machines().filter(|machine| machine.app_id == app.id && machine.state != MachineState::Destroyed);
    match live.find(|machine| machine.name == name) {
        Some(Machine { id, .. }) => Err(Refusal::conflict(format!(
            "already_exists: unique machine name violation, machine ID {id} already exists with name \"{name}\""
        ))),
        None => Ok(()),
    }
}

/// The region of the volume that the machine is to mount, which pins it there.
fn at_the_volume(world: &World, tables: &Tables, app: &App, id: &str, wish: Option<&str>) -> Answer<String> {
    let volume = tables.volume(id).filter(|volume| volume.app_id == app.id && !volume.state.is_deleted());
    let Some(volume) = volume else { return Err(Refusal::not_found(format!("volume {id} not found"))) };
    if let Some(holder) = &volume.attached {
        return Err(Refusal::precondition(format!("could not claim volume {id}: volume already claimed by machine {holder}")));
    }
    if !volume.state.mounts() {
        return Err(Refusal::precondition(format!("volume {id} is not ready, currently {}", volume.state.as_str())));
    }
    if wish.is_some_and(|wish| !wish.is_empty()) && !candidates(wish)?.contains(&volume.region.as_str()) {
        return Err(Refusal::invalid(format!("volume {id} is in region {}, not in the requested one", volume.region)));
    }
    if let Some(want) = world.volume_wants(volume) {
        return Err(Refusal::no_room(want, Some(id)));
    }
    Ok(volume.region.clone())
}

/// The address on the private network: the network's prefix, then the machine, which has another one on every host.
pub(crate) fn private_ip(app: u32, id: &str) -> String {
    let part = |at: usize| id.get(at..at + 4).unwrap_or("0");
    format!("fdaa:{:x}:{:x}:a7b:{}:{}:{}:2", app >> 16, app & 0xffff, part(0), part(4), part(8))
}
