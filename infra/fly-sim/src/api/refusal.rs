use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::capacity::Capacity;
use crate::world::World;

/// A call that is refused, in Fly's words.
///
/// Machines, volumes and secrets answer `{"error", "status"?}`. Apps, certificates and addresses come from another upstream of the same
/// host, which answers `{"message"}`.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Value,
    retry_after_seconds: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, body: json!({ "error": text.into() }), retry_after_seconds: None }
    }

    /// With one of Fly's codes: `insufficient_capacity`, `volume_placement_capacity`, `name_taken`.
    pub(crate) fn coded(status: StatusCode, text: impl Into<String>, code: &str) -> Self {
        Self { status, body: json!({ "error": text.into(), "status": code }), retry_after_seconds: None }
    }

    /// From the upstream of apps, certificates and addresses.
    pub(crate) fn platform(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, body: json!({ "message": text.into() }), retry_after_seconds: None }
    }

    pub(crate) fn invalid(text: impl AsRef<str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("invalid_argument: {}", text.as_ref()))
    }

    pub(crate) fn not_found(text: impl AsRef<str>) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("not_found: {}", text.as_ref()))
    }

    pub(crate) fn precondition(text: impl AsRef<str>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, format!("failed_precondition: {}", text.as_ref()))
    }

    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, text)
    }

    pub(crate) fn region_full() -> Self {
        Self::no_room(Capacity::NoCandidate, None)
    }

    /// There is no room; `volume` is the one that the machine was to mount.
    pub(crate) fn no_room(want: Capacity, volume: Option<&str>) -> Self {
        let (status, body) = want.refusal(volume);
        Self::scripted(status, body, None)
    }

    pub(crate) fn too_many_requests() -> Self {
        Self { retry_after_seconds: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate limit exceeded") }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Authenticate: token validation error")
    }

    pub(crate) fn scripted(status: u16, body: Value, retry_after_seconds: Option<u64>) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body, retry_after_seconds }
    }
}

/// The state file cannot be written, for example because the disk is full: the change has not happened.
impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        tracing::error!(%error, "the state file refused a write");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal: the change could not be stored")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.body {
            Value::String(text) => (self.status, headers, text).into_response(),
            body => (self.status, headers, axum::Json(body)).into_response(),
        }
    }
}

pub(crate) async fn unknown_route(State(world): State<Arc<World>>) -> impl IntoResponse {
    (StatusCode::NOT_FOUND, [("fly-request-id", world.ids.request(world.now(), "sim"))], "404 page not found")
}
