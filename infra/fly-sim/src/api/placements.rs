use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::{Guest, candidates};
use super::query::body;
use super::refusal::Refusal;
use super::{Answer, Shared};

/// Where a caller without a wish is placed: near, else anywhere.
const ANYWHERE: &str = "iad,any";
/// Machines that an organisation may have in each region.
const LIMIT: u64 = 50;

#[derive(Deserialize)]
struct Asked {
    org_slug: Option<String>,
    region: Option<String>,
    count: Option<u64>,
    compute: Option<Guest>,
    volume_size_bytes: Option<u64>,
}

/// Says where machines could be placed now; nothing is reserved. The keys are PascalCase here, unlike in the OpenAPI file, and a region
/// without room is absent.
pub(super) async fn simulate(State(world): State<Shared>, bytes: Bytes) -> Answer<Json<Value>> {
    let asked: Asked = body(&bytes)?;
    if asked.org_slug.as_deref() != Some(&world.options.organisation) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found: organization not found"));
    }
    if let Some(guest) = &asked.compute {
        guest.validate()?;
    }
    if asked.volume_size_bytes.is_some_and(|bytes| bytes > 500 * 1_000_000_000) {
        return Err(Refusal::invalid("volume_size_bytes must be at most 500 GB"));
    }
    let wish = asked.region.filter(|wish| !wish.is_empty());
    let mut open: Vec<&str> = Vec::new();
    for region in candidates(Some(wish.as_deref().unwrap_or(ANYWHERE)))? {
        if !open.contains(&region) && !world.is_full(region) {
            open.push(region);
        }
    }
    let count = asked.count.unwrap_or_default();
    // A number is placed in the best region; without one, each region says how many it takes.
    let placed = if count == 0 { open.len() } else { open.len().min(1) };
    let row = |region: &&str| {
        let count = if count == 0 { LIMIT } else { count };
        json!({ "Region": region, "Count": count, "Concurrency": count })
    };
    Ok(Json(json!({ "Regions": open[..placed].iter().map(row).collect::<Vec<_>>() })))
}
