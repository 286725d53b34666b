//! What is on sale. It is the same for everybody and on every price page, so it needs no token, and may be kept for a while.

use axum::Json;
use axum::response::IntoResponse;
use http::header::CACHE_CONTROL;

use crate::views::{PlanList, RegionList};

const FIVE_MINUTES: [(http::HeaderName, &str); 1] = [(CACHE_CONTROL, "public, max-age=300")];

/// List the plans
#[utoipa::path(
    get, path = "/v1/plans", tag = "catalogue", operation_id = "list_plans",
    responses((status = 200, description = "Every plan, smallest first", body = PlanList)),
)]
pub(crate) async fn plans() -> impl IntoResponse {
    (FIVE_MINUTES, Json(PlanList::on_sale()))
}

/// List the regions
#[utoipa::path(
    get, path = "/v1/regions", tag = "catalogue", operation_id = "list_regions",
    responses((status = 200, description = "Every region, in the order of their codes", body = RegionList)),
)]
pub(crate) async fn regions() -> impl IntoResponse {
    (FIVE_MINUTES, Json(RegionList::on_sale()))
}
