use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::view;
use crate::api::query::{self, Params};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::records::{Machine, MachineState};
use crate::world::World;

/// Events that the events endpoint answers unless asked for more, and at most.
const EVENTS: usize = 20;
const MOST_EVENTS: usize = 50;

pub(crate) async fn list(State(world): State<Shared>, Path(app): Path<String>, params: Params) -> Answer<Json<Value>> {
    let seen = params.list_seen(&world);
    let summary = params.flag("summary");
    world.read(|tables| {
        let app = query::app(tables, &app)?;
        let then = tables.machines_at(seen);
        let shown =
            then.into_iter().filter(|machine| machine.app_id == app.id && machine.created_at <= seen && is_wanted(machine, &params));
        let list: Vec<Value> = shown.map(|machine| if summary { view::summary(machine) } else { view::full(&world, machine) }).collect();
        Ok(Json(json!(list)))
    })
}

fn is_wanted(machine: &Machine, params: &Params) -> bool {
    let states = params.list("state");
    let metadata = &machine.config["metadata"];
    (machine.state != MachineState::Destroyed || params.flag("include_deleted"))
        && (states.is_empty() || states.contains(&machine.state.as_str()))
        && params.get("region").is_none_or(|region| region == machine.region)
        && params.family("metadata.").all(|(key, value)| metadata[key] == value)
}

/// A destroyed machine still answers; only an identifier that never existed does not.
pub(crate) async fn get(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, params: Params) -> Answer<Json<Value>> {
    world.read(|tables| {
        let machine = seen(&world, query::machine(tables, &app, &id)?, &params)?;
        let end = machine.events.last().filter(|_| machine.state == MachineState::Destroyed).map(|event| event.timestamp);
        // Whoever waited for the end is told of it before whoever reads.
        if end.is_some_and(|end| end > params.destroyed_seen(&world).as_millisecond()) {
            let mut then = Machine { state: MachineState::Destroying, ..machine.clone() };
            then.events.pop();
            return Ok(Json(view::full(&world, &then)));
        }
        Ok(Json(view::full(&world, machine)))
    })
}

/// A read that lags does not know the newest machines yet.
pub(super) fn seen<'a>(world: &World, machine: &'a Machine, params: &Params) -> Answer<&'a Machine> {
    if params.sees(world, machine.created_at) { Ok(machine) } else { Err(Refusal::not_found("machine not found")) }
}

pub(crate) async fn events(State(world): State<Shared>, Path((app, id)): Path<(String, String)>, params: Params) -> Answer<Json<Value>> {
    let most = params.number("limit")?.unwrap_or(EVENTS).min(MOST_EVENTS);
    world.read(|tables| Ok(Json(view::events(query::machine(tables, &app, &id)?, most))))
}

pub(crate) async fn versions(State(world): State<Shared>, Path((app, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    world.read(|tables| Ok(Json(json!(query::machine(tables, &app, &id)?.versions.iter().rev().collect::<Vec<_>>()))))
}
