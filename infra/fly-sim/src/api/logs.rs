use axum::Json;
use axum::extract::{Path, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::query::{self, Params};
use super::refusal::Refusal;
use super::{Answer, Shared};
use crate::host::LogLine;

/// Entries of a page.
const PAGE: usize = 100;
/// How far back a page without a token begins.
const DEFAULT: SignedDuration = SignedDuration::from_hours(24);

/// The logs as `fly logs` reads them. The token is the Unix time in nanoseconds of the last entry, which is also what callers may send to
/// begin at a time; an empty page gives the token back that it was asked with.
pub(super) async fn list(State(world): State<Shared>, Path(app): Path<String>, params: Params) -> Answer<Json<Value>> {
    world.read(|tables| query::app(tables, &app).map(|_| ()))?;
    let after = match params.get("next_token") {
        Some(token) => token.parse().map_err(|_| Refusal::invalid("next_token"))?,
        None => i64::try_from((world.now() - DEFAULT).as_nanosecond()).unwrap_or_default(),
    };
    let mut lines = world.options.host.logs(&app, params.get("instance"), after, PAGE).await;
    let next = lines.last().map_or(after, |line| line.timestamp_ns);
    if let Some(region) = params.get("region") {
        lines.retain(|line| line.region == region);
    }
    let data: Vec<Value> = lines.iter().map(entry).collect();
    Ok(Json(json!({ "data": data, "meta": { "next_token": next.to_string() } })))
}

fn entry(line: &LogLine) -> Value {
    let at = Timestamp::from_nanosecond(i128::from(line.timestamp_ns)).unwrap_or_default();
    json!({
        "id": format!("{}-{}", line.timestamp_ns, line.machine), "type": "log",
        "attributes": {
            "timestamp": at, "message": line.message, "level": line.level, "instance": line.machine, "region": line.region,
            "meta": { "instance": line.machine, "region": line.region, "event": { "provider": "app" } },
        },
    })
}
