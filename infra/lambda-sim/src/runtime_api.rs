//! The four calls of the Runtime API, for one execution environment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

/// The largest answer of a function, in bytes.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LARGEST_ANSWER: usize = 6 * 1024 * 1024;

/// What a function says when it cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Reported {
    /// `errorType`.
    #[serde(rename = "errorType", default)]
    pub kind: String,
    /// `errorMessage`.
    #[serde(rename = "errorMessage", default)]
    pub message: String,
}

/// One event on its way to the function.
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) body: Bytes,
    pub(crate) deadline: Timestamp,
    pub(crate) function_arn: String,
    pub(crate) answer: oneshot::Sender<Result<Bytes, Reported>>,
}

/// How far the process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It has not asked for an event yet.
    Starting,
    /// It has said why it cannot start.
    Refused(Reported),
    /// It has asked for an event and waits for it.
    Waiting,
    /// It has one.
    Working,
}

/// Both ends of the API: the function's is [`router`], the emulator's are these fields.
#[derive(Clone)]
pub(crate) struct RuntimeApi {
    events: Arc<tokio::sync::Mutex<mpsc::Receiver<Event>>>,
    current: Arc<Mutex<Option<Current>>>,
    phase: watch::Sender<Phase>,
}

struct Current {
    id: String,
    answer: oneshot::Sender<Result<Bytes, Reported>>,
}

impl RuntimeApi {
    pub(crate) fn new() -> (Self, mpsc::Sender<Event>, watch::Receiver<Phase>) {
        let (sender, events) = mpsc::channel(1);
        let (phase, seen) = watch::channel(Phase::Starting);
        (Self { events: Arc::new(tokio::sync::Mutex::new(events)), current: Arc::default(), phase }, sender, seen)
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::max(LARGEST_ANSWER))
            .with_state(self)
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the function says of the event with this identifier, if that is the one that it has.
    fn finish(&self, id: &str, outcome: Result<Bytes, Reported>) -> Response {
        let current = self.current().take_if(|current| current.id == id);
        match current {
            // Whoever asked may have given up waiting; that is no concern of the function's.
            Some(current) => {
                drop(current.answer.send(outcome));
                (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
            }
            None => refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        }
    }
}

async fn next(State(api): State<RuntimeApi>) -> Response {
    if api.current().is_some() {
        return refused(StatusCode::FORBIDDEN, "InvalidStateTransition", "the event before has not been answered");
    }
    api.phase.send_replace(Phase::Waiting);
    // If the process dies while it waits, this future is dropped here, before it took an event.
    let event = api.events.lock().await.recv().await;
    let Some(event) = event else {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "ShuttingDown", "there will be no more events");
    };
    let answer = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &event.id)
        .header("Lambda-Runtime-Deadline-Ms", event.deadline.as_millisecond())
        .header("Lambda-Runtime-Invoked-Function-Arn", &event.function_arn)
        .header("Lambda-Runtime-Trace-Id", trace(&event.id))
        .body(Body::from(event.body));
    *api.current() = Some(Current { id: event.id, answer: event.answer });
    api.phase.send_replace(Phase::Working);
    answer.expect("an identifier, a number and an ARN are header values")
}

/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
fn trace(request: &str) -> String {
    let hex: String = request.chars().filter(char::is_ascii_hexdigit).collect();
    let seconds = Timestamp::now().as_second();
    format!("Root=1-{seconds:08x}-{:0>24.24};Parent={:0>16.16};Sampled=0", hex, hex)
}

async fn response(State(api): State<RuntimeApi>, Path(id): Path<String>, body: Bytes) -> Response {
    api.finish(&id, Ok(body))
}

async fn error(State(api): State<RuntimeApi>, Path(id): Path<String>, body: Bytes) -> Response {
    api.finish(&id, Err(reported(&body)))
}

async fn init_error(State(api): State<RuntimeApi>, body: Bytes) -> Response {
    api.phase.send_replace(Phase::Refused(reported(&body)));
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
}

fn reported(body: &[u8]) -> Reported {
    let text = || String::from_utf8_lossy(body).into_owned();
    serde_json::from_slice(body).unwrap_or_else(|_| Reported { kind: "Unknown".to_owned(), message: text() })
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response {
    let body: Value = json!({ "errorType": kind, "errorMessage": message });
    (status, Json(body)).into_response()
}
