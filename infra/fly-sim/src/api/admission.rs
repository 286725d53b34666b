use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use super::is_platform;
use super::refusal::Refusal;
use crate::calls::Call;
use crate::records::App;
use crate::script::Fault;
use crate::world::World;

/// The largest body that is taken.
const LARGEST_BODY: usize = 2 * 1024 * 1024;

/// What every call passes: the log, the token, the script, the limits.
pub(super) async fn admit(State((world, action)): State<(Arc<World>, &'static str)>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let call = Call { at: world.now(), action, method: method.to_string(), path: path.clone(), traceparent, status: None };
    let number = world.calls.begin(call);
    let mut response = match refuse(&world, action, &request) {
        Some(refusal) => refusal.into_response(),
        None => match fault(&world, action, &method, &path) {
            Some(Fault::Lag(by)) => limited(&world, action, with(request, Lag(by)), next, &path).await,
            Some(Fault::ShortPage(rows)) => limited(&world, action, with(request, ShortPage(rows)), next, &path).await,
            Some(fault) => suffer(fault, request, next).await,
            None => limited(&world, action, request, next, &path).await,
        },
    };
    let lost = response.extensions().get::<Lost>().is_some();
    world.calls.end(number, (!lost).then(|| response.status().as_u16()));
    if let Ok(id) = HeaderValue::from_str(&world.ids.request(world.now(), "sim")) {
        response.headers_mut().insert("fly-request-id", id);
    }
    response
}

/// What is scripted for a call, else what chance has for it.
fn fault(world: &World, action: &'static str, method: &Method, path: &str) -> Option<Fault> {
    world.script.play(action, method, path).or_else(|| world.chance.as_ref()?.strike(action))
}

fn with<T: Clone + Send + Sync + 'static>(mut request: Request, told: T) -> Request {
    request.extensions_mut().insert(told);
    request
}

fn refuse(world: &World, action: &str, request: &Request) -> Option<Refusal> {
    let token = world.options.token.as_deref()?;
    // The list of regions is public.
    if action == "list_regions" {
        return None;
    }
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    // Macaroons come as `FlyV1`, other tokens as `Bearer`.
    let shown = shown.and_then(|shown| shown.strip_prefix("Bearer ").or_else(|| shown.strip_prefix("FlyV1 ")));
    if shown == Some(token) {
        return None;
    }
    let now = world.now();
    let good_for = |app: &&App| app.deploy_tokens.iter().any(|deploy| Some(deploy.token.as_str()) == shown && deploy.expires_at > now);
    match world.read(|tables| tables.apps().find(good_for).map(|app| app.name.clone())) {
        Some(app) if app_and_machine(request.uri().path()).0 == Some(&app) => None,
        Some(_) if is_platform(action) => Some(Refusal::platform(StatusCode::FORBIDDEN, "Not authorized to access this app")),
        Some(_) => Some(Refusal::new(StatusCode::FORBIDDEN, "permission_denied: unauthorized")),
        None if is_platform(action) => Some(Refusal::platform(StatusCode::UNAUTHORIZED, "Unauthorized")),
        None => Some(Refusal::unauthorized()),
    }
}

/// The app and the machine that a path names.
fn app_and_machine(path: &str) -> (Option<&str>, Option<&str>) {
    let mut segments = path.split('/').skip_while(|segment| *segment != "apps").skip(1);
    let app = segments.next();
    (app, segments.next().filter(|segment| *segment == "machines").and_then(|_| segments.next()))
}

async fn limited(world: &World, action: &'static str, request: Request, next: Next, path: &str) -> Response {
    let (app, machine) = app_and_machine(path);
    if world.options.rate_limits && !world.limits.admit(action, app, machine, world.now()) {
        return Refusal::too_many_requests().into_response();
    }
    detached(request, next).await
}

/// Runs a call to its end even if the caller leaves: a request that has arrived has its effect. Reading calls end with their caller.
async fn detached(request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    // The body comes from the connection, which does not outlive the caller.
    let request = match collected(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("internal: {error}")).into_response(),
    }
}

async fn collected(request: Request) -> Result<Request, Refusal> {
    let (parts, body) = request.into_parts();
    let bytes = http_body_util::Limited::new(body, LARGEST_BODY).collect().await;
    match bytes {
        Ok(bytes) => Ok(Request::from_parts(parts, Body::from(bytes.to_bytes()))),
        Err(error) => Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("invalid_argument: {error}"))),
    }
}

async fn suffer(fault: Fault, request: Request, next: Next) -> Response {
    match fault {
        Fault::Answer { status, body, retry_after_seconds } => Refusal::scripted(status, body, retry_after_seconds).into_response(),
        Fault::AnswerLost => {
            detached(request, next).await;
            lost()
        }
        Fault::LateEffect(after) => match collected(request).await {
            Ok(request) => {
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    next.run(request).await;
                });
                Refusal::scripted(408, serde_json::json!({ "error": "deadline_exceeded: request timed out" }), None).into_response()
            }
            Err(refusal) => refusal.into_response(),
        },
        Fault::Slow(time) => match collected(request).await {
            Ok(request) => {
                let slow = tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    next.run(request).await
                });
                slow.await.unwrap_or_else(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response())
            }
            Err(refusal) => refusal.into_response(),
        },
        // These do not strike the call; they are told to whoever answers it.
        Fault::Lag(_) | Fault::ShortPage(_) => detached(request, next).await,
    }
}

/// Told to whoever answers a read: what is newer than this is not seen.
#[derive(Clone, Copy)]
pub(super) struct Lag(pub(super) Duration);

/// Told to whoever answers a page: so many rows at most.
#[derive(Clone, Copy)]
pub(super) struct ShortPage(pub(super) usize);

/// Marks a response that the caller must not get.
#[derive(Clone, Copy)]
struct Lost;

/// A response whose body breaks at once. hyper writes head and body together, so the connection ends before the first byte; a caller
/// without a socket meets the broken body.
fn lost() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) });
    let mut response = Response::new(Body::from_stream(broken));
    response.extensions_mut().insert(Lost);
    response
}
