use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::query::{self, Params, body};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::records::Secret;
use crate::world::World;

pub(super) async fn list(State(world): State<Shared>, Path(app): Path<String>, params: Params) -> Answer<Json<Value>> {
    // The OpenAPI file says `min_version`, Fly's own client sends `version`.
    let least = params.number("min_version")?.or(params.number("version")?).unwrap_or_default();
    world.read(|tables| {
        let app = query::app(tables, &app)?;
        if app.secrets_version < least as u64 {
            return Err(Refusal::precondition(format!("secrets are at version {}, not yet at {least}", app.secrets_version)));
        }
        let secrets: Vec<Value> = app.secrets.iter().map(|(name, secret)| view(name, secret)).collect();
        Ok(Json(json!({ "secrets": secrets })))
    })
}

pub(super) async fn read(State(world): State<Shared>, Path((app, name)): Path<(String, String)>) -> Answer<Json<Value>> {
    world.read(|tables| {
        let secret = query::app(tables, &app)?.secrets.get(&name);
        secret.map(|secret| Json(view(&name, secret))).ok_or_else(|| Refusal::not_found(format!("secret {name} not found")))
    })
}

#[derive(Deserialize)]
struct SetMany {
    values: BTreeMap<String, Option<String>>,
}

pub(super) async fn set_many(State(world): State<Shared>, Path(app): Path<String>, bytes: Bytes) -> Answer<Json<Value>> {
    let SetMany { values } = body(&bytes)?;
    let (version, secrets) = write(&world, &app, values)?;
    Ok(Json(json!({ "version": version, "Version": version, "secrets": secrets })))
}

#[derive(Deserialize)]
struct Set {
    value: String,
}

pub(super) async fn set(
    State(world): State<Shared>,
    Path((app, name)): Path<(String, String)>,
    bytes: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let Set { value } = body(&bytes)?;
    let (version, secrets) = write(&world, &app, BTreeMap::from([(name.clone(), Some(value))]))?;
    let mut answer = secrets.into_iter().find(|secret| secret["name"] == name.as_str()).unwrap_or_default();
    answer["version"] = json!(version);
    answer["Version"] = json!(version);
    Ok((StatusCode::CREATED, Json(answer)))
}

pub(super) async fn remove(State(world): State<Shared>, Path((app, name)): Path<(String, String)>) -> Answer<Json<Value>> {
    if !world.read(|tables| query::app(tables, &app).map(|app| app.secrets.contains_key(&name)))? {
        return Err(Refusal::not_found(format!("secret {name} not found")));
    }
    let (version, _) = write(&world, &app, BTreeMap::from([(name, None)]))?;
    Ok(Json(json!({ "version": version, "Version": version })))
}

/// Sets and, where there is no value, deletes. Every write makes a new version; running machines keep the values they booted with.
fn write(world: &World, app_name: &str, values: BTreeMap<String, Option<String>>) -> Answer<(u64, Vec<Value>)> {
    if let Some(name) = values.keys().find(|name| !is_name(name)) {
        return Err(Refusal::invalid(format!("invalid secret name \"{name}\"")));
    }
    let now = world.now();
    world.change(|change| {
        query::app(change.tables(), app_name)?;
        let app = change.app(app_name).ok_or_else(|| Refusal::not_found("could not find app"))?;
        for (name, value) in values {
            match value {
                Some(value) => {
                    let created_at = app.secrets.get(&name).map_or(now, |secret| secret.created_at);
                    app.secrets.insert(name, Secret { value, created_at, updated_at: now });
                }
                None => {
                    app.secrets.remove(&name);
                }
            }
        }
        app.secrets_version += 1;
        Ok((app.secrets_version, app.secrets.iter().map(|(name, secret)| view(name, secret)).collect()))
    })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A secret without its value: whether the API ever gives one back is not known, so the simulator never does.
fn view(name: &str, secret: &Secret) -> Value {
    let digest = hex::encode(&Sha256::digest(secret.value.as_bytes())[..8]);
    json!({ "name": name, "digest": digest, "created_at": secret.created_at, "updated_at": secret.updated_at })
}
