use axum::Json;
use axum::extract::State;
use domain::{InstanceId, Verb};
use edge::{Authorised, Cursors, IdempotencyKey, InstancesRead, InstancesWrite, JsonBody, Path, Problem, ProblemDocument, Query};
use flows::Ask;

use super::remembered;
use crate::desk::Desk;
use crate::requests::{Changes, CreateInstance, Paging, PatchInstance, Wish};
use crate::views::{Accepted, AcceptedView, InstanceList, InstanceView};

/// The list that cursors of this file belong to.
const LIST: &str = "instances";

/// Create an instance
#[utoipa::path(
    post, path = "/v1/instances", tag = "instances", operation_id = "create_instance",
    params(("Idempotency-Key" = Option<String>, Header, description = "A request that carries the key of an earlier one gets that one's answer.")),
    request_body = CreateInstance,
    responses(
        (status = 202, description = "It is being made; follow the operation", body = AcceptedView),
        (status = 409, description = "`name-taken` or `quota-exceeded`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "`name-too-long`, `name-invalid`, `unknown-plan`, `unknown-region`, `unknown-version`, `plan-too-small` or `idempotency-key-reused`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:write"])),
)]
pub(crate) async fn create(
    caller: Authorised<InstancesWrite>,
    State(desk): State<Desk>,
    key: Option<IdempotencyKey>,
    JsonBody { request, digest }: JsonBody<Wish>,
) -> Result<Accepted, Problem> {
    desk.create(caller.organisation(), request, remembered(key, Some(digest))).await
}

/// List instances
#[utoipa::path(
    get, path = "/v1/instances", tag = "instances", operation_id = "list_instances",
    params(Paging),
    responses(
        (status = 200, description = "A page of instances", body = InstanceList),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:read"])),
)]
pub(crate) async fn list(
    caller: Authorised<InstancesRead>,
    State(desk): State<Desk>,
    State(cursors): State<Cursors>,
    Query(paging): Query<Paging>,
) -> Result<Json<InstanceList>, Problem> {
    let owner = caller.organisation();
    let page = desk.instances(owner, paging.after(&cursors, LIST, owner)?, paging.limit()?).await?;
    let next_cursor = page.next.map(|id| cursors.seal(LIST, owner, &id.to_string()));
    Ok(Json(InstanceList { instances: page.items.into_iter().map(InstanceView::from).collect(), next_cursor }))
}

/// Get an instance
#[utoipa::path(
    get, path = "/v1/instances/{id}", tag = "instances", operation_id = "get_instance",
    params(("id" = String, Path, description = "The instance")),
    responses(
        (status = 200, description = "The instance", body = InstanceView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:read"])),
)]
pub(crate) async fn get(
    caller: Authorised<InstancesRead>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
) -> Result<Json<InstanceView>, Problem> {
    let instance = desk.instance(caller.organisation(), id).await?;
    Ok(Json(instance.into()))
}

/// Change an instance's name or allowed regions
///
/// The same change twice is the same as once, so that a request whose answer was lost can be repeated as it is. An `Idempotency-Key` is not
/// read here.
#[utoipa::path(
    patch, path = "/v1/instances/{id}", tag = "instances", operation_id = "patch_instance",
    params(("id" = String, Path, description = "The instance")),
    request_body = PatchInstance,
    responses(
        (status = 200, description = "The instance as it is now", body = InstanceView),
        (status = 409, description = "`name-taken`, `region-in-use` or `busy`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:write"])),
)]
pub(crate) async fn patch(
    caller: Authorised<InstancesWrite>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
    JsonBody { request, .. }: JsonBody<Changes>,
) -> Result<Json<InstanceView>, Problem> {
    let instance = desk.change(caller.organisation(), id, request).await?;
    Ok(Json(instance.into()))
}

/// Delete an instance with everything it has
#[utoipa::path(
    delete, path = "/v1/instances/{id}", tag = "instances", operation_id = "delete_instance",
    params(
        ("id" = String, Path, description = "The instance"),
        ("Idempotency-Key" = Option<String>, Header, description = "A request that carries the key of an earlier one gets that one's answer."),
    ),
    responses(
        (status = 202, description = "It is being deleted and found no more; follow the operation", body = AcceptedView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:write"])),
)]
pub(crate) async fn delete(
    caller: Authorised<InstancesWrite>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
    key: Option<IdempotencyKey>,
) -> Result<Accepted, Problem> {
    desk.ask(caller.organisation(), id, Ask::new(Verb::Delete), remembered(key, None)).await
}
