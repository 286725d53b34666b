use axum::Json;
use axum::extract::State;
use domain::{InstanceId, Verb};
use edge::{Authorised, IdempotencyKey, InstancesAccess, InstancesWrite, JsonBody, Path, Problem, ProblemDocument};
use flows::Ask;

use super::remembered;
use crate::desk::Desk;
use crate::requests::Restart;
use crate::views::{Accepted, AcceptedView, AccessView};

/// Start a stopped instance
#[utoipa::path(
    post, path = "/v1/instances/{id}/start", tag = "instances", operation_id = "start_instance",
    params(
        ("id" = String, Path, description = "The instance"),
        ("Idempotency-Key" = Option<String>, Header, description = "A request that carries the key of an earlier one gets that one's answer."),
    ),
    responses(
        (status = 200, description = "It runs already", body = AcceptedView),
        (status = 202, description = "It will; follow the operation", body = AcceptedView),
        (status = 409, description = "`state-forbids`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:write"])),
)]
pub(crate) async fn start(
    caller: Authorised<InstancesWrite>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
    key: Option<IdempotencyKey>,
) -> Result<Accepted, Problem> {
    desk.ask(caller.organisation(), id, Ask::new(Verb::Start), remembered(key, None)).await
}

/// Stop an instance and keep its volume
#[utoipa::path(
    post, path = "/v1/instances/{id}/stop", tag = "instances", operation_id = "stop_instance",
    params(
        ("id" = String, Path, description = "The instance"),
        ("Idempotency-Key" = Option<String>, Header, description = "A request that carries the key of an earlier one gets that one's answer."),
    ),
    responses(
        (status = 200, description = "It is stopped already", body = AcceptedView),
        (status = 202, description = "It will be; follow the operation", body = AcceptedView),
        (status = 409, description = "`state-forbids`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:write"])),
)]
pub(crate) async fn stop(
    caller: Authorised<InstancesWrite>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
    key: Option<IdempotencyKey>,
) -> Result<Accepted, Problem> {
    desk.ask(caller.organisation(), id, Ask::new(Verb::Stop), remembered(key, None)).await
}

/// Restart an instance's gateway or machine
#[utoipa::path(
    post, path = "/v1/instances/{id}/restart", tag = "instances", operation_id = "restart_instance",
    params(
        ("id" = String, Path, description = "The instance"),
        ("Idempotency-Key" = Option<String>, Header, description = "A request that carries the key of an earlier one gets that one's answer."),
    ),
    request_body = Option<Restart>,
    responses(
        (status = 202, description = "It is being restarted; follow the operation", body = AcceptedView),
        (status = 409, description = "`busy` or `state-forbids`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:write"])),
)]
pub(crate) async fn restart(
    caller: Authorised<InstancesWrite>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
    key: Option<IdempotencyKey>,
    body: Option<JsonBody<Restart>>,
) -> Result<Accepted, Problem> {
    let key = remembered(key, body.as_ref().map(|body| body.digest));
    let scope = body.map(|body| body.request.scope).unwrap_or_default();
    desk.ask(caller.organisation(), id, Ask { verb: Verb::Restart, scope }, key).await
}

/// Get a token and a link for an instance's gateway
///
/// Every call gives out a new token and a new link and changes nothing else, so that a request whose answer was lost can be repeated: what
/// was lost ends by itself. An `Idempotency-Key` is not read here, because an answer with a token in it is not kept.
#[utoipa::path(
    post, path = "/v1/instances/{id}/access", tag = "instances", operation_id = "access_instance",
    params(("id" = String, Path, description = "The instance")),
    responses(
        (status = 200, description = "A way in, for a while", body = AccessView),
        (status = 409, description = "`busy` or `state-forbids`", body = ProblemDocument, content_type = "application/problem+json"),
        (status = "default", description = "Any other problem", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["instances:access"])),
)]
pub(crate) async fn access(
    caller: Authorised<InstancesAccess>,
    State(desk): State<Desk>,
    Path(id): Path<InstanceId>,
) -> Result<Json<AccessView>, Problem> {
    let access = desk.access(&caller.caller, id).await?;
    Ok(Json(access))
}
