use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reach;
use crate::api::query::{self, body};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};

pub(crate) async fn get(State(world): State<Shared>, Path((app, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    world.read(|tables| {
        let metadata = &query::machine(tables, &app, &id)?.config["metadata"];
        Ok(Json(if metadata.is_null() { json!({}) } else { metadata.clone() }))
    })
}

#[derive(Deserialize)]
struct Update {
    metadata: BTreeMap<String, Option<String>>,
    machine_version: Option<String>,
}

/// Sets keys; null and the empty string remove them. With `machine_version` only while that is the current version.
pub(crate) async fn update(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, bytes: Bytes) -> Answer<StatusCode> {
    let Update { metadata, machine_version } = body(&bytes)?;
    write(&world, &app, &id, metadata, machine_version.filter(|version| !version.is_empty())).await
}

pub(crate) async fn get_key(State(world): State<Shared>, Path((app, id, key)): Path<(String, String, String)>) -> Answer<Json<Value>> {
    world.read(|tables| {
        let value = &query::machine(tables, &app, &id)?.config["metadata"][&key];
        value.as_str().map(|value| Json(json!({ "value": value }))).ok_or_else(|| Refusal::not_found("metadata key not found"))
    })
}

#[derive(Deserialize)]
struct SetKey {
    value: String,
}

pub(crate) async fn set_key(
    State(world): State<Shared>,
    Path((app, id, key)): Path<(String, String, String)>,
    bytes: Bytes,
) -> Answer<StatusCode> {
    let SetKey { value } = body(&bytes)?;
    write(&world, &app, &id, BTreeMap::from([(key, Some(value))]), None).await
}

pub(crate) async fn delete_key(State(world): State<Shared>, Path((app, id, key)): Path<(String, String, String)>) -> Answer<StatusCode> {
    write(&world, &app, &id, BTreeMap::from([(key, None)]), None).await
}

/// Writes metadata, which makes no new version and restarts nothing.
async fn write(
    world: &Shared,
    app: &str,
    id: &str,
    values: BTreeMap<String, Option<String>>,
    version: Option<String>,
) -> Answer<StatusCode> {
    reach::host(world, app, id).await?;
    world.change(|change| {
        let current = &query::machine(change.tables(), app, id)?.instance_id;
        if version.is_some_and(|version| version != *current) {
            return Err(Refusal::precondition("machine version does not match the current one"));
        }
        let machine = change.machine(id).ok_or_else(|| Refusal::not_found("machine not found"))?;
        machine.updated_at = world.now();
        let metadata = &mut machine.config["metadata"];
        if metadata.is_null() {
            *metadata = json!({});
        }
        for (key, value) in values {
            match (metadata.as_object_mut(), value.filter(|value| !value.is_empty())) {
                (Some(metadata), Some(value)) => metadata.insert(key, json!(value)),
                (Some(metadata), None) => metadata.remove(&key),
                (None, _) => None,
            };
        }
        Ok(StatusCode::NO_CONTENT)
    })
}
