use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::Instance;
use durable::Record;
use edge::Problem;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{InstanceView, OperationView};

/// What was recorded: the instance as it is wanted from now on, and the operation that sees to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(crate) struct AcceptedView {
    instance: InstanceView,
    /// Absent if there is nothing to do.
    operation: Option<OperationView>,
}

/// The answer to a wish: 202 and where to follow it, or 200 if it is fulfilled already.
#[derive(Debug)]
pub(crate) struct Accepted(AcceptedView);

impl Accepted {
    pub(crate) fn new(instance: Instance, record: Option<Record>) -> Result<Self, Problem> {
        let operation = record.map(OperationView::try_from).transpose().map_err(Problem::internal)?;
        edge::note_instance(instance.id);
        if let Some(operation) = &operation {
            edge::note_operation(operation.id);
        }
        Ok(Self(AcceptedView { instance: instance.into(), operation }))
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let Some(operation) = &self.0.operation else { return Json(self.0).into_response() };
        let location = HeaderValue::try_from(format!("/v1/operations/{}", operation.id)).expect("an identifier is visible ASCII");
        (StatusCode::ACCEPTED, [(LOCATION, location)], Json(self.0)).into_response()
    }
}
