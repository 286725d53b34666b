use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{lease, reach, view};
use crate::api::config::normalise;
use crate::api::query::{self, body, nonce};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::records::{Machine, MachineState, Version};

#[derive(Deserialize)]
struct Update {
    name: Option<String>,
    #[serde(default)]
    config: Value,
    current_version: Option<String>,
    skip_launch: Option<bool>,
    min_secrets_version: Option<u64>,
}

/// Replaces the whole configuration by a new version and boots it, also when the machine was stopped, unless `skip_launch` is set.
pub(crate) async fn update(
    State(world): State<Shared>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<Json<Value>> {
    let asked: Update = body(&bytes)?;
    world.read(|tables| query::machine(tables, &app, &id).map(|_| ()))?;
    let config = normalise(asked.config)?;
    reach::host(&world, &app, &id).await?;
    let now = world.now();
    let answer = world.change(|change| {
        let machine = query::machine(change.tables(), &app, &id)?;
        lease::refuse_a_stranger(machine, nonce(&headers), now)?;
        refuse(machine, asked.name.as_deref(), asked.current_version.as_deref(), &config)?;
        if let Some(want) = world.machine_wants(machine) {
            return Err(Refusal::no_room(want, None));
        }
        let machine = change.machine(&id).ok_or_else(|| Refusal::not_found("machine not found"))?;
        machine.instance_id = world.ids.ulid(now);
        machine.versions.push(Version { version: machine.instance_id.clone(), user_config: config.clone() });
        machine.config = config;
        machine.launch = !asked.skip_launch.unwrap_or(false);
        machine.min_secrets_version = asked.min_secrets_version.unwrap_or(machine.min_secrets_version);
        machine.restarts.clear();
        machine.updated_at = now;
        machine.enter(MachineState::Replacing, world.event("update", "replacing", "user", Value::Null));
        Ok::<_, Refusal>(view::full(&world, machine))
    })?;
    world.kick(&id);
    Ok(Json(answer))
}

fn refuse(machine: &Machine, name: Option<&str>, current_version: Option<&str>, config: &Value) -> Answer<()> {
    if matches!(machine.state, MachineState::Destroying | MachineState::Destroyed) {
        return Err(Refusal::precondition(format!("unable to update machine from current state: '{}'", machine.state)));
    }
    if current_version.is_some_and(|version| !version.is_empty() && version != machine.instance_id) {
        return Err(Refusal::conflict("aborted: machine update failed due to concurrent update"));
    }
    if name.is_some_and(|name| !name.is_empty() && name != machine.name) {
        return Err(Refusal::invalid("machine name cannot be changed"));
    }
    let volumes = |config: &Value| -> Value {
        json!(config["mounts"].as_array().map(|mounts| mounts.iter().map(|mount| mount["volume"].clone()).collect::<Vec<_>>()))
    };
    if volumes(config) != volumes(&machine.config) {
        return Err(Refusal::invalid("the volume of a machine cannot be changed, destroy and recreate the machine"));
    }
    Ok(())
}
