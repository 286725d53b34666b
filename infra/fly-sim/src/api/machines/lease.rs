use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reach;
use crate::api::query::{self, Params, body, nonce};
use crate::api::refusal::Refusal;
use crate::api::{Answer, Shared};
use crate::forms::go_duration;
use crate::records::{Lease, Machine};
use crate::world::World;

/// Seconds that a lease lasts when nobody says; Fly's own default is not documented.
const DEFAULT_TTL_SECONDS: i64 = 30;

pub(crate) async fn get(State(world): State<Shared>, Path((app, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    let now = world.now();
    world.read(|tables| {
        let machine = query::machine(tables, &app, &id)?;
        let lease = machine.leased(now).ok_or_else(|| Refusal::not_found("lease not found"))?;
        Ok(Json(view(&world, machine, lease)))
    })
}

#[derive(Deserialize)]
struct Acquire {
    ttl: Option<i64>,
    description: Option<String>,
}

/// Takes the lease, or with its nonce prolongs it.
pub(crate) async fn acquire(
    State(world): State<Shared>,
    Path((app, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer<(StatusCode, Json<Value>)> {
    let Acquire { ttl, description } = body(&bytes)?;
    // The documentation sends a body, Fly's own client the query `ttl`.
    let in_query = params.get("ttl").and_then(|text| text.parse().ok().or_else(|| i64::try_from(go_duration(text)?.as_secs()).ok()));
    let ttl = ttl.or(in_query).unwrap_or(DEFAULT_TTL_SECONDS);
    if ttl <= 0 {
        return Err(Refusal::invalid("ttl must be positive"));
    }
    reach::host(&world, &app, &id).await?;
    let now = world.now();
    world.change(|change| {
        refuse_a_stranger(query::machine(change.tables(), &app, &id)?, nonce(&headers), now)?;
        let machine = change.machine(&id).ok_or_else(|| Refusal::not_found("machine not found"))?;
        let mut lease = grant(&world, ttl, description.as_deref().unwrap_or_default());
        if let Some(held) = machine.leased(now) {
            lease.nonce.clone_from(&held.nonce);
        }
        let answer = view(&world, machine, &lease);
        machine.lease = Some(lease);
        Ok((StatusCode::CREATED, Json(answer)))
    })
}

pub(crate) async fn release(
    State(world): State<Shared>,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer<Json<Value>> {
    let now = world.now();
    world.change(|change| {
        let machine = query::machine(change.tables(), &app, &id)?;
        if machine.leased(now).is_none() {
            return Err(Refusal::not_found("lease not found"));
        }
        refuse_a_stranger(machine, nonce(&headers), now)?;
        if let Some(machine) = change.machine(&id) {
            machine.lease = None;
        }
        Ok(Json(json!({ "status": "success" })))
    })
}

pub(super) fn grant(world: &World, ttl_seconds: i64, description: &str) -> Lease {
    Lease {
        nonce: world.ids.nonce(),
        expires_at: world.now().saturating_add(SignedDuration::from_secs(ttl_seconds)).unwrap_or(Timestamp::MAX),
        owner: format!("token@{}", world.options.organisation),
        description: description.to_owned(),
    }
}

/// Refuses a caller who does not hold the lease that there is.
pub(super) fn refuse_a_stranger(machine: &Machine, nonce: Option<&str>, now: Timestamp) -> Answer<()> {
    match machine.leased(now).filter(|lease| nonce != Some(&lease.nonce)) {
        Some(Lease { owner, expires_at, .. }) => {
            let expires_at = expires_at.round(jiff::Unit::Second).unwrap_or(*expires_at);
            Err(Refusal::conflict(format!("machine ID {} lease currently held by {owner}, expires at {expires_at}", machine.id)))
        }
        None => Ok(()),
    }
}

/// Waits until the caller may act: stopping and destroying are not refused by somebody else's lease, they wait for its end.
pub(super) async fn outlast(world: &World, app: &str, id: &str, nonce: Option<&str>) -> Answer<()> {
    let mut changes = world.changes();
    loop {
        let now = world.now();
        let expires_at = world.read(|tables| {
            let machine = query::machine(tables, app, id)?;
            Ok::<_, Refusal>(machine.leased(now).filter(|lease| nonce != Some(&lease.nonce)).map(|lease| lease.expires_at))
        })?;
        let Some(expires_at) = expires_at else { return Ok(()) };
        // A millisecond more, because a timer may fire a little before the time of day has come.
        let left = world.options.clock.until(expires_at) + Duration::from_millis(1);
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            _ = changes.changed() => {}
        }
    }
}

/// The lease as the documentation and Fly's own client read it, or flat as the OpenAPI file has it.
fn view(world: &World, machine: &Machine, lease: &Lease) -> Value {
    let data = json!({
        "nonce": lease.nonce, "expires_at": lease.expires_at.as_second(), "owner": lease.owner, "description": lease.description,
        "version": machine.instance_id,
    });
    if world.options.flat_leases { data } else { json!({ "status": "success", "data": data }) }
}
