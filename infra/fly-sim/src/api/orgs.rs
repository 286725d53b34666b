use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::query::Params;
use super::refusal::Refusal;
use super::{Answer, Shared, volumes as volume_view};
use crate::records::{Machine, MachineState, Volume, VolumeState};
use crate::world::World;

/// The longest page.
const PAGE: usize = 1000;
/// Sorts after every identifier.
const AFTER_ALL: &str = "~";

/// Every machine of the organisation, least recently changed first. A view that lags as lists do.
pub(super) async fn machines(State(world): State<Shared>, Path(org): Path<String>, params: Params) -> Answer<Json<Value>> {
    let seen = open(&world, &org, &params)?;
    let summary = params.flag("summary");
    // The machines of a region that does not answer are missing, and the answer says that it is incomplete.
    let silent = world.regions_out();
    let rows = world.read(|tables| {
        let shown = tables.machines_at(seen).into_iter().filter(|machine| {
            machine.created_at <= seen
                && !silent.contains(&machine.region)
                && wanted(&params, machine.state.as_str(), &machine.region, machine.state == MachineState::Destroyed)
        });
        shown.map(|machine| (machine.updated_at, machine.id.clone(), machine_view(machine, summary))).collect()
    });
    let Page { rows, next_cursor, last } = page(rows, &params)?;
    let mut answer = json!({ "machines": rows, "error_regions": silent, "next_cursor": next_cursor });
    if let Some((updated_at, id)) = last {
        answer["last_updated_at"] = json!(updated_at);
        answer["last_machine_id"] = json!(id);
    }
    Ok(Json(answer))
}

/// Every volume of the organisation, likewise.
pub(super) async fn volumes(State(world): State<Shared>, Path(org): Path<String>, params: Params) -> Answer<Json<Value>> {
    world.purge().await?;
    let seen = open(&world, &org, &params)?;
    let summary = params.flag("summary");
    let rows = world.read(|tables| {
        let shown = tables.volumes_at(seen).into_iter().filter(|volume| {
            let deleted = volume.state == VolumeState::PendingDestroy;
            volume.created_at <= seen && wanted(&params, volume.state.as_str(), &volume.region, deleted)
        });
        shown.map(|volume| (volume.updated_at, volume.id.clone(), org_volume(&world, volume, summary))).collect()
    });
    let Page { rows, next_cursor, last } = page(rows, &params)?;
    let mut answer = json!({ "volumes": rows, "next_cursor": next_cursor });
    if let Some((updated_at, id)) = last {
        answer["last_updated_at"] = json!(updated_at);
        answer["last_volume_id"] = json!(id);
    }
    Ok(Json(answer))
}

fn open(world: &World, org: &str, params: &Params) -> Answer<Timestamp> {
    if org != world.options.organisation {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found: organization not found"));
    }
    Ok(params.list_seen(world))
}

fn wanted(params: &Params, state: &str, region: &str, deleted: bool) -> bool {
    let states = params.list("state");
    (states.is_empty() || states.contains(&state))
        && params.get("region").is_none_or(|wanted| wanted == region)
        && (!deleted || params.flag("include_deleted"))
}

struct Page {
    rows: Vec<Value>,
    next_cursor: String,
    last: Option<(Timestamp, String)>,
}

/// One page. The cursor is the place of the last row, so that rows which change meanwhile appear again instead of being missed. A page
/// may be short, or empty, while more rows remain: only an empty cursor says that there are none.
fn page(mut rows: Vec<(Timestamp, String, Value)>, params: &Params) -> Answer<Page> {
    let limit = params.number("limit")?.unwrap_or(PAGE).clamp(1, PAGE).min(params.short_page.unwrap_or(PAGE));
    let begin = match (params.get("cursor"), params.get("updated_after")) {
        (Some(cursor), _) => read_cursor(cursor).ok_or_else(|| Refusal::invalid("cursor"))?,
        (None, Some(after)) => {
            (after.parse().map_err(|_| Refusal::invalid("updated_after must be an RFC 3339 time"))?, AFTER_ALL.to_owned())
        }
        (None, None) => (Timestamp::MIN, String::new()),
    };
    rows.retain(|row| (row.0, &row.1) > (begin.0, &begin.1));
    rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(|row| (row.0, row.1.clone()));
    let (at, id) = last.as_ref().unwrap_or(&begin);
    let next_cursor = if more { URL_SAFE_NO_PAD.encode(format!("{at} {id}")) } else { String::new() };
    Ok(Page { rows: rows.into_iter().map(|row| row.2).collect(), next_cursor, last })
}

fn read_cursor(cursor: &str) -> Option<(Timestamp, String)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (at, id) = text.split_once(' ')?;
    Some((at.parse().ok()?, id.to_owned()))
}

fn machine_view(machine: &Machine, summary: bool) -> Value {
    let mut answer = json!({
        "id": machine.id, "app_name": machine.app, "name": machine.name, "state": machine.state.as_str(), "region": machine.region,
        "instance_id": machine.instance_id, "version": machine.instance_id, "private_ip": machine.private_ip,
        "created_at": machine.created_at, "updated_at": machine.updated_at,
    });
    if !summary {
        let config = &machine.config;
        answer["config"] = json!({ "image": config["image"], "guest": config["guest"], "metadata": config["metadata"] });
    }
    answer
}

fn org_volume(world: &World, volume: &Volume, summary: bool) -> Value {
    let mut answer = volume_view::view(world, volume);
    answer["app_name"] = json!(volume.app);
    if summary {
        volume_view::strip(&mut answer);
    }
    answer
}
