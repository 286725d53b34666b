use axum::http::StatusCode;

use crate::api::Answer;
use crate::api::query;
use crate::api::refusal::Refusal;
use crate::world::World;

/// Waits for the machine's host, as every call does that only the host can answer. One that stays silent is given up: 408, without an effect.
pub(super) async fn host(world: &World, app: &str, id: &str) -> Answer<()> {
    world.read(|tables| query::machine(tables, app, id).map(|_| ()))?;
    if world.machine_answers(id, None, world.options.latencies.host_patience).await {
        return Ok(());
    }
    // It may have gone meanwhile.
    world.read(|tables| query::machine(tables, app, id).map(|_| ()))?;
    Err(silent())
}

/// The host did not answer in time.
pub(crate) fn silent() -> Refusal {
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "deadline_exceeded: request timed out")
}
