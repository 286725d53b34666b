use axum::Json;
use axum::extract::State;
use dynamo::Store;
use edge::{Problem, ProblemDocument};

use crate::refusals;
use crate::views::HealthView;

/// See whether the service works
#[utoipa::path(
    get, path = "/v1/health", tag = "service", operation_id = "get_health",
    responses(
        (status = 200, description = "It answers and reaches its state", body = HealthView),
        (status = 503, description = "It does not reach its state", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn health(State(store): State<Store>) -> Result<Json<HealthView>, Problem> {
    store.reachable().await.map_err(refusals::store)?;
    Ok(Json(HealthView { status: "ok" }))
}
