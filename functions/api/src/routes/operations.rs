use axum::Json;
use axum::extract::State;
use domain::{InstanceId, OperationId};
use edge::{Authorised, Cursors, OperationsCancel, OperationsRead, Path, Problem, ProblemDocument, Query};
use http::StatusCode;

use crate::desk::Desk;
use crate::requests::Paging;
use crate::views::{OperationList, OperationView};

/// Get an operation
#[utoipa::path(
    get, path = "/v1/operations/{id}", tag = "operations", operation_id = "get_operation",
    params(("id" = String, Path, description = "The operation")),
    responses(
        (status = 200, description = "The operation", body = OperationView),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["operations:read"])),
)]
pub(crate) async fn get(
    caller: Authorised<OperationsRead>,
    State(desk): State<Desk>,
    Path(id): Path<OperationId>,
) -> Result<Json<OperationView>, Problem> {
    let record = desk.operation(caller.organisation(), id).await?;
    OperationView::try_from(record).map(Json).map_err(Problem::internal)
}

/// List an instance's operations
#[utoipa::path(
    get, path = "/v1/instances/{id}/operations", tag = "operations", operation_id = "list_operations",
    params(("id" = String, Path, description = "The instance"), Paging),
    responses(
        (status = 200, description = "A page of operations", body = OperationList),
        (status = "default", description = "A problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["operations:read"])),
)]
pub(crate) async fn of_instance(
    caller: Authorised<OperationsRead>,
    State(desk): State<Desk>,
    State(cursors): State<Cursors>,
    Path(instance): Path<InstanceId>,
    Query(paging): Query<Paging>,
) -> Result<Json<OperationList>, Problem> {
    let (owner, list) = (caller.organisation(), format!("operations of {instance}"));
    let page = desk.operations(owner, instance, paging.after(&cursors, &list, owner)?, paging.limit()?).await?;
    let next_cursor = page.next.map(|id| cursors.seal(&list, owner, &id.to_string()));
    let operations = page.items.into_iter().map(OperationView::try_from).collect::<Result<_, _>>().map_err(Problem::internal)?;
    Ok(Json(OperationList { operations, next_cursor }))
}

/// Cancel an operation before its point of no return
///
/// To cancel twice is the same as once, so that a request whose answer was lost can be repeated; it is `not-cancellable` once the operation
/// has ended. An `Idempotency-Key` is not read here.
#[utoipa::path(
    post, path = "/v1/operations/{id}/cancel", tag = "operations", operation_id = "cancel_operation",
    params(("id" = String, Path, description = "The operation")),
    responses(
        (status = 202, description = "It will turn back", body = OperationView),
        (status = 409, description = "`not-cancellable`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["operations:cancel"])),
)]
pub(crate) async fn cancel(
    caller: Authorised<OperationsCancel>,
    State(desk): State<Desk>,
    Path(id): Path<OperationId>,
) -> Result<(StatusCode, Json<OperationView>), Problem> {
    let record = desk.cancel(caller.organisation(), id).await?;
    let operation = OperationView::try_from(record).map_err(Problem::internal)?;
    Ok((StatusCode::ACCEPTED, Json(operation)))
}
